"""PPAL on stored predictions: difficulties of the store's categories, features, reasons, and the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from core.active_learning.ppal import CalibratedUncertainty, entropy
from core.active_learning.ppal_order import (
    NOTHING_FOUND,
    Difficulties,
    StoredPrediction,
    calibrated_uncertainty_of,
    instances_of,
    measure_difficulties,
    ppal_order,
)
from core.active_learning.ranking import CERTAIN, CONTROL, PoolPhoto, rank_photos
from core.active_learning.uncertainty import Uncertainty
from core.garments import Box, Garment
from core.queue_place import QueuePlace
from core.store.boxes import AnnotatedBox
from core.store.predictions import AnnotatedPrediction

BOX: Box = (10.0, 10.0, 60.0, 80.0)
KNOWN = Difficulties({"top": 0.0, "bag": 0.0, "belt": 1.0})


def garment(score: float, category: str = "top", label: str = "Shirt") -> Garment:
    return Garment(BOX, category, score, ((label, 1.0),))


def seen(*garments: Garment, look: Sequence[float] | None = None) -> StoredPrediction:
    return StoredPrediction(garments, None if look is None else np.array(look, dtype=np.float32))


def ordered(photos: Sequence[StoredPrediction], batch: int = 100) -> list[QueuePlace]:
    """The places of photos that are numbered from 0."""
    pool = [
        PoolPhoto(
            number,
            Uncertainty({"detector": 0.5, "tie": 0.0}),
            calibrated=calibrated_uncertainty_of(one.garments, KNOWN),
        )
        for number, one in enumerate(photos)
    ]

    def fetch(ids: Sequence[int]) -> Mapping[int, StoredPrediction]:
        assert len(ids) <= 4 * batch
        return {id: photos[id] for id in ids}

    return ppal_order(pool, KNOWN, fetch, batch)


def test_difficulties_are_measured_on_the_stores_categories() -> None:
    annotated = AnnotatedPrediction(
        1,
        1,
        (AnnotatedBox(BOX, 7), AnnotatedBox(BOX, 9), AnnotatedBox(BOX, 50)),
        (garment(0.81), garment(0.9, "nothing the store knows")),
        (100, 100),
    )
    found = measure_difficulties([annotated], {"top": 7, "shirt": 7, "belt": 9, "bag": 11})
    assert found.of("top") == found.of("shirt") == pytest.approx(1 - 0.81**0.6)
    assert found.of("belt") == found.of("bag") == found.of("never heard of") == 1.0
    assert found.weights(["belt"]).tolist() == pytest.approx([1.2])
    assert measure_difficulties([], {}).of("top") == 1.0


def test_a_photos_uncertainty_names_the_category_that_most_of_it_comes_from() -> None:
    found = calibrated_uncertainty_of([garment(0.5), garment(0.5, "belt"), garment(0.01)], KNOWN)
    assert found == CalibratedUncertainty(pytest.approx(2.2 * np.log(2)), "belt", pytest.approx(np.log(2)))
    assert calibrated_uncertainty_of([], KNOWN) == CalibratedUncertainty(0.0)


def test_garments_are_alike_by_label_and_by_photo() -> None:
    same, other_label, other_look = instances_of(
        [
            seen(garment(0.5), look=(1, 0)),
            seen(garment(0.5, label="Blouse"), look=(1, 0)),
            seen(garment(0.5), look=(-2, 0)),
        ]
    )
    cosines = [float(same.features[0] @ one.features[0]) / 2 for one in (same, other_label, other_look)]
    assert cosines == pytest.approx([1.0, 0.5, 0.0])
    assert [len(one) for one in instances_of([seen()])] == [0]


def test_representatives_come_first_and_then_the_uncertain() -> None:
    tops = [seen(garment(0.5 - n / 100)) for n in range(7)]
    bag = seen(garment(0.35, "bag", "Tote"))
    certain = [seen(garment(0.99)) for n in range(8)]
    places = ordered([*tops, bag, *certain], batch=2)
    first = [place.photo_id for place in places]
    assert first[:3] == [0, 7, 1], "the bag stands for what tops do not show"
    assert first[2:] == [*range(1, 7), *range(8, 16)]
    assert places[0].reasons == ("uncertain garments, most of all: top", "stands for 6 similar photos")
    assert places[1].reasons == ("uncertain garments, most of all: bag", "unlike the other uncertain photos")
    assert places[2].reasons == ("uncertain garments, most of all: top",)
    assert places[-1].reasons == (CERTAIN,)
    assert places[0].parts == {"detector": 0.5, "tie": 0.0, "calibrated": 1.0}
    assert all(0 <= place.parts["calibrated"] <= 1 for place in places)


def test_of_few_photos_the_more_uncertain_half_are_candidates() -> None:
    sixteen = [seen(garment(0.5 if n < 8 else 0.99, "bag" if n % 2 else "top")) for n in range(16)]
    places = ordered(sixteen)
    assert len([place for place in places if len(place.reasons) > 1]) == 2
    assert {place.photo_id for place in places[:8]} == set(range(8))


def test_reasons_tell_of_hard_categories_and_of_nothing_found() -> None:
    places = ordered([seen(garment(0.5, "belt")), seen()], batch=1)
    assert places[0].reasons[0] == "uncertain garments, most of all: belt, which is hard for the models"
    assert places[1].reasons == (NOTHING_FOUND,)


def test_no_photos_no_order() -> None:
    assert ordered([]) == []


def test_only_four_times_the_batch_is_fetched_of_many_photos() -> None:
    rng = np.random.default_rng(0)
    many = [seen(garment(float(s)), look=rng.random(4)) for n, s in enumerate(rng.random(1000))]
    places = ordered(many, batch=10)
    assert sorted(place.photo_id for place in places) == list(range(1000))
    assert [place.photo_id for place in places] == [place.photo_id for place in ordered(many, batch=10)]
    tail = [entropy(np.array(many[place.photo_id].garments[0].score)) for place in places[10:]]
    counts = [
        value if many[p.photo_id].garments[0].score >= 0.05 else 0.0
        for value, p in zip(tail, places[10:], strict=True)
    ]
    assert counts == sorted(counts, reverse=True)


def test_the_control_arm_and_unseen_photos_keep_their_places() -> None:
    seen = [PoolPhoto(n, Uncertainty(), calibrated=CalibratedUncertainty(0.5, "top", 0.5)) for n in range(60)]
    unseen = [PoolPhoto(100 + n) for n in range(3)]

    def order(some: Sequence[PoolPhoto]) -> list[QueuePlace]:
        return [QueuePlace(one.photo_id, 0.0, "selected", ("by PPAL",)) for one in some]

    nothing = np.zeros((0, 1), dtype=np.float16)
    places = rank_photos([*seen, *unseen], labeled_embeddings=nothing, order_predicted=order)
    reasons = {place.photo_id: place.reasons for place in places}
    control = {id for id, said in reasons.items() if said == (CONTROL,)}
    assert 0 < len(control) < 30
    assert all(reasons[n] == ("by PPAL",) for n in range(60) if n not in control)
    assert all(n in control or reasons[n] != ("by PPAL",) for n in range(100, 103))
    usual = rank_photos(
        [*seen, *unseen], labeled_embeddings=nothing, order_predicted=lambda some: order(some)
    )
    assert [place.rank for place in places] == [place.rank for place in usual]
