"""From a batch into the store: what a person corrected goes along, and nothing is claimed for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.preview import selection
from app.preview.batch import Batch
from app.preview.save_to_store import WRONG, boxes_of, report_wrong, save_photos
from core.corrections import Corrections, Edit
from core.files import DATA_VARIABLE
from core.garments import Garment, LabeledPhoto
from core.store import Store
from core.store.photo_spools import Item, Spool, SpooledPhoto
from tests.fakes import FakeLabeler
from tests.pictures import jpeg

SHIRT = Garment((10.0, 10.0, 40.0, 60.0), "top", 0.9, (("T-Shirt", 0.7), ("Shirt", 0.2)))


@pytest.fixture
def store(tmp_path: Path, monkeypatch) -> Iterator[Store]:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    monkeypatch.delenv("LAPEL_DATABASE_URL", raising=False)
    monkeypatch.delenv("LAPEL_BLOBS_URL", raising=False)
    opened = Store.open()
    yield opened
    opened.close()


@pytest.fixture
def batch(store) -> Batch:
    """Two photos that do not look alike: with three garments, and with one."""
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg(3)), ("b.jpg", jpeg(1, (96, 144), shade=60))])
    batch.wait(lambda now: not now.running, 10)
    return batch


@pytest.fixture
def corrections(batch) -> Corrections:
    """The first photo's top became a shoe with a label; its second garment was taken out."""
    made = Corrections()
    first, second, *_ = batch.items[0].labeled.garments
    made.apply(Edit(0, 0, first, first.correct(category="footwear", label="Hat")))
    made.apply(Edit(0, 1, second, None))
    return made


def view(batch: Batch, corrections: Corrections) -> list[selection.PhotoView]:
    return [selection.view_of(item, corrections, 0.5) for item in batch.items]


def by_name(store: Store) -> dict[str, int]:
    return {row.name: row.id for row in store.photos.page(0, 10)}


def test_corrected_photos_are_drafts_and_the_others_are_left_to_the_models(store, batch, corrections):
    told: list[tuple[int, int]] = []
    photos = view(batch, corrections)
    watched = {"progress": lambda *so_far: told.append(so_far)}
    counts = save_photos(store, photos, corrections, "Anna", checked=False, **watched)
    ids = by_name(store)
    assert set(ids) == {"a.jpg", "b.jpg"} and sum(counts.values()) == 2 and told == [(1, 2), (2, 2)]
    (box,) = store.drafts.load(ids["a.jpg"], "Anna").boxes
    names = {category.id: category.name for category in store.categories.all()}
    assert (names[box.category_id], box.label, box.accepted, box.changed) == ("footwear", "Hat", True, True)
    assert store.drafts.load(ids["b.jpg"], "Anna") is None
    assert store.annotations.annotated_count() == 0
    assert store.queue.counts().open == 2


def test_a_photo_is_encoded_once_on_its_way_into_the_store(store, batch, corrections):
    save_photos(store, view(batch, corrections), corrections, "Anna", checked=False)
    for item in batch.items:
        picture = store.photos.picture(by_name(store)[item.spooled.name])
        assert picture == item.spooled.path.read_bytes()


def test_what_a_person_stands_behind_is_an_annotation(store, batch, corrections):
    counts = save_photos(store, view(batch, corrections), corrections, "Anna", checked=True)
    ids = by_name(store)
    assert counts["annotated"] == 2
    for name, boxes in (("a.jpg", 1), ("b.jpg", 1)):
        latest = store.annotations.latest(ids[name])
        assert (latest.author, len(latest.boxes)) == ("Anna", boxes)
        assert all(box.accepted and box.origin == "model" for box in latest.boxes)
    assert store.queue.counts().done == 2


def test_keeping_twice_stores_nothing_twice_and_overwrites_nobody(store, batch, corrections):
    save_photos(store, view(batch, corrections), corrections, "Anna", checked=True)
    counts = save_photos(store, view(batch, corrections), corrections, "Bo", checked=True)
    assert counts["annotated"] == 0 and counts["exact"] + counts["holdout"] == 2
    assert {store.annotations.latest(id).author for id in by_name(store).values()} == {"Anna"}


def test_a_wrong_photo_is_next_in_the_queue_with_the_reason(store, batch, corrections):
    photos = view(batch, corrections)
    save_photos(store, photos, corrections, "Anna", checked=False)
    for photo in photos:
        photo_id = report_wrong(store, photo, corrections, "Anna")
        task = store.queue.next("Bo")
        assert (task.photo_id, task.reasons) == (photo_id, (WRONG,))
        store.queue.release(task.id, "Bo")
        store.annotations.submit(photo_id, (), author="Bo", base_version=0, request=f"done {photo_id}")


def test_an_annotated_photo_that_is_wrong_is_to_be_done_again(store, batch, corrections):
    photos = view(batch, corrections)
    save_photos(store, photos, corrections, "Anna", checked=True)
    assert store.queue.next("Bo") is None
    photo_id = report_wrong(store, photos[1], corrections, "Anna")
    assert store.queue.next("Bo").photo_id == photo_id


def test_a_wrong_photo_need_not_be_in_the_store_before(store, batch, corrections):
    photo_id = report_wrong(store, view(batch, corrections)[0], corrections, "Anna")
    assert store.queue.next("Bo").photo_id == photo_id
    assert store.drafts.load(photo_id, "Anna") is not None


def test_only_garments_that_a_person_decided_count_as_accepted():
    labeled = LabeledPhoto("a.jpg", 100, 100, 0.1, {}, (SHIRT,) * 3)
    item = Item(0, SpooledPhoto(Path("x"), "a.jpg", "d", b""), labeled)
    made = Corrections()
    drawn = Garment((1, 1, 9, 9), "top", 1.0, (), "Vest", True)
    made.apply(Edit(0, 1, SHIRT, SHIRT.correct(label="Polo")), Edit(0, 2, SHIRT, SHIRT.correct()))
    made.apply(Edit(0, 3, None, drawn, "uid"))
    boxes = boxes_of(selection.view_of(item, made, 0.5), {"top": 4})
    assert [(box.accepted, box.changed, box.label, box.origin) for box in boxes] == [
        (False, False, "T-Shirt", "model"),
        (True, True, "Polo", "model"),
        (True, False, "T-Shirt", "model"),
        (True, False, "Vest", "person"),
    ]
    assert {box.category_id for box in boxes} == {4}
