"""The editor's messages done to the store: drafts, submits, skips, back, keys, conflicts, leases."""

from __future__ import annotations

import pytest

from app.annotate.keys import own_keys
from app.annotate.opening import open_next, open_photo
from app.annotate.save import RENEW_AFTER_SECONDS, act, keep, submit_again, submit_merged
from app.annotate.session import Desk
from app.annotate.watch import run_out
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
def desk(store) -> Desk:
    return opened(store, "anna")


def opened(store: Store, person: str) -> Desk:
    desk = Desk(person)
    open_next(store, desk)
    return desk


def photo_of(desk: Desk) -> int:
    assert desk.opened is not None
    return desk.opened.photo.id


def test_every_change_is_a_draft_and_is_acknowledged_by_its_sequence(store, desk):
    keep(store, desk, work_on(desk, 7, box()))
    assert desk.saved_sequence == 7
    draft = store.drafts.load(photo_of(desk), "anna")
    assert draft is not None and draft.sequence == 7 and len(draft.boxes) == 1


def test_a_change_that_comes_late_never_overwrites_a_newer_one(store, desk):
    keep(store, desk, work_on(desk, 9, box(), box(50)))
    keep(store, desk, work_on(desk, 8, box()))
    draft = store.drafts.load(photo_of(desk), "anna")
    assert draft is not None and len(draft.boxes) == 2
    assert desk.saved_sequence == 9 and len(desk.boxes) == 2


def test_a_later_change_from_another_tab_is_what_lies_on_the_desk_then(store, desk):
    other_tab = opened(store, "anna")
    keep(store, other_tab, work_on(other_tab, 20, box(uid="there")))
    keep(store, desk, work_on(desk, 10, box(uid="here")))
    assert desk.saved_sequence == 20
    assert [b.uid for b in desk.boxes] == ["there"]


def test_what_was_done_lies_there_after_a_look_at_another_page(store, desk):
    keep(store, desk, work_on(desk, 7, box(uid="mine")))
    assert [b.uid for b in desk.boxes] == ["mine"] and desk.saved_sequence == 7


def test_unfinished_work_comes_back_with_a_notice_of_its_time(store, desk):
    keep(store, desk, work_on(desk, 7, box(uid="mine")))
    again = opened(store, "anna")
    assert again.opened is not None
    assert [b.uid for b in again.opened.boxes] == ["mine"]
    assert again.saved_sequence == 7
    assert again.opened.notice.startswith("Your unfinished work of ")


def test_submitting_makes_a_version_and_opens_another_photo(store, desk):
    first = photo_of(desk)
    act(store, desk, act_on(desk, "submit", [box()]))
    saved = store.annotations.latest(first)
    assert saved is not None and saved.author == "anna" and saved.seconds == 5.0
    assert photo_of(desk) != first
    assert desk.counts is not None and desk.counts.mine_done_today == 1


def test_a_submit_sent_twice_is_one_version(store, desk):
    first, twice = photo_of(desk), act_on(desk, "submit", [box()], request="once")
    act(store, desk, twice)
    with pytest.raises(StoreError, match="not on the desk"):
        act(store, desk, twice)  # the page has gone on
    again = Desk("anna")
    open_photo(store, again, first)
    again.opened = again.opened and type(again.opened)(**{**vars(again.opened), "base_version": 0})
    act(store, again, act_on(again, "submit", [box()], request="once"))
    assert len(store.annotations.history(first)) == 1


def test_a_message_about_another_photo_changes_nothing(store, desk):
    late = work_on(desk, 7, box())
    first = photo_of(desk)
    act(store, desk, act_on(desk, "skip"))
    with pytest.raises(StoreError, match="not on the desk"):
        keep(store, desk, late)
    assert store.drafts.load(first, "anna") is None


def test_a_skipped_photo_is_left_to_others(store, desk):
    first = photo_of(desk)
    act(store, desk, act_on(desk, "skip"))
    assert photo_of(desk) != first
    assert photo_of(opened(store, "ben")) == first


