"""Why a photo was picked, in words."""

from __future__ import annotations

from core.active_learning.ranking import (
    CERTAIN,
    COLD,
    COLD_AND_NOVEL,
    MIXED,
    NOVEL,
    UNLIKE_OTHERS,
    reasons_after_prediction,
    reasons_of,
)
from core.active_learning.uncertainty import Margin, Uncertainty


def test_a_tie_names_both_categories() -> None:
    scores = Uncertainty({"tie": 0.9}, margin=Margin(0.9, "top", "dress"))
    assert reasons_of(scores, 0.0) == ("two categories nearly tied: top or dress",)


def test_the_strongest_reason_comes_first() -> None:
    scores = Uncertainty({"detector": 0.5}, least_certain=(0.8, "bag"), margin=Margin(0.75, "top", "dress"))
    assert reasons_of(scores, 0.99) == (
        NOVEL,
        "unsure whether this is a garment: bag",
        "two categories nearly tied: top or dress",
    )


def test_a_photo_without_garments_says_so() -> None:
    assert reasons_of(Uncertainty({"detector": 0.75}, least_certain=(0.9, "bag"), empty=True), 0.0) == (
        "no garment was found",
    )


def test_there_is_always_a_reason() -> None:
    assert reasons_of(Uncertainty({"detector": 0.1, "tie": 0.2}), 0.1) == (CERTAIN,)
    assert reasons_of(Uncertainty({"detector": 0.5, "tie": 0.2}), 0.1) == (MIXED,)
    assert reasons_of(Uncertainty(), 0.0) == (CERTAIN,)


def test_a_photo_that_was_seen_in_the_meantime_is_not_called_unseen() -> None:
    assert reasons_after_prediction((COLD,)) == ()
    assert reasons_after_prediction((COLD_AND_NOVEL, NOVEL)) == (UNLIKE_OTHERS, NOVEL)
