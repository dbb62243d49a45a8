"""The gate: what passes, what is refused and why, and how many photos it would take to tell."""

from __future__ import annotations

import pytest

from core.evaluation.comparison import MAIN_METRIC, ClassComparison, Comparison, PairedMetric
from core.evaluation.gate import MAX_PHOTOS_NEEDED, MIN_PHOTOS, gate, photos_needed
from tests.core.store.comparing import comparison, paired


def a_class(difference: float, boxes: int, name: str = "dress") -> ClassComparison:
    return ClassComparison(name, boxes, paired(difference))


@pytest.mark.parametrize(
    ("interval", "passes"),
    [((0.01, 0.05), True), ((-0.0049, 0.03), True), ((-0.005, 0.03), False), ((-0.006, 0.03), False)],
)
def test_the_lower_end_must_be_above_half_a_point_lost(interval, passes):
    assert gate(comparison(0.01, interval)).passes is passes


@pytest.mark.parametrize(
    ("difference", "boxes", "passes"),
    [(-0.051, 20, False), (-0.05, 20, True), (-0.5, 19, True), (-0.04, 500, True), (0.3, 20, True)],
)
def test_no_class_with_twenty_boxes_may_lose_over_five_points(difference, boxes, passes):
    verdict = gate(comparison(0.05, classes=(a_class(difference, boxes),)))
    assert verdict.passes is passes and verdict.photos_needed is None
    assert ("dress loses 5.1 points over 20 boxes" in verdict.sentence) is not passes


def test_all_classes_that_lose_are_named_the_worst_first():
    classes = (a_class(-0.1, 30, "bag"), a_class(-0.2, 30, "belt"), a_class(0.1, 30, "top"))
    sentence = gate(comparison(0.05, classes=classes)).sentence
    assert sentence.index("belt") < sentence.index("bag") and "top loses" not in sentence


def test_the_photos_needed_follow_the_square_root_law_worked_out_by_hand():
    """Half-width 4 points at 100 photos, 2.5 points above the margin: (4 / 2.5)^2 = 2.56 times as many."""
    verdict = gate(comparison(0.02, (-0.02, 0.06), photos=100))
    assert (verdict.passes, verdict.photos_needed) == (False, 256)
    assert "too small to tell, it would take about 256" in verdict.sentence
    assert "by up to 2.0 points" in verdict.sentence


def test_what_may_be_worse_and_cannot_be_told_needs_photos_too():
    """Two points below the margin, and the half that reaches over it is four wide: four times as many."""
    assert gate(comparison(-0.025, (-0.065, 0.015), photos=100)).photos_needed == 400


def test_what_is_clearly_worse_needs_no_more_photos():
    verdict = gate(comparison(-0.05, (-0.09, -0.01)))
    assert (verdict.passes, verdict.photos_needed) == (False, None) and "It is worse" in verdict.sentence


def test_the_number_of_photos_stays_within_reason():
    assert photos_needed(100, -0.005, (-0.1, 0.1)) == MAX_PHOTOS_NEEDED
    assert photos_needed(100, 0.1, (-0.005, 0.2)) == 101


@pytest.mark.parametrize("photos", [1, MIN_PHOTOS - 1])
def test_a_few_photos_never_let_a_candidate_pass(photos):
    verdict = gate(comparison(0.0, (0.0, 0.0), photos=photos))
    assert (verdict.passes, verdict.photos_needed) == (False, MIN_PHOTOS)
    assert gate(comparison(0.0, (0.0, 0.0), photos=MIN_PHOTOS)).passes


def test_without_anything_to_measure_nothing_passes():
    nothing = Comparison(
        "detector", 30, 0, {MAIN_METRIC["detector"]: PairedMetric(None, None, None)}, (), 1000
    )
    verdict = gate(nothing)
    assert not verdict.passes and "no annotated boxes" in verdict.sentence


def test_the_figures_are_always_said():
    verdict = gate(comparison(0.0213, (0.003, 0.039), kind="classifier"))
    assert verdict.passes
    assert verdict.sentence == "top-1 50.0 → 52.1: +2.1 points, 95 % interval +0.3 to +3.9, on 100 photos."