def test_back_leads_to_what_was_done_last_and_on_from_there(store, desk):
    done = []
    for _ in range(2):
        done.append(photo_of(desk))
        act(store, desk, act_on(desk, "submit", [box()]))
    act(store, desk, act_on(desk, "back"))
    assert photo_of(desk) == done[1]
    assert desk.opened is not None and desk.opened.base_version == 1 and not desk.opened.holds
    act(store, desk, act_on(desk, "back"))
    assert photo_of(desk) == done[0]
    act(store, desk, act_on(desk, "back"))
    assert "nothing before" in desk.said


def test_a_done_photo_can_be_done_again_as_a_new_version(store, desk):
    first = photo_of(desk)
    act(store, desk, act_on(desk, "submit", [box()]))
    act(store, desk, act_on(desk, "back"))
    act(store, desk, act_on(desk, "submit", [box(), box(50)]))
    assert [len(version.boxes) for version in store.annotations.history(first)] == [1, 2]


def test_two_people_get_different_photos(store, desk):
    assert photo_of(opened(store, "ben")) != photo_of(desk)


def test_another_persons_photo_can_be_looked_at_only(store, desk):
    ben = Desk("ben")
    open_photo(store, ben, photo_of(desk))
    assert ben.opened is not None
    assert ben.opened.held_by == "anna is working on this photo."
    assert ben.opened.task is None


def test_a_photo_that_was_only_looked_at_goes_back_to_the_others(store, desk):
    first = photo_of(desk)
    other = photo_of(opened(store, "ben"))
    third = next(id for id in (1, 2, 3) if id not in (first, other))
    open_photo(store, desk, third)
    assert store.queue.take(first, "cleo").lease_by == "cleo"


def test_a_photo_with_a_draft_is_kept_while_another_is_looked_at(store, desk):
    first = photo_of(desk)
    keep(store, desk, work_on(desk, 7, box()))
    act(store, desk, act_on(desk, "keys", keys={}))
    other = next(id for id in (1, 2, 3) if id != first)
    open_photo(store, desk, other)
    open_next(store, desk)
    ben = Desk("ben")
    open_photo(store, ben, first)
    assert ben.opened is not None and "anna" in ben.opened.held_by


def test_own_keys_are_kept_for_each_person(store, desk):
    act(store, desk, act_on(desk, "keys", keys={"submit": "w"}))
    assert own_keys(store, "anna") == {"submit": "w"}
    assert own_keys(store, "ben") == {}


def test_a_busy_store_keeps_the_submit_for_another_try(store, desk, monkeypatch):
    first, real = photo_of(desk), Annotations.submit

    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("The database is busy or away; nothing was changed. Try again.")

    monkeypatch.setattr(Annotations, "submit", busy)
    with pytest.raises(StoreBusyError):
        act(store, desk, act_on(desk, "submit", [box()]))
    assert photo_of(desk) == first and desk.unsaved is not None
    with pytest.raises(StoreBusyError):
        submit_again(store, desk)
    assert desk.unsaved is not None
    monkeypatch.setattr(Annotations, "submit", real)
    submit_again(store, desk)
    assert desk.unsaved is None and photo_of(desk) != first
    assert len(store.annotations.history(first)) == 1


def submitted_by_another(store: Store, photo_id: int, *boxes: object, base: int = 0) -> None:
    store.annotations.submit(
        photo_id, boxes, author="ben", base_version=base, request=f"ben-{photo_id}-{base}"
    )


def test_a_version_that_came_in_between_is_a_conflict_and_the_draft_stays(store, desk):
    submitted_by_another(store, photo_of(desk), box(uid="theirs"))
    first = photo_of(desk)
    act(store, desk, act_on(desk, "submit", [box(uid="mine")]))
    assert photo_of(desk) == first
    assert desk.conflict is not None and desk.conflict.theirs.author == "ben"
    assert [b.uid for b in desk.conflict.mine] == ["mine"]
    draft = store.drafts.load(first, "anna")
    assert draft is not None and [b.uid for b in draft.boxes] == ["mine"]


