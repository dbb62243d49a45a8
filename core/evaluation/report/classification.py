"""The report's part on a classifier: top-k, figures by label, confusions, photos, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.bootstrap import as_json, ratio
from core.evaluation.calibration import reliability
from core.evaluation.classification import TOP_K, evaluate_classification
from core.evaluation.comparison import Comparison, compare_classification, rank_of
from core.evaluation.report.detection import calibration_entry, figure
from core.evaluation.report.photos import ReportPhoto, confusion_entry, corners, listed_photos
from core.garments import Box

TOP_SHOWN = 3


@dataclass(frozen=True)
class LabeledCrop:
    """What a classifier was asked about: a photo, or a box of it, with its true label and its group."""

    photo: ReportPhoto
    label: str
    box_xyxy: Box | None = None
    group: str = ""


@dataclass(frozen=True)
class ClassifierOutput:
    """A classifier's probabilities (N, C) of all crops, and its labels."""

    probabilities: NDArray[np.floating[Any]]
    labels: Sequence[str]


def report_classifier(
    crops: Sequence[LabeledCrop],
    model: ClassifierOutput,
    against: ClassifierOutput | None = None,
    *,
    skipped: int = 0,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of a classifier on N crops whose labels it knows, and beside another's where one is given.

    Resampled are groups (senders) where every crop has one, else photos. Raises DatasetError where there is
    nothing to measure on.
    """
    labels = list(model.labels)
    targets = np.array([labels.index(crop.label) for crop in crops], dtype=np.int64)
    grouped = all(crop.group for crop in crops)
    groups = np.array([crop.group if grouped else str(crop.photo.id) for crop in crops])
    scores = np.asarray(model.probabilities)
    measured = evaluate_classification(scores, targets, labels, groups, skipped, n_bootstrap=0)
    is_second = against is not None
    compared = _compared(crops, model, against or model, targets, groups, n_bootstrap, seed)
    first = scores.argmax(axis=1)
    cells: dict[tuple[int, int], list[int]] = {}
    for place, pair in enumerate(zip(targets.tolist(), first.tolist(), strict=True)):
        cells.setdefault(pair, []).append(place)
    places = _by_confidence(listed_photos(cells, len(crops)), scores, targets)
    best = scores.max(axis=1)
    return {
        "kind": "classifier",
        "photos_measured": len({crop.photo.id for crop in crops}),
        "crops": len(crops),
        "skipped": skipped,
        "resamples": n_bootstrap,
        "resampled": "senders" if grouped else "photos",
        "figures": {
            f"top{k}": figure(getattr(measured, f"top{k}"), compared.metrics[f"top{k}"], is_second)
            for k in TOP_K
        },
        "classes": [
            {
                "name": name,
                "photos": entry.photos,
                "recall": figure(entry.recall, compared.classes[place].metric, is_second),
                "precision": as_json(entry.precision),
                "f1": as_json(
                    float(ratio(2 * entry.precision * entry.recall, entry.precision + entry.recall))
                ),
            }
            for place, (name, entry) in enumerate(measured.labels.items())
            if entry.photos or not np.isnan(entry.precision)
        ],
        "confusion": confusion_entry(measured.confusion, cells, places, labels, labels),
        "calibration": calibration_entry(reliability(best, first == targets))
        | {"least_score": 0.0, "of": "first labels"},
        "photos": [_photo(crops[place], scores[place], labels) for place in places],
    }


def _compared(
    crops: Sequence[LabeledCrop],
    model: ClassifierOutput,
    against: ClassifierOutput,
    targets: NDArray[np.int64],
    groups: NDArray[Any],
    n_bootstrap: int,
    seed: int,
) -> Comparison:
    ranks = [
        np.array(
            [
                rank_of(row, crop.label, side.labels)
                for row, crop in zip(side.probabilities, crops, strict=True)
            ]
        )
        for side in (against, model)
    ]
    units = np.unique(groups, return_inverse=True)[1]
    return compare_classification(
        ranks[0], ranks[1], targets, model.labels, units, n_bootstrap=n_bootstrap, seed=seed
    )


def _by_confidence(
    places: Sequence[int], scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]
) -> list[int]:
    """The wrong ones first, those that the classifier was surest of at the beginning."""
    wrong = scores.argmax(axis=1) != targets
    best = scores.max(axis=1)
    return sorted(places, key=lambda place: (not wrong[place], -best[place]))


def _photo(crop: LabeledCrop, scores: NDArray[np.floating[Any]], labels: Sequence[str]) -> dict[str, Any]:
    """A crop with its first labels; its boxes are empty where the whole photo was classified."""
    order = np.argsort(-scores, kind="stable")[:TOP_SHOWN]
    top = [(labels[place], round(float(scores[place]), 3)) for place in order.tolist()]
    is_right = top[0][0] == crop.label
    state = "found" if is_right else "confused"
    said = [] if is_right else [f"{crop.label} taken for {top[0][0]} ({top[0][1]:.2f})"]
    boxes = [[*corners(crop.box_xyxy), crop.label, state]] if crop.box_xyxy is not None else []
    entry = crop.photo.as_dict() | {"errors": len(said), "said": said, "boxes": boxes, "detections": []}
    return entry | {"top": [list(pair) for pair in top], "label": crop.label}
