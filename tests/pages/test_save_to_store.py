"""The page Label photos, save to store: a batch, and a photo reported as wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.preview import save_to_store
from core.errors import StoreFullError
from core.jobs import client
from core.store import Store
from tests.pages.workspace import dropped, opened, texts
from tests.pictures import jpeg

TWO = (("two.jpg", jpeg(3)), ("one.jpg", jpeg(1, (96, 144), shade=60)))


@pytest.fixture
def page(monkeypatch, tmp_path: Path):
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    return dropped(opened(monkeypatch, tmp_path), *TWO)


@pytest.fixture
def store(page, tmp_path: Path) -> Store:
    return Store.open(folder=tmp_path)


def test_a_batch_is_saved_with_its_corrections_for_the_models_to_predict(page, store):
    page.selectbox(key="category-0-0").set_value("footwear").run()
    page.button(key="save").click().run()
    assert not page.exception
    assert "2 photos imported" in page.success[0].value.replace("\\", "")
    assert {row.name for row in store.photos.page(0, 10)} == {"two.jpg", "one.jpg"}
    (draft,) = store.drafts.of("local")
    assert [box.changed for box in draft.boxes] == [True, False]
    assert [job.kind for job in store.jobs.running()] == [client.LABEL]
    page.button(key="save").click().run()
    assert "not stored twice" in page.success[0].value or "copies of holdout" in page.success[0].value


def test_a_checked_batch_is_annotated_by_the_user_in_the_url(page, store):
    page.query_params["as"] = "Anna"
    page.toggle(key="save-checked").set_value(True).run()
    page.button(key="save").click().run()
    assert "2 photos imported with boxes" in page.success[0].value.replace("\\", "")
    authors = {store.annotations.latest(row.id).author for row in store.photos.page(0, 10)}
    assert authors == {"Anna"}


def test_a_wrong_photo_goes_to_the_head_of_the_queue_and_a_link_opens_it(page, store):
    page.button(key="wrong").click().run()
    assert not page.exception
    (row,) = store.photos.page(0, 10)
    assert row.name == "two.jpg"
    assert store.queue.next("Bo").photo_id == row.id
    assert page.button(key="wrong").disabled and "next in the queue" in texts(page)
    assert [link.proto.label for link in page.get("page_link")] == ["Correct in Annotate"]
    page.button(key="step-next").click().run()
    assert not page.button(key="wrong").disabled


def test_a_full_disk_is_one_sentence(page, monkeypatch):
    def full(*args: object, **options: object) -> None:
        raise StoreFullError("There is no room left on the disk; nothing was changed.")

    monkeypatch.setattr(save_to_store, "save_photos", full)
    page.button(key="save").click().run()
    assert not page.exception
    assert ["no room left" in error.value for error in page.error] == [True]
