"""The page Data: photos in, looked through and deleted, categories named, the work charted, revisions out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from app.data import deletion
from app.data.imports import contents
from app.data.revisions import FILE_KEY
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.importing import import_all
from tests.core.store.rows import add_models
from tests.pages.data_page import annotate, button, gallery, on, open_store, photo
from tests.pages.workspace import texts, unopened
from tests.pictures import jpeg, zipped


@pytest.fixture
def store(monkeypatch, tmp_path) -> Store:
    return open_store(monkeypatch, tmp_path)


@pytest.fixture
def page(monkeypatch, store) -> AppTest:
    return unopened(monkeypatch, store.folder).switch_page("../pages/data.py")


@pytest.fixture
def queries() -> Iterator[list[str]]:
    """Every statement that this process's databases are asked."""
    asked: list[str] = []

    def note(*given: Any) -> None:
        asked.append(given[2])

    sa.event.listen(Engine, "before_cursor_execute", note)
    yield asked
    sa.event.remove(Engine, "before_cursor_execute", note)


def bars(page: AppTest) -> str:
    """What the progress bars say."""
    return "\n".join(str(bar.proto.text) for bar in page.get("progress")).replace("\\", "")


def test_more_photos_take_no_more_queries(page, store, queries):
    on(page, "Photos")  # an empty store gets its categories
    annotate(store, photo(store, 1, bands=2), 1)
    on(page, "Photos")
    queries.clear()
    on(page, "Photos")
    few = len(queries)
    for shade in range(2, 8):
        annotate(store, photo(store, shade, bands=2 * shade), 1)
    on(page, "Photos")  # what is counted once for all visitors
    queries.clear()
    assert len(gallery(on(page, "Photos"))) == 7
    assert len(queries) == few


def test_an_empty_store_says_what_to_do_next_on_every_tab(page):
    assert "Import some" in texts(on(page, "Photos"))
    assert "listed here" in texts(on(page, "Import"))
    assert "first annotated photo" in texts(on(page, "Progress"))
    assert "Nothing is annotated yet" in texts(on(page, "Revisions"))
    assert button(page, "Create revision").disabled


def test_uploads_come_in_and_what_was_refused_is_reported(page, store):
    on(page, "Import")
    uploader = page.file_uploader[0]
    uploader.upload("shirt.jpg", jpeg(2)).upload("broken.jpg", b"\xff\xd8 nonsense").upload(
        "notes.txt", b"hello"
    )
    page.run()
    assert not page.exception
    assert [row.name for row in store.photos.page(0, 10)] == ["shirt.jpg"]
    assert "1 photo imported." in texts(page) and "1 file was refused, as listed." in texts(page)
    assert "Not everything came" in texts(page)
    (table,) = page.dataframe
    assert set(table.value["File or photo"]) == {"broken.jpg", "Other files"}
    assert all(reason.endswith(".") for reason in table.value["What happened"])
    assert [found.label for found in page.get("download_button")] == ["Download as CSV"]
    assert page.file_uploader[0].value == []


def test_copies_are_told_in_words(page, store):
    photo(store, name="first.jpg")
    on(page, "Import")
    page.file_uploader[0].upload("again.jpg", jpeg(3)).run()
    said = texts(page)
    assert "stored already, byte for byte" in said or "copy of holdout photos" in said
    assert store.photos.count() == 1


def test_a_zip_with_a_dataset_brings_boxes_and_categories(page, store):
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 90, "height": 120}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [5, 5, 40, 50], "area": 2000}],
        "categories": [{"id": 7, "name": "raincoat"}],
    }
    data = zipped({"set.json": json.dumps(document).encode(), "images/a.jpg": jpeg(2)})
    on(page, "Import")
    page.file_uploader[0].upload("set.zip", data).run()
    assert "1 photo imported with annotations: 1 box of 1 category." in texts(page)
    assert "raincoat" in {category.name for category in store.categories.all()}


