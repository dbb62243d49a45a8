"""Two models on the same photos: figures side by side, and their difference with intervals.

Both are measured on the same resamples of the photos (paired bootstrap, Efron and Tibshirani 1993): what
makes a photo hard does so for both, and leaves the difference.

What a candidate sees otherwise than the champion on one photo, against what is annotated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DatasetError
from core.evaluation.bootstrap import (
    MAIN,
    ClassPair,
    Comparison,
    Paired,
    draw_weights,
    percentile_interval,
    ratio,
)
from core.evaluation.classification import TOP
from core.evaluation.detection import CELLS_AT_ONCE, average_precisions, mean_over_categories
from core.evaluation.gate import Verdict, gate
from core.evaluation.matching import (
    BoxedTruth,
    CategoryMatches,
    Detections,
    Truth,
    match_photos,
    pairwise_iou,
)

__all__ = [
    "MAIN",
    "UNKNOWN_LABEL",
    "ClassPair",
    "Comparison",
    "Paired",
    "Verdict",
    "compare_classification",
    "compare_detection",
    "gate",
    "rank_of",
]

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]
"""Weights of photos (B, P) to F figures on each resample: (F, B); NaN where there is nothing to measure."""

UNKNOWN_LABEL = 2**31
"""The rank of a label that a classifier does not know: never among the first."""


def compare_detection(
    champion: Sequence[Detections],
    candidate: Sequence[Detections],
    truths: Sequence[BoxedTruth],
    categories: Sequence[str],
    thresholds: tuple[float, float],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    skipped: int = 0,
) -> Comparison:
    """Two detectors' boxes on the same photos, down to a low score, in the same categories.

    ``thresholds`` are the champion's and the candidate's own: precision and recall are counted there, at IoU
    0.5. AP and mAP are COCO's, over the categories that have boxes. Raises DatasetError where photos or
    category ids do not fit together.
    """
    matches = [match_photos(found, truths, len(categories)) for found in (champion, candidate)]
    measures = [_detector_measure(m, t, len(truths)) for m, t in zip(matches, thresholds, strict=True)]
    widest = max([len(truths), *(len(entry.scores) for both in matches for entry in both)])
    pairs = _paired(measures, len(truths), n_bootstrap, seed, max(1, CELLS_AT_ONCE // widest))
    boxes = [category.boxes for category in matches[0]]
    return Comparison(
        "detector",
        len(truths),
        sum(boxes),
        dict(zip(("mAP50", "mAP", "precision", "recall"), pairs, strict=False)),
        tuple(ClassPair(*entry) for entry in zip(categories, boxes, pairs[4:], strict=True)),
        n_bootstrap,
        skipped,
    )


def compare_classification(
    champion_ranks: NDArray[np.integer[Any]],
    candidate_ranks: NDArray[np.integer[Any]],
    targets: NDArray[np.integer[Any]],
    labels: Sequence[str],
    photo_of: NDArray[np.integer[Any]],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    skipped: int = 0,
) -> Comparison:
    """Two classifiers on the same N garments.

    The ranks (N,) are the true label's place in each model's order, 0 the first, see :func:`rank_of`;
    ``targets`` (N,) are places in ``labels``; ``photo_of`` (N,) says which garments are of one photo, as
    photos are what is resampled. Raises DatasetError where nothing is there, or lengths differ.
    """
    count = len(targets)
    if count == 0 or not len(champion_ranks) == len(candidate_ranks) == len(photo_of) == count:
        raise DatasetError(
            "expected the ranks of at least one garment, with targets and photos of one length"
        )
    _, units = np.unique(photo_of, return_inverse=True)
    photos = int(units.max()) + 1
    both = (np.asarray(champion_ranks), np.asarray(candidate_ranks))
    measures = [_classifier_measure(ranks, np.asarray(targets), units, len(labels)) for ranks in both]
    pairs = _paired(measures, photos, n_bootstrap, seed, 256)
    boxes = np.bincount(targets, minlength=len(labels)).tolist()
    return Comparison(
        "classifier",
        photos,
        count,
        dict(zip((f"top{k}" for k in TOP), pairs, strict=False)),
        tuple(ClassPair(*entry) for entry in zip(labels, boxes, pairs[len(TOP) :], strict=True)),
        n_bootstrap,
        skipped,
    )


def rank_of(probabilities: NDArray[np.floating[Any]], label: str, labels: Sequence[str]) -> int:
    """The place of a label in a classifier's order (C,), 0 the first; equal ones in the labels' order."""
    if label not in labels:
        return UNKNOWN_LABEL
    order = np.argsort(-np.asarray(probabilities), kind="stable")
    return int(np.flatnonzero(order == labels.index(label))[0])


def _paired(measures: Sequence[Measure], photos: int, n_bootstrap: int, seed: int, rows: int) -> list[Paired]:
    """Each figure of both models with intervals from the same resamples of the photos."""
    whole = np.stack([measure(np.ones((1, photos)))[:, 0] for measure in measures])  # (2, F)
    blocks = (
        np.stack([measure(weights) for measure in measures])  # (2, F, B)
        for weights in draw_weights(photos, n_bootstrap, seed, rows)
    )
    draws = np.concatenate([np.empty((*whole.shape, 0)), *blocks], axis=2)
    return [_pair(whole[:, index], draws[:, index]) for index in range(whole.shape[1])]


def _pair(whole: Floats, draws: Floats) -> Paired:
    """From both models' figure on all photos (2,) and on the resamples (2, B)."""
    first, second, difference = (_number(figure) for figure in (*whole, whole[1] - whole[0]))
    intervals = (percentile_interval(drawn) for drawn in (*draws, draws[1] - draws[0]))
    return Paired(first, second, difference, *intervals)


