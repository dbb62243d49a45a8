"""Photos on which a candidate and the champion differ: boxes found or lost, false positives, other labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.boxes import MATCH_IOU, Detections, GroundTruth
from core.evaluation.matching import FALSE_POSITIVE, match_photo

NamedBox = tuple[float, float, float, float, str, float]
"""A box in pixels with its name and its score."""


@dataclass(frozen=True)
class PhotoChange:
    """A photo on which two models differ.

    ``gain`` counts what the candidate gets right and the champion does not, less what it gets wrong anew;
    ``what`` says it in words. ``champion`` and ``candidate`` are their boxes, with names: a detector's
    category, a classifier's first label.
    """

    photo_id: int
    gain: int
    what: tuple[str, ...]
    champion: tuple[NamedBox, ...]
    candidate: tuple[NamedBox, ...]

    @property
    def weight(self) -> int:
        """How much has changed, for better or worse."""
        return len(self.what)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        boxes = {"champion": _plain(self.champion), "candidate": _plain(self.candidate)}
        return {"photo": self.photo_id, "gain": self.gain, "what": list(self.what)} | boxes

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> PhotoChange:
        """A change out of its JSON form."""
        sides = (_boxes_from(entry["champion"]), _boxes_from(entry["candidate"]))
        return cls(entry["photo"], entry["gain"], tuple(entry["what"]), *sides)


@dataclass(frozen=True)
class MatchedDetections:
    """A detector's boxes from its score threshold on, matched with the annotated ones at IoU 0.5.

    ``found`` holds the indices of the annotated boxes that it found; ``false_positives`` counts its other
    boxes by category, without those in regions to be ignored.
    """

    found: frozenset[int]
    false_positives: Counter[str]
    boxes: tuple[NamedBox, ...]


def match_detections(
    detections: Detections, truth: GroundTruth, categories: Sequence[str], score_threshold: float
) -> MatchedDetections:
    """The detections from the threshold on with what each of them is: an annotated box found, or none."""
    confident = detections.above(score_threshold).best_first()
    order, matched = match_photo(confident, truth, np.array([MATCH_IOU]))  # (D,), (1, D)
    wrong = confident.category_ids[order[matched[0] == FALSE_POSITIVE]]
    false = Counter(categories[category] for category in wrong)
    found = frozenset(matched[0][matched[0] >= 0].tolist())
    return MatchedDetections(found, false, _named(confident, categories))


def detector_change(
    photo_id: int,
    champion: MatchedDetections,
    candidate: MatchedDetections,
    truth: GroundTruth,
    names: Sequence[str],
) -> PhotoChange | None:
    """What is found now and was not, or no longer; None where nothing changed."""
    said = [names[category] for category in truth.category_ids]
    new, lost = candidate.found - champion.found, champion.found - candidate.found
    more = candidate.false_positives - champion.false_positives
    fewer = champion.false_positives - candidate.false_positives
    what = [
        *(f"finds {said[box]}" for box in sorted(new)),
        *(f"no longer finds {said[box]}" for box in sorted(lost)),
        *(f"sees {name} where none is annotated" for name in sorted(more.elements())),
        *(f"no longer sees {name} where none is annotated" for name in sorted(fewer.elements())),
    ]
    if not what:
        return None
    gain = len(new) - len(lost) + fewer.total() - more.total()
    return PhotoChange(photo_id, gain, tuple(what), champion.boxes, candidate.boxes)


def classifier_change(
    photo_id: int, champion: Sequence[NamedBox], candidate: Sequence[NamedBox], labels: Sequence[str]
) -> PhotoChange | None:
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
    return PhotoChange(photo_id, gain, tuple(what), tuple(champion), tuple(candidate)) if what else None


def _named(detections: Detections, categories: Sequence[str]) -> tuple[NamedBox, ...]:
    rows = zip(
        detections.boxes_xyxy.tolist(),
        detections.category_ids.tolist(),
        detections.scores.tolist(),
        strict=True,
    )
    return tuple((x0, y0, x1, y1, categories[category], score) for (x0, y0, x1, y1), category, score in rows)


def _boxes_from(entries: Sequence[Sequence[Any]]) -> tuple[NamedBox, ...]:
    return tuple((x0, y0, x1, y1, name, score) for x0, y0, x1, y1, name, score in entries)


def _plain(boxes: Sequence[NamedBox]) -> list[list[Any]]:
    return [[*(round(value, 1) for value in box[:4]), box[4], round(box[5], 4)] for box in boxes]
