"""Trainings: one of a kind at a time, how far it is, its curve and its log."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core.access import Actor, Role
from core.errors import AccessError, ConflictError, NotFoundError, RecipeError
from core.store.schema import trainings


@pytest.fixture
def revision(store):
    return store.revisions.create("ada").number


def test_a_training_waits_runs_and_ends(store, revision):
    row = store.trainings.begin("detector", "quick", revision)
    assert (row.kind, row.mode, row.state, row.by, row.job) == (
        "detector", "quick", "waiting", "local", f"train-{row.id}",
    )  # fmt: skip
    store.trainings.progress(row.id, 3, 10, "learning")
    running = store.trainings.get(row.id)
    assert (running.state, running.step, running.steps, running.message) == ("running", 3, 10, "learning")
    assert running.started_at is not None and store.trainings.running() == (running,)
    store.trainings.finish(row.id, "done")
    ended = store.trainings.get(row.id)
    assert (ended.state, ended.started_at) == ("done", running.started_at)
    assert ended.ended_at >= ended.at and store.trainings.running() == ()


def test_a_second_press_gives_the_training_that_is_going(store, revision):
    first = store.trainings.begin("detector", "quick", revision)
    store.trainings.progress(first.id, 1, 10)
    assert store.trainings.begin("detector", "full", revision).id == first.id
    assert store.trainings.begin("classifier", "full", revision).id != first.id
    store.trainings.finish(first.id, "failed", "no memory")
    assert store.trainings.begin("detector", "quick", revision).id not in (first.id, first.id + 1)


def test_what_has_ended_stays_as_it_is(store, revision):
    id = store.trainings.begin("detector", "quick", revision).id
    store.trainings.cancel(id)
    store.trainings.progress(id, 3, 10)
    store.trainings.finish(id, "done")
    assert (store.trainings.get(id).state, store.trainings.get(id).step) == ("cancelled", 0)


def test_a_stopped_training_waits_again_unless_another_is_going(store, revision):
    first = store.trainings.begin("detector", "quick", revision).id
    store.trainings.cancel(first)
    assert store.trainings.retry(first).state == "waiting"
    store.trainings.cancel(first)
    second = store.trainings.begin("detector", "quick", revision).id
    with pytest.raises(ConflictError):
        store.trainings.retry(first)
    assert store.trainings.retry(second).state == "waiting"


def test_a_shell_that_was_killed_does_not_stand_in_the_way_for_ever(store, revision):
    first = store.trainings.begin("detector", "quick", revision, by_worker=False)
    assert first.job is None and store.trainings.begin("detector", "quick", revision).id == first.id
    with store.database.write() as connection:
        connection.execute(sa.update(trainings).values(updated_at=trainings.c.updated_at - 601))
    assert store.trainings.begin("detector", "quick", revision).id != first.id
    assert store.trainings.get(first.id).state == "failed"


def test_the_curve_grows_joins_and_can_be_taken_back(store, revision):
    id = store.trainings.begin("detector", "quick", revision).id
    for step, loss in ((1, 3.0), (2, 2.5), (4, float("nan"))):
        store.trainings.point(id, step, {"loss": loss})
    store.trainings.point(id, 2, {"val_map50": 0.25})
    assert [(p.step, p.values) for p in store.trainings.points(id)] == [
        (1, {"loss": 3.0}), (2, {"loss": 2.5, "val_map50": 0.25}), (4, {"loss": None}),
    ]  # fmt: skip
    assert [p.step for p in store.trainings.points(id, after=1)] == [2, 4]
    store.trainings.rewind(id, 2)
    assert [p.step for p in store.trainings.points(id)] == [1, 2]


def test_the_log_s_last_lines_come_oldest_first(store, revision):
    id = store.trainings.begin("detector", "quick", revision).id
    for number in range(5):
        store.trainings.log(id, f"line {number}\n")
    assert [line.text for line in store.trainings.lines(id, last=2)] == ["line 3", "line 4"]


def test_settings_and_parent_are_known_once_it_is_prepared(store, revision):
    id = store.trainings.begin("detector", "quick", revision).id
    store.trainings.prepared(id, parent_id=7, settings={"recipe": {"seed": 0}})
    assert (store.trainings.get(id).parent_id, store.trainings.get(id).settings["recipe"]["seed"]) == (7, 0)


def test_what_there_is_not_is_refused(store, revision):
    with pytest.raises(RecipeError, match="quick or full"):
        store.trainings.begin("detector", "slow", revision)
    with pytest.raises(NotFoundError, match="revision 99"):
        store.trainings.begin("detector", "quick", 99)
    for act in (store.trainings.get, store.trainings.cancel, store.trainings.retry):
        with pytest.raises(NotFoundError):
            act(99)
    with pytest.raises(ValueError, match="done, failed, cancelled"):
        store.trainings.finish(1, "running")


def test_annotators_may_not_train(store, revision):
    theirs = store.acting(Actor("ada", frozenset({Role.ANNOTATOR}))).trainings
    for act in (lambda: theirs.begin("detector", "quick", revision), theirs.recent, lambda: theirs.points(1)):
        with pytest.raises(AccessError, match="train models"):
            act()
    researcher = store.acting(Actor("eve", frozenset({Role.RESEARCHER}))).trainings
    assert researcher.begin("detector", "quick", revision).by == "eve"


def test_anchors_that_were_asked_for_are_kept(store, revision):
    pairs = [[0.01 * side, 0.02 * side] for side in range(1, 10)]
    row = store.trainings.begin("detector", "full", revision, anchors=pairs)
    assert store.trainings.get(row.id).settings == {"anchors": pairs}
    store.trainings.finish(row.id, "done")
    assert store.trainings.begin("detector", "full", revision, anchors="own").settings == {"anchors": "own"}


@pytest.mark.parametrize("wrong", ["darknet", [], [[0.1, 0.2]] * 8, [[0.1, 0.0]] * 9, [[0.1]] * 9, [1.0] * 9])
def test_other_anchors_are_refused(store, revision, wrong):
    with pytest.raises(RecipeError, match='expected anchors of "own" or 9 pairs'):
        store.trainings.begin("detector", "quick", revision, anchors=wrong)


def test_a_classifier_has_no_anchors(store, revision):
    with pytest.raises(RecipeError, match="anchors go with a detector, not with a classifier"):
        store.trainings.begin("classifier", "quick", revision, anchors="own")