def test_without_a_version_before_both_are_set_against_what_the_models_proposed(tmp_path):
    (tmp_path / "other").mkdir()
    store = filled_store(tmp_path / "other", 1, predicted=True)
    desk = opened(store, "anna")
    (proposal,) = desk.boxes
    submitted_by_another(store, photo_of(desk))  # ben takes it out
    act(store, desk, act_on(desk, "submit", [proposal]))
    assert desk.conflict is not None and desk.conflict.base == (proposal,)


def test_the_merged_boxes_are_one_version_of_their_own_kind(store, desk):
    first = photo_of(desk)
    submitted_by_another(store, first, box(uid="theirs"))
    act(store, desk, act_on(desk, "submit", [box(uid="mine")]))
    submit_merged(store, desk, [box(uid="mine"), box(50, uid="theirs")])
    latest = store.annotations.latest(first)
    assert latest is not None and latest.kind == "merged" and latest.base_version == 1
    assert desk.conflict is None and photo_of(desk) != first
    assert store.drafts.load(first, "anna") is None


def test_a_third_version_during_the_merging_is_compared_in_turn(store, desk):
    first = photo_of(desk)
    submitted_by_another(store, first, box(uid="theirs"))
    act(store, desk, act_on(desk, "submit", [box(uid="mine")]))
    submitted_by_another(store, first, box(uid="later"), base=1)
    submit_merged(store, desk, [box(uid="mine")])
    assert desk.conflict is not None and desk.conflict.theirs.version == 2
    assert [b.uid for b in desk.conflict.base] == ["theirs"]


def test_working_renews_the_lease_and_one_that_was_lost_is_told(store, desk, monkeypatch):
    keep(store, desk, work_on(desk, 1, box()))
    assert desk.opened is not None and desk.opened.task is not None
    asked = []
    monkeypatch.setattr(type(store.queue), "renew", lambda _, id, person: asked.append(id) or True)
    keep(store, desk, work_on(desk, 2, box()))
    assert asked == []  # it was leased a moment ago
    desk.renewed_at -= RENEW_AFTER_SECONDS + 1
    keep(store, desk, work_on(desk, 3, box()))
    assert asked == [desk.opened.task.id] and desk.hold_lost == ""
    monkeypatch.undo()
    store.queue.release(desk.opened.task.id, "anna")
    store.queue.take(photo_of(desk), "ben")
    desk.renewed_at -= RENEW_AFTER_SECONDS + 1
    keep(store, desk, work_on(desk, 4, box()))
    assert desk.saved_sequence == 4
    assert "ben is working on this photo" in desk.hold_lost


def test_a_lease_that_ran_out_is_told_without_a_change(store, desk):
    assert run_out(store, desk) == ""
    desk.renewed_at -= LEASE_SECONDS + 1
    assert "nobody else has taken it" in run_out(store, desk)
    assert desk.opened is not None and desk.opened.task is not None
    store.queue.release(desk.opened.task.id, "anna")
    assert "nobody else has taken it" in run_out(store, desk)
    store.queue.take(photo_of(desk), "ben")
    assert "ben has it now" in run_out(store, desk)
    anna = store.acting(Actor.of(desk.person, ["annotator"]))
    assert "somebody else has it now" in run_out(anna, desk)
    submitted_by_another(store, photo_of(desk), box())
    assert "has submitted this photo" in run_out(store, desk)


def test_an_empty_desk_is_what_remains_when_all_is_done(store, desk):
    while desk.opened is not None:
        act(store, desk, act_on(desk, "submit", [box()]))
    assert desk.counts is not None and desk.counts.done == 3


def test_back_leads_to_what_was_skipped_just_now(store, desk):
    skipped = photo_of(desk)
    act(store, desk, act_on(desk, "skip"))
    assert photo_of(desk) != skipped
    act(store, desk, act_on(desk, "back"))
    assert photo_of(desk) == skipped and desk.opened.holds
    act(store, desk, act_on(desk, "back"))
    assert "nothing before this" in desk.said


def test_a_sentence_goes_with_the_next_change(store, desk):
    act(store, desk, act_on(desk, "back"))
    assert desk.said
    keep(store, desk, work_on(desk, 2, box()))
    assert not desk.said
