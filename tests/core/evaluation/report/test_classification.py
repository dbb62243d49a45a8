"""A classifier's report, on four garments worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import DatasetError
from core.evaluation.report.classification import ClassifierOutput, LabeledCrop, report_classifier
from core.evaluation.report.photos import ReportPhoto

LABELS = ("Dress", "Hat", "Shirt", "Shoes")
SHARES = np.array(
    [
        [0.7, 0.1, 0.1, 0.1],  # a dress, right
        [0.1, 0.2, 0.6, 0.1],  # a hat, second
        [0.9, 0.02, 0.05, 0.03],  # a shirt, second, with confidence
        [0.1, 0.2, 0.3, 0.4],  # shoes, right
    ]
)
CROPS = [
    LabeledCrop(ReportPhoto(place, f"{label}.jpg", 50, 80), label, (1.0, 2.0, 30.0, 40.0))
    for place, label in enumerate(LABELS)
]


@pytest.fixture(scope="module")
def report() -> dict:
    return report_classifier(CROPS, ClassifierOutput(SHARES, LABELS), skipped=2, n_bootstrap=20)


def test_top_k_and_the_figures_of_labels(report):
    assert {name: entry["value"] for name, entry in report["figures"].items()} == {
        "top1": 0.5, "top3": 1.0, "top5": 1.0,
    }  # fmt: skip
    low, high = report["figures"]["top1"]["interval"]
    assert 0 <= low < 0.5 < high <= 1
    rows = {row["name"]: row for row in report["classes"]}
    assert rows["Dress"]["recall"]["value"] == 1.0 and rows["Dress"]["precision"] == 0.5
    assert rows["Hat"]["recall"]["value"] == 0.0 and rows["Hat"]["precision"] is None
    assert report["skipped"] == 2 and json.loads(json.dumps(report, allow_nan=False)) == report


def test_cells_open_their_garments_the_surest_mistake_first(report):
    first, second = report["photos"][:2]
    assert first["label"] == "Shirt" and first["said"] == ["Shirt taken for Dress (0.90)"]
    assert first["boxes"] == [[1.0, 2.0, 30.0, 40.0, "Shirt", "confused"]]
    assert first["top"][0] == ["Dress", 0.9] and second["label"] == "Hat"
    confusion = report["confusion"]
    assert confusion["counts"] == [[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    cell = next(cell for cell in confusion["cells"] if (cell["row"], cell["column"]) == (2, 0))
    assert cell["photos"] == [0]


def test_calibration_is_of_the_first_label(report):
    gap = (0.3 + 0.6 + 0.9 + 0.6) / 4
    assert report["calibration"]["ECE"] == pytest.approx(gap) and sum(report["calibration"]["counts"]) == 4


def test_a_second_classifier_may_have_labels_of_its_own():
    other = ClassifierOutput(np.array([[0.4, 0.6]] * 4), ("Dress", "Boots"))
    both = report_classifier(CROPS, ClassifierOutput(SHARES, LABELS), other, n_bootstrap=20)
    figure = both["figures"]["top1"]
    assert figure["against"] == 0.0 and figure["difference"] == 0.5
    assert both["figures"]["top3"]["against"] == 0.25, (
        "the dress is its second label; others it does not know"
    )


def test_nothing_to_measure_on_is_refused():
    with pytest.raises(DatasetError, match="at least one photo"):
        report_classifier([], ClassifierOutput(np.zeros((0, 4)), LABELS))
