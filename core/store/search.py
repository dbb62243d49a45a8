"""Finding photos and single boxes by what is known of them: names, boxes, scores, states, people, sources."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select

from core.access import LOCAL, Actor, Right, needs
from core.errors import StoreError
from core.garments import Box
from core.store.box_index import annotated_boxes, predicted_boxes
from core.store.database import Database, one_line
from core.store.photos import PhotoRow
from core.store.predictions import NO_IMPORT, ModelPair
from core.store.schema import annotations as versions
from core.store.schema import consensus_reviews as reviews
from core.store.schema import (
    drafts,
    photo_tags,
    photos,
    revision_items,
    tasks,
)
from core.store.versions import is_annotated

STATES = (
    "without annotation",
    "annotated",
    "open task",
    "leased",
    "given to a person",
    "draft",
    "waiting for a second annotation",
    "in review",
    "returned",
    "near duplicate",
)
"""What a photo may be; several may be true at once."""

PARTS = ("training", "holdout")
MOST_IDS = 10_000
"""How many photos a query may name by number."""
ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class PhotoQuery:
    """Which photos are wanted; what is left at its default does not matter.

    ``text`` is in the name, ``tag`` one of the photo's. ``part`` is one of PARTS, ``state`` one of STATES,
    ``author`` who made one of the photo's versions, ``assigned_to`` who was given its open task.
    ``import_id`` is an import's number or NO_IMPORT. ``ids`` are photos by number. ``category_id``,
    ``label`` and ``flag``, an attribute, are of one box; that box is of the newest annotation or, with
    ``models``, of this pair's prediction (without attributes), with a score in ``scores`` (both ends in it).
    ``predicted_as`` are then the names that models have for the category. Without ``open_holdout``, photos of
    the holdout that have no annotation yet are not wanted.
    """

    text: str = ""
    tag: str | None = None
    part: str | None = None
    state: str | None = None
    author: str | None = None
    assigned_to: str | None = None
    import_id: int | None = None
    revision: int | None = None
    ids: tuple[int, ...] | None = None
    category_id: int | None = None
    label: str | None = None
    flag: str | None = None
    models: ModelPair | None = None
    predicted_as: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 1.0)
    open_holdout: bool = True

    def __post_init__(self) -> None:
        if self.part not in (None, *PARTS):
            raise StoreError(f"expected a part out of {', '.join(PARTS)}, got {self.part!r}")
        if self.state not in (None, *STATES):
            raise StoreError(f"expected a state out of {', '.join(STATES)}, got {self.state!r}")
        if self.ids is not None and len(self.ids) > MOST_IDS:
            raise StoreError(f"expected at most {MOST_IDS:,} photos by number, got {len(self.ids):,}")

    @property
    def asks_for_boxes(self) -> bool:
        """Whether something is asked of the photos' boxes."""
        asked = any(wanted is not None for wanted in (self.category_id, self.label, self.flag))
        return asked or (self.models is not None and self.scores != (0.0, 1.0))


