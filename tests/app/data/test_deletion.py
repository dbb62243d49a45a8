"""Deleting with ten seconds to think better of it."""

from __future__ import annotations

import time

import pytest

from app.data.deletion import Deletions
from core.errors import NotFoundError, StoreBusyError


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


def wait_for(condition, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def test_a_photo_goes_when_the_grace_is_over_without_any_page():
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna", undo_seconds=0.05)
    assert mine.hides(7) and not store.gone
    wait_for(lambda: store.gone == [(7, "Anna")])
    wait_for(lambda: not mine.hides(7))


def test_a_photo_that_is_taken_back_stays():
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna", undo_seconds=0.1)
    mine.cancel(7)
    time.sleep(0.2)
    assert store.gone == [] and not mine.hides(7)
    mine.cancel(7)


def test_it_can_go_at_once_and_goes_once():
    store, mine = FakeStore(), Deletions()
    mine.schedule(store, 7, "shirt.jpg", "Anna", undo_seconds=0.1)
    mine.schedule(store, 7, "shirt.jpg", "Anna", undo_seconds=0.1)
    mine.delete_now(store, 7, "Anna")
    time.sleep(0.2)
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