def test_a_folder_of_the_server_comes_in(page, store, tmp_path):
    (tmp_path / "spring").mkdir()
    (tmp_path / "spring" / "a.jpg").write_bytes(jpeg(2))
    on(page, "Import")
    page.text_input(key="import-path").set_value(str(tmp_path / "spring"))
    button(page, "Import").click().run()
    assert not page.exception
    assert store.photos.count() == 1 and (tmp_path / "spring" / "a.jpg").exists()


@pytest.mark.parametrize("path", ["", "/etc", "/no/such/folder"])
def test_a_folder_that_cannot_be_taken_is_one_sentence(page, store, path):
    on(page, "Import")
    page.text_input(key="import-path").set_value(path)
    button(page, "Import").click().run()
    assert len(page.error) == 1 and not store.imports.recent(1)


def test_a_name_with_markup_is_text_in_the_report(page):
    name = "<script>alert(1)</script> **bold** :material_home:.zip"
    on(page, "Import")
    page.file_uploader[0].upload(name, b"no zip at all").run()
    assert not page.exception
    assert "\\*\\*bold\\*\\*" in page.expander[0].label
    assert not any("**bold**" in str(piece.value) for piece in (*page.markdown, *page.caption, *page.info))


def test_the_wall_is_filtered_by_state_name_and_category(page, store):
    ids = [category.id for category in store.categories.all()]
    one = photo(store, name="coat.jpg", bands=1)
    photo(store, name="hat.jpg", bands=2)
    annotate(store, one, ids[3])
    assert gallery(on(page, "Photos")) == ["hat.jpg", "coat.jpg"]
    assert "2 photos · 1 annotated" in texts(page)
    page.selectbox(key="state").set_value("annotated").run()
    assert gallery(page) == ["coat.jpg"] and "1 of 2 photos" in texts(page)
    page.selectbox(key="state").set_value("without annotation").run()
    assert gallery(page) == ["hat.jpg"]
    page.selectbox(key="state").set_value("any")
    page.text_input(key="q").set_value("COAT").run()
    assert gallery(page) == ["coat.jpg"]
    page.text_input(key="q").set_value("")
    page.selectbox(key="category").set_value(store.categories.by_id()[ids[3]].name).run()
    assert gallery(page) == ["coat.jpg"]
    page.text_input(key="q").set_value("nothing has this name").run()
    assert "Nothing passes the filter" in texts(page)
    page.button(key="clear-filter").click().run()
    assert gallery(page) == ["hat.jpg", "coat.jpg"]