@dataclass(frozen=True)
class FoundBox:
    """One box of a photo: of its newest annotation, with ``uid`` and ``category_id``, or predicted.

    A predicted one has a ``score``, and its ``category`` as the models name it; ``place`` is its place among
    the boxes of its photo. ``box_xyxy`` is in pixels of the upright photo.
    """

    photo: PhotoRow
    place: int
    box_xyxy: Box
    label: str | None
    uid: str | None = None
    category_id: int | None = None
    category: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Search:
    """Finds live photos, the newest first, and their boxes."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.READ)
    def photos(self, query: PhotoQuery, offset: int = 0, limit: int = 24) -> list[PhotoRow]:
        """A page of the photos."""
        page = sa.select(photos.c.id).where(*self._conditions(query)).order_by(photos.c.id.desc())
        page = page.offset(offset).limit(limit)  # numbers first: indexes hold them, and rows are long
        chosen = sa.select(*_PHOTO).where(photos.c.id.in_(page)).order_by(photos.c.id.desc())
        return [PhotoRow(**row._mapping) for row in self.database.rows(chosen)]

    @needs(Right.READ)
    def count(self, query: PhotoQuery) -> int:
        """How many photos there are."""
        chosen = sa.select(sa.func.count()).select_from(photos).where(*self._conditions(query))
        return int(self.database.value(chosen))

    @needs(Right.READ)
    def ids(self, query: PhotoQuery, *, with_boxes: bool = False) -> np.ndarray:
        """The numbers of all the photos, (N,) int64: eight bytes each, so that there may be a million.

        ``with_boxes``: only those that have boxes which ``boxes`` would give.
        """
        if with_boxes:
            of_photo = _table(query).c.photo_id
            chosen = self._boxes(query, of_photo).distinct().order_by(of_photo.desc())
        else:
            chosen = sa.select(photos.c.id).where(*self._conditions(query)).order_by(photos.c.id.desc())
        with self.database.read() as connection:
            found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(chosen)
            return np.fromiter(found.scalars(), dtype=np.int64)

    @needs(Right.READ)
    def boxes(self, query: PhotoQuery, offset: int = 0, limit: int = 48) -> list[FoundBox]:
        """A page of the photos' boxes: those that ``query`` asks for, else all."""
        table = _table(query)
        chosen = self._boxes(query, *_PHOTO, *_box_columns(table))
        chosen = chosen.order_by(*_order(query, table)).offset(offset).limit(limit)
        return [_found_box(row) for row in self.database.rows(chosen)]

    @needs(Right.READ)
    def boxes_at(self, query: PhotoQuery, places: Sequence[int]) -> list[FoundBox]:
        """The boxes at these places of all that ``boxes`` would give, in their order."""
        table = _table(query)
        numbered = self._boxes(query, table.c.photo_id, table.c.place)
        numbered = numbered.order_by(*_order(query, table))
        keys = [tuple(row) for row in self.database.rows(numbered)]
        wanted = [keys[place] for place in places if place < len(keys)]
        found: dict[tuple[int, int], FoundBox] = {}
        chosen = self._boxes(query, *_PHOTO, *_box_columns(table))
        for start in range(0, len(wanted), 200):
            ids = {photo_id for photo_id, _ in wanted[start : start + 200]}
            rows = self.database.rows(chosen.where(table.c.photo_id.in_(ids)))
            found |= {(box.photo.id, box.place): box for box in map(_found_box, rows)}
        return [found[key] for key in wanted if key in found]

    @needs(Right.READ)
    def best_predicted(
        self, models: ModelPair, photo_ids: Sequence[int]
    ) -> dict[int, tuple[str, str | None]]:
        """Category and label of the surest garment that a model pair sees on each of these photos."""
        table = predicted_boxes
        chosen = sa.select(table.c.photo_id, table.c.category, table.c.label)
        first = (*_of_models(models), table.c.place == 0, table.c.photo_id.in_(photo_ids))
        return {row.photo_id: (row.category, row.label) for row in self.database.rows(chosen.where(*first))}

    @needs(Right.READ)
    def count_boxes(self, query: PhotoQuery) -> int:
        """How many boxes there are."""
        return int(self.database.value(self._boxes(query, sa.func.count())))

    @needs(Right.READ)
    def box_names(self, query: PhotoQuery, photo_ids: Sequence[int]) -> dict[int, list[str]]:
        """The boxes that ``query`` asks for on these photos, by photo, whatever else it asks of photos.

        Annotated ones are named by uid, predicted ones by their place.
        """
        table, names = _table(query), dict[int, list[str]]()
        name = table.c.uid if table is annotated_boxes else sa.cast(table.c.place, sa.String)
        of_these = (table.c.photo_id.in_([int(id) for id in photo_ids]), *_box_conditions(query, table))
        chosen = sa.select(table.c.photo_id, name.label("name")).where(*of_these)
        for row in self.database.rows(chosen.order_by(table.c.photo_id, table.c.place)):
            names.setdefault(row.photo_id, []).append(row.name)
        return names

    @needs(Right.READ)
    def labels(self, models: ModelPair | None = None) -> list[str]:
        """The labels that annotated boxes have, or those of a model pair's predictions, by the alphabet."""
        table = annotated_boxes if models is None else predicted_boxes
        chosen = sa.select(table.c.label).where(table.c.label.is_not(None), *_of_models(models)).distinct()
        return sorted(row.label for row in self.database.rows(chosen))

    @needs(Right.READ)
    def users(self) -> list[str]:
        """Everybody who annotated, or has been given a task, by the alphabet."""
        authors = sa.select(versions.c.author.label("name")).where(versions.c.kind != "imported")
        given = sa.select(tasks.c.assigned_to.label("name")).where(tasks.c.assigned_to.is_not(None))
        return sorted({row.name for row in self.database.rows(sa.union(authors, given))})

    def _boxes(self, query: PhotoQuery, *columns: Any) -> Select[Any]:
        table = _table(query)
        chosen = sa.select(*columns).select_from(table.join(photos, photos.c.id == table.c.photo_id))
        rest = replace(query, category_id=None, label=None, flag=None, scores=(0.0, 1.0))
        return chosen.where(*_box_conditions(query, table), *self._conditions(rest))

    def _conditions(self, query: PhotoQuery) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [photos.c.deleted_at.is_(None)]
        if query.part is not None:
            wanted.append(photos.c.holdout.is_(query.part == "holdout"))
        if not query.open_holdout:
            wanted.append(sa.or_(photos.c.holdout.is_(False), is_annotated()))
        if query.text:
            wanted.append(photos.c.name.icontains(one_line(query.text), autoescape=True))
        if query.tag is not None:
            wanted.append(
                photos.c.id.in_(sa.select(photo_tags.c.photo_id).where(photo_tags.c.tag == query.tag))
            )
        if query.import_id is not None:
            came = photos.c.import_id == query.import_id
            wanted.append(photos.c.import_id.is_(None) if query.import_id == NO_IMPORT else came)
        if query.ids is not None:
            wanted.append(photos.c.id.in_(query.ids))
        if query.revision is not None:
            item = (revision_items.c.revision == query.revision, revision_items.c.photo_id == photos.c.id)
            wanted.append(sa.exists().where(*item))
        if query.author is not None:
            theirs = sa.select(versions.c.photo_id).where(versions.c.author == query.author)
            wanted.append(photos.c.id.in_(theirs))
        if query.assigned_to is not None:
            wanted.append(_has_task(tasks.c.assigned_to == query.assigned_to))
        if query.state is not None:
            wanted.append(self._state(query.state))
        if query.asks_for_boxes:
            table = _table(query)
            of_boxes = sa.select(table.c.photo_id).where(*_box_conditions(query, table))
            wanted.append(photos.c.id.in_(of_boxes))
        return wanted

    def _state(self, state: str) -> ColumnElement[bool]:
        of_review = reviews.c.photo_id == photos.c.id
        first = (tasks.c.photo_id == photos.c.id, tasks.c.kind == "first")
        compared = (reviews.c.second_version.is_not(None), reviews.c.verdict.is_(None))
        conditions: dict[str, ColumnElement[bool]] = {
            "without annotation": ~is_annotated(),
            "annotated": is_annotated(),
            "open task": sa.exists().where(*first, tasks.c.state == "open"),
            "leased": _has_task(tasks.c.lease_until > self.database.now),
            "given to a person": _has_task(tasks.c.assigned_to.is_not(None)),
            "draft": sa.exists().where(drafts.c.photo_id == photos.c.id),
            "waiting for a second annotation": _has_task(tasks.c.kind == "second"),
            "in review": sa.exists().where(of_review, *compared),
            "returned": sa.and_(
                sa.exists().where(of_review, reviews.c.verdict == "returned"),
                sa.exists().where(*first, tasks.c.state == "open"),
            ),
            "near duplicate": photos.c.near_id.is_not(None),
        }
        return conditions[state]


