"""Uncertainty of detections, and margins between labels and between categories."""

from __future__ import annotations

import pytest

from core.active_learning.uncertainty import (
    NOTHING_FOUND,
    Margin,
    category_margins,
    detection_uncertainty,
    disagreement_margins,
    label_margins,
    photo_uncertainty,
)
from core.garments import Garment

PLACE, BESIDE = (0.0, 0.0, 100.0, 100.0), (200.0, 0.0, 300.0, 100.0)


def garment(score: float, category: str = "top", box: tuple[float, float, float, float] = PLACE) -> Garment:
    return Garment(box, category, score)


@pytest.mark.parametrize(
    ("score", "expected"), [(0.0, 0.0), (0.15, 0.5), (0.3, 1.0), (0.65, 0.5), (1.0, 0.0)]
)
def test_uncertainty_is_greatest_at_the_threshold(score: float, expected: float) -> None:
    assert detection_uncertainty(score, 0.3) == pytest.approx(expected)


def test_the_three_least_certain_garments_count() -> None:
    scores = photo_uncertainty([garment(0.3), garment(0.65, "bag"), garment(1.0), garment(1.0)], 0.3)
    assert scores.parts["detector"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert scores.least_certain == (1.0, "top")


def test_a_photo_without_garments_is_uncertain() -> None:
    for garments in ([], [garment(0.05)]):
        scores = photo_uncertainty(garments, 0.3)
        assert scores.empty and scores.parts["detector"] == NOTHING_FOUND
    assert not photo_uncertainty([garment(0.9)], 0.3).empty


def test_a_certain_photo_has_no_uncertainty() -> None:
    scores = photo_uncertainty([Garment(PLACE, "top", 1.0, (("Shirt", 1.0), ("Blouse", 0.0)))], 0.3)
    assert dict(scores.parts) == {"detector": 0.0, "margin": 0.0}


def test_the_margin_of_labels_is_the_difference_of_their_probabilities() -> None:
    shirt = Garment(PLACE, "top", 0.9, (("Shirt", 0.5), ("Blouse", 0.4), ("Polo", 0.1)))
    (margin,) = label_margins([shirt, Garment(PLACE, "top", 0.9)])
    assert margin.uncertainty == pytest.approx(0.9) and (margin.first, margin.second) == ("Shirt", "Blouse")
    assert photo_uncertainty([shirt], 0.3).margin == margin


def test_labels_of_garments_below_the_threshold_do_not_count() -> None:
    low = Garment(PLACE, "top", 0.2, (("Shirt", 0.5), ("Blouse", 0.5)))
    assert photo_uncertainty([low], 0.3).parts["margin"] == 0.0


def test_the_margin_of_categories_is_the_ratio_of_their_scores() -> None:
    (margin,) = category_margins([garment(0.8), garment(0.6, "dress")], 0.3)
    assert margin.uncertainty == pytest.approx(0.75) and (margin.first, margin.second) == ("top", "dress")


def test_other_places_the_same_category_and_low_scores_have_no_margin() -> None:
    assert category_margins([garment(0.8), garment(0.8, "dress", BESIDE)], 0.3) == []
    assert category_margins([garment(0.8), garment(0.4)], 0.3) == []
    assert category_margins([garment(0.8), garment(0.1, "dress")], 0.3) == []
    assert category_margins([garment(0.2), garment(0.2, "dress")], 0.3) == []


def test_an_overruled_model_makes_a_garment_as_uncertain_as_it_was_sure() -> None:
    top5 = (("Skirt", 0.9), ("Dress", 0.05))
    agreed = Garment(PLACE, "skirt", 0.9, top5, detector=("skirt", 0.8), classifier=("Skirt", 0.9))
    overruled = Garment(PLACE, "skirt", 0.9, top5, detector=("dress", 0.7), classifier=("Skirt", 0.9))
    relabeled = Garment(PLACE, "skirt", 0.9, top5, detector=("skirt", 0.8), classifier=("Dress", 0.6))
    assert disagreement_margins([agreed]) == []
    assert disagreement_margins([overruled]) == [Margin(0.7, "skirt", "dress")]
    assert disagreement_margins([relabeled]) == [Margin(0.6, "Skirt", "Dress")]
    assert photo_uncertainty([overruled], 0.3).parts["margin"] == pytest.approx(0.7)
    assert photo_uncertainty([agreed], 0.3).parts["margin"] == pytest.approx(1 - 0.85)
