"""Label issues: annotated photos with boxes that may be wrong, by cleanlab's ObjectLab, and why in words.

The three scores are ObjectLab's (Tkachenko et al. 2023): an overlooked garment, a badly located box, a
swapped category. Garments lie over each other, which ObjectLab does not expect: a prediction that a box of
its own category explains is no evidence of a swapped or an overlooked one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.boxes import box_iou, iou
from core.garments import Box
from core.threads import IMPORTS

EXPLAINED_IOU = 0.5  # from which a box of its own category explains a prediction
SCORE_THRESHOLD = 0.5
ALPHA = 0.9  # ObjectLab's: the weight of IoU in the similarity of two boxes; the rest is distance
LONG_SIDE = 100.0  # pixels; distances are measured in photos scaled to this size
DECAY = 0.1  # ObjectLab's: boxes ten of those pixels apart have a similarity of 1 / e
MIN_SIMILARITY = 1e-3

OVERLOOKED, BADLY_LOCATED, SWAPPED = "overlooked", "badly located", "swapped"


@dataclass(frozen=True)
class LabelIssue:
    """An annotated photo with a probable error; ``reason`` says it in words.

    ``kind`` is overlooked, badly located or swapped; ``score`` in 0..1 is 1 for the most probable.
    ``box_xyxy`` is the box in question, in pixels: the predicted one of an overlooked garment, else the
    annotated one. ``category_id`` is what the model says it is. Issues of an older version have neither.
    """

    photo_id: int
    kind: str
    score: float
    reason: str
    box_xyxy: Box | None = None
    category_id: int | None = None


@dataclass(frozen=True)
class LabeledBox:
    """A box with its category: annotated (score 1) or predicted."""

    box_xyxy: Box
    category_id: int
    score: float = 1.0


@dataclass(frozen=True)
class PhotoBoxes:
    """A photo's annotated and predicted boxes; ``size_wh`` in pixels."""

    photo_id: int
    size_wh: tuple[int, int]
    annotated: tuple[LabeledBox, ...]
    predicted: tuple[LabeledBox, ...]


Issue = tuple[str, float, tuple[LabeledBox, ...]]
"""Kind, score in 0..1, and the boxes that it concerns."""


def find_label_issues(
    photos: Iterable[PhotoBoxes], names: Mapping[int, str], threshold: float, least: float = SCORE_THRESHOLD
) -> Iterator[LabelIssue]:
    """Each photo's most probable issue, where its score reaches ``least``.

    ``names`` are the categories by id. From the model's ``threshold`` on, a prediction is evidence for a
    box's location; from halfway between it and 1, for an overlooked garment or a swapped category.
    """
    confident = (1 + threshold) / 2
    for photo in photos:
        known = tuple(box for box in photo.predicted if box.score >= threshold and box.category_id in names)
        issues = _issues(replace(photo, predicted=known), threshold, confident)
        worst = max(issues, key=lambda issue: issue[1], default=None)
        if worst is not None and worst[1] >= least:
            kind, score, boxes = worst
            score = round(min(1.0, score), 4)
            of_box = (boxes[0].box_xyxy, boxes[-1].category_id)
            yield LabelIssue(photo.photo_id, kind, score, reason(kind, boxes, names), *of_box)


def reason(kind: str, boxes: Sequence[LabeledBox], names: Mapping[int, str]) -> str:
    """The issue in words; ``boxes`` are those that it concerns."""
    categories = [names.get(box.category_id, "garment") for box in boxes]
    if kind == OVERLOOKED:
        return f"nobody drew this, and the model is sure of it: {categories[0]}"
    if kind == BADLY_LOCATED:
        return f"the model sees its edges elsewhere: {categories[0]}"
    return f"drawn as {categories[0]}, while the model is sure of {categories[1]}"


