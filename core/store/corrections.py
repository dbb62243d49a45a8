"""Corrections: what people changed in the boxes, between two revisions or from the models' proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Select

from core.access import Right, needs
from core.store.predictions import Prediction
from core.store.schema import annotations as versions
from core.store.schema import revision_items as items
from core.store.schema import tasks

if TYPE_CHECKING:
    from core.store import Store

BATCH = 500
"""Rows in memory at a time."""

SAME_PIXELS = 0.5
ADDED, REMOVED, MOVED, RENAMED = "added", "removed", "moved", "renamed"

Boxes = Sequence[Mapping[str, Any]]
"""Boxes in their saved form."""


@dataclass(frozen=True)
class RevisionChanges:
    """How many photos are new in the later revision, changed, or removed, and what changed in their boxes.

    ``boxes`` has "added", "removed", "moved" and "renamed"; a box both moved and renamed counts as both.
    ``new_boxes`` are the boxes on new photos.
    """

    new_photos: int
    changed_photos: int
    removed_photos: int
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
                boxes.update(count_changes(row.before, row.after))
        removed = connection.execute(_removed(earlier, later)).scalar_one() if earlier is not None else 0
    return RevisionChanges(counts["new"], counts["changed"], removed, counts["new boxes"], dict(boxes))


def count_changes(before: Boxes, after: Boxes) -> Counter[str]:
    """How many boxes of a photo were added, removed, moved and renamed; boxes are matched by their uid.

    A box counts as moved where a corner is half a pixel away or more, as renamed where its category or label
    differs.
    """
    old, new = {box["uid"]: box for box in before}, {box["uid"]: box for box in after}
    found = Counter({ADDED: len(new.keys() - old.keys()), REMOVED: len(old.keys() - new.keys())})
    for uid in old.keys() & new.keys():
        found[MOVED] += is_moved(old[uid]["box"], new[uid]["box"])
        found[RENAMED] += _name(old[uid]) != _name(new[uid])
    return +found


def is_moved(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether a corner (x0, y0, x1, y1 in pixels) is ``SAME_PIXELS`` away or more."""
    return any(abs(a - b) >= SAME_PIXELS for a, b in zip(before, after, strict=True))


def _name(box: Mapping[str, Any]) -> tuple[object, object]:
    return box["category"], box.get("label")


def _differing(earlier: int | None, later: int) -> Select[Any]:
    """The later revision's photos with another annotation: its boxes, and those before (None: no photo)."""
    old, new = items.alias("old"), items.alias("new")
    before, after = versions.alias("before"), versions.alias("after")
    same_photo = sa.and_(old.c.photo_id == new.c.photo_id, old.c.revision == earlier)
    found = sa.select(before.c.boxes.label("before"), after.c.boxes.label("after"))
    found = found.select_from(new).join(after, after.c.id == new.c.annotation_id)
    found = found.outerjoin(old, same_photo).outerjoin(before, before.c.id == old.c.annotation_id)
    other = sa.or_(old.c.annotation_id.is_(None), old.c.annotation_id != new.c.annotation_id)
    return found.where(new.c.revision == later, other).order_by(new.c.photo_id)


def _removed(earlier: int, later: int) -> Select[Any]:
    later_photos = sa.select(items.c.photo_id).where(items.c.revision == later)
    return sa.select(sa.func.count()).where(
        items.c.revision == earlier, items.c.photo_id.not_in(later_photos)
    )


@dataclass(frozen=True)
class FirstSubmission:
    """A photo's first version, where a person made it from nothing but the models' proposals.

    ``arm`` is that of the photo's task; ``revision`` the first that has the photo, None where none does yet;
    ``predictions`` are every model's on the photo, without embeddings.
    """

    photo_id: int
    at: float
    arm: str
    revision: int | None
    boxes: Boxes
    predictions: Sequence[Prediction]


@needs(Right.READ)
def first_submissions(store: Store, arms: Sequence[str]) -> Iterator[list[FirstSubmission]]:
    """The first submissions in some arms of the queue, by photo, some hundred in memory at a time.

    Photos that were imported with boxes, or returned to the queue before, are left out.
    """
    rows = store.database.rows(_first_versions(arms))
    for start in range(0, len(rows), BATCH):
        page = rows[start : start + BATCH]
        predictions = store.predictions.of_photos([row.photo_id for row in page])
        saved = sa.select(versions.c.id, versions.c.boxes).where(versions.c.id.in_([row.id for row in page]))
        boxes = {row.id: row.boxes for row in store.database.rows(saved)}
        yield [
            FirstSubmission(
                row.photo_id, row.at, row.arm, row.revision, boxes[row.id], predictions[row.photo_id]
            )
            for row in page
        ]


def _first_versions(arms: Sequence[str]) -> Select[Any]:
    """First versions that people made from nothing but proposals, with arm and first revision."""
    entered = sa.select(items.c.photo_id, sa.func.min(items.c.revision).label("revision"))
    first = entered.group_by(items.c.photo_id).subquery()
    of_photo = sa.and_(tasks.c.photo_id == versions.c.photo_id, tasks.c.kind == "first")
    chosen = sa.select(
        versions.c.id, versions.c.photo_id, versions.c.at, tasks.c.arm, first.c.revision
    ).join_from(versions, tasks, of_photo)
    chosen = chosen.outerjoin(first, first.c.photo_id == versions.c.photo_id)
    begun = (versions.c.version == 1, versions.c.base_version == 0)
    people = versions.c.kind.in_(("submitted", "merged"))
    return chosen.where(*begun, people, tasks.c.arm.in_(arms)).order_by(versions.c.photo_id)
