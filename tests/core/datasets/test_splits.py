"""Splits depend on the photos' content and the seed alone, and the holdout is in none but its own."""

from __future__ import annotations

from core.datasets.splits import FEWEST_TO_SPLIT, HOLDOUT, MOST_VALIDATION, TRAIN, VAL, choose_validation

DIGESTS = [f"{number:064x}" for number in range(1200)]


def test_neither_order_nor_repetition_changes_the_choice() -> None:
    chosen = choose_validation(DIGESTS[:50], seed=3)
    assert choose_validation(reversed(DIGESTS[:50]), seed=3) == chosen
    assert len(chosen.digests) == 5


def test_another_seed_chooses_other_photos() -> None:
    first = {choose_validation(DIGESTS[:12], seed).digests[0] for seed in range(20)}
    assert len(first) > 3


def test_a_tenth_is_chosen_of_many_photos_at_most_forty() -> None:
    assert [len(choose_validation(DIGESTS[:n], 0).digests) for n in (0, 1, 9, 10, 25, 400, 1200)] == [
        0, 1, 1, 1, 2, 40, MOST_VALIDATION
    ]  # fmt: skip


def test_a_photo_is_in_one_split_and_few_photos_are_all_learned_from() -> None:
    many, few = choose_validation(DIGESTS[:20], 1), choose_validation(DIGESTS[: FEWEST_TO_SPLIT - 1], 1)
    splits = [many.split_of(digest, holdout=False) for digest in DIGESTS[:20]]
    assert (splits.count(VAL), splits.count(TRAIN)) == (2, 18)
    assert {few.split_of(digest, holdout=False) for digest in DIGESTS[:9]} == {TRAIN}
    assert many.split_of(many.digests[0], holdout=True) == HOLDOUT
