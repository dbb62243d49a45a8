"""What a person has in hand between the runs of a page."""

from __future__ import annotations

import pytest

from app.preview import selection
from app.preview.session import Workspace
from core.store import DATA_VARIABLE
from tests.fakes import FakeLabeler
from tests.pictures import jpeg


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    found = Workspace(incoming=[("a.jpg", jpeg(3)), ("b.jpg", jpeg(1))])
    batch = found.take_in(FakeLabeler(), 10)
    assert batch is not None
    batch.wait(lambda now: not now.running, 10)
    found.open(0)
    return found


def seen(workspace: Workspace, number: int = 0) -> selection.Seen:
    assert workspace.batch is not None
    return selection.see(workspace.batch.items[number], workspace.corrections, 0.5)


def test_nothing_came_so_there_is_no_batch():
    assert Workspace().take_in(FakeLabeler(), 0.1) is None


def test_what_came_is_taken_once(workspace):
    assert workspace.incoming == []
    batch = workspace.take_in(FakeLabeler(), 0.1)
    assert batch is workspace.batch
    assert batch is not None and len(batch.items) == 2


def test_a_single_photo_is_waited_for_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    found = Workspace(incoming=[("a.jpg", jpeg())])
    batch = found.take_in(FakeLabeler(seconds=0.05), 10)
    assert batch is not None and not batch.progress().running
    found.incoming = [("b.jpg", jpeg(2))]
    found.take_in(FakeLabeler(seconds=0.05), 10)
    assert len(batch.items) == 2 and not batch.progress().running


def test_a_correction_goes_to_the_chosen_garment_and_to_no_other(workspace):
    workspace.garment = 1
    workspace.correct(seen(workspace), category="dress")
    assert {n: g.category for n, g in seen(workspace).garments.items()} == {0: "top", 1: "dress"}
    assert [g.corrected for g in seen(workspace).garments.values()] == [False, True]
    assert all(not g.corrected for g in seen(workspace, 1).garments.values())


def test_without_a_choice_the_first_garment_is_meant(workspace):
    workspace.correct(seen(workspace), label="Hoodie")
    assert seen(workspace).garments[0].best_label == "Hoodie"


def test_a_label_can_be_chosen_by_its_rank(workspace):
    top5 = seen(workspace).garments[0].top5
    workspace.choose_ranked(seen(workspace), 2)
    assert seen(workspace).garments[0].best_label == top5[2][0]
    workspace.choose_ranked(seen(workspace), 17)
    workspace.choose_ranked(seen(workspace), -1)
    assert len(workspace.corrections.done) == 1


def test_a_garment_taken_out_comes_back_with_undo_and_is_chosen_then(workspace):
    workspace.garment = 1
    workspace.take_out(seen(workspace))
    assert list(seen(workspace).garments) == [0]
    assert workspace.garment is None
    workspace.open(1)
    workspace.go_back()
    assert (workspace.photo, workspace.garment) == (0, 1)
    assert list(seen(workspace).garments) == [0, 1]
    workspace.go_forward()
    assert list(seen(workspace).garments) == [0]


def test_a_photo_without_garments_has_nothing_to_correct(workspace):
    for _ in range(2):
        workspace.take_out(seen(workspace))
    assert seen(workspace).garments == {}
    workspace.correct(seen(workspace), category="dress")
    workspace.choose_ranked(seen(workspace), 0)
    workspace.take_out(seen(workspace))
    assert len(workspace.corrections.done) == 2


def test_another_photo_begins_without_a_chosen_garment(workspace):
    workspace.garment = 1
    workspace.open(0)
    assert workspace.garment == 1
    workspace.open(1)
    assert workspace.garment is None


def test_starting_over_forgets_the_photos_and_keeps_the_shops_names(workspace):
    workspace.names["top"] = "Oberteil"
    workspace.correct(seen(workspace), category="dress")
    folder = workspace.batch.spool.folder
    workspace.start_over()
    assert (workspace.batch, workspace.photo, workspace.corrections.done) == (None, None, [])
    assert workspace.names == {"top": "Oberteil"}
    assert not folder.exists()
