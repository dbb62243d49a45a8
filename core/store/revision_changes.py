"""What people corrected between two revisions, counted photo by photo and box by box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select

from core.access import Right, needs
from core.store import Store
from core.store.schema import annotations as versions
from core.store.schema import revision_items as items

BATCH = 500
SAME_PIXELS = 0.5
ADDED, REMOVED, MOVED, RENAMED = "added", "removed", "moved", "renamed"

Boxes = Sequence[Mapping[str, Any]]
"""Boxes in their saved form."""


@dataclass(frozen=True)
class RevisionChanges:
    """Photos that are new in the later revision, changed, and gone from it; boxes of changed photos by deed.

    ``boxes`` has "added", "removed", "moved" and "renamed"; a box both moved and renamed counts as both.
    ``new_boxes`` are the boxes on new photos.
    """

    new_photos: int
    changed_photos: int
    gone_photos: int
    new_boxes: int
    boxes: Mapping[str, int]


@needs(Right.READ)
def changes_between(store: Store, earlier: int | None, later: int) -> RevisionChanges:
    """The changes from a revision to a later one; from None, all of it is new. A few photos at a time.

    Raises NotFoundError for no such revision.
    """
    for number in (earlier, later):
        if number is not None:
            store.revisions.get(number)
    counts: Counter[str] = Counter()
    boxes: Counter[str] = Counter()
    with store.database.read() as connection:
        for row in connection.execution_options(yield_per=BATCH).execute(_differing(earlier, later)):
            if row.before is None:
                counts["new"] += 1
                counts["new boxes"] += len(row.after)
            else:
                counts["changed"] += 1
                boxes.update(deeds(row.before, row.after))
        gone = connection.execute(_gone(earlier, later)).scalar_one() if earlier is not None else 0
    return RevisionChanges(counts["new"], counts["changed"], gone, counts["new boxes"], dict(boxes))


def deeds(before: Boxes, after: Boxes) -> Counter[str]:
    """What was done to the boxes of a photo, counted; boxes are known by their uid."""
    old, new = {box["uid"]: box for box in before}, {box["uid"]: box for box in after}
    found = Counter({ADDED: len(new.keys() - old.keys()), REMOVED: len(old.keys() - new.keys())})
    for uid in old.keys() & new.keys():
        corners = zip(old[uid]["box"], new[uid]["box"], strict=True)
        found[MOVED] += any(abs(a - b) >= SAME_PIXELS for a, b in corners)
        found[RENAMED] += _name(old[uid]) != _name(new[uid])
    return +found


def _name(box: Mapping[str, Any]) -> tuple[object, object]:
    return box["category"], box.get("label")


def _differing(earlier: int | None, later: int) -> Select[Any]:
    """The later revision's photos with another annotation: its boxes, and those before (None: no photo)."""
    old, new = items.alias("old"), items.alias("new")
    was, holds = versions.alias("was"), versions.alias("holds")
    same_photo = sa.and_(old.c.photo_id == new.c.photo_id, old.c.revision == earlier)
    found = sa.select(was.c.boxes.label("before"), holds.c.boxes.label("after"))
    found = found.select_from(new).join(holds, holds.c.id == new.c.annotation_id)
    found = found.outerjoin(old, same_photo).outerjoin(was, was.c.id == old.c.annotation_id)
    other = sa.or_(old.c.annotation_id.is_(None), old.c.annotation_id != new.c.annotation_id)
    return found.where(new.c.revision == later, other).order_by(new.c.photo_id)


def _gone(earlier: int, later: int) -> Select[Any]:
    kept = sa.select(items.c.photo_id).where(items.c.revision == later)
    return sa.select(sa.func.count()).where(items.c.revision == earlier, items.c.photo_id.not_in(kept))
