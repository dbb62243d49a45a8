"""How far two people agree on one photo: boxes paired so that they overlap most, then compared.

Two people changed one photo: their boxes side by side, with a suggestion for each, to choose from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.boxes import MATCH_IOU, box_iou
from core.errors import StoreError
from core.store.boxes import AnnotatedBox, new_uid
from core.threads import IMPORTS

SAME_NAME_BONUS = 0.1
"""Of two pairings that fit about equally, the one with equal categories is meant (a top under a jacket)."""


@dataclass(frozen=True)
class Agreement:
    """``matched`` pairs with their mean IoU (0..1), how many of them have the same category, and the boxes
    that only one of the two drew. Where nothing was matched, ``mean_iou`` is 0, or 1 if nothing was drawn.
    """

    mean_iou: float
    matched: int
    only_first: int
    only_second: int
    same_category: int

    @property
    def share(self) -> float:
        """Boxes that both drew and named alike among all boxes of both, 0..1 (1 if nothing was drawn)."""
        drawn = 2 * self.matched + self.only_first + self.only_second
        return 2 * self.same_category / drawn if drawn else 1.0


def agreement(boxes_a: Boxes, boxes_b: Boxes) -> Agreement:
    """Compare two people's boxes of one photo."""
    found = pairs(boxes_a, boxes_b)
    ious = [iou for _, _, iou in found]
    same = sum(boxes_a[i].category_id == boxes_b[j].category_id for i, j, _ in found)
    nothing_drawn = not boxes_a and not boxes_b
    mean_iou = float(np.mean(ious)) if ious else float(nothing_drawn)
    return Agreement(
        round(mean_iou, 4), len(found), len(boxes_a) - len(found), len(boxes_b) - len(found), same
    )


def pairs(boxes_a: Boxes, boxes_b: Boxes) -> list[tuple[int, int, float]]:
    """Which box of A is which of B: indices and IoU, from the assignment with the greatest overlap in all.

    Boxes are paired from an IoU of ``MATCH_IOU`` on (Kuhn-Munkres by ``scipy.optimize``).
    """
    with IMPORTS:
        from scipy.optimize import linear_sum_assignment  # takes a while to load

    if not boxes_a or not boxes_b:
        return []
    ious = box_iou(_corners(boxes_a), _corners(boxes_b))  # (A, B)
    ids_a, ids_b = ([box.category_id for box in boxes] for boxes in (boxes_a, boxes_b))
    worth = ious + SAME_NAME_BONUS * (np.array(ids_a)[:, None] == np.array(ids_b)[None, :])
    rows, columns = linear_sum_assignment(np.where(ious >= MATCH_IOU, worth, 0.0), maximize=True)
    chosen = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j, float(ious[i, j])) for i, j in chosen if ious[i, j] >= MATCH_IOU]


def _corners(boxes: Boxes) -> np.ndarray:
    return np.array([box.box_xyxy for box in boxes], dtype=np.float64)


CHOICES = ("mine", "theirs", "both", "neither")

Boxes = Sequence[AnnotatedBox]


@dataclass(frozen=True)
class BoxChoice:
    """One garment in both versions; None where a version has no box of it.

    ``same`` says that there is nothing to choose. ``suggested`` is "mine" or "theirs": the side that changed
    it, where only one did, which may be the one that took it out. ``contested`` says that both did; then
    "mine" is suggested, as theirs is saved already.
    """

    uid: str
    mine: AnnotatedBox | None
    theirs: AnnotatedBox | None
    same: bool
    suggested: str
    contested: bool = False


def compare(base: Boxes, mine: Boxes, theirs: Boxes) -> list[BoxChoice]:
    """Set two versions against the one that both began from (empty where there was none).

    Boxes belong together by their uid, else by their place, as two people who draw the same garment give it
    two. The order is that of mine, then what only they have.
    """
    base_of = {box.uid: box for box in base}
    return [_choice(base_of, one, other) for one, other in _together(mine, theirs)]


def merge(choices: Sequence[BoxChoice], chosen: Mapping[str, str] | None = None) -> tuple[AnnotatedBox, ...]:
    """The boxes that come out: of each choice what ``chosen`` says of its uid, else what is suggested.

    "mine" or "theirs" take that side's box, or none where it has none; "both" and "neither" are possible.
    Raises StoreError for another word.
    """
    boxes: dict[str, AnnotatedBox] = {}
    for choice in choices:
        word = (chosen or {}).get(choice.uid, choice.suggested)
        for box in _taken(choice, word):
            unique = replace(box, uid=new_uid()) if box.uid in boxes else box
            boxes[unique.uid] = unique
    return tuple(boxes.values())


def _together(mine: Boxes, theirs: Boxes) -> Iterator[tuple[AnnotatedBox | None, AnnotatedBox | None]]:
    """Mine in their order, each with its counterpart; then theirs that have none."""
    their_own = {box.uid: box for box in theirs}
    loose_mine = [box for box in mine if box.uid not in their_own]
    my_uids = {box.uid for box in mine}
    loose_theirs = [box for box in theirs if box.uid not in my_uids]
    by_place = {loose_mine[i].uid: loose_theirs[j] for i, j, _ in pairs(loose_mine, loose_theirs)}
    paired = their_own | by_place
    for box in mine:
        yield box, paired.get(box.uid)
    taken = {box.uid for box in by_place.values()}
    for box in loose_theirs:
        if box.uid not in taken:
            yield None, box


def _choice(
    base_of: Mapping[str, AnnotatedBox], mine: AnnotatedBox | None, theirs: AnnotatedBox | None
) -> BoxChoice:
    uids = [box.uid for box in (mine, theirs) if box is not None]
    if _alike(mine, theirs):
        return BoxChoice(uids[0], mine, theirs, True, "mine")
    before = next((base_of[uid] for uid in uids if uid in base_of), None)  # None: drawn since, by whom has it
    i_changed, they_changed = not _alike(mine, before), not _alike(theirs, before)
    suggested = "theirs" if they_changed and not i_changed else "mine"
    return BoxChoice(uids[0], mine, theirs, False, suggested, i_changed and they_changed)


def _alike(one: AnnotatedBox | None, other: AnnotatedBox | None) -> bool:
    """Whether two boxes have the same content, wherever they came from."""
    if one is None or other is None:
        return one is other
    return _content(one) == _content(other)


def _content(box: AnnotatedBox) -> tuple[object, ...]:
    return (*(round(value, 2) for value in box.box_xyxy), box.category_id, box.label, box.flags)


def _taken(choice: BoxChoice, word: str) -> Iterator[AnnotatedBox]:
    if word not in CHOICES:
        raise StoreError(f"expected a choice out of {', '.join(CHOICES)}, got {word!r}")
    if word in ("mine", "both") and choice.mine is not None:
        yield choice.mine
    if word in ("theirs", "both") and choice.theirs is not None:
        yield choice.theirs