def _number(figure: float) -> float | None:
    return None if np.isnan(figure) else float(figure)


def _detector_measure(matches: Sequence[CategoryMatches], threshold: float, photos: int) -> Measure:
    """mAP50, mAP, precision, recall, then AP at IoU 0.5 of each category."""
    counts = np.zeros((photos, 3))  # hits, detections, boxes
    for category in matches:
        confident = category.scores >= threshold
        where = category.photo_of[confident]
        counts[:, 0] += np.bincount(where, category.hits[0, confident], photos)
        counts[:, 1] += np.bincount(where, minlength=photos)
        counts[:, 2] += category.boxes_per_photo

    def measure(weights: Floats) -> Floats:
        aps = average_precisions(matches, weights)  # (C, T, B)
        hits, found, boxes = (weights @ counts).T
        means = (mean_over_categories(aps[:, 0]), mean_over_categories(aps.mean(axis=1)))
        return np.stack([*means, ratio(hits, found), ratio(hits, boxes), *aps[:, 0]])

    return measure


def _classifier_measure(
    ranks: NDArray[Any], targets: NDArray[Any], units: NDArray[Any], labels: int
) -> Measure:
    """Top-1, -3 and -5, then each label's share that is put first."""
    photos = int(units.max()) + 1
    hits, crops = np.zeros((photos, len(TOP))), np.zeros(photos)
    right, there = np.zeros((2, photos, labels))
    np.add.at(hits, units, np.stack([ranks < k for k in TOP], axis=1).astype(np.float64))
    np.add.at(crops, units, 1.0)
    np.add.at(right, (units, targets), (ranks == 0).astype(np.float64))
    np.add.at(there, (units, targets), 1.0)

    def measure(weights: Floats) -> Floats:
        top = (weights @ hits) / (weights @ crops)[:, None]  # (B, 3)
        return np.concatenate([top.T, ratio(weights @ right, weights @ there).T])

    return measure


SAME_PLACE = 0.5
"""The least IoU at which a detection has found a box."""

Drawn = tuple[float, float, float, float, str, float]
"""A box in pixels with its name and its score."""


@dataclass(frozen=True)
class Change:
    """A photo on which two models differ.

    ``gain`` counts what the candidate gets right and the champion does not, less what it gets wrong anew;
    ``what`` says it in words. ``champion`` and ``candidate`` are their boxes, with names: a detector's
    category, a classifier's first label.
    """

    photo_id: int
    gain: int
    what: tuple[str, ...]
    champion: tuple[Drawn, ...]
    candidate: tuple[Drawn, ...]

    @property
    def weight(self) -> int:
        """How much has changed, for better or worse."""
        return len(self.what)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        boxes = {"champion": _plain(self.champion), "candidate": _plain(self.candidate)}
        return {"photo": self.photo_id, "gain": self.gain, "what": list(self.what)} | boxes

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Change:
        """A change out of its JSON form."""
        sides = (_boxes_from(entry["champion"]), _boxes_from(entry["candidate"]))
        return cls(entry["photo"], entry["gain"], tuple(entry["what"]), *sides)


