"""Corrections can be taken back and put in again, one by one."""

from __future__ import annotations

import random

import pytest

from app.preview.selection import edit_text
from core.corrections import Corrections, Edit
from core.garments import Garment

TOP = Garment((0, 0, 10, 10), "top", 0.9, (("T-Shirt", 0.6), ("Shirt", 0.2)))
DRESS = TOP.correct(category="dress")


def test_a_change_is_seen_taken_back_and_put_in_again():
    corrections = Corrections()
    corrections.apply(Edit(3, 1, TOP, DRESS))
    assert corrections.of(3) == {1: DRESS}
    corrections.undo()
    assert corrections.of(3) == {1: TOP}
    corrections.redo()
    assert corrections.of(3) == {1: DRESS}
    assert corrections.of(4) == {}


def test_a_new_change_forgets_what_was_taken_back():
    corrections = Corrections()
    corrections.apply(Edit(0, 0, TOP, DRESS))
    corrections.undo()
    corrections.apply(Edit(0, 0, TOP, None))
    assert corrections.undone == []
    assert corrections.of(0) == {0: None}


def test_nothing_to_undo_or_redo_is_nothing():
    corrections = Corrections()
    assert corrections.undo() == ()
    assert corrections.redo() == ()


def test_a_change_that_changes_nothing_leaves_no_trace():
    corrections = Corrections()
    corrections.apply(Edit(0, 0, TOP, TOP))
    assert corrections.done == []


def test_undoing_everything_gives_the_beginning_and_redoing_everything_the_end():
    rng = random.Random(0)
    corrections = Corrections()
    now: dict[int, Garment | None] = dict.fromkeys(range(4), TOP)
    for _ in range(60):
        number = rng.randrange(4)
        after = rng.choice([None, TOP.correct(label=f"label {rng.randrange(5)}"), DRESS])
        corrections.apply(Edit(0, number, now[number], after))
        now[number] = after
    while corrections.undo():
        pass
    assert all(garment == TOP for garment in corrections.of(0).values())
    while corrections.redo():
        pass
    assert corrections.of(0) == now


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (TOP, DRESS, "category top → dress"),
        (TOP, TOP.correct(label="Hoodie"), "label T-Shirt → Hoodie"),
        (TOP, None, "delete top"),
        (None, TOP, "restore top"),
    ],
)
def test_an_edit_is_described_as_text(before, after, words):
    assert edit_text(Edit(0, 0, before, after)) == words