_PHOTO = tuple(photos.c[name] for name in PhotoRow.__dataclass_fields__)


def _table(query: PhotoQuery) -> sa.Table:
    return annotated_boxes if query.models is None else predicted_boxes


def _order(query: PhotoQuery, table: sa.Table) -> tuple[ColumnElement[Any], ...]:
    """The newest photos first; SQLite sorts all of them unless told by which table's index to go."""
    photo = table.c.photo_id if query.asks_for_boxes else photos.c.id
    return photo.desc(), table.c.place


def _has_task(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a photo has an open task of a kind that few have: the tasks are gone through first."""
    return photos.c.id.in_(sa.select(tasks.c.photo_id).where(tasks.c.state == "open", condition))


def _of_models(models: ModelPair | None) -> list[ColumnElement[bool]]:
    if models is None:
        return []
    table = predicted_boxes
    return [table.c.detector_id == models.detector_id, table.c.classifier_id == models.classifier_id]


def _box_conditions(query: PhotoQuery, table: sa.Table) -> list[ColumnElement[bool]]:
    wanted = _of_models(query.models)
    if query.label is not None:
        wanted.append(table.c.label == query.label)
    if query.flag is not None:  # predicted boxes have none
        found = annotated_boxes.c.flags.contains(f" {query.flag} ", autoescape=True)
        wanted.append(found if query.models is None else sa.false())
    if query.models is not None:
        if query.category_id is not None:
            wanted.append(table.c.category.in_(query.predicted_as))
        if query.scores != (0.0, 1.0):
            wanted.append(table.c.score.between(*query.scores))
    elif query.category_id is not None:
        wanted.append(table.c.category_id == query.category_id)
    return wanted


def _box_columns(table: sa.Table) -> Sequence[ColumnElement[Any]]:
    names: Collection[str] = {"place", "box", "label", "uid", "category_id", "category", "score"}
    return [table.c[name].label(f"box_{name}") for name in sorted(names) if name in table.c]


def _found_box(row: Any) -> FoundBox:
    values = dict(row._mapping)
    photo = PhotoRow(**{name: values[name] for name in PhotoRow.__dataclass_fields__})
    x0, y0, x1, y1 = values["box_box"]
    known = ("uid", "category_id", "category", "score")
    further = {name: values.get(f"box_{name}") for name in known}
    return FoundBox(photo, values["box_place"], (x0, y0, x1, y1), values["box_label"], **further)