@dataclass(frozen=True)
class Reading:
    """A detector's boxes from its threshold on, held against the annotated ones.

    ``found`` are the annotated boxes that it found, by their place; ``false`` counts its others by name.
    """

    found: frozenset[int]
    false: Counter[str]
    boxes: tuple[Drawn, ...]


def read(found: Detections, truth: Truth, names: Sequence[str], threshold: float) -> Reading:
    """Which annotated boxes were found: each detection, best first, takes the free one of its name that it
    overlaps most."""
    kept = np.flatnonzero(found.scores >= threshold)
    order = kept[np.argsort(-found.scores[kept], kind="stable")]
    overlaps = pairwise_iou(found.boxes_xyxy[order], truth.boxes_xyxy)
    overlaps[found.category_ids[order][:, None] != np.asarray(truth.category_ids)[None, :]] = 0.0
    taken: set[int] = set()
    false: Counter[str] = Counter()
    for place, row in zip(order, overlaps, strict=True):
        free = [box for box in np.flatnonzero(row >= SAME_PLACE) if box not in taken]
        if free:
            taken.add(int(max(free, key=lambda box: row[box])))
        else:
            false[names[found.category_ids[place]]] += 1
    return Reading(frozenset(taken), false, _drawn(found, order, names))


def detector_change(
    photo_id: int, champion: Reading, candidate: Reading, truth: Truth, names: Sequence[str]
) -> Change | None:
    """What is found now and was not, or no longer; None where both read the photo alike."""
    said = [names[category] for category in truth.category_ids]
    new, lost = candidate.found - champion.found, champion.found - candidate.found
    more, fewer = candidate.false - champion.false, champion.false - candidate.false
    what = [
        *(f"finds {said[box]}" for box in sorted(new)),
        *(f"no longer finds {said[box]}" for box in sorted(lost)),
        *(f"sees {name} where none is annotated" for name in sorted(more.elements())),
        *(f"no longer sees {name} where none is annotated" for name in sorted(fewer.elements())),
    ]
    if not what:
        return None
    gain = len(new) - len(lost) + fewer.total() - more.total()
    return Change(photo_id, gain, tuple(what), champion.boxes, candidate.boxes)


def classifier_change(
    photo_id: int, champion: Sequence[Drawn], candidate: Sequence[Drawn], labels: Sequence[str]
) -> Change | None:
    """Garments whose first label changed, ``labels`` the annotated ones; None where none did."""
    what, gain = [], 0
    for before, after, label in zip(champion, candidate, labels, strict=True):
        if before[4] == after[4]:
            continue
        gain += (after[4] == label) - (before[4] == label)
        judged = "right now" if after[4] == label else "wrong now" if before[4] == label else "still wrong"
        what.append(
            f"{before[4]} → {after[4]} ({judged})" + (f", it is {label}" if after[4] != label else "")
        )
    return Change(photo_id, gain, tuple(what), tuple(champion), tuple(candidate)) if what else None


def _drawn(found: Detections, order: np.ndarray, names: Sequence[str]) -> tuple[Drawn, ...]:
    boxes = []
    for place in order:
        x0, y0, x1, y1 = (float(value) for value in found.boxes_xyxy[place])
        boxes.append((x0, y0, x1, y1, names[found.category_ids[place]], float(found.scores[place])))
    return tuple(boxes)


def _boxes_from(entries: Sequence[Sequence[Any]]) -> tuple[Drawn, ...]:
    return tuple((x0, y0, x1, y1, name, score) for x0, y0, x1, y1, name, score in entries)


def _plain(boxes: Sequence[Drawn]) -> list[list[Any]]:
    return [[*(round(value, 1) for value in box[:4]), box[4], round(box[5], 4)] for box in boxes]
