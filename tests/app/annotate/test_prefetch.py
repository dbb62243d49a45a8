"""Proposals for photos that no worker has labeled yet: predicted in the background, loaded while blank."""

from __future__ import annotations

import pytest

from app import resources
from app.annotate.prefetch import ProposalJobs, is_blank, load_proposals, predict_photo
from app.annotate.save import save_draft
from app.annotate.session import UNAIDED, AnnotationSession, load_photo, open_next
from core.inference.predictions import UNAIDED_HOLDOUT_SETTING
from core.store import Store
from tests.app.annotating import box, filled_store, work_on
from tests.core.store.conftest import drawn
from tests.core.store.rows import add_models
from tests.fakes import FakeLabeler
from tests.waiting import until


class ServingLabeler(FakeLabeler):
    """A stand-in whose models the store knows; ``predicted`` counts the photos it saw for the store."""

    def __init__(self) -> None:
        super().__init__()
        self.names = {"detector": "fake detector", "classifier": "fake classifier"}
        self.predicted = 0

    def label_and_embed(self, photo, score_threshold=None):
        self.predicted += 1
        return super().label_and_embed(photo, score_threshold)


@pytest.fixture
def labeler(monkeypatch) -> ServingLabeler:
    fake = ServingLabeler()
    monkeypatch.setattr(resources, "labeler_of", lambda store: fake)
    return fake


@pytest.fixture
def store(tmp_path) -> Store:
    """Two photos that no model has seen; the stand-in's models serve."""
    store = filled_store(tmp_path, 2)
    add_models(store.database, "fake")
    return store


def open_id(session: AnnotationSession) -> int:
    assert session.opened is not None
    return session.opened.photo.id


def test_a_blank_photo_gets_the_boxes_that_the_models_find(store, labeler):
    session, proposal_jobs = AnnotationSession("anna"), ProposalJobs()
    open_next(store, session)
    assert session.opened is not None and is_blank(session, session.opened)
    key = session.opened.key
    proposal_jobs.request(store, open_id(session))
    until(lambda: not proposal_jobs.pending(store, open_id(session)))
    load_proposals(store, session)
    assert session.boxes and not session.boxes[0].accepted and session.boxes[0].origin == "model"
    assert session.opened.key == key and session.opened.has_lease  # the editor goes on with the same work


def test_an_unaided_holdout_photo_waits_for_no_proposals_and_shows_no_candidates(store, labeler):
    held = store.photos.add(drawn(5, holdout=True), by="ann").row
    assert held is not None and predict_photo(store, held.id)
    assert load_photo(store, "anna", held.id, None).predicted_boxes
    store.settings.put(UNAIDED_HOLDOUT_SETTING, True)
    session = AnnotationSession("anna")
    store.queue.put_first(held.id, "because")
    open_next(store, session)
    assert session.opened is not None and session.opened.photo.id == held.id
    assert session.opened.is_unaided and session.opened.notice == UNAIDED
    assert not is_blank(session, session.opened)
    load_proposals(store, session)
    assert session.boxes == () and session.opened.predicted_boxes == ()


def test_what_a_person_has_drawn_meanwhile_stays(store, labeler):
    session = AnnotationSession("anna")
    open_next(store, session)
    save_draft(store, session, work_on(session, 1, box(uid="mine")))
    assert predict_photo(store, open_id(session))
    load_proposals(store, session)
    assert [found.uid for found in session.boxes] == ["mine"]


def test_a_photo_is_asked_for_once_and_one_that_was_seen_not_at_all(store, labeler):
    proposal_jobs = ProposalJobs()
    proposal_jobs.request(store, 1)
    proposal_jobs.request(store, 1)
    until(lambda: not proposal_jobs.pending(store, 1))
    again = ProposalJobs()
    again.request(store, 1)
    assert not again.pending(store, 1) and labeler.predicted == 1


def test_models_that_fail_leave_the_photo_to_the_person(store, monkeypatch):
    monkeypatch.setattr(resources, "labeler_of", lambda store: 1 / 0)
    assert not predict_photo(store, 1) and store.predictions.get(1) is None
