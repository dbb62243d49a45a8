"""A person's work is one in all tabs, and is there again after a restart."""

from __future__ import annotations

import pytest

from app.preview import selection
from app.preview.draft import DRAFTS
from app.preview.session import PreviewSession
from core.files import DATA_VARIABLE
from core.store.photo_drafts import KeptSpool
from tests.fakes import FakeLabeler
from tests.pictures import jpeg
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    yield tmp_path
    DRAFTS.forget()


def tab(owner: str | None = "anna") -> PreviewSession:
    return PreviewSession(owner)


def with_photos(session: PreviewSession, *photos: tuple[str, bytes]) -> PreviewSession:
    session.incoming = list(photos)
    batch = session.start_labeling(FakeLabeler(), PATIENCE_SECONDS)
    assert batch is not None
    batch.wait(lambda now: not now.running, PATIENCE_SECONDS)
    return session


def views(session: PreviewSession) -> list[selection.PhotoView]:
    assert session.batch is not None
    return [selection.view_of(item, session.corrections, 0.5) for item in session.batch.items]


def restarted(owner: str = "anna") -> PreviewSession:
    DRAFTS.forget()
    return tab(owner)


def test_photos_corrections_names_and_settings_outlive_a_restart():
    session = with_photos(tab(), ("a.jpg", jpeg(3)), ("b.jpg", jpeg(1)))
    session.correct(views(session)[0], category="dress")
    session.set_names({"dress": "Kleid"})
    session.set("threshold", 0.3)
    before = [view.labeled for view in views(session)]
    again = restarted()
    assert [view.labeled for view in views(again)] == before
    assert again.names == {"dress": "Kleid"}
    assert again.draft.settings["threshold"] == 0.3
    again.undo()
    assert views(again)[0].garments[0].category == "top"
    assert views(restarted())[0].garments[0].category == "top", "an undo outlives it as well"


def test_two_tabs_show_one_work_and_another_person_does_not():
    one, two, other = tab(), tab(), tab("ben")
    with_photos(one, ("a.jpg", jpeg(3)))
    one.correct(views(one)[0], label="Shirt")
    assert views(two)[0].garments[0].best_label == "Shirt"
    two.undo()
    assert not views(one)[0].garments[0].corrected
    assert other.batch is None
    with_photos(other, ("c.jpg", jpeg(1)))
    other.start_over()
    assert len(views(one)) == 1


def test_more_photos_follow_those_that_were_kept():
    with_photos(tab(), ("a.jpg", jpeg(3)))
    again = with_photos(restarted(), ("a.jpg", jpeg(1)))
    assert [view.item.spooled.name for view in views(again)] == ["a.jpg", "a (2).jpg"]
    assert len({view.item.number for view in views(again)}) == 2


def test_clearing_leaves_nothing_for_the_next_start():
    session = with_photos(tab(), ("a.jpg", jpeg(3)))
    session.correct(views(session)[0], label="Shirt")
    session.set_names({"top": "Oberteil"})
    session.start_over()
    assert restarted().batch is None
    assert tab().names == {"top": "Oberteil"}
    tab().start_over(everything=True)
    assert restarted().names == {}


def test_work_that_another_process_has_is_in_memory_alone_and_that_is_said():
    kept = KeptSpool("anna")
    session = with_photos(tab(), ("a.jpg", jpeg(3)))
    assert "Another server" in session.draft.problem and session.draft.kept is None
    assert len(views(session)) == 1
    kept.release()


def test_a_draft_that_cannot_be_read_at_all_is_a_sentence(monkeypatch):
    def broken(self):
        raise RuntimeError("out of order")

    monkeypatch.setattr(KeptSpool, "draft", broken)
    session = with_photos(tab(), ("a.jpg", jpeg(3)))
    assert "could not be opened" in session.draft.problem
    assert len(views(session)) == 1


def test_a_correction_that_cannot_be_kept_holds_and_is_said(monkeypatch):
    session = with_photos(tab(), ("a.jpg", jpeg(3)))
    said = []
    monkeypatch.setattr("app.preview.session.flash", lambda key, text, error: said.append(text))

    def full(self, entry):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptSpool, "log", full)
    session.correct(views(session)[0], label="Shirt")
    assert views(session)[0].garments[0].best_label == "Shirt"
    assert "the disk is full" in said[0]


def test_without_an_owner_the_work_is_the_tabs():
    session = with_photos(tab(None), ("a.jpg", jpeg(3)))
    assert tab(None).batch is None
    assert len(views(session)) == 1


def test_a_reload_opens_the_photo_that_was_open_last():
    session = with_photos(tab(), *((f"{place}.jpg", jpeg(place + 1)) for place in range(3)))
    session.open_first([0, 1, 2])
    assert session.photo == 0
    session.open(2)
    again = restarted()
    again.open_first([0, 1, 2])
    assert again.photo == 2
    narrowed = tab()
    narrowed.open_first([0, 1])
    assert narrowed.photo == 0, "one that is there no more"
    again.start_over()
    again.open_first([0, 1, 2])
    assert again.photo == 0, "other photos have its numbers now"
