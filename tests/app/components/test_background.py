"""Long tasks: progress, results, sentences, and cancelling, one at a time."""

from __future__ import annotations

from functools import partial
from threading import Event

from app.components.background import UNEXPECTED, TaskRunner
from core.errors import LapelError
from tests.waiting import until


def test_a_task_tells_its_progress_and_keeps_its_result():
    runner, go = TaskRunner(), Event()

    def job(progress):
        progress(1, 3)
        go.wait()
        return "made"

    task = runner.start("a", job)
    until(lambda: task.total == 3)
    assert task.is_going and runner.start("a", job) is task, "asked again it is the same"
    go.set()
    until(lambda: not task.is_going)
    assert (task.state, task.result, task.done) == ("done", "made", 1) and runner.get("a") is task


def test_tasks_wait_for_each_other_and_a_cancelled_one_never_begins():
    runner, go, begun = TaskRunner(), Event(), []
    first = runner.start("a", lambda progress: go.wait())
    until(lambda: first.state == "running")
    second = runner.start("b", lambda progress: begun.append("b"))
    assert second.state == "waiting"
    second.cancel()
    go.set()
    until(lambda: not second.is_going)
    assert second.state == "cancelled" and begun == []


def test_errors_are_sentences():
    def sentence(progress):
        raise LapelError("Nothing to measure on.")

    def bug(progress):
        raise ZeroDivisionError

    runner = TaskRunner()
    tasks = [runner.start(job.__name__, job) for job in (sentence, bug)]
    until(lambda: not any(task.is_going for task in tasks))
    assert [task.error for task in tasks] == ["Nothing to measure on.", UNEXPECTED]


def test_only_the_last_tasks_are_kept(monkeypatch):
    monkeypatch.setattr("app.components.background.MOST_FINISHED", 1)
    runner = TaskRunner()
    for name in "abc":
        task = runner.start(name, lambda progress: None)
        until(partial(lambda task: not task.is_going, task))
    assert runner.get("a") is None and runner.get("c") is not None
