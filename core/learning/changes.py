"""What a candidate sees otherwise than the champion on one photo, against what is annotated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.matching import Detections, Truth, pairwise_iou

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