def unexplained(photo: PhotoBoxes) -> tuple[LabeledBox, ...]:
    """The predictions that overlap no annotated box of their category."""
    return tuple(
        predicted
        for predicted in photo.predicted
        if not any(
            box.category_id == predicted.category_id
            and iou(box.box_xyxy, predicted.box_xyxy) >= EXPLAINED_IOU
            for box in photo.annotated
        )
    )


def _issues(photo: PhotoBoxes, threshold: float, confident: float) -> Iterator[Issue]:
    """All issues of a photo whose predictions reach the threshold."""
    with IMPORTS:  # brings pandas and scikit-learn
        from cleanlab.object_detection import rank  # type: ignore[import-untyped]

    rest = replace(photo, predicted=unexplained(photo))
    whole, partial = [to_cleanlab(photo)], [to_cleanlab(rest)]
    overlooked = rank.compute_overlooked_box_scores(
        auxiliary_inputs=partial, high_probability_threshold=confident
    )
    located = rank.compute_badloc_box_scores(auxiliary_inputs=whole, low_probability_threshold=threshold)
    swapped = rank.compute_swap_box_scores(auxiliary_inputs=partial, high_probability_threshold=confident)
    yield from _overlooked(overlooked[0], rest.predicted)
    yield from _badly_located(located[0], photo)
    yield from _swapped(swapped[0], photo, [box for box in rest.predicted if box.score > confident])


def to_cleanlab(photo: PhotoBoxes) -> dict[str, Any]:
    """A photo in the form that cleanlab's scores take: boxes, categories, and the similarity of each pair.

    Cleanlab would take the minimum similarity from all photos given at once; here it is constant, so that a
    photo's score does not depend on the others.
    """
    annotated, predicted = (_scaled(boxes, photo.size_wh) for boxes in (photo.annotated, photo.predicted))
    overlaps = box_iou(annotated, predicted)
    centers = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (annotated, predicted)]
    distances = np.linalg.norm(centers[0][:, None] - centers[1][None], axis=2)
    return {
        "lab_bboxes": annotated,
        "lab_labels": np.array([box.category_id for box in photo.annotated], dtype=np.int64),
        "pred_bboxes": predicted,
        "pred_labels": np.array([box.category_id for box in photo.predicted], dtype=np.int64),
        "pred_label_probs": np.array([box.score for box in photo.predicted], dtype=np.float64),
        "iou_matrix": overlaps,
        "similarity_matrix": ALPHA * overlaps + (1 - ALPHA) * np.exp(-DECAY * distances),
        "min_possible_similarity": MIN_SIMILARITY,
    }


def _scaled(boxes: Sequence[LabeledBox], size_wh: tuple[int, int]) -> np.ndarray:
    corners = np.array([box.box_xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
    return corners * (LONG_SIDE / max(size_wh))


def _overlooked(scores: np.ndarray, predicted: Sequence[LabeledBox]) -> Iterator[Issue]:
    """As in the next two, ObjectLab's score is scaled by the model's confidence."""
    for score, box in zip(scores, predicted, strict=True):
        if not np.isnan(score):
            yield OVERLOOKED, (1 - float(score)) * box.score, (box,)


def _badly_located(scores: np.ndarray, photo: PhotoBoxes) -> Iterator[Issue]:
    for score, box in zip(scores, photo.annotated, strict=True):
        same = [other.score for other in photo.predicted if other.category_id == box.category_id]
        if same and score < 1:
            yield BADLY_LOCATED, (1 - float(score)) * max(same), (box,)


def _swapped(scores: np.ndarray, photo: PhotoBoxes, confident: Sequence[LabeledBox]) -> Iterator[Issue]:
    for score, box in zip(scores, photo.annotated, strict=True):
        others = [other for other in confident if other.category_id != box.category_id]
        if others and score < 1:
            nearest = max(others, key=lambda other: iou(other.box_xyxy, box.box_xyxy))
            yield SWAPPED, (1 - float(score)) * nearest.score, (box, nearest)
