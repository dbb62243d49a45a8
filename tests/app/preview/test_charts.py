"""Charts show the numbers they are given."""

from __future__ import annotations

import numpy as np

from app.anchors.charts import MOST_DOTS, box_sizes
from app.preview.photo import top5_bars
from core.garments import Garment

GARMENT = Garment((0, 0, 9, 9), "top", 0.9, (("Shirt", 0.61), ("Hat", 0.204), ("Dress", 0.001)))


def test_bars_show_every_label_with_its_probability_best_on_top():
    figure = top5_bars(GARMENT)
    (bar,) = figure.data
    assert list(bar.y) == ["Shirt", "Hat", "Dress"]
    assert list(bar.x) == [0.61, 0.204, 0.001]
    assert list(bar.text) == ["61%", "20%", "<1%"]
    assert figure.layout.yaxis.autorange == "reversed"


def test_the_chosen_label_stands_out():
    assert list(top5_bars(GARMENT).data[0].marker.opacity) == [1.0, 0.45, 0.45]
    assert list(top5_bars(GARMENT.correct(label="Hat")).data[0].marker.opacity) == [0.45, 1.0, 0.45]


def test_a_garment_without_labels_has_no_bars():
    assert list(top5_bars(Garment((0, 0, 9, 9), "top", 0.9)).data[0].y) == []


def test_box_sizes_show_boxes_and_both_sets_of_anchors():
    boxes, ours, theirs = np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([[1.0, 2.0]]), np.array([[7.0, 8.0]])
    dots = {trace.name: (list(trace.x), list(trace.y)) for trace in box_sizes(boxes, ours, theirs).data}
    assert dots == {
        "boxes, in their cluster's color": ([3, 5], [4, 6]),
        "these anchors": ([1], [2]),
        "Darknet's nine": ([7], [8]),
    }


def test_very_many_boxes_are_drawn_as_a_sample():
    boxes = np.ones((MOST_DOTS + 500, 2))
    *clusters, theirs, ours = box_sizes(boxes, boxes[:9], boxes[:9]).data
    assert sum(len(trace.x) for trace in clusters) == MOST_DOTS
    assert len(ours.x) == len(theirs.x) == 9
