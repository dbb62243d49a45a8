"""Labels and categories that belong together, and steps of corrections."""

from __future__ import annotations

import pytest

from core.corrections import Corrections, Edit, contradicts, fits, with_category, with_label
from core.garments import Garment

DRESS = Garment((0, 0, 10, 10), "dress", 0.9, (("Dress", 0.6), ("Skirt", 0.3), ("Pants", 0.1)))


@pytest.mark.parametrize(
    ("label", "category", "answer"),
    [
        ("Skirt", "skirt", True),
        ("Skirt", "dress", False),
        ("Shoes", "boots", True),
        ("Skirt", "apron", True),
        ("something new", "dress", True),
    ],
)
def test_a_label_fits_where_it_belongs_and_where_nothing_is_known(
    label: str, category: str, answer: bool
) -> None:
    assert fits(label, category) is answer


def test_the_models_label_follows_the_category() -> None:
    assert with_category(DRESS, "skirt").best_label == "Skirt"
    assert with_category(DRESS, "bag").best_label == "bag", "none of its labels is a bag's"
    assert with_category(DRESS, "dress").best_label == "Dress"
    assert all(not contradicts(with_category(DRESS, category)) for category in ("skirt", "bag", "dress"))


def test_a_persons_label_stays_unless_it_is_to_follow() -> None:
    chosen = DRESS.correct(label="Body")
    assert with_category(chosen, "skirt").best_label == "Body"
    assert contradicts(with_category(chosen, "skirt"))
    assert with_category(chosen, "skirt", keep_label=False).best_label == "Skirt"


def test_the_category_follows_a_label_where_that_is_asked_for() -> None:
    assert with_label(DRESS, "Skirt").category == "dress"
    assert with_label(DRESS, "Skirt", category_follows=True).category == "skirt"
    assert with_label(DRESS, "my own", category_follows=True).category == "dress"


def test_a_step_of_many_is_undone_and_redone_at_once() -> None:
    corrections, skirt = Corrections(), DRESS.correct(category="skirt")
    assert corrections.apply(*(Edit(photo, 0, DRESS, skirt) for photo in range(3)))
    assert not corrections.apply(Edit(0, 0, skirt, skirt)), "nothing changes"
    assert len(corrections.undo()) == 3
    assert {corrections.of(photo)[0] for photo in range(3)} == {DRESS}
    corrections.redo()
    assert {corrections.of(photo)[0] for photo in range(3)} == {skirt}
    assert (len(corrections.done), corrections.undone) == (1, [])
