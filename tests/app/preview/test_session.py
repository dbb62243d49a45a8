"""What a person has in hand between the runs of a page."""

from __future__ import annotations

import pytest

from app.preview import selection
from app.preview.session import PreviewSession
from core.files import DATA_VARIABLE
from tests.fakes import FakeLabeler
from tests.pictures import jpeg


@pytest.fixture
def session(tmp_path, monkeypatch) -> PreviewSession:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    found = PreviewSession(incoming=[("a.jpg", jpeg(3)), ("b.jpg", jpeg(1))])
    batch = found.start_labeling(FakeLabeler(), 10)
    assert batch is not None
    batch.wait(lambda now: not now.running, 10)
    found.open(0)
    return found


def view(session: PreviewSession, number: int = 0) -> selection.PhotoView:
    assert session.batch is not None
    return selection.view_of(session.batch.items[number], session.corrections, 0.5)


def test_nothing_came_so_there_is_no_batch():
    assert PreviewSession().start_labeling(FakeLabeler(), 0.1) is None


def test_what_came_is_taken_once(session):
    assert session.incoming == []
    batch = session.start_labeling(FakeLabeler(), 0.1)
    assert batch is session.batch
    assert batch is not None and len(batch.items) == 2


def test_a_single_photo_is_waited_for_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    found = PreviewSession(incoming=[("a.jpg", jpeg())])
    batch = found.start_labeling(FakeLabeler(seconds=0.05), 10)
    assert batch is not None and not batch.progress().running
    found.incoming = [("b.jpg", jpeg(2))]
    found.start_labeling(FakeLabeler(seconds=0.05), 10)
    assert len(batch.items) == 2 and not batch.progress().running


def test_a_correction_goes_to_the_chosen_garment_and_to_no_other(session):
    session.garment = 1
    session.correct(view(session), category="dress")
    assert {n: g.category for n, g in view(session).garments.items()} == {0: "top", 1: "dress"}
    assert [g.corrected for g in view(session).garments.values()] == [False, True]
    assert all(not g.corrected for g in view(session, 1).garments.values())


def test_without_a_choice_the_first_garment_is_meant(session):
    session.correct(view(session), label="Hoodie")
    assert view(session).garments[0].best_label == "Hoodie"


def test_a_label_can_be_chosen_by_its_rank(session):
    top5 = view(session).garments[0].top5
    session.choose_ranked(view(session), 2)
    if session.question is not None:  # the stand-in's labels follow the color alone
        session.answer(session.question.answers[1][1])
    assert view(session).garments[0].best_label == top5[2][0]
    session.choose_ranked(view(session), 17)
    session.choose_ranked(view(session), -1)
    assert len(session.corrections.done) == 1


def test_a_garment_taken_out_comes_back_with_undo_and_is_chosen_then(session):
    session.garment = 1
    session.delete_garment(view(session))
    assert list(view(session).garments) == [0]
    assert session.garment is None
    session.open(1)
    session.undo()
    assert (session.photo, session.garment) == (0, 1)
    assert list(view(session).garments) == [0, 1]
    session.redo()
    assert list(view(session).garments) == [0]


def test_a_photo_without_garments_has_nothing_to_correct(session):
    for _ in range(2):
        session.delete_garment(view(session))
    assert view(session).garments == {}
    session.correct(view(session), category="dress")
    session.choose_ranked(view(session), 0)
    session.delete_garment(view(session))
    assert len(session.corrections.done) == 2


def test_another_photo_begins_without_a_chosen_garment(session):
    session.garment = 1
    session.open(0)
    assert session.garment == 1
    session.open(1)
    assert session.garment is None


def test_starting_over_forgets_the_photos_and_keeps_the_shops_names(session):
    session.set_names({"top": "Oberteil"})
    session.correct(view(session), category="dress")
    folder = session.batch.spool.folder
    session.start_over()
    assert (session.batch, session.photo, session.corrections.done) == (None, None, [])
    assert session.names == {"top": "Oberteil"}
    assert not folder.exists()


def test_a_label_of_another_category_asks_first(session):
    session.correct(view(session), label="Hat")
    assert (
        session.question is not None
        and "Hat is a label of headwear, and this garment is top" in session.question.text
    )
    assert not session.corrections.done
    texts = [text for text, _ in session.question.answers]
    assert texts == ["Make it headwear", "Only the label", "Cancel"]
    session.answer(session.question.answers[0][1])
    assert (view(session).garments[0].category, view(session).garments[0].best_label) == ("headwear", "Hat")
    assert session.question is None and len(session.corrections.done) == 1
    session.correct(view(session), label="Shoes")
    session.answer(session.question.answers[2][1])
    assert view(session).garments[0].best_label == "Hat"


def test_a_question_goes_with_the_photo_that_it_is_about(session):
    session.correct(view(session), label="Hat")
    session.open(1)
    assert session.question is None


def test_a_question_ends_with_the_next_act_and_undo_withdraws_it(session):
    session.correct(view(session), category="dress")
    session.correct(view(session), label="Hat")
    assert session.question is not None
    session.undo()  # nothing was done yet: the earlier step stays
    assert session.question is None and len(session.corrections.done) == 1
    session.correct(view(session), label="Hat")
    session.take_out([(view(session), 0)])
    assert session.question is None and 0 not in view(session).garments


def test_many_garments_are_changed_and_undone_as_one_step(session):
    every = [(view(session, photo), number) for photo in (0, 1) for number in view(session, photo).garments]
    assert len(every) > 2
    session.change(every, category="bag")
    assert {g.category for n in (0, 1) for g in view(session, n).garments.values()} == {"bag"}
    every = [(view(session, photo), number) for photo in (0, 1) for number in view(session, photo).garments]
    session.change(every, label="Hat")
    assert session.question is not None and f"these {len(every)}" not in session.question.text
    assert f"{len(every)} garments have another category" in session.question.text
    session.answer(session.question.answers[1][1])
    assert {g.best_label for g in view(session).garments.values()} == {"Hat"}
    session.take_out([(view(session), number) for number in view(session).garments])
    assert view(session).garments == {} and len(session.corrections.done) == 3
    for _ in range(3):
        session.undo()
    assert [g.category for g in view(session).garments.values()] == ["top", "pants"]
    session.accept([(view(session), number) for number in view(session).garments])
    assert all(g.corrected and g.category for g in view(session).garments.values())
    session.undo()
    assert not any(g.corrected for g in view(session).garments.values())


def test_keys_go_around_the_garments(session):
    session.garment = 0
    session.step_garment(view(session), 1)
    assert session.garment == 1
    session.accept_garment(view(session))
    assert (session.garment, view(session).garments[1].corrected) == (0, True)
    session.step_garment(view(session), -1)
    assert session.garment == 1
