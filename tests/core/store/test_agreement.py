"""Agreement: worked out by hand, and by the best pairing where boxes lie in each other."""

from __future__ import annotations

import pytest

from core.store.agreement import Agreement, agreement, pairs
from tests.core.store.rows import box


def test_equal_boxes_agree_wholly_in_any_order():
    one, two = box(0, 0, 10, 10, 1), box(50, 50, 90, 90, 2)
    found = agreement([one, two], [two, one])
    assert found == Agreement(1.0, 2, 0, 0, 2)
    assert found.share == 1.0


def test_two_empty_photos_agree_and_an_empty_one_does_not_agree_with_boxes():
    assert agreement([], []) == Agreement(1.0, 0, 0, 0, 0)
    assert agreement([], []).share == 1.0
    assert agreement([box(0, 0, 10, 10)], []) == Agreement(0.0, 0, 1, 0, 0)
    assert agreement([box(0, 0, 10, 10)], []).share == 0.0


def test_overlap_is_that_of_the_pairs():
    # 8 x 10 of 10 x 10 and 10 x 10, moved by 2: 80 / 120
    found = agreement([box(0, 0, 10, 10)], [box(2, 0, 12, 10, 2)])
    assert found.mean_iou == pytest.approx(80 / 120, abs=1e-4)
    assert (found.matched, found.same_category, found.share) == (1, 0, 0.0)


def test_boxes_that_overlap_less_than_half_are_different_garments():
    assert agreement([box(0, 0, 10, 10)], [box(4, 0, 14, 10)]) == Agreement(0.0, 0, 1, 1, 0)


def test_the_pairing_is_the_best_of_all_not_the_first_that_fits():
    a = [box(0, 0, 10, 10), box(0, 0, 10, 14)]
    b = [box(0, 0, 10, 12), box(0, 0, 10, 7)]
    # greedy would give a[1] to b[0] (12/14) and leave a[0] with b[1] (0.7); both pairings are complete
    found = {(i, j) for i, j, _ in pairs(a, b)}
    assert found == {(0, 1), (1, 0)}
    assert len(pairs([box(0, 0, 10, 10), box(0, 0, 10, 6)], [box(0, 0, 10, 10), box(0, 0, 10, 19)])) == 2


def test_of_two_garments_in_one_place_the_names_decide():
    top, jacket = box(0, 0, 100, 100, 1), box(0, 0, 104, 100, 2)
    other_top, other_jacket = box(0, 0, 103, 100, 1), box(0, 0, 100, 101, 2)
    assert agreement([top, jacket], [other_top, other_jacket]).same_category == 2
