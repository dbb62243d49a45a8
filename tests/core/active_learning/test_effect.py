"""What corrections brought: models with their figures, and corrections a photo by arm and batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from core.access import Actor
from core.active_learning.effect import (
    ArmResult,
    CorrectedPhoto,
    arm_result,
    batch_results,
    corrected_photos,
    count_corrections,
    model_results,
    selection_effect,
    selection_gain,
)
from core.errors import AccessError
from core.garments import Garment
from core.inference.predictions import proposals
from core.models.cards import ModelCard
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow
from core.store.schema import tasks
from tests.core.store.comparing import report
from tests.core.store.rows import add_models, add_photos

GARMENTS = (
    Garment((10.0, 10.0, 60.0, 80.0), "top", 0.9, (("T-Shirt", 0.8),)),
    Garment((70.0, 10.0, 160.0, 80.0), "pants", 0.6, (("Pants", 0.7),)),
    Garment((10.0, 90.0, 60.0, 180.0), "bag", 0.1, (("Bag", 0.7),)),  # under the threshold
)


def a_model(id: int, revision: int | None) -> ModelRow:
    card = ModelCard("detector", "yolov4-gs", "pico", ("top",), 160, name=f"m{id}")
    return ModelRow(id, "detector", f"m{id}", "0" * 64, card, None, revision, None, "ann", 0.0)


def compared(id: int, candidate: int, champion: int, revision: int, difference: float) -> ComparisonRow:
    return ComparisonRow(id, candidate, champion, revision, report(difference), 0.0)


def test_models_come_with_what_they_learned_from_and_their_newest_figures() -> None:
    models = [a_model(3, 7), a_model(1, None), a_model(2, 5)]
    rows = [compared(1, 2, 1, 5, 0.1), compared(2, 2, 1, 6, 0.2)]
    first, second, third = model_results(models, rows, {5: 100, 7: 200}, served=[2, 1])
    assert [step.role for step in (first, second, third)] == ["former", "champion", "candidate"]
    assert [step.photos for step in (first, second, third)] == [0, 100, 200]
    assert (first.measured_on, first.figures["mAP50"][0]) == (6, 0.5)
    assert (second.measured_on, second.figures["mAP50"][0]) == (6, pytest.approx(0.7))
    assert (third.measured_on, third.figures) == (None, {})


def done(arm: str, batch: int | None, added: int) -> CorrectedPhoto:
    return CorrectedPhoto(1, arm, batch, {"added": added, "moved": 1})


def test_batches_come_in_order_with_each_arm_by_itself() -> None:
    photos = [
        done("selected", None, 0), done("selected", 2, 3), done("selected", 2, 5), done("control", 2, 1),
        done("control", 1, 0), done("cold", 1, 9),
    ]  # fmt: skip
    first, second, latest = batch_results(photos)
    assert [first.revision, second.revision, latest.revision] == [1, 2, None]
    assert first.arms == {"control": ArmResult(1, 1.0, None, {"added": 0, "moved": 1})}
    selected = second.arms["selected"]
    assert (selected.photos, selected.per_photo) == (2, 5.0)
    assert selected.corrections == {"added": 8, "moved": 2}
    assert set(latest.arms) == {"selected"}


def test_the_interval_is_that_of_the_mean_over_photos() -> None:
    figure = arm_result([done("control", 1, n % 2) for n in range(400)])
    assert figure.per_photo == 1.5 and figure.interval is not None
    low, high = figure.interval
    assert low == pytest.approx(1.5 - 1.96 * 0.5 / 20, abs=0.01)  # the standard error worked out by hand
    assert high == pytest.approx(1.5 + 1.96 * 0.5 / 20, abs=0.01)
    assert arm_result([done("control", 1, 2)] * 3).interval == (3.0, 3.0)


def entry(uid: str, x0: float = 0.0, category: int = 1) -> dict:
    return AnnotatedBox((x0, 0, x0 + 10, 10), category, uid=uid).as_dict()


def test_corrections_are_counted_against_what_the_boxes_came_from() -> None:
    older = (1.0, [entry("a"), entry("b")])
    newer = (2.0, [entry("c"), entry("d"), entry("e")])
    saved = [entry("a", x0=5.0), entry("new")]
    assert count_corrections(saved, 3.0, [older, newer]) == {"moved": 1, "removed": 1, "added": 1}
    assert count_corrections([], 3.0, [older, newer]) == {"removed": 3}  # the last that was made before
    assert count_corrections([], 1.5, [older, newer]) == {"removed": 2}


@pytest.fixture
def photos(store: Store) -> list[int]:
    """Five photos that a model has seen, with their tasks: three selected, two control."""
    ids = add_photos(store.database, 5)
    store.queue.fill()
    for number, id in enumerate(ids):
        store.predictions.save(id, add_models(store.database), GARMENTS, None)
        change = sa.update(tasks).where(tasks.c.photo_id == id)
        with store.database.write() as connection:
            connection.execute(change.values(arm="control" if number > 2 else "selected"))
    return ids


def save(store: Store, photo: int, boxes: list[AnnotatedBox], base: int = 0) -> None:
    store.annotations.submit(
        photo, boxes, author="ann", base_version=base, request=f"{photo} {base}", seconds=1.0
    )


def test_what_people_did_is_read_from_the_store(store: Store, photos: list[int]) -> None:
    first, second, third, control, _ = photos
    as_proposed = {id: list(proposals(store, id, 0.25)) for id in photos}
    save(store, first, as_proposed[first])  # nothing to correct
    moved = replace(as_proposed[second][0], box_xyxy=(12.0, 10.0, 60.0, 80.0))
    save(store, second, [moved, AnnotatedBox((1, 1, 9, 9), 1)])  # one moved, one added, one removed
    save(store, control, [replace(as_proposed[control][0], label="Shirt"), as_proposed[control][1]])
    store.revisions.create("ann")
    save(store, second, [], base=1)  # what comes later says nothing of the proposals
    store.annotations.submit(third, [], author="ann", base_version=0, request="i", kind="imported")
    found = {photo.photo_id: photo for photo in corrected_photos(store)}
    assert set(found) == {first, second, control}
    assert found[first].total == 0 and found[first].arm == "selected"
    assert dict(found[second].corrections) == {"moved": 1, "added": 1, "removed": 1}
    assert dict(found[control].corrections) == {"renamed": 1} and found[control].batch == 1
    [batch], worth = selection_effect(store)
    assert worth is not None and (worth.photos, worth.random_photos) == (2, 3.0)
    assert (batch.revision, batch.arms["selected"].per_photo, batch.arms["control"].per_photo) == (1, 1.5, 1)


def test_an_annotator_sees_no_reports(store: Store) -> None:
    with pytest.raises(AccessError):
        list(corrected_photos(store.acting(Actor.of("a", ["annotator"]))))


def test_the_orders_worth_is_how_many_random_photos_bring_as_many_corrections():
    picked = [CorrectedPhoto(id, "selected", 1, {"added": 3}) for id in range(8)]
    control = [CorrectedPhoto(id, "control", 1, {"added": 2 * (id % 2)}) for id in range(8)]
    found = selection_gain([*picked, *control])
    assert found is not None and found.photos == 8 and found.random_photos == pytest.approx(24)
    assert found.interval is not None and found.interval[0] < 24 < found.interval[1]
    assert (
        selection_gain(picked) is None
        and selection_gain([*picked, CorrectedPhoto(9, "control", 1, {})]) is None
    )
