"""Boxes that may be wrong: cleanlab's scores of annotated photos, with a sentence on what is suspected.

The three scores are ObjectLab's (Tkachenko et al. 2023): a garment that was overlooked, a box whose edges lie
badly, a category swapped for another. Garments lie over each other, which ObjectLab does not expect: what a
model sees where a box of the same category is annotated is no evidence of anything swapped or missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.active_learning.uncertainty import overlap
from core.garments import Box

EXPLAINED = 0.5  # the overlap from which a box of its own category explains a prediction
SUSPICIOUS = 0.5
ALPHA = 0.9  # ObjectLab's share of overlap in how alike two boxes are; the rest is the distance
LONG_SIDE = 100.0  # the distance is in pixels: photos are compared at this size
NEARNESS = 0.1  # ObjectLab's: ten of those pixels apart are alike by 1 / e
LEAST_ALIKE = 1e-3

OVERLOOKED, BADLY_LOCATED, SWAPPED = "overlooked", "badly located", "swapped"


@dataclass(frozen=True)
class LabelIssue:
    """An annotated photo on which something may be wrong.

    ``kind`` is overlooked, badly located or swapped; ``score`` in 0..1, 1 is the most suspicious; ``reason``
    says it in words.
    """

    photo_id: int
    kind: str
    score: float
    reason: str


@dataclass(frozen=True)
class LabeledBox:
    """A box of a category: as a person left it (score 1), or as a model sees it."""

    box_xyxy: Box
    category_id: int
    score: float = 1.0


@dataclass(frozen=True)
class PhotoBoxes:
    """A photo with what people and what a model say of it; ``size_wh`` in pixels."""

    photo_id: int
    size_wh: tuple[int, int]
    annotated: tuple[LabeledBox, ...]
    predicted: tuple[LabeledBox, ...]


def find_label_issues(
    photos: Iterable[PhotoBoxes], names: Mapping[int, str], threshold: float, least: float = SUSPICIOUS
) -> Iterator[LabelIssue]:
    """The most suspicious thing of each photo, where it reaches ``least``; photos come in any number.

    ``names`` are the categories by id; ``threshold`` is the model's: from it on a prediction counts for where
    a box lies, from halfway between it and 1 for whether one is missing or swapped.
    """
    sure = (1 + threshold) / 2
    for photo in photos:
        known = tuple(s for s in photo.predicted if s.score >= threshold and s.category_id in names)
        suspicions = _suspicions(replace(photo, predicted=known), threshold, sure)
        worst = max(suspicions, key=lambda found: found[1], default=None)
        if worst is not None and worst[1] >= least:
            kind, score, boxes = worst
            yield LabelIssue(photo.photo_id, kind, round(min(1.0, score), 4), reason(kind, boxes, names))


def reason(kind: str, boxes: Sequence[LabeledBox], names: Mapping[int, str]) -> str:
    """What is suspected, in words; ``boxes`` are the ones that it is about."""
    called = [names.get(box.category_id, "garment") for box in boxes]
    if kind == OVERLOOKED:
        return f"nobody drew this, and the model is sure of it: {called[0]}"
    if kind == BADLY_LOCATED:
        return f"the model sees its edges elsewhere: {called[0]}"
    return f"drawn as {called[0]}, while the model is sure of {called[1]}"


def unexplained(photo: PhotoBoxes) -> tuple[LabeledBox, ...]:
    """The predictions that no annotated box of the same category accounts for."""
    return tuple(
        seen
        for seen in photo.predicted
        if not any(
            box.category_id == seen.category_id and overlap(box.box_xyxy, seen.box_xyxy) >= EXPLAINED
            for box in photo.annotated
        )
    )


Suspicion = tuple[str, float, tuple[LabeledBox, ...]]
"""Kind, score in 0..1, and the boxes that it is about."""


def _suspicions(photo: PhotoBoxes, threshold: float, sure: float) -> Iterator[Suspicion]:
    """All suspicions about a photo whose predictions reach the threshold."""
    # Here, as it brings pandas and scikit-learn with it.
    from cleanlab.object_detection import rank  # type: ignore[import-untyped]

    odd = replace(photo, predicted=unexplained(photo))
    all_of_it, oddities = [compared(photo)], [compared(odd)]
    missing = rank.compute_overlooked_box_scores(auxiliary_inputs=oddities, high_probability_threshold=sure)
    edges = rank.compute_badloc_box_scores(auxiliary_inputs=all_of_it, low_probability_threshold=threshold)
    swaps = rank.compute_swap_box_scores(auxiliary_inputs=oddities, high_probability_threshold=sure)
    yield from _of_missing(missing[0], odd.predicted)
    yield from _of_edges(edges[0], photo)
    yield from _of_names(swaps[0], photo, [seen for seen in odd.predicted if seen.score > sure])


def compared(photo: PhotoBoxes) -> dict[str, Any]:
    """A photo as cleanlab's scores take it: boxes, categories and how alike each pair is.

    Cleanlab would take the least likeness from all photos given at once; here it is fixed, so that a photo's
    score does not depend on its neighbours.
    """
    import torch  # who only reads the list of suspects never needs it
    from torchvision.ops import box_iou

    mine, theirs = (_boxes(seen, photo.size_wh) for seen in (photo.annotated, photo.predicted))
    shared = box_iou(torch.from_numpy(mine), torch.from_numpy(theirs)).numpy()
    centres = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (mine, theirs)]
    apart = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    return {
        "lab_bboxes": mine,
        "lab_labels": np.array([seen.category_id for seen in photo.annotated], dtype=np.int64),
        "pred_bboxes": theirs,
        "pred_labels": np.array([seen.category_id for seen in photo.predicted], dtype=np.int64),
        "pred_label_probs": np.array([seen.score for seen in photo.predicted], dtype=np.float64),
        "iou_matrix": shared,
        "similarity_matrix": ALPHA * shared + (1 - ALPHA) * np.exp(-NEARNESS * apart),
        "min_possible_similarity": LEAST_ALIKE,
    }


def _boxes(seen: Sequence[LabeledBox], size_wh: tuple[int, int]) -> np.ndarray:
    boxes = np.array([one.box_xyxy for one in seen], dtype=np.float64).reshape(-1, 4)
    return boxes * (LONG_SIDE / max(size_wh))


def _of_missing(scores: np.ndarray, predicted: Sequence[LabeledBox]) -> Iterator[Suspicion]:
    """Suspicions weigh as much as the model is sure of them."""
    for score, seen in zip(scores, predicted, strict=True):
        if not np.isnan(score):
            yield OVERLOOKED, (1 - float(score)) * seen.score, (seen,)


def _of_edges(scores: np.ndarray, photo: PhotoBoxes) -> Iterator[Suspicion]:
    for score, box in zip(scores, photo.annotated, strict=True):
        same = [s.score for s in photo.predicted if s.category_id == box.category_id]
        if same and score < 1:
            yield BADLY_LOCATED, (1 - float(score)) * max(same), (box,)


def _of_names(scores: np.ndarray, photo: PhotoBoxes, sure: Sequence[LabeledBox]) -> Iterator[Suspicion]:
    for score, box in zip(scores, photo.annotated, strict=True):
        others = [s for s in sure if s.category_id != box.category_id]
        if others and score < 1:
            other = max(others, key=lambda s: overlap(s.box_xyxy, box.box_xyxy))
            yield SWAPPED, (1 - float(score)) * other.score, (box, other)