def test_an_import_says_what_fell_to_the_holdout_and_what_the_gate_needs(page, store, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for bands in (2, 4, 6):
        (folder / f"{bands}.jpg").write_bytes(jpeg(bands))
    import_all(store, store.imports.begin("set", "Anna", str(folder)))
    held = store.photos.count(holdout=True)
    said = texts(on(page, "Import"))
    assert (
        f"{held} of {store.photos.count()} photos fell to the holdout" in said
        and "needs 20 annotated holdout photos" in said
    )


def test_the_holdout_can_be_looked_at_alone(page, store):
    held = [photo(store, shade=n, bands=1 + n % 3) for n in range(3)]
    on(page, "Photos")
    page.selectbox(key="part").set_value("holdout").run()
    assert len(gallery(page)) == store.photos.count(holdout=True) <= len(held)


def test_many_photos_come_in_pages(page, store, monkeypatch):
    from app.data import photos as data_photos

    monkeypatch.setattr(data_photos, "PAGE", 2)
    for bands in (0, 1, 2, 3):
        photo(store, shade=bands * 20, name=f"{bands}.jpg", bands=bands)
    kept = store.photos.count()
    assert len(gallery(on(page, "Photos"))) == 2
    assert page.get("pagination") and f"{kept} photos" in texts(page)


def test_an_open_photo_says_what_is_known_of_it(page, store):
    annotate(store, photo(store, name="coat.jpg"), store.categories.all()[0].id)
    (row,) = store.photos.page(0, 1)
    page.session_state["stored-photo"] = str(row.id)
    said = texts(on(page, "Photos"))
    assert "90 × 120 pixels, imported by Anna" in said and "1 box by Anna" in said


def test_a_deleted_photo_can_be_kept_until_its_time_is_up(page, store):
    photo_id = photo(store, name="coat.jpg")
    page.session_state["stored-photo"] = str(photo_id)
    on(page, "Photos")
    button(page, "Delete").click().run()
    assert "coat.jpg is deleted in" in texts(page) and gallery(page) == []
    page.button(key=f"keep-{photo_id}").click().run()
    page.run()
    assert gallery(page) == ["coat.jpg"]
    button(page, "Delete").click().run()
    page.button(key=f"now-{photo_id}").click().run()
    assert store.photos.count() == 0
    assert "No photos yet" in texts(page.run())


def test_a_deletion_that_failed_is_told(page, store):
    photo(store)
    on(page, "Photos")
    page.session_state[deletion.KEY].failed.append("coat.jpg was not deleted. The disk is full.")
    page.run()
    assert len(page.error) == 1


def test_a_category_is_added_and_renamed(page, store):
    on(page, "Categories")
    page.text_input(key="category-new").set_value(" raincoat ")
    button(page, "Add").click().run()
    assert [found.value for found in page.success] == ["Category raincoat added\\."]
    added = next(category for category in store.categories.all() if category.name == "raincoat")
    page.selectbox(key="category-chosen").set_value(added.id)
    page.text_input(key="category-name").set_value("trench coat")
    button(page, "Rename").click().run()
    assert "trench coat" in {category.name for category in store.categories.all()}
    assert "trench coat" in set(page.dataframe[0].value["Category"])


@pytest.mark.parametrize("name", ["", "   ", "TOP"])
def test_a_category_that_cannot_be_is_one_sentence(page, store, name):
    before = store.categories.all()
    on(page, "Categories")
    page.text_input(key="category-new").set_value(name)
    button(page, "Add").click().run()
    assert len(page.error) == 1 and not page.exception
    assert store.categories.all() == before


def test_the_work_is_charted(page, store):
    ids = [category.id for category in store.categories.all()]
    annotate(store, photo(store), ids[0], ids[1])
    on(page, "Progress")
    assert len(page.get("plotly_chart")) >= 4
    assert {metric.label: metric.value for metric in page.metric}["Done"] == "1"


def test_the_review_of_imported_annotations_is_asked_for_by_a_switch(page, store):
    category = store.categories.all()[0].id
    boxes = [AnnotatedBox((5.0, 5.0, 60.0, 90.0), category, origin="import")]
    store.annotations.submit(photo(store), boxes, author="A", base_version=0, request="i", kind="imported")
    store.queue.fill()
    on(page, "Progress")
    assert {metric.label: metric.value for metric in page.metric}["To do"] == "0"
    page.toggle(key="review-imported").set_value(True).run()
    assert {metric.label: metric.value for metric in page.metric}["To do"] == "1"


def test_boxes_that_were_brought_in_are_nobodys_work(page, store):
    boxes = [AnnotatedBox((5.0, 5.0, 60.0, 90.0), store.categories.all()[0].id, origin="import")]
    brought = {"author": "Anna", "base_version": 0, "request": "import", "kind": "imported"}
    store.annotations.submit(photo(store), boxes, **brought)
    assert "Nobody has annotated yet" in texts(on(page, "Progress"))


def test_a_revision_is_made_once_and_exported(page, store):
    coat = photo(store, name="coat.jpg")
    annotate(store, coat, store.categories.all()[0].id)
    on(page, "Revisions")
    page.text_input(key="revision-note").set_value("before the sale")
    button(page, "Create revision").click().run()
    assert "Revision 1 holds 1 photo with 1 box" in page.success[0].value.replace("\\", "")
    assert list(page.dataframe[0].value["Note"]) == ["before the sale"]
    button(page, "Create revision").click().run()
    assert len(store.revisions.all()) == 1 and "Nothing has changed since revision 1" in page.success[0].value

    button(page, "Prepare the file").click().run()
    assert not page.exception
    document = json.loads(Path(page.session_state[FILE_KEY].path).read_text())
    assert [image["file_name"] for image in document["images"]] and len(document["annotations"]) == 1
    store.photo_notes.comment(coat, "Is this a coat?", "Anna")
    page.run()
    button(page, "Prepare the file").click().run()
    document = json.loads(Path(page.session_state[FILE_KEY].path).read_text())
    assert [comment["text"] for comment in document["images"][0]["comments"]] == ["Is this a coat?"]
    page.toggle(key="export-pictures").set_value(True)
    page.selectbox(key="export-format").set_value("yolo").run()
    button(page, "Prepare the file").click().run()
    with zipfile.ZipFile(page.session_state[FILE_KEY].path) as archive:
        assert any(name.endswith(".jpg") for name in archive.namelist())
    assert page.get("download_button")
    said = "".join(entry.value for entry in page.caption).replace("\\", "")
    assert "Pictures are the store's own JPEG files" in said


def test_a_labeling_that_was_cancelled_says_what_it_left_and_goes_on_when_asked(page, store, monkeypatch):
    seen, other = photo(store, name="coat.jpg", bands=1), photo(store, name="hat.jpg", bands=2)
    models = add_models(store.database)
    monkeypatch.setattr("app.data.jobs.serving_models", lambda store: models)
    store.predictions.save(seen, models, [], None)
    store.jobs.begin("label-1", "label", "Anna")
    store.jobs.finish("label-1", "cancelled")
    on(page, "Photos")
    assert "Labeling was cancelled: 1 photo without proposals." in texts(page)
    button(page, "Label them").click().run()
    assert [job.kind for job in store.jobs.running()] == ["label"]
    assert "without proposals" not in texts(page)
    store.predictions.save(other, models, [], None)
    store.jobs.finish(store.jobs.running()[0].id, "cancelled")
    assert "Labeling was" not in texts(on(page, "Photos"))


def test_running_work_is_shown_with_a_way_to_stop_it(page, store):
    store.jobs.begin("job-1", "import", "Anna")
    store.jobs.progress("job-1", 5, 20)
    on(page, "Photos")
    assert any(found.label == "Cancel" for found in page.button)


def test_a_job_that_waits_beside_a_busy_worker_does_not_say_that_there_is_none(monkeypatch, page, store):
    monkeypatch.setattr("app.data.jobs.WAITING_SECONDS", -1.0)
    store.jobs.begin("label-1", "label", "Anna")
    assert "no worker has taken it yet" in bars(on(page, "Photos"))
    store.jobs.begin("import-1", "import", "Anna")
    store.jobs.progress("import-1", 38, 80)
    said = bars(on(page, "Photos"))
    assert "Labeling photos: waits while the worker is busy (import)" in said and "no worker" not in said


def test_an_import_that_runs_says_how_far_it_is(store):
    id = store.imports.begin("a folder", "Anna")
    assert contents(store.imports.get(id)) == "It waits for the worker."
    store.imports.progress(id, 38, 80, {"new": 38})
    assert contents(store.imports.get(id)) == "38 of 80 files so far.\n\n- 38 photos imported."
    store.imports.progress(id, 80, 80, {}, "done")
    assert contents(store.imports.get(id)) == "Nothing was imported."


def test_a_store_that_cannot_be_opened_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("LAPEL_DATABASE_URL", "mysql://nowhere/lapel")
    page = unopened(monkeypatch, tmp_path).switch_page("../pages/data.py").run()
    assert not page.exception
    assert len(page.error) == 1
