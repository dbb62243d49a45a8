"""Jobs: how far background work is."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core.errors import NotFoundError
from core.store.schema import jobs


def test_a_job_waits_runs_and_ends(store):
    store.jobs.begin("a", "label", "ada")
    assert (store.jobs.get("a").state, store.jobs.get("a").by) == ("waiting", "ada")
    store.jobs.progress("a", 3, 10, "3 of 10 photos")
    row = store.jobs.get("a")
    assert (row.state, row.done, row.total, row.message) == ("running", 3, 10, "3 of 10 photos")
    assert row.updated_at >= row.at
    store.jobs.finish("a", "done", "all labeled")
    assert (store.jobs.get("a").state, store.jobs.get("a").message) == ("done", "all labeled")


def test_beginning_again_changes_nothing(store):
    store.jobs.begin("a", "label", "ada")
    store.jobs.progress("a", 3, 10)
    store.jobs.begin("a", "import", "ben")
    assert (store.jobs.get("a").kind, store.jobs.get("a").state) == ("label", "running")


def test_what_has_ended_stays_as_it_is(store):
    store.jobs.begin("a", "label", "ada")
    store.jobs.finish("a", "cancelled")
    store.jobs.progress("a", 3, 10)
    store.jobs.finish("a", "done")
    assert (store.jobs.get("a").state, store.jobs.get("a").done) == ("cancelled", 0)


def test_a_stopped_job_can_wait_again_and_a_done_one_cannot(store):
    for id, end in (("a", "failed"), ("b", "done")):
        store.jobs.begin(id, "label", "ada")
        store.jobs.finish(id, end, "why")
        store.jobs.retry(id)
    assert [store.jobs.get(id).state for id in "ab"] == ["waiting", "done"]


def test_asking_for_what_is_under_way_gives_the_same_job(store):
    first = store.jobs.request("label", "ada")
    assert store.jobs.request("label", "ben") == first and store.jobs.request("score", "ben") != first
    store.jobs.finish(first, "done")
    assert store.jobs.request("label", "ben") != first


def test_a_job_ends_in_one_of_three_ways(store):
    with pytest.raises(ValueError, match="done, failed, cancelled"):
        store.jobs.finish("a", "running")


def test_running_jobs_come_oldest_first_and_recent_ones_newest_first(store):
    for at, id in enumerate("cab"):
        store.jobs.begin(id, "label", "ada")
        store.database.change(sa.update(jobs).where(jobs.c.id == id).values(at=1e9 + at))
    store.jobs.finish("a", "failed", "no memory")
    assert [row.id for row in store.jobs.running()] == ["c", "b"]
    assert [row.id for row in store.jobs.recent(2)] == ["b", "a"]


def test_a_job_that_never_was_is_not_found(store):
    with pytest.raises(NotFoundError):
        store.jobs.get("a")
