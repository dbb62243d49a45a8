"""Statistics of the annotations, counted in one pass: for the charts of progress."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from core.access import Right, needs
from core.store import Store
from core.store.agreement import Agreement
from core.store.schema import annotations as versions
from core.store.schema import consensus_reviews as reviews
from core.store.schema import photos
from core.store.versions import is_newest, newest_versions

BATCH = 500
SIZE_BINS = 20
BY_PEOPLE = ("submitted", "merged", "second")
"""Kinds of versions that are somebody's work at a photo; imports and verdicts are not."""


@dataclass(frozen=True)
class Day:
    """How many photos a person did on a day of this machine's calendar, as YYYY-MM-DD."""

    day: str
    author: str
    photos: int


@dataclass(frozen=True)
class Statistics:
    """The latest annotations of live photos, counted.

    ``boxes`` are by category's number. ``sizes`` counts boxes in equal bins over 0..1 of the root of the part
    of the photo that they cover. ``origins`` are by where a box came from first: "person", "import", "model",
    and "model, changed" for those that a person put right.
    """

    photos: int
    boxes: Mapping[int, int]
    sizes: tuple[int, ...]
    origins: Mapping[str, int]
    days: tuple[Day, ...]


@needs(Right.READ)
def count_annotations(store: Store) -> Statistics:
    """Count now; in memory are a few hundred rows at a time."""
    boxes: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    origins: Counter[str] = Counter()
    total = 0
    with store.database.read() as connection:
        for row in connection.execution_options(yield_per=BATCH).execute(_latest()):
            total += 1
            area = row.width * row.height
            boxes.update(box["category"] for box in row.boxes)
            sizes.update(_bin(box["box"], area) for box in row.boxes)
            origins.update(_origin(box) for box in row.boxes)
        days = _days(connection)
    return Statistics(total, boxes, tuple(sizes[place] for place in range(SIZE_BINS)), origins, days)


@needs(Right.READ)
def statistics_state(store: Store) -> tuple[int, int, int]:
    """Numbers that change whenever the counts or the agreements may have."""
    newest = sa.select(sa.func.max(versions.c.id)).scalar_subquery()
    live = sa.select(sa.func.count()).select_from(photos).where(photos.c.deleted_at.is_(None))
    compared = sa.select(sa.func.count()).select_from(reviews).where(reviews.c.second_version.is_not(None))
    (row,) = store.database.rows(sa.select(newest, live.scalar_subquery(), compared.scalar_subquery()))
    return row[0] or 0, row[1], row[2]


@dataclass(frozen=True)
class DailyWork:
    """What a person did on a day of this machine's calendar, as YYYY-MM-DD.

    ``boxes`` are those of the last version of each photo, ``seconds_a_photo`` the mean of the photos whose
    time is known, all versions of the day together; ``agreement`` is the mean ``Agreement.share`` (0..1) of
    the photos among these that two people annotated. None: not known.
    """

    day: str
    person: str
    photos: int
    boxes: int
    seconds_a_photo: float | None
    agreement: float | None


@needs(Right.READ)
def daily_work(store: Store) -> list[DailyWork]:
    """Everybody's work by day, the latest day first; a few hundred rows in memory at a time."""
    boxes: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    seconds: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    columns = (versions.c.photo_id, versions.c.author, versions.c.at, versions.c.boxes, versions.c.seconds)
    work = sa.select(*columns).where(versions.c.kind.in_(BY_PEOPLE)).order_by(versions.c.id)
    with store.database.read() as connection:
        for row in connection.execute(work.execution_options(yield_per=BATCH)):
            place = (_date(row.at), row.author)
            boxes[place][row.photo_id] = len(row.boxes)
            if row.seconds is not None:
                seconds[place][row.photo_id] += row.seconds
        compared = _shares(connection)
    return [
        DailyWork(
            day,
            person,
            len(of_photo),
            sum(of_photo.values()),
            _mean(seconds[day, person].values()),
            _mean(compared[id] for id in of_photo if id in compared),
        )
        for (day, person), of_photo in sorted(
            boxes.items(), key=lambda entry: (_backwards(entry), entry[0][1])
        )
    ]


def _backwards(entry: tuple[tuple[str, str], object]) -> int:
    return -date.fromisoformat(entry[0][0]).toordinal()


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None


def _shares(connection: Connection) -> dict[int, float]:
    """How far two people agreed, by photo."""
    found = sa.select(reviews.c.photo_id, reviews.c.agreement).where(reviews.c.second_version.is_not(None))
    return {row.photo_id: Agreement(**row.agreement).share for row in connection.execute(found)}


@needs(Right.READ)
def proposed_holdout(store: Store, revision: int) -> tuple[int, int]:
    """How many holdout photos a revision has whose boxes began as models' proposals, and how many in all.

    Raises NotFoundError for no such revision.
    """
    total = proposed = 0
    for item in store.revisions.items(revision, holdout=True):
        total += 1
        proposed += any(box.origin == "model" for box in item.annotation.boxes)
    return proposed, total


@needs(Right.READ)
def agreements(store: Store, most: int = 10_000) -> list[Agreement]:
    """How far two people agreed on each photo that both did, the latest first."""
    found = sa.select(reviews.c.agreement).where(reviews.c.second_version.is_not(None))
    rows = store.database.rows(found.order_by(reviews.c.at.desc(), reviews.c.photo_id).limit(most))
    return [Agreement(**row.agreement) for row in rows]


def _latest() -> Select[Any]:
    """The newest version of every live photo, second reviews apart, with the photo's size."""
    newest = newest_versions()
    found = sa.select(versions.c.boxes, photos.c.width, photos.c.height)
    found = found.join_from(versions, newest, is_newest(newest))
    return found.join(photos, photos.c.id == versions.c.photo_id).where(photos.c.deleted_at.is_(None))


def _days(connection: Connection) -> tuple[Day, ...]:
    work = sa.select(versions.c.photo_id, versions.c.author, versions.c.at)
    rows = connection.execution_options(yield_per=BATCH).execute(work.where(versions.c.kind.in_(BY_PEOPLE)))
    # A photo saved twice on a day by the same person was done once.
    done = {(_date(row.at), row.author, row.photo_id) for row in rows}
    counts = Counter((day, author) for day, author, _ in done)
    return tuple(Day(day, author, count) for (day, author), count in sorted(counts.items()))


def _date(at: float) -> str:
    return datetime.fromtimestamp(at).date().isoformat()


def _bin(box_xyxy: Iterable[float], photo_area: float) -> int:
    x0, y0, x1, y1 = box_xyxy
    part = math.sqrt(max(0.0, (x1 - x0) * (y1 - y0)) / photo_area)
    return min(SIZE_BINS - 1, int(part * SIZE_BINS))


def _origin(box: Mapping[str, Any]) -> str:
    origin = str(box.get("origin", "person"))
    return "model, changed" if origin == "model" and box.get("changed") else origin
