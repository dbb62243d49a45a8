"""The editor's messages done to the store: drafts, submits, skips, back, keys, conflicts, leases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.annotate.save import (
    RENEW_AFTER_SECONDS,
    lease_expired,
    own_keys,
    perform,
    retry_submit,
    save_draft,
    submit_merged,
)
from app.annotate.session import AnnotationSession, open_next, open_photo
from core.access import Actor
from core.errors import StoreBusyError, StoreError
from core.store import Store
from core.store.annotations import Annotations
from core.store.queue import LEASE_SECONDS
from tests.app.annotating import act_on, box, filled_store, work_on


@pytest.fixture
def store(tmp_path) -> Store:
    return filled_store(tmp_path)


@pytest.fixture
def session(store) -> AnnotationSession:
    return opened(store, "anna")


def opened(store: Store, person: str) -> AnnotationSession:
    session = AnnotationSession(person)
    open_next(store, session)
    return session


def photo_of(session: AnnotationSession) -> int:
    assert session.opened is not None
    return session.opened.photo.id


def test_every_change_is_a_draft_and_is_acknowledged_by_its_sequence(store, session):
    save_draft(store, session, work_on(session, 7, box()))
    assert session.saved_sequence == 7
    draft = store.drafts.load(photo_of(session), "anna")
    assert draft is not None and draft.sequence == 7 and len(draft.boxes) == 1


def test_a_change_that_comes_late_never_overwrites_a_newer_one(store, session):
    save_draft(store, session, work_on(session, 9, box(), box(50)))
    save_draft(store, session, work_on(session, 8, box()))
    draft = store.drafts.load(photo_of(session), "anna")
    assert draft is not None and len(draft.boxes) == 2
    assert session.saved_sequence == 9 and len(session.boxes) == 2


def test_a_later_draft_from_another_tab_wins(store, session):
    other_tab = opened(store, "anna")
    save_draft(store, other_tab, work_on(other_tab, 20, box(uid="there")))
    save_draft(store, session, work_on(session, 10, box(uid="here")))
    assert session.saved_sequence == 20
    assert [b.uid for b in session.boxes] == ["there"]


def test_what_was_done_lies_there_after_a_look_at_another_page(store, session):
    save_draft(store, session, work_on(session, 7, box(uid="mine")))
    assert [b.uid for b in session.boxes] == ["mine"] and session.saved_sequence == 7


def test_a_draft_comes_back_with_a_notice_of_its_time(store, session):
    save_draft(store, session, work_on(session, 7, box(uid="mine")))
    again = opened(store, "anna")
    assert again.opened is not None
    assert [b.uid for b in again.opened.boxes] == ["mine"]
    assert again.saved_sequence == 7
    assert again.opened.notice.startswith("Your draft of ")


def test_submitting_makes_a_version_and_opens_another_photo(store, session):
    first = photo_of(session)
    perform(store, session, act_on(session, "submit", [box()]))
    saved = store.annotations.latest(first)
    assert saved is not None and saved.author == "anna" and saved.seconds == 5.0
    assert photo_of(session) != first
    assert session.counts is not None and session.counts.mine_done_today == 1


@pytest.mark.parametrize(
    ("choice", "kept"), [("accept", ["sure", "open"]), ("reject", ["sure"]), (None, None)]
)
def test_undecided_proposals_are_stored_only_as_the_user_has_chosen(store, session, choice, kept):
    photo = photo_of(session)
    if choice:
        perform(store, session, act_on(session, "options", options={"undecided": choice}))
    submit = act_on(session, "submit", [box(uid="sure"), box(50, uid="open", origin="model", accepted=False)])
    if kept is None:
        with pytest.raises(StoreError, match="1 proposal is undecided"):
            perform(store, session, submit)
        assert store.annotations.latest(photo) is None
        return
    perform(store, session, submit)
    latest = store.annotations.latest(photo)
    assert latest is not None and [b.uid for b in latest.boxes] == kept


def test_a_submit_sent_twice_is_one_version(store, session):
    first, twice = photo_of(session), act_on(session, "submit", [box()], request="once")
    perform(store, session, twice)
    with pytest.raises(StoreError, match="no longer open"):
        perform(store, session, twice)  # the page has gone on
    again = AnnotationSession("anna")
    open_photo(store, again, first)
    again.opened = again.opened and type(again.opened)(**{**vars(again.opened), "base_version": 0})
    perform(store, again, act_on(again, "submit", [box()], request="once"))
    assert len(store.annotations.history(first)) == 1


def test_a_message_about_another_photo_changes_nothing(store, session):
    late = work_on(session, 7, box())
    first = photo_of(session)
    perform(store, session, act_on(session, "skip"))
    with pytest.raises(StoreError, match="no longer open"):
        save_draft(store, session, late)
    assert store.drafts.load(first, "anna") is None


def test_a_skipped_photo_is_left_to_others(store, session):
    first = photo_of(session)
    perform(store, session, act_on(session, "skip"))
    assert photo_of(session) != first
    assert photo_of(opened(store, "ben")) == first


def test_back_leads_to_what_was_done_last_and_on_from_there(store, session):
    done = []
    for _ in range(2):
        done.append(photo_of(session))
        perform(store, session, act_on(session, "submit", [box()]))
    perform(store, session, act_on(session, "back"))
    assert photo_of(session) == done[1]
    assert session.opened is not None and session.opened.base_version == 1 and not session.opened.has_lease
    perform(store, session, act_on(session, "back"))
    assert photo_of(session) == done[0]
    perform(store, session, act_on(session, "back"))
    assert "no previous photo" in session.message


def test_a_done_photo_can_be_done_again_as_a_new_version(store, session):
    first = photo_of(session)
    perform(store, session, act_on(session, "submit", [box()]))
    perform(store, session, act_on(session, "back"))
    perform(store, session, act_on(session, "submit", [box(), box(50)]))
    assert [len(version.boxes) for version in store.annotations.history(first)] == [1, 2]


def test_two_people_get_different_photos(store, session):
    assert photo_of(opened(store, "ben")) != photo_of(session)


def test_another_persons_photo_can_be_looked_at_only(store, session):
    ben = AnnotationSession("ben")
    open_photo(store, ben, photo_of(session))
    assert ben.opened is not None
    assert ben.opened.locked_reason == "anna is working on this photo."
    assert ben.opened.task is None


def test_a_photo_that_was_only_looked_at_goes_back_to_the_others(store, session):
    first = photo_of(session)
    other = photo_of(opened(store, "ben"))
    third = next(id for id in (1, 2, 3) if id not in (first, other))
    open_photo(store, session, third)
    assert store.queue.take(first, "cleo").lease_by == "cleo"


def test_a_photo_with_a_draft_is_kept_while_another_is_looked_at(store, session):
    first = photo_of(session)
    save_draft(store, session, work_on(session, 7, box()))
    perform(store, session, act_on(session, "keys", keys={}))
    other = next(id for id in (1, 2, 3) if id != first)
    open_photo(store, session, other)
    open_next(store, session)
    ben = AnnotationSession("ben")
    open_photo(store, ben, first)
    assert ben.opened is not None and "anna" in ben.opened.locked_reason


def test_own_keys_are_kept_for_each_person(store, session):
    perform(store, session, act_on(session, "keys", keys={"submit": "w"}))
    assert own_keys(store, "anna") == {"submit": "w"}
    assert own_keys(store, "ben") == {}


def test_a_busy_store_keeps_the_submit_for_another_try(store, session, monkeypatch):
    first, real = photo_of(session), Annotations.submit

    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("The database is busy or away; nothing was changed. Try again.")

    monkeypatch.setattr(Annotations, "submit", busy)
    with pytest.raises(StoreBusyError):
        perform(store, session, act_on(session, "submit", [box()]))
    assert photo_of(session) == first and session.unsaved is not None
    with pytest.raises(StoreBusyError):
        retry_submit(store, session)
    assert session.unsaved is not None
    monkeypatch.setattr(Annotations, "submit", real)
    retry_submit(store, session)
    assert session.unsaved is None and photo_of(session) != first
    assert len(store.annotations.history(first)) == 1


def submitted_by_another(store: Store, photo_id: int, *boxes: object, base: int = 0) -> None:
    store.annotations.submit(
        photo_id, boxes, author="ben", base_version=base, request=f"ben-{photo_id}-{base}"
    )


def test_a_version_that_came_in_between_is_a_conflict_and_the_draft_stays(store, session):
    submitted_by_another(store, photo_of(session), box(uid="theirs"))
    first = photo_of(session)
    perform(store, session, act_on(session, "submit", [box(uid="mine")]))
    assert photo_of(session) == first
    assert session.conflict is not None and session.conflict.theirs.author == "ben"
    assert [b.uid for b in session.conflict.mine] == ["mine"]
    draft = store.drafts.load(first, "anna")
    assert draft is not None and [b.uid for b in draft.boxes] == ["mine"]


def test_without_a_version_before_both_are_set_against_what_the_models_proposed(tmp_path):
    (tmp_path / "other").mkdir()
    store = filled_store(tmp_path / "other", 1, predicted=True)
    session = opened(store, "anna")
    (proposal,) = session.boxes
    submitted_by_another(store, photo_of(session))  # ben takes it out
    perform(store, session, act_on(session, "submit", [replace(proposal, accepted=True)]))
    assert session.conflict is not None and session.conflict.base == (proposal,)


def test_the_merged_boxes_are_one_version_of_their_own_kind(store, session):
    first = photo_of(session)
    submitted_by_another(store, first, box(uid="theirs"))
    perform(store, session, act_on(session, "submit", [box(uid="mine")]))
    submit_merged(store, session, [box(uid="mine"), box(50, uid="theirs")])
    latest = store.annotations.latest(first)
    assert latest is not None and latest.kind == "merged" and latest.base_version == 1
    assert session.conflict is None and photo_of(session) != first
    assert store.drafts.load(first, "anna") is None


def test_a_third_version_during_the_merging_is_compared_in_turn(store, session):
    first = photo_of(session)
    submitted_by_another(store, first, box(uid="theirs"))
    perform(store, session, act_on(session, "submit", [box(uid="mine")]))
    submitted_by_another(store, first, box(uid="later"), base=1)
    submit_merged(store, session, [box(uid="mine")])
    assert session.conflict is not None and session.conflict.theirs.version == 2
    assert [b.uid for b in session.conflict.base] == ["theirs"]


def test_working_renews_the_lease_and_a_lost_one_gives_a_notice(store, session, monkeypatch):
    save_draft(store, session, work_on(session, 1, box()))
    assert session.opened is not None and session.opened.task is not None
    asked = []
    monkeypatch.setattr(type(store.queue), "renew", lambda _, id, person: asked.append(id) or True)
    save_draft(store, session, work_on(session, 2, box()))
    assert asked == []  # it was leased a moment ago
    session.renewed_at -= RENEW_AFTER_SECONDS + 1
    save_draft(store, session, work_on(session, 3, box()))
    assert asked == [session.opened.task.id] and session.lease_lost == ""
    monkeypatch.undo()
    store.queue.release(session.opened.task.id, "anna")
    store.queue.take(photo_of(session), "ben")
    session.renewed_at -= RENEW_AFTER_SECONDS + 1
    save_draft(store, session, work_on(session, 4, box()))
    assert session.saved_sequence == 4
    assert "ben is working on this photo" in session.lease_lost


def test_an_expired_lease_gives_a_warning_without_a_change(store, session):
    assert lease_expired(store, session) == ""
    session.renewed_at -= LEASE_SECONDS + 1
    assert "nobody else has taken it" in lease_expired(store, session)
    assert session.opened is not None and session.opened.task is not None
    store.queue.release(session.opened.task.id, "anna")
    assert "nobody else has taken it" in lease_expired(store, session)
    store.queue.take(photo_of(session), "ben")
    assert "ben has it now" in lease_expired(store, session)
    anna = store.acting(Actor.of(session.person, ["annotator"]))
    assert "somebody else has it now" in lease_expired(anna, session)
    submitted_by_another(store, photo_of(session), box())
    assert "has submitted this photo" in lease_expired(store, session)


def test_no_photo_is_open_when_all_are_annotated(store, session):
    while session.opened is not None:
        perform(store, session, act_on(session, "submit", [box()]))
    assert session.counts is not None and session.counts.done == 3


def test_back_leads_to_what_was_skipped_just_now(store, session):
    skipped = photo_of(session)
    perform(store, session, act_on(session, "skip"))
    assert photo_of(session) != skipped
    perform(store, session, act_on(session, "back"))
    assert photo_of(session) == skipped and session.opened.has_lease
    perform(store, session, act_on(session, "back"))
    assert "no previous photo" in session.message


def test_a_sentence_goes_with_the_next_change(store, session):
    perform(store, session, act_on(session, "back"))
    assert session.message
    save_draft(store, session, work_on(session, 2, box()))
    assert not session.message
