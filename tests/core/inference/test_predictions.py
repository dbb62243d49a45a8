"""Predictions kept with their embedding, and what an annotator begins from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import NotFoundError
from core.garments import Garment
from core.images.decode import Photo
from core.inference.labeler import Labeler
from core.inference.predictions import (
    CATEGORIES_SETTING,
    UNAIDED_HOLDOUT_SETTING,
    DraftRelabeling,
    ensure_category_ids,
    fitting_label,
    hidden_among,
    model_pair,
    predict,
    proposals,
    relabel_predicted,
    serving_models,
    undo_draft_relabeling,
    without_hidden,
)
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.search import PhotoQuery
from tests.core.store.conftest import drawn
from tests.core.store.rows import add_models
from tests.weights import FEW, drawn_photo

BOX = (10.0, 10.0, 60.0, 80.0)


@pytest.fixture
def photo_id(store: Store, make_photo: Callable[..., Photo]) -> int:
    row = store.photos.add(replace(drawn_photo(FEW), digest=make_photo(1).digest), by="ann").row
    assert row is not None
    return row.id


def test_what_is_nearly_found_is_kept_with_the_embedding_of_the_photo(
    store: Store, photo_id: int, light_labeler: Labeler, tiny_ships: Path
) -> None:
    store.models.register_shipped()
    garments = predict(store, light_labeler, photo_id)
    kept = store.predictions.get(photo_id)
    assert kept is not None and kept.models == model_pair(store, light_labeler) == serving_models(store)
    assert len(kept.garments) == len(garments) > 2
    lowest = min(g.score for g in garments)
    assert light_labeler.default_threshold / 3 <= lowest < light_labeler.default_threshold
    assert all(len(g.top5) == 5 for g in garments)
    wanted = light_labeler.classifier.embed(store.photos.open(photo_id))[0]
    assert kept.embedding is not None
    np.testing.assert_allclose(kept.embedding, wanted, atol=1e-3)
    assert store.predictions.score_threshold(kept.models) == light_labeler.default_threshold


def test_predictions_of_models_that_the_store_does_not_have_are_not_saved(
    store: Store, photo_id: int, light_labeler: Labeler
) -> None:
    with pytest.raises(NotFoundError, match="tiny detector"):
        predict(store, light_labeler, photo_id)
    assert store.predictions.get(photo_id) is None


def test_a_photo_that_is_gone_cannot_be_predicted(
    store: Store, photo_id: int, light_labeler: Labeler, tiny_ships: Path
) -> None:
    store.models.register_shipped()
    store.photos.delete(photo_id, "ann")
    with pytest.raises(NotFoundError):
        predict(store, light_labeler, photo_id)


def test_garments_from_the_threshold_on_are_proposed_and_nobody_has_accepted_them(
    store: Store, photo_id: int
) -> None:
    assert proposals(store, photo_id, 0.3) == ()
    garments = [
        Garment(BOX, "dress", 0.9, (("Dress", 0.8), ("Skirt", 0.1))),
        Garment(BOX, "bag", 0.3),
        Garment(BOX, "top", 0.29),
    ]
    store.predictions.save(photo_id, add_models(store.database), garments, None)
    dress, bag = proposals(store, photo_id, 0.3)
    names = store.categories.by_id()
    assert [names[box.category_id].name for box in (dress, bag)] == ["dress", "bag"]
    assert (dress.origin, dress.accepted, dress.score, dress.label) == ("model", False, 0.9, "Dress")
    assert dress.box_xyxy == BOX and dress.top5[1] == ("Skirt", 0.1)


def test_proposals_have_the_same_names_each_time_and_each_its_own(store: Store, photo_id: int) -> None:
    store.predictions.save(
        photo_id, add_models(store.database), [Garment(BOX, "dress", 0.9), Garment(BOX, "dress", 0.8)], None
    )
    first, again = proposals(store, photo_id, 0.3), proposals(store, photo_id, 0.3)
    assert [box.uid for box in first] == [box.uid for box in again]
    assert len({box.uid for box in first}) == 2


@pytest.mark.parametrize(
    ("top5", "label"),
    [
        ((("Dress", 0.6), ("Pants", 0.3)), "Pants"),
        ((("Dress", 0.9), ("Pants", 0.05)), None),
        ((("Dungarees", 0.9), ("Pants", 0.1)), "Dungarees"),
        ((), None),
    ],
)
def test_a_label_of_another_category_is_not_proposed(top5: tuple[tuple[str, float], ...], label: str | None):
    assert fitting_label(Garment(BOX, "pants", 0.9, top5)) == label


def test_what_people_left_comes_before_proposals_except_to_the_blind(store: Store, photo_id: int) -> None:
    store.predictions.save(photo_id, add_models(store.database), [Garment(BOX, "dress", 0.9)], None)
    mine = AnnotatedBox(BOX, store.categories.all()[0].id)
    store.annotations.submit(photo_id, [mine], author="ann", base_version=0, request="r1")
    assert [box.uid for box in proposals(store, photo_id, 0.3)] == [mine.uid]
    (seen,) = proposals(store, photo_id, 0.3, blind=True)
    assert seen.origin == "model"
    store.annotations.submit(photo_id, [], author="ann", base_version=1, request="r2")
    assert proposals(store, photo_id, 0.3) == (), "no boxes is an answer, too"


def test_where_the_holdout_is_annotated_unaided_nothing_is_proposed_on_it(
    store: Store, photo_id: int
) -> None:
    held = store.photos.add(drawn(5, holdout=True), by="ann").row
    assert held is not None and held.holdout
    models = add_models(store.database)
    for id in (photo_id, held.id):
        store.predictions.save(id, models, [Garment(BOX, "dress", 0.9)], None)
    assert len(proposals(store, held.id, 0.3)) == 1
    store.settings.put(UNAIDED_HOLDOUT_SETTING, True)
    assert proposals(store, held.id, 0.3) == proposals(store, held.id, 0.3, blind=True) == ()
    assert len(proposals(store, photo_id, 0.3)) == 1
    asked = PhotoQuery(models=models)
    assert hidden_among(store, [photo_id, held.id]) == {held.id} and hidden_among(store, []) == set()
    assert store.search.ids(without_hidden(store, asked)).tolist() == [photo_id]
    assert without_hidden(store, PhotoQuery()) == PhotoQuery(), "no models are asked"
    mine = AnnotatedBox(BOX, store.categories.all()[0].id)
    store.annotations.submit(held.id, [mine], author="ann", base_version=0, request="r1")
    assert [box.uid for box in proposals(store, held.id, 0.3)] == [mine.uid]
    assert hidden_among(store, [held.id]) == set() and store.search.count(without_hidden(store, asked)) == 2


def test_predicted_boxes_are_relabeled_in_a_draft_whose_other_proposals_stay_undecided(
    store: Store, photo_id: int
) -> None:
    models, ids = add_models(store.database), {c.name: c.id for c in store.categories.all()}
    far = (70.0, 10.0, 90.0, 80.0)
    garments = [
        Garment(BOX, "skirt", 0.9, (("Skirt", 1.0),)),
        Garment(far, "top", 0.8, ()),
        Garment((1.0, 1.0, 9.0, 9.0), "bag", 0.05, ()),
    ]
    store.predictions.save(photo_id, models, garments, None)
    annotated = store.photos.add(drawn(3), by="ann").row
    assert annotated is not None
    store.predictions.save(annotated.id, models, garments, None)
    store.annotations.submit(annotated.id, [], author="ann", base_version=0, request="r")

    def relabel(category: str, *places: int) -> DraftRelabeling:
        chosen = {photo_id: places, annotated.id: [0], 999: [0]}
        return relabel_predicted(
            store, models, chosen, author="ann", category_id=ids[category], kept_labels={"Shorts"}
        )

    def draft() -> list[tuple[str, str | None, bool]]:
        found = store.drafts.load(photo_id, "ann")
        names = {id: name for name, id in ids.items()}
        return [(names[b.category_id], b.label, b.accepted) for b in found.boxes] if found else []

    first = relabel("shorts", 0, 2)
    assert (first.boxes, first.left, list(first.saved)) == (2, 2, [photo_id])
    assert draft() == [("shorts", None, True), ("top", None, False), ("shorts", None, True)]
    latest = store.annotations.latest(annotated.id)
    assert latest is not None and latest.version == 1 and store.annotations.latest(photo_id) is None
    second = relabel("dress", 1)
    assert draft() == [("shorts", None, True), ("dress", None, True), ("shorts", None, True)]
    assert undo_draft_relabeling(store, first, author="ann").left == 1, "changed since"
    assert undo_draft_relabeling(store, second, author="ann").left == 0
    assert draft() == [("shorts", None, True), ("top", None, False), ("shorts", None, True)]
    again = relabel("pants", 0)
    undo_draft_relabeling(store, again, author="ann")
    store.drafts.drop(photo_id, "ann")
    undo_draft_relabeling(store, relabel("pants", 0), author="ann")
    assert draft() == [], "there was no draft before"


def test_reading_proposals_writes_nothing(store: Store, photo_id: int) -> None:
    def written() -> tuple[object, ...]:
        return store.categories.all(), store.settings.get(CATEGORIES_SETTING)

    before = written()
    assert proposals(store, photo_id, 0.3) == ()
    garments = [Garment(BOX, "poncho", 0.9), Garment(BOX, "top", 0.8)]
    store.predictions.save(photo_id, add_models(store.database), garments, None)
    (box,) = proposals(store, photo_id, 0.3)  # no model of this store has brought a poncho along
    assert store.categories.by_id()[box.category_id].name == "top" and written() == before


def test_a_renamed_category_stays_the_models(store: Store) -> None:
    numbers = ensure_category_ids(store, ["dress", "top"])
    store.categories.rename(numbers["dress"], "gown", "ann")
    before = len(store.categories.all())
    assert ensure_category_ids(store, ["dress", "top"]) == numbers
    assert len(store.categories.all()) == before
    cape = ensure_category_ids(store, ["cape"])["cape"]
    assert store.categories.by_id()[cape].name == "cape"
