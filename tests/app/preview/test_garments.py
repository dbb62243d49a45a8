"""What the view of all garments asks for: only what is there is changed, as one step."""

from __future__ import annotations

from typing import Any

import pytest

from app.preview import garments, selection
from app.preview.session import PreviewSession
from core.files import DATA_VARIABLE
from tests.fakes import FakeLabeler
from tests.pictures import jpeg
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def session(tmp_path, monkeypatch) -> PreviewSession:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    found = PreviewSession(incoming=[("a.jpg", jpeg(3)), ("b.jpg", jpeg(3, shade=9))])
    batch = found.start_labeling(FakeLabeler(), PATIENCE_SECONDS)
    assert batch is not None
    batch.wait(lambda now: not now.running, PATIENCE_SECONDS)
    return found


def known(session: PreviewSession) -> dict[str, Any]:
    assert session.batch is not None
    views = [selection.view_of(item, session.corrections, 0.5) for item in session.batch.items]
    return {garments.key_of((view, number)): (view, number) for view in views for number in view.garments}


def perform(session: PreviewSession, asked: object) -> None:
    garments.perform(session, asked, known(session), FakeLabeler.categories, FakeLabeler.labels)


def test_chosen_garments_are_changed_at_once(session):
    perform(session, {"name": "category", "value": "footwear", "keys": ["0-0", "1-1", "0-0"]})
    assert {key: view.garments[number].category for key, (view, number) in known(session).items()} == {
        "0-0": "footwear", "0-1": "pants", "1-0": "top", "1-1": "footwear",
    }  # fmt: skip
    assert len(session.corrections.done) == 1
    perform(session, {"name": "take out", "keys": ["0-0", "1-0"]})
    assert list(known(session)) == ["0-1", "1-1"]
    perform(session, {"name": "accept", "keys": ["0-1"]})
    assert known(session)["0-1"][0].garments[1].corrected


@pytest.mark.parametrize(
    "asked",
    [
        None,
        {"name": "accept"},
        {"name": "accept", "keys": "0-0"},
        {"name": "accept", "keys": [None, 7, {}, "9-9"]},
        {"name": "category", "value": "<script>", "keys": ["0-0"]},
        {"name": "label", "value": None, "keys": ["0-0"]},
        {"name": "explode", "keys": ["0-0"]},
    ],
)
def test_what_is_no_request_changes_nothing(session, asked):
    perform(session, asked)
    assert session.corrections.done == [] and session.question is None
