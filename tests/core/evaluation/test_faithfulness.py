"""Deletion, insertion and pointing on a network whose answer is known: the white pixels of one square."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.faithfulness import (
    baseline_of,
    confidence_change,
    deletion_and_insertion,
    faithfulness,
    pixel_order,
    points_at,
    rank_correlation,
    resized,
    share_inside,
)

SIDE = 40
SQUARE = (slice(10, 20), slice(20, 30))  # a sixteenth of the picture


def picture() -> np.ndarray:
    pixels = np.zeros((SIDE, SIDE, 3), np.float32)
    pixels[SQUARE] = 255
    return pixels


def score(pictures: np.ndarray) -> np.ndarray:
    """The share of the square that is white."""
    return pictures[:, SQUARE[0], SQUARE[1], 0].mean(axis=(1, 2)) / 255


def mask() -> np.ndarray:
    marked = np.zeros((SIDE, SIDE), bool)
    marked[SQUARE] = True
    return marked


def test_a_map_of_the_square_is_as_good_as_a_map_can_be():
    black = np.zeros_like(picture())
    deletion, insertion = deletion_and_insertion(score, picture(), mask().astype(float), black, steps=16)
    # A step is a sixteenth of the picture: the square goes in the first, and comes in the first.
    np.testing.assert_allclose(deletion.scores, [1] + [0] * 16, atol=1e-6)
    np.testing.assert_allclose(insertion.scores, [0] + [1] * 16, atol=1e-6)
    assert deletion.area == pytest.approx(1 / 32) and insertion.area == pytest.approx(31 / 32)


def test_a_map_of_everything_else_is_as_bad():
    black = np.zeros_like(picture())
    deletion, insertion = deletion_and_insertion(score, picture(), 1.0 - mask(), black, steps=16)
    assert deletion.area == pytest.approx(31 / 32) and insertion.area == pytest.approx(1 / 32)


def test_an_even_map_takes_pixels_at_random_and_not_row_by_row():
    black = np.zeros_like(picture())
    deletion, insertion = deletion_and_insertion(score, picture(), np.zeros((7, 7)), black, steps=16)
    assert deletion.area == pytest.approx(0.5, abs=0.08) and insertion.area == pytest.approx(0.5, abs=0.08)


def test_keeping_the_square_loses_nothing_and_keeping_the_rest_loses_all():
    black = np.zeros_like(picture())
    assert confidence_change(score, picture(), mask().astype(float), black) == (pytest.approx(0.0), False)
    assert confidence_change(score, picture(), 1.0 - mask(), black) == (pytest.approx(1.0), False)
    signed = np.where(mask(), 2.0, -1.0)  # what speaks against the answer is not kept
    assert confidence_change(score, picture(), signed, black)[0] == pytest.approx(0.0)


def test_confidence_that_rises_is_an_increase():
    def against(pictures: np.ndarray) -> np.ndarray:
        return 1 - pictures[:, 30:, 30:, 0].mean(axis=(1, 2)) / 510

    pixels = np.full((SIDE, SIDE, 3), 255, np.float32)
    drop, increased = confidence_change(against, pixels, mask().astype(float), np.zeros_like(pixels))
    assert drop == 0.0 and increased


def test_all_figures_at_once_order_good_and_bad_maps():
    good = faithfulness(score, picture(), mask().astype(float), baseline="mean", steps=16)
    bad = faithfulness(score, picture(), 1.0 - mask(), baseline="mean", steps=16)
    assert list(good.as_dict()) == ["deletion", "insertion", "drop", "increase"]
    assert good.deletion.area < bad.deletion.area and good.insertion.area > bad.insertion.area
    assert good.drop < bad.drop


def test_a_blurred_picture_keeps_its_mean_color_and_loses_its_outline():
    blurred = baseline_of(picture(), "blur")
    assert blurred.shape == picture().shape and float(blurred.max()) < 255
    assert float(blurred.mean()) == pytest.approx(float(picture().mean()), rel=0.1)
    assert float(np.ptp(baseline_of(picture(), "mean"))) == 0
    with pytest.raises(ValueError, match="expected a baseline of blur, mean, got 'black'"):
        baseline_of(picture(), "black")


def test_pixels_come_by_value_whatever_the_size_of_the_map():
    order = pixel_order(np.array([[0.0, 1.0], [2.0, 3.0]]), (4, 4))
    assert sorted(order.tolist()) == list(range(16))
    assert order[0] == 15 and order[-1] == 0
    assert resized(np.array([[1.0, 3.0]]), (2, 1)).tolist() == [[1.0, 3.0]]


def test_the_pointing_game_counts_a_hit_within_fifteen_pixels():
    target = np.zeros((100, 100), bool)
    target[40:60, 40:60] = True

    def spot(row: int, column: int) -> np.ndarray:
        values = np.zeros((100, 100))
        values[row, column] = 1
        return values

    assert points_at(spot(50, 50), target)
    assert points_at(spot(30, 50), target) and not points_at(spot(24, 50), target)
    assert not points_at(spot(24, 50), target, tolerance=0)
    assert not points_at(spot(50, 50), np.zeros((100, 100), bool))


def test_the_share_inside_counts_what_is_above_zero():
    values = np.where(mask(), 3.0, -1.0)
    assert share_inside(values, mask()) == 1.0
    assert share_inside(np.ones((SIDE, SIDE)), mask()) == pytest.approx(1 / 16)
    assert np.isnan(share_inside(np.zeros((3, 3)), mask()))


def test_rank_correlation_is_of_order_alone():
    ramp = np.arange(9.0).reshape(3, 3)
    assert rank_correlation(ramp, np.exp(ramp)) == pytest.approx(1.0)
    assert rank_correlation(ramp, -ramp) == pytest.approx(-1.0)
    assert np.isnan(rank_correlation(ramp, np.zeros((3, 3))))
