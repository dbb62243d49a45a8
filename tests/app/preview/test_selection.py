"""What is view of a batch: the threshold, the filters, what counts as uncertain, and the order."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.preview.selection import (
    NOTHING_FOUND,
    UNCERTAIN,
    UNCERTAIN_FIRST,
    Filters,
    Place,
    chosen,
    garments_chosen,
    place_of,
    view_of,
)
from core.active_learning.uncertainty import is_uncertain, label_margin
from core.corrections import Corrections, Edit
from core.garments import Garment, LabeledPhoto
from core.store.photo_spools import Item, SpooledPhoto

SURE = (("T-Shirt", 0.7), ("Shirt", 0.2))
TORN = (("T-Shirt", 0.45), ("Shirt", 0.35))


def garment(score: float, category: str = "top", top5=SURE) -> Garment:
    return Garment((0, 0, 10, 20), category, score, top5)


def item(number: int, *garments: Garment, name: str | None = None) -> Item:
    name = name or f"{number}.jpg"
    return Item(
        number, SpooledPhoto(Path("x"), name, "d", b""), LabeledPhoto(name, 100, 100, 0.1, {}, garments)
    )


def seen_at(threshold: float, *items: Item, corrections: Corrections | None = None):
    return [view_of(one, corrections or Corrections(), threshold) for one in items]


def numbers(view) -> list[int]:
    return [one.item.number for one in view]


def test_the_threshold_takes_boxes_away_and_brings_them_back():
    photo = item(0, garment(0.9), garment(0.6), garment(0.3))
    at = lambda threshold: list(view_of(photo, Corrections(), threshold).garments)  # noqa: E731
    assert (at(0.1), at(0.6), at(0.61), at(0.95), at(0.3)) == ([0, 1, 2], [0, 1], [0], [], [0, 1, 2])


def test_corrected_garments_stay_and_those_taken_out_are_gone():
    photo = item(0, garment(0.9), garment(0.6), garment(0.3))
    corrections = Corrections()
    corrections.apply(Edit(0, 0, garment(0.9), None))
    corrections.apply(Edit(0, 2, garment(0.3), garment(0.3).correct(category="dress")))
    view = view_of(photo, corrections, 0.5)
    assert {number: g.category for number, g in view.garments.items()} == {1: "top", 2: "dress"}
    assert [g.category for g in view.labeled.garments] == ["top", "dress"]
    assert view.labeled.photo == "0.jpg"


@pytest.mark.parametrize(
    ("scores", "top5", "uncertain"),
    [
        ([0.9], SURE, False),
        ([0.54], SURE, True),  # just above the threshold of 0.5
        ([0.46], SURE, True),  # just below: nothing found, but nearly
        ([0.40], SURE, False),
        ([0.9, 0.52], SURE, False),  # the best one decides
        ([0.9], TORN, True),  # 0.45 - 0.35 < 0.15
        ([0.9], (("T-Shirt", 1.0),), False),
        ([0.9], (), False),
        ([], SURE, False),
    ],
)
def test_unsure_is_a_best_score_near_the_threshold_or_a_narrow_margin(scores, top5, uncertain):
    assert is_uncertain([garment(score, top5=top5) for score in scores], 0.5) is uncertain


def test_a_hidden_garment_with_a_narrow_margin_does_not_count():
    assert not is_uncertain([garment(0.9), garment(0.2, top5=TORN)], 0.5)


def test_what_a_person_has_touched_is_beyond_doubt():
    assert not is_uncertain([garment(0.52).correct(label="Hoodie")], 0.5)
    assert not is_uncertain([garment(0.9, top5=TORN).correct(label="T-Shirt")], 0.5)
    assert not is_uncertain([None, garment(0.52)], 0.5)
    assert is_uncertain([None, garment(0.9, top5=TORN)], 0.5)


def test_a_margin_is_the_step_from_the_best_label_to_the_second():
    assert label_margin(garment(0.9, top5=TORN)) == pytest.approx(0.10)
    assert label_margin(garment(0.9, top5=())) == 1.0


def test_without_filters_everything_is_shown_in_order():
    photos = seen_at(0.5, item(0, garment(0.9)), item(1), item(2, garment(0.2)))
    assert numbers(chosen(photos, Filters())) == [0, 1, 2]


def test_category_and_score_must_meet_in_one_garment():
    photos = seen_at(
        0.1,
        item(0, garment(0.9, "top"), garment(0.3, "pants")),
        item(1, garment(0.8, "pants")),
        item(2),
    )
    assert numbers(chosen(photos, Filters(categories=("pants",)))) == [0, 1]
    assert numbers(chosen(photos, Filters(scores=(0.85, 1.0)))) == [0]
    assert numbers(chosen(photos, Filters(categories=("pants",), scores=(0.5, 1.0)))) == [1]
    assert numbers(chosen(photos, Filters(categories=("dress",)))) == []


def test_nothing_found_follows_the_threshold():
    photos = [item(0, garment(0.6)), item(1, garment(0.3))]
    assert numbers(chosen(seen_at(0.5, *photos), Filters(show=NOTHING_FOUND))) == [1]
    assert numbers(chosen(seen_at(0.7, *photos), Filters(show=NOTHING_FOUND))) == [0, 1]


def test_unsure_photos_can_be_shown_alone():
    photos = seen_at(0.5, item(0, garment(0.9)), item(1, garment(0.51)), item(2, garment(0.9, top5=TORN)))
    assert numbers(chosen(photos, Filters(show=UNCERTAIN))) == [1, 2]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("As uploaded", [0, 1, 2]),
        ("Name", [2, 0, 1]),
        ("Most uncertain first", [1, 2, 0]),
        ("Most garments first", [2, 0, 1]),
    ],
)
def test_orders(order, expected):
    photos = seen_at(
        0.5,
        item(0, garment(0.95), name="b.jpg"),
        item(1, garment(0.51), name="C.jpg"),
        item(2, garment(0.9), garment(0.8), name="A.jpg"),
    )
    assert numbers(chosen(photos, Filters(order=order))) == expected


def test_arrows_go_along_what_is_shown_and_stop_at_its_ends():
    photos = seen_at(0.5, item(4), item(7), item(2))
    assert place_of(photos, Filters(), 4) == Place(2, 3, 2, 7)
    assert place_of(photos, Filters(), 2) == Place(1, 3, None, 4)
    assert place_of(photos, Filters(), 7) == Place(3, 3, 4, None)


def test_from_a_photo_that_passes_no_longer_the_arrows_go_on_where_it_stood():
    shirts = [item(number, garment(0.9, "top")) for number in (0, 1, 3, 4)]
    photos = seen_at(0.5, *shirts, item(2, garment(0.9, "dress")))
    tops = Filters(categories=("top",))
    assert place_of(photos, tops, 2) == Place(None, 4, 1, 3)
    assert place_of(photos, Filters(categories=("dress",)), 4) == Place(None, 1, 2, None)
    assert place_of(photos, Filters(categories=("skirt",)), 4) == Place(None, 0, None, None)


def test_garments_are_found_by_category_label_score_and_doubt():
    photos = seen_at(
        0.5, item(0, garment(0.9), garment(0.6, "pants", TORN)), item(1, garment(0.7, "top", TORN))
    )
    found = lambda **asked: [  # noqa: E731
        (view.item.number, number) for view, number in garments_chosen(photos, Filters(**asked), 0.5)
    ]
    assert found() == [(0, 0), (0, 1), (1, 0)]
    assert found(categories=("top",)) == [(0, 0), (1, 0)]
    assert found(labels=("Shirt",)) == []
    assert found(scores=(0.65, 0.8)) == [(1, 0)]
    assert found(show=UNCERTAIN) == [(0, 1), (1, 0)]
    assert found(show=NOTHING_FOUND) == [(0, 0), (0, 1), (1, 0)]
    assert found(order=UNCERTAIN_FIRST)[-1] == (0, 0)


def test_photos_are_found_by_label():
    photos = seen_at(0.5, item(0, garment(0.9)), item(1, garment(0.9, "top", (("Shirt", 0.9),))))
    assert numbers(chosen(photos, Filters(labels=("Shirt",)))) == [1]
