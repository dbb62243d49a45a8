"""Imports: how far each is, and what of it was refused."""

from __future__ import annotations

import pytest

from core.errors import NotFoundError
from tests.core.store.rows import clock_of


def test_a_new_import_waits(store):
    before = clock_of(store.database)
    number = store.imports.begin("shirts.zip,\n 3 files", "ada", folder="/data/incoming/1")
    row = store.imports.get(number)
    assert (row.source, row.folder, row.by) == ("shirts.zip, 3 files", "/data/incoming/1", "ada")
    assert (row.state, row.done, row.total, row.counts, row.message) == ("waiting", 0, 0, {}, "")
    assert before <= row.at <= clock_of(store.database)


def test_progress_is_seen(store):
    number = store.imports.begin("a folder", "ada")
    store.imports.progress(number, 2, 5, {"new": 1, "refused": 1})
    row = store.imports.get(number)
    assert (row.state, row.done, row.total, row.counts) == ("running", 2, 5, {"new": 1, "refused": 1})
    store.imports.progress(number, 5, 5, {"new": 4, "refused": 1}, "failed", "The disk is full.")
    assert (store.imports.get(number).state, store.imports.get(number).message) == (
        "failed",
        "The disk is full.",
    )


def test_an_ended_import_stays_as_it_is_until_it_is_begun_again(store):
    number = store.imports.begin("a folder", "ada")
    store.imports.cancel(number)
    store.imports.progress(number, 3, 5, {"new": 3})
    assert (store.imports.get(number).state, store.imports.get(number).done) == ("cancelled", 0)
    store.imports.retry(number)
    store.imports.progress(number, 5, 5, {"new": 5}, "done")
    store.imports.cancel(number)
    store.imports.retry(number)
    assert store.imports.get(number).state == "done"


def test_a_name_is_listed_once_with_all_of_its_reasons(store):
    number, other = store.imports.begin("one", "ada"), store.imports.begin("two", "ada")
    store.imports.refuse(number, "b.jpg", "Too small.")
    store.imports.refuse(number, "a\x00.jpg", "Damaged.")
    for _ in range(2):  # as a step that is repeated
        store.imports.refuse(number, "b.jpg", "Too small.")
        store.imports.refuse(number, "b.jpg", "Damaged\ntoo.")
    found = [(refused.name, refused.reason) for refused in store.imports.refusals(number)]
    assert found == [("b.jpg", "Too small. Damaged too."), ("a.jpg", "Damaged.")]
    assert store.imports.refusals(other) == ()


def test_the_reasons_of_a_name_have_an_end(store):
    number = store.imports.begin("one", "ada")
    for _ in range(2):
        for count in range(60):
            store.imports.refuse(number, "b.jpg", f"Row {count} has no category.")
    (refused,) = store.imports.refusals(number)
    assert len(refused.reason) == 1000
    assert refused.reason.startswith("Row 0 has no category. Row 1 has") and refused.reason.endswith("…")


def test_the_latest_come_first(store):
    numbers = [store.imports.begin(f"number {n}", "ada") for n in range(4)]
    assert [row.id for row in store.imports.recent(3)] == numbers[:0:-1]


def test_an_import_that_never_was_is_not_found(store):
    with pytest.raises(NotFoundError):
        store.imports.get(99)
    with pytest.raises(NotFoundError):
        store.imports.progress(99, 1, 1, {})
