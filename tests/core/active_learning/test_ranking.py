"""The order of photos: uncertain and novel ones first, a random control arm between, reasons in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.active_learning import ranking
from core.active_learning.ranking import (
    CERTAIN,
    COLD,
    COLD_AND_NOVEL,
    MIXED,
    NOVEL,
    UNLIKE_OTHERS,
    WEIGHTS,
    PoolPhoto,
    RankingWeights,
    rank_photos,
    reasons_after_prediction,
    reasons_of,
    stable_uniform,
    weight_of,
)
from core.active_learning.uncertainty import Margin, Uncertainty


def test_a_tie_names_both_categories() -> None:
    scores = Uncertainty({"margin": 0.9}, margin=Margin(0.9, "top", "dress"))
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
    assert reasons_of(Uncertainty({"detector": 0.1, "margin": 0.2}), 0.1) == (CERTAIN,)
    assert reasons_of(Uncertainty({"detector": 0.5, "margin": 0.2}), 0.1) == (MIXED,)
    assert reasons_of(Uncertainty(), 0.0) == (CERTAIN,)


def test_a_photo_that_was_seen_in_the_meantime_is_not_called_unseen() -> None:
    assert reasons_after_prediction((COLD,)) == ()
    assert reasons_after_prediction((COLD_AND_NOVEL, NOVEL)) == (UNLIKE_OTHERS, NOVEL)


NOTHING = np.zeros((0, 16), dtype=np.float32)


def pool(count: int, seed: int = 0, **changes: object) -> list[PoolPhoto]:
    rng = np.random.default_rng(seed)
    return [
        PoolPhoto(
            number,
            Uncertainty({"detector": float(rng.random()), "margin": float(rng.random())}),
            rng.random(16).astype(np.float16),
            rng.bytes(32),
            **changes,  # type: ignore[arg-type]
        )
        for number in range(count)
    ]


def order_of(ranked: list, start: float = 0.0) -> list[int]:
    return [entry.photo_id for entry in sorted(ranked, key=lambda entry: entry.rank) if entry.rank >= start]


def test_every_photo_has_one_place_and_a_reason() -> None:
    ranked = rank_photos(pool(300), labeled_embeddings=NOTHING)
    assert sorted(order_of(ranked)) == list(range(300))
    assert all(0 < entry.rank < 1 and entry.reasons for entry in ranked)
    assert len({entry.rank for entry in ranked}) == 300


def test_the_order_is_the_same_for_the_same_candidates_in_any_sequence() -> None:
    photos = pool(200)
    once = rank_photos(photos, labeled_embeddings=NOTHING, seed=4)
    assert once == rank_photos(photos[::-1], labeled_embeddings=NOTHING, seed=4)
    assert once != rank_photos(photos, labeled_embeddings=NOTHING, seed=5)


def test_open_photos_come_before_sure_ones() -> None:
    photos = pool(400)
    ranked = rank_photos(photos, labeled_embeddings=NOTHING, control_share=0.0)
    weights = np.array([weight_of(photos[index].uncertainty or Uncertainty()) for index in order_of(ranked)])
    assert weights[:100].mean() > 2 * weights[300:].mean()


def test_photos_unlike_the_labeled_come_first_and_say_so() -> None:
    rng = np.random.default_rng(0)
    centers = np.eye(2, 16)
    embeddings = np.repeat(centers, 50, axis=0) + rng.normal(0, 0.05, (100, 16))
    photos = [
        PoolPhoto(n, Uncertainty({"detector": 0.1, "margin": 0.1}), row) for n, row in enumerate(embeddings)
    ]
    labeled = centers[:1] + rng.normal(0, 0.05, (20, 16))
    ranked = rank_photos(photos, labeled_embeddings=labeled, control_share=0.0)
    first = sorted(ranked, key=lambda entry: entry.rank)[:5]
    assert sum(entry.photo_id >= 50 for entry in first) >= 4
    assert any(ranking.NOVEL in entry.reasons for entry in first)


def test_the_control_arm_is_a_sample_that_no_score_and_no_repetition_changes() -> None:
    photos = pool(2000)
    ranked = rank_photos(photos, labeled_embeddings=NOTHING)
    control = {entry.photo_id for entry in ranked if entry.arm == "control"}
    assert 0.12 < len(control) / 2000 < 0.18
    surer = [replace(c, uncertainty=Uncertainty({"detector": 0.0, "margin": 0.0})) for c in photos[:1000]]
    again = rank_photos(surer, labeled_embeddings=NOTHING)
    assert {e.photo_id for e in again if e.arm == "control"} == {id for id in control if id < 1000}
    openness = [weight_of(photos[id].uncertainty or Uncertainty()) for id in control]
    everyone = [weight_of(c.uncertainty or Uncertainty()) for c in photos]
    assert np.mean(openness) == pytest.approx(np.mean(everyone), rel=0.1)


def test_the_control_arm_lies_evenly_between_the_selected() -> None:
    ranked = sorted(rank_photos(pool(1000), labeled_embeddings=NOTHING), key=lambda e: e.rank)
    for start in range(0, 800, 100):
        assert 14 <= sum(entry.arm == "control" for entry in ranked[start : start + 100]) <= 16
    assert {entry.reasons for entry in ranked if entry.arm == "control"} == {(ranking.CONTROL,)}


def test_before_any_prediction_there_is_an_order_by_hashes() -> None:
    photos = [replace(c, uncertainty=None, embedding=None) for c in pool(300)]
    copies = [PoolPhoto(1000 + n, perceptual_hash=photos[0].perceptual_hash) for n in range(300)]
    ranked = rank_photos([*copies, *photos], labeled_embeddings=NOTHING, control_share=0.0)
    assert {entry.arm for entry in ranked} == {"cold"}
    assert sum(photo >= 1000 for photo in order_of(ranked)[:200]) <= 2, "duplicates come last"
    assert ranked[0].reasons == (ranking.COLD_AND_NOVEL,)


def test_photos_without_a_hash_have_a_place_too() -> None:
    ranked = rank_photos([PoolPhoto(1), PoolPhoto(2)], labeled_embeddings=NOTHING, control_share=0.0)
    assert [entry.reasons for entry in ranked] == [(ranking.COLD,)] * 2
    assert rank_photos([], labeled_embeddings=NOTHING) == []


def test_predicted_photos_come_before_those_the_models_have_not_seen() -> None:
    photos = pool(100)
    unseen = [replace(c, photo_id=c.photo_id + 100, uncertainty=None) for c in pool(100, seed=1)]
    ranked = rank_photos([*unseen, *photos], labeled_embeddings=NOTHING, control_share=0.0)
    assert max(order_of(ranked)[:100]) < 100


def test_label_issues_get_their_share_of_the_places_most_probable_first() -> None:
    issues = [
        PoolPhoto(1000 + n, annotated=True, issue_score=0.5 + n / 100, issue=f"issue {n}") for n in range(5)
    ]
    ranked = rank_photos([*pool(100), *issues], labeled_embeddings=NOTHING, control_share=0.0)
    found = [photo for photo in order_of(ranked) if photo >= 1000]
    assert found == [1004, 1003, 1002, 1001, 1000]
    assert order_of(ranked).index(1004) == 9
    (worst,) = (entry for entry in ranked if entry.photo_id == 1004)
    assert worst.reasons == ("issue 4",) and worst.parts["label_issue"] == pytest.approx(0.54)


def test_what_was_brought_with_boxes_waits_behind_all_others() -> None:
    brought = [replace(c, photo_id=c.photo_id + 500) for c in pool(50, annotated=True)]
    ranked = rank_photos([*brought, *pool(50)], labeled_embeddings=NOTHING)
    assert all((entry.photo_id >= 500) == (entry.rank >= 1) for entry in ranked)


def test_the_holdout_lies_evenly_between_whatever_the_models_say() -> None:
    held = [replace(c, photo_id=c.photo_id + 1000, holdout=True) for c in pool(150)]
    order = order_of(rank_photos([*pool(850), *held], labeled_embeddings=NOTHING))
    for start in range(0, 1000, 200):
        assert 26 <= sum(photo >= 1000 for photo in order[start : start + 200]) <= 34
    surer = [replace(c, uncertainty=Uncertainty({"margin": 0.0})) for c in held]
    again = order_of(rank_photos([*pool(850), *surer], labeled_embeddings=NOTHING))
    assert [id for id in order if id >= 1000] == [id for id in again if id >= 1000]


def test_only_the_first_are_chosen_one_by_one() -> None:
    few = replace(WEIGHTS, seeds=10, shortlist=50)
    ranked = rank_photos(pool(500), labeled_embeddings=NOTHING, weights=few, control_share=0.0)
    assert sorted(order_of(ranked)) == list(range(500))


def test_parts_that_are_missing_do_not_count() -> None:
    assert weight_of(Uncertainty({"margin": 0.5})) == pytest.approx(
        weight_of(Uncertainty({"margin": 0.5, "detector": 0.5}))
    )
    assert weight_of(Uncertainty()) == pytest.approx(WEIGHTS.floor**WEIGHTS.sharpness)


def test_the_pseudo_random_number_is_uniform_and_always_the_same() -> None:
    numbers = [stable_uniform(photo_id, 0) for photo_id in range(2000)]
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.03)
    assert numbers == [stable_uniform(photo_id, 0) for photo_id in range(2000)]
    assert max(Counter(round(n, 9) for n in numbers).values()) == 1


@pytest.mark.parametrize(
    "bad", [{"detector": -1.0}, {"detector": 0, "margin": 0}, {"control": 1.5}, {"floor": 0}]
)
def test_weights_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        RankingWeights(**bad)
