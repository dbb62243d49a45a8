"""The page Models, view Report: choices in the address, the computation, photos of cells, downloads."""

from __future__ import annotations

import json
from io import BytesIO
from zipfile import ZipFile

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.components.background import task_runner
from app.models import report as view
from app.models import report_papers
from core.inference.report_data import ALL, revision_digest
from core.inference.reports import ReportModel, keep_report, kept_report, report_key
from tests.core.evaluation.report.reports import report as made_report
from tests.pages.test_models import candidate, component, shown, store, text_of, visit
from tests.pictures import jpeg
from tests.waiting import until

__all__ = ["candidate", "store", "visit"]  # fixtures

DATA = f"{ALL}-1"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """Reports that this test alone keeps."""
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path / "cache"))


def kept(store, against=None) -> str:
    """A report of the champion is kept, whose photo is the store's; its key."""
    champion = ReportModel.of_row(store.models.champion("detector"))
    second = ReportModel.of_row(against) if against else None
    key = report_key(champion, revision_digest(store, 1, ALL), second)
    (row,) = store.photos.page(0, 1)
    made = made_report()
    photo = made["photos"][0] | {"id": row.id, "name": row.name, "width": row.width, "height": row.height}
    keep_report(key, made | {"photos": [photo]})
    return key


def html_of(page: AppTest) -> str:
    """The report's part that is shown."""
    found: str = component(page, "lapel_report")["html"]
    return found


def test_a_report_is_made_in_the_background_and_kept(visit, store):
    page = visit(view="report", data=DATA)
    assert "This report is not there yet" in text_of(page) and "over 1 photo" in text_of(page)
    shown(page.button(key="report-make").click().run())
    key = report_key(ReportModel.of_row(store.models.champion("detector")), revision_digest(store, 1, ALL))
    until(lambda: not task_runner().get(key).is_going)
    assert "Measured on all photos of revision 1: 1 photo, 1 box." in html_of(shown(page.run()))
    assert kept_report(key)["boxes"] == 1


def test_the_address_opens_the_same_view(visit, store, candidate):
    kept(store, against=candidate)
    page = visit(view="report", data=DATA, part="errors", against=candidate.id)
    assert page.selectbox(key=view.AGAINST_KEY).value == candidate.id
    assert "What the kinds are" in html_of(page)
    page.segmented_control(key=view.PART_KEY).set_value("calibration").run()
    assert "Expected calibration error" in html_of(shown(page))
    assert (page.query_params["part"], page.query_params["data"]) == ("calibration", DATA)


def test_a_cell_opens_its_photos_and_without_one_the_worst_come_first(visit, store):
    kept(store)
    page = visit(view="report", data=DATA, part="confusion")
    assert "Worst photos first" in text_of(page)
    (tile,) = component(page, "lapel_gallery")["tiles"]
    assert len(tile["boxes"]) == 10 and "skirt taken for" in tile["note"]
    page = visit(view="report", data=DATA, part="confusion", cell="skirt~<b>50%_{a}$#~^\\")
    assert "skirt taken for" in text_of(page) and component(page, "lapel_report")["cell"] == 2
    panes = {pane["title"]: pane["boxes"] for pane in component(page, "lapel_panes")["panes"]}
    assert [box["mark"] for box in panes["Annotated"]].count("chosen") == 1
    assert [box["mark"] for box in panes["Detected"]].count("chosen") == 1


def test_a_photo_that_was_deleted_since_is_left_out(visit, store):
    kept(store)
    (row,) = store.photos.page(0, 1)
    store.photos.delete(row.id, by="Anna")
    kept_again = ReportModel.of_row(store.models.champion("detector"))
    made = made_report()
    keep_report(report_key(kept_again, revision_digest(store, 1, ALL)), made | {"photos": made["photos"]})
    assert "No photo to show" in text_of(visit(view="report", data=DATA, part="confusion"))


