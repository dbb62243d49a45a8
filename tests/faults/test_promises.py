"""The fault tests' own eyes: what is lost or half done is seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
import sqlalchemy as sa

from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.schema import annotations, photos, revisions, tasks
from tests.core.store.conftest import drawn
from tests.faults.promises import Promises
from tests.faults.wholeness import faults_of
from tests.faults.writer import plain

DIGEST = drawn(1).digest


@pytest.fixture
def store(fresh_store: Callable[[str], Store]) -> Store:
    """A store with one photo that is submitted, a draft of another, and a revision."""
    store = fresh_store("sqlite")
    boxes = boxes_of(store)
    for seed in (1, 2):
        store.photos.add(drawn(seed), by="Anna")
    store.queue.fill()
    store.annotations.submit(1, boxes, author="Anna", base_version=0, request="one")
    store.drafts.save(2, "Anna", boxes=boxes, sequence=5, base_version=0)
    store.revisions.create("Anna")
    return store


def boxes_of(store: Store) -> list[AnnotatedBox]:
    """The boxes that everybody has drawn."""
    return [AnnotatedBox((10, 10, 50, 60), store.categories.all()[0].id, uid="a")]


def promised(store: Store, what: str, **facts: object) -> list[str]:
    """What is broken where only this was promised."""
    promises = Promises()
    if what in ("draft", "submitted"):
        facts = {"person": "Anna", "boxes": plain(boxes_of(store))} | facts
    promises.hear([{"what": what, **facts}])
    return [*promises.broken(store)]


def test_promises_that_are_kept_are_not_broken(store: Store) -> None:
    assert promised(store, "added", photo=1, digest=DIGEST) == []
    assert promised(store, "draft", photo=2, sequence=5) == []
    assert promised(store, "draft", photo=2, sequence=4, boxes=[]) == [], "a later change is there"
    assert promised(store, "submitted", photo=1, version=1, request="one") == []
    assert promised(store, "revision", number=1, digest=store.revisions.get(1).digest) == []


def test_every_kind_of_loss_is_seen(store: Store) -> None:
    assert promised(store, "added", photo=3, digest=DIGEST) == ["photo 3 is lost"]
    assert promised(store, "draft", photo=2, sequence=6) == ["the draft of photo 2 by Anna is lost"]
    assert promised(store, "draft", photo=2, sequence=5, boxes=[]) == [
        "the draft of photo 2 by Anna has other boxes"
    ]
    assert promised(store, "submitted", photo=1, version=1, request="two") == [
        "version (1, 1) is lost, there is None"
    ]
    assert promised(store, "submitted", photo=1, version=1, request="one", boxes=[]) == [
        "version (1, 1) has other boxes"
    ]
    assert promised(store, "revision", number=1, digest="other") == ["revision 1 is another one"]
    assert promised(store, "failed", error="why") == ["why"]


def test_what_was_asked_to_be_removed_is_not_missed(store: Store) -> None:
    promises = Promises()
    promises.hear([{"what": "added", "photo": 1, "digest": DIGEST}, {"what": "deleting", "photo": 1}])
    assert [*promises.broken(store)] == []
    promises.hear([{"what": "deleted", "photo": 1}])
    assert [*promises.broken(store)] == ["photo 1 is back from the dead"]


def test_a_whole_store_has_no_fault(store: Store) -> None:
    assert [*faults_of(store)] == []


@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        (sa.update(tasks).values(state="open"), "photo 1 is submitted, and its task is open"),
        (sa.update(annotations).values(version=2), "photo 1 has 1 versions, and the last is number 2"),
        (
            sa.update(revisions).values(digest="0" * 64),
            "revision 1 holds something else than its digest says",
        ),
        (sa.update(photos).where(photos.c.id == 2).values(blob="0" * 64), "photo 2 has no picture"),
    ],
)
def test_every_kind_of_half_state_is_seen(harm: sa.Update, seen: str, store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(harm)
    [fault] = faults_of(store)
    assert seen in fault


def test_a_reference_that_leads_nowhere_is_seen(store: Store) -> None:
    with closing(sqlite3.connect(store.database.engine.url.database)) as connection, connection:
        connection.execute("DELETE FROM photos WHERE id = 2")  # such a connection minds no references
    assert any("leads nowhere" in fault for fault in faults_of(store))
