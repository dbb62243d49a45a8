"""Anchors of an uploaded COCO file."""

from __future__ import annotations

import json

import pytest

from app.anchors.fit import fit_anchors
from core.errors import DatasetError


def coco(boxes_wh: list[tuple[float, float]], side: int = 400) -> bytes:
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [0, 0, width, height]}
        for number, (width, height) in enumerate(boxes_wh, 1)
    ]
    photo = {"id": 1, "file_name": "a.jpg", "width": side, "height": side}
    return json.dumps(
        {"images": [photo], "categories": [{"id": 1, "name": "top"}], "annotations": annotations}
    ).encode()


def test_two_sizes_give_two_anchors_in_the_input_size():
    fit = fit_anchors.__wrapped__(coco([(40, 80)] * 5 + [(100, 20)] * 5), 2, 200, 0)
    assert fit.as_dict()["anchors"] == [[50.0, 10.0], [20.0, 40.0]]  # 400 px shown at 200: halved; by area
    assert fit.mean_iou == pytest.approx(1.0)
    assert fit.as_dict()["boxes"] == 10
    assert 0 < fit.darknet_mean_iou < 1


def test_the_download_holds_the_contracts_names():
    fit = fit_anchors.__wrapped__(coco([(40, 80), (90, 30)]), 2, 416, 0)
    assert set(json.loads(fit.as_json())) == {
        "anchors",
        "mean_iou",
        "darknet_mean_iou",
        "boxes",
        "iterations",
    }


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\x00", coco([(40, 80)])])
def test_what_cannot_be_fitted_is_refused_with_a_sentence(data):
    with pytest.raises(DatasetError):
        fit_anchors.__wrapped__(data, 2, 416, 0)