def test_curves_of_several_models_and_the_cost_of_all(visit, store, candidate):
    page = visit(view="report", part="training")
    assert "No model of this kind has a training curve" in text_of(page)
    page.segmented_control(key=view.PART_KEY).set_value("costs").run()
    until(lambda: shown(page.run()).dataframe)
    assert set(page.dataframe[0].value["Name"]) == {"tiny detector", "tiny classifier", "candidate"}
    assert page.button(key="report-time").label == "Measure milliseconds"


def test_what_cannot_be_measured_is_one_sentence(visit, store):
    page = visit(view="report", kind="classifier", data=DATA)
    shown(page.button(key="report-make").click().run())
    until(lambda: "expected garments labeled" in text_of(shown(page.run())))
    assert not page.exception


def test_without_a_revision_it_says_what_to_do(visit, store, monkeypatch):
    monkeypatch.setattr(type(store.revisions), "all", lambda self: [])
    assert "create a revision" in text_of(visit(view="report"))


def test_a_dataset_on_the_machine_is_measured_and_its_photos_are_shown(visit, store, monkeypatch, tmp_path):
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path))
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "a.jpg").write_bytes(jpeg(size_wh=(240, 320)))
    coco = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 240, "height": 320}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [40, 60, 100, 200]}],
        "categories": [{"id": 1, "name": "top"}],
    }
    file = tmp_path / "set" / "val.json"
    file.write_text(json.dumps(coco))
    page = visit(view="report", data="dataset")
    assert "name a dataset here" in text_of(page)
    page.text_input(key="report-path").set_value(str(file.parent / "none.json")).run()
    assert "There is no" in shown(page).error[0].value
    page.text_input(key="report-path").set_value(str(file)).run()
    assert "over 1 photo" in text_of(shown(page)) and page.query_params["path"] == str(file)
    shown(page.button(key="report-make").click().run())
    until(lambda: page.run().get("bidi_component"))
    assert "Measured on set/val.json: 1 photo, 1 box." in html_of(shown(page))
    page.segmented_control(key=view.PART_KEY).set_value("confusion").run()
    (tile,) = component(shown(page), "lapel_gallery")["tiles"]
    assert tile["name"] == "a.jpg"
    coco["annotations"] = []
    file.write_text(json.dumps(coco))
    assert "This report is not there yet" in text_of(shown(page.run()))  # another dataset under the same path


def test_the_downloads_are_the_file_and_the_tables(visit, store, monkeypatch):
    kept(store)
    offered = {}

    def button(label, data, file_name, mime, **_):
        offered[label] = (data, file_name, mime)

    monkeypatch.setattr(st, "download_button", button)
    page = visit(view="report", data=DATA)
    html, name, mime = offered["Report (HTML)"]
    assert (name, mime) == ("report-tiny-detector.html", "text/html")
    assert b"tiny detector" in html() and b"data:image/jpeg" not in html()
    shown(page.checkbox(key=view.PHOTOS_KEY).check().run())
    assert b"data:image/jpeg" in offered["Report (HTML)"][0]()
    tables, name, mime = offered["Tables (CSV, LaTeX)"]
    assert (name, mime) == ("tables-tiny-detector.zip", "application/zip")
    assert ZipFile(BytesIO(tables())).testzip() is None


def test_the_papers_tables_are_shown_once_they_were_run(visit, store, monkeypatch, tmp_path):
    kept(store)
    monkeypatch.setattr(report_papers, "TABLES", tmp_path / "tables.md")
    page = visit(view="report", data=DATA)
    assert "Papers" not in page.segmented_control(key=view.PART_KEY).options
    (tmp_path / "tables.md").write_text(
        "## Costs\n\n| network | MACs |\n| --- | --- |\n| YOLOv4 | 29.81 G |\n"
    )
    page = visit(view="report", data=DATA, part="papers")
    assert "Papers" in page.segmented_control(key=view.PART_KEY).options
    assert "YOLOv4 | 29.81 G" in text_of(page) and "on other data than theirs" in text_of(page)
