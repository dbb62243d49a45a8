"""Photos that no worker has seen yet: looked at beside the page, and laid out while they are still blank."""

from __future__ import annotations

import pytest

from app import resources
from app.annotate.opening import open_next
from app.annotate.save import keep
from app.annotate.session import Desk
from app.annotate.sight import Sight, is_blank, look, take_boxes
from core.store import Store
from tests.app.annotating import box, filled_store, work_on
from tests.fakes import FakeLabeler


@pytest.fixture
def labeler(monkeypatch) -> FakeLabeler:
    fake = FakeLabeler()
    monkeypatch.setattr(resources, "labeler", lambda: fake)
    return fake


@pytest.fixture
def store(tmp_path) -> Store:
    return filled_store(tmp_path, 2)


def at_hand(desk: Desk) -> int:
    assert desk.opened is not None
    return desk.opened.photo.id


def test_a_blank_photo_gets_the_boxes_that_the_models_find(store, labeler):
    desk, sight = Desk("anna"), Sight()
    open_next(store, desk)
    assert desk.opened is not None and is_blank(desk, desk.opened)
    key = desk.opened.key
    sight.ask(store, at_hand(desk))
    (future,) = sight._futures.values()
    assert future.result(timeout=30) and not sight.pending(store, at_hand(desk))
    take_boxes(store, desk)
    assert desk.boxes and not desk.boxes[0].accepted and desk.boxes[0].origin == "model"
    assert desk.opened.key == key and desk.opened.holds  # the editor goes on with the same work


def test_what_a_person_has_drawn_meanwhile_stays(store, labeler):
    desk = Desk("anna")
    open_next(store, desk)
    keep(store, desk, work_on(desk, 1, box(uid="mine")))
    assert look(store, at_hand(desk))
    take_boxes(store, desk)
    assert [found.uid for found in desk.boxes] == ["mine"]


def test_a_photo_is_asked_for_once_and_one_that_was_seen_not_at_all(store, labeler):
    sight = Sight()
    sight.ask(store, 1)
    sight.ask(store, 1)
    (future,) = sight._futures.values()
    assert future.result(timeout=30)
    Sight().ask(store, 1)
    again = Sight()
    again.ask(store, 1)
    assert not again._futures


def test_models_that_fail_leave_the_photo_to_the_person(store, monkeypatch):
    monkeypatch.setattr(resources, "labeler", lambda: 1 / 0)
    assert not look(store, 1) and store.predictions.get(1) is None
