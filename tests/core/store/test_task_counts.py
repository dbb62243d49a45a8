"""The counts of the queue, which are kept by increments, are what counting the rows gives."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from core.errors import LapelError
from core.store import Store, tasks
from core.store.backup import backup, restore
from core.store.queue import QueueCounts
from core.store.schema import photos
from core.store.schema import tasks as table
from tests.core.store.rows import add_photos, box
from tests.databases import on_postgresql

PEOPLE = ("ann", "bob", "cleo")


def counted(store: Store) -> QueueCounts:
    """The counts, by going through all rows."""
    chosen = sa.select(table.c.state, table.c.kind, table.c.lease_by, photos.c.deleted_at)
    rows = store.database.rows(chosen.join(photos, photos.c.id == table.c.photo_id))
    return QueueCounts(
        sum(row.state == "open" for row in rows),
        sum(row.lease_by is not None for row in rows),
        sum((row.state, row.kind, row.deleted_at) == ("done", "first", None) for row in rows),
        sum((row.state, row.kind) == ("open", "second") for row in rows),
        0,
    )


class Acts:
    """What people and jobs do to tasks, at random."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.random = store, Random(seed)
        self.made = 0

    def act(self) -> None:
        self.one_of(*(getattr(self, name) for name in dir(self) if name.startswith("do_")))

    def one_of(self, *acts: Callable[[], object]) -> None:
        """Do one of them; it may be refused, as of a photo that is gone."""
        with suppress(LapelError):
            self.random.choice(acts)()

    def photo(self) -> int:
        return self.random.randint(1, max(1, self.store.photos.last_id()))

    def do_fill(self) -> None:
        add_photos(self.store.database, self.random.randint(1, 9), first=self.store.photos.last_id() + 1)
        self.store.queue.fill()

    def do_submit(self) -> None:
        photo, person, kind = self.photo(), self.random.choice(PEOPLE), self.random.choice(KINDS)
        latest = self.store.annotations.latest(photo)
        base = latest.version if latest is not None and kind == "submitted" else 0
        self.made += 1
        named = {"author": person, "base_version": base, "request": f"{id(self)} {self.made}", "kind": kind}
        self.store.annotations.submit(photo, [box(1, 1, 9, 9)], **named)

    def do_take_and_leave(self) -> None:
        person = self.random.choice(PEOPLE)
        task = self.store.queue.next(person)
        if task is not None and self.random.random() < 0.5:
            self.store.queue.skip(task.id, person)

    def do_put_first(self) -> None:
        self.store.queue.put_first(self.photo(), "look again")

    def do_review_imported(self) -> None:
        self.store.queue.review_imported(self.random.random() < 0.5)

    def do_delete(self) -> None:
        if self.random.random() < 0.3:
            self.store.photos.delete(self.photo(), "ann")

    def do_fail(self) -> None:
        """A change that is taken back."""
        with pytest.raises(ZeroDivisionError), self.store.database.write() as connection:
            connection.execute(sa.update(table).values(state="dropped"))
            raise ZeroDivisionError

    def do_remove(self) -> None:
        if self.random.random() < 0.2:
            with self.store.database.write() as connection:
                connection.execute(sa.delete(table).where(table.c.photo_id == self.photo()))


KINDS = ("submitted", "submitted", "imported", "second")


def test_counts_by_increments_are_those_of_the_rows_after_anything(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST_COUNTS", 20)
    store.settings.put("second_share", 0.5)
    acts, seen = Acts(store, 1), set()
    acts.do_fill()
    for number in range(150):
        acts.act()
        if number % 10 == 0:
            store.queue.add_up_counts()
            kept = store.queue.counts()
            assert kept == counted(store)
            seen.add((kept.open > 0, kept.done > 0, kept.second_open > 0))
    assert (True, True, True) in seen


def rows_of_counts(store: Store) -> int:
    return int(store.database.value(sa.select(sa.func.count()).select_from(tasks.task_counts)))


@on_postgresql
def test_many_writers_at_once_leave_counts_that_are_right(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST_COUNTS", 5)
    Acts(store, 0).do_fill()

    def work(seed: int) -> None:
        acts = Acts(store, seed)
        for _ in range(25):
            acts.one_of(acts.do_submit, acts.do_put_first, store.queue.add_up_counts)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert store.queue.counts() == counted(store)
    store.queue.add_up_counts()
    assert rows_of_counts(store) <= 6 and store.queue.counts() == counted(store)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restored_store_counts_its_tasks(
    fresh_store: Callable[[str], Store], tmp_path: Path, kind: str
) -> None:
    store, other = fresh_store("sqlite"), fresh_store(kind)
    Acts(store, 5).do_fill()
    with store.database.write() as connection:  # their pictures are not there
        connection.execute(sa.update(photos).values(deleted_at=1.0))
        connection.execute(sa.update(table).where(table.c.id == 1).values(state="done"))
    backup(store, tmp_path / "backup.zip")
    restore(tmp_path / "backup.zip", other)
    assert other.queue.counts() == counted(other) and counted(other).open > 0


def steps_of_counts(store: Store) -> int:
    """How many hundred steps SQLite takes to count the tasks."""
    steps: list[int] = []

    def count(connection, _record, _proxy):
        connection.set_progress_handler(lambda: steps.append(1), 100)

    sa.event.listen(store.database.engine, "checkout", count)
    store.queue.counts("ann")
    sa.event.remove(store.database.engine, "checkout", count)
    return len(steps)


def test_the_counts_cost_the_same_however_many_tasks_there_are(fresh_store: Callable[[str], Store]) -> None:
    few, many = fresh_store("sqlite"), fresh_store("sqlite")
    for store, number in ((few, 100), (many, 3000)):
        add_photos(store.database, number)
        store.queue.fill()
        with store.database.write() as connection:
            connection.execute(sa.update(table).where(table.c.id % 2 == 0).values(state="done"))
    assert steps_of_counts(many) <= steps_of_counts(few) + 3
