"""Deleting with ten seconds to think better of it."""

from __future__ import annotations

import pytest

from app.data.deletion import UNDO_SECONDS, Deletions
from core.errors import NotFoundError, StoreBusyError
from tests.waiting import until


class FakeStore:
    """A store whose photos remember what was deleted, or fail to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.photos = self
        self.gone: list[tuple[int, str]] = []
        self.error = error

    def delete(self, photo_id: int, by: str) -> None:
        if self.error:
            raise self.error
        self.gone.append((photo_id, by))


class Timer:
    """A timer that goes off when the test says so."""

    def __init__(self, seconds, call, arguments):
        self.seconds, self.call, self.arguments = seconds, call, arguments
        self.started = self.cancelled = False

    def start(self):
        self.started = True

    def cancel(self):
        self.cancelled = True

    def go_off(self):
        assert self.started
        if not self.cancelled:
            self.call(*self.arguments)


@pytest.fixture
def timers(monkeypatch):
    """The timers that were set, in order."""
    made = []

    def make(*given):
        made.append(Timer(*given))
        return made[-1]

    monkeypatch.setattr("app.data.deletion.threading.Timer", make)
    return made


def test_a_photo_goes_when_the_grace_is_over_without_any_page():
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna", undo_seconds=0.01)
    until(lambda: store.gone == [(7, "Anna")])
    until(lambda: not mine.hides(7))


def test_a_photo_is_hidden_and_there_until_its_time_is_over(timers):
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna")
    assert mine.hides(7) and not store.gone and timers[0].seconds == UNDO_SECONDS
    timers[0].go_off()
    assert store.gone == [(7, "Anna")] and not mine.hides(7)


def test_a_photo_that_is_taken_back_stays(timers):
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna")
    mine.cancel(7)
    assert timers[0].cancelled
    timers[0].call(*timers[0].arguments)  # as if it had gone off at the same moment
    assert store.gone == [] and not mine.hides(7)
    mine.cancel(7)


def test_it_can_go_at_once_and_goes_once(timers):
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna")
    mine.schedule(store, 7, "shirt.jpg", "Anna")
    assert [timer.started for timer in timers] == [True, False]
    mine.delete_now(store, 7, "Anna")
    timers[0].call(*timers[0].arguments)
    assert store.gone == [(7, "Anna")]


@pytest.mark.parametrize(
    ("error", "told"),
    [(NotFoundError("gone"), []), (StoreBusyError("Busy."), ["shirt.jpg was not deleted. Busy."])],
)
def test_what_went_wrong_is_told_and_the_photo_is_shown_again(error, told):
    mine = Deletions()
    store = FakeStore(error)
    mine.schedule(store, 7, "shirt.jpg", "Anna", undo_seconds=60)
    mine.delete_now(store, 7, "Anna")
    assert mine.failed == told and not mine.hides(7)
