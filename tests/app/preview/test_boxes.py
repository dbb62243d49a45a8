"""Boxes of the editor become corrections: drawn, moved, named and deleted garments, one step a change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from app.editor import EditorAction, EditorDraft
from app.preview import boxes
from app.preview.boxes import boxes_of, categories_of, edits_of, key_of, perform, take
from app.preview.selection import PhotoView, view_of
from app.preview.session import PreviewSession
from core.corrections import Corrections, Edit
from core.garments import Garment, LabeledPhoto
from core.store.boxes import AnnotatedBox
from core.store.photo_spools import Item, SpooledPhoto
from tests.fakes import FakeLabeler

TOP5 = (("T-Shirt", 0.7), ("Shirt", 0.2))
TOP = Garment((10.123, 10.0, 40.0, 60.0), "top", 0.9, TOP5)
PANTS = Garment((10.0, 60.0, 40.0, 99.0), "pants", 0.8, (("Pants", 0.9),))
FAINT = Garment((70.0, 70.0, 90.0, 90.0), "footwear", 0.3, (("Shoes", 0.9),))
ITEM = Item(
    4,
    SpooledPhoto(Path("x"), "a.jpg", "d" * 64, b""),
    LabeledPhoto("a.jpg", 100, 100, 0.1, {}, (TOP, PANTS, FAINT)),
)
LABELER = FakeLabeler()


def shown(corrections: Corrections | None = None) -> PhotoView:
    return view_of(ITEM, corrections or Corrections(), 0.5)


def in_editor(corrections: Corrections | None = None) -> list[AnnotatedBox]:
    view = shown(corrections)
    ids = {name: number for number, name in enumerate(categories_of(view, LABELER))}
    return boxes_of(view.garments, corrections or Corrections(), view, ids)


def after(changed: list[AnnotatedBox], corrections: Corrections | None = None) -> Corrections:
    """The corrections once the editor has sent these boxes as a browser does: rounded."""
    corrections = corrections or Corrections()
    view = shown(corrections)
    sent = [AnnotatedBox.from_dict(box.as_dict()) for box in changed]
    corrections.apply(*edits_of(view, corrections, categories_of(view, LABELER), sent))
    return corrections


def test_boxes_that_nobody_touched_change_nothing():
    assert after(in_editor()).done == []
    decided = Corrections()
    decided.apply(Edit(4, 0, TOP, TOP.correct(label="Polo")), Edit(4, 1, PANTS, PANTS.correct()))
    assert [(box.accepted, box.changed, box.label) for box in in_editor(decided)] == [
        (True, True, "Polo"),
        (True, False, "Pants"),
    ]
    assert len(after(in_editor(decided), decided).done) == 1


def test_a_box_is_moved_renamed_and_deleted():
    top, pants = in_editor()
    corrections = after([replace(top, box_xyxy=(5, 5, 45, 55), changed=True, accepted=True), pants])
    assert corrections.of(4)[0] == replace(TOP.correct(), box_xyxy=(5.0, 5.0, 45.0, 55.0))
    assert corrections.of(4).get(1) is None and 1 not in corrections.of(4)
    top, pants = in_editor(corrections)
    after([replace(top, category_id=1, label="Pants", changed=True)], corrections)
    assert (corrections.of(4)[0].category, corrections.of(4)[0].best_label) == ("pants", "Pants")
    assert corrections.of(4)[1] is None, "what the editor has no more is gone"
    corrections.undo()
    corrections.undo()
    assert [box.box_xyxy for box in in_editor(corrections)] == [TOP.box_xyxy, PANTS.box_xyxy]


def test_a_proposal_is_accepted_as_it_is():
    top, pants = in_editor()
    corrections = after([replace(top, accepted=True), pants])
    assert corrections.of(4) == {0: TOP.correct()}


def test_a_drawn_box_is_a_garment_that_stays_itself():
    drawn = AnnotatedBox((1, 1, 30, 30), 2, "Shoes", "abc123")
    corrections = after([*in_editor(), drawn])
    assert corrections.of(4) == {3: Garment((1, 1, 30, 30), "footwear", 1.0, (), "Shoes", True)}
    assert list(shown(corrections).garments) == [0, 1, 3]
    assert [box.uid for box in in_editor(corrections)] == ["g0", "g1", "abc123"]
    moved = [
        replace(box, box_xyxy=(2, 2, 31, 31)) if box.uid == "abc123" else box
        for box in in_editor(corrections)
    ]
    after(moved, corrections)
    assert list(corrections.of(4)) == [3] and corrections.of(4)[3].box_xyxy == (2, 2, 31, 31)
    after([*in_editor(corrections), replace(drawn, uid="other")], corrections)
    assert set(corrections.of(4)) == {3, 4}
    corrections.undo()
    corrections.undo()
    corrections.undo()
    assert list(shown(corrections).garments) == [0, 1]


def test_what_is_no_box_of_the_photo_is_passed_over():
    outside = AnnotatedBox((200, 200, 300, 300), 0, None, "out")
    stranger = AnnotatedBox((1, 1, 9, 9), 77, None, "strange")
    assert after([*in_editor(), outside, stranger]).done == []
    partly = after([*in_editor(), AnnotatedBox((90, 90, 200, 200), 0, None, "edge")])
    assert partly.of(4)[3].box_xyxy == (90, 90, 100, 100)


def test_the_editor_is_told_what_was_taken_and_what_changed_elsewhere():
    session = PreviewSession()
    view = shown()
    names = categories_of(view, LABELER)
    moved = [replace(in_editor()[0], box_xyxy=(5, 5, 45, 55), changed=True), in_editor()[1]]
    take(session, view, names, EditorDraft("key", 100, tuple(moved), 1.0))
    assert session.draft.sequences == {4: 100}
    take(
        session,
        shown(session.corrections),
        names,
        EditorDraft("key", 120, tuple(in_editor(session.corrections)), 1.0),
    )
    assert session.draft.sequences == {4: 120} and len(session.corrections.done) == 1
    session.undo()
    assert session.draft.sequences[4] > 120, "an editor that is open takes it over"


def test_cleared_photos_are_another_task_to_the_browser(monkeypatch: pytest.MonkeyPatch):
    session = PreviewSession()
    session.draft.settings["batch"] = "one"
    before = key_of(session, shown())
    session.draft.settings["batch"] = "two"
    assert before != key_of(session, shown())
    assert boxes.keys_of(session) == {}
    session.draft.settings["keys"] = {"accept": "q"}
    assert boxes.keys_of(session) == {"accept": "q"}


def test_a_box_is_tightened_to_what_lies_in_it(tmp_path: Path):
    picture = Image.new("RGB", (400, 400), "white")
    picture.paste((120, 20, 30), (120, 120, 240, 280))
    picture.save(tmp_path / "x.jpg", quality=95)
    spooled = SpooledPhoto(tmp_path / "x.jpg", "a.jpg", "d", b"")
    session, view = PreviewSession(), view_of(replace(ITEM, spooled=spooled), Corrections(), 0.5)
    box = AnnotatedBox((80, 80, 280, 320), 0, None, "abc")
    asked = EditorAction("tighten", "key", 1, (box,), "request", 1.0, uid="abc")
    perform(session, view, asked)
    assert session.tightened is not None and session.tightened.uid == "abc"
    found = session.tightened.box_xyxy
    assert found is not None and all(
        abs(a - b) < 12 for a, b in zip(found, (120, 120, 240, 280), strict=True)
    )
    perform(session, shown(), replace(asked, uid="gone"))
    perform(session, shown(), EditorAction("keys", "key", 1, (), "request", 1.0, {"accept": "q"}))
    assert session.draft.settings["keys"] == {"accept": "q"}
