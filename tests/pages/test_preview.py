"""The page where photos are labeled: drop, look, filter, correct, take away."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

import pytest

from app import resources
from app.preview import upload
from core.errors import PhotoError, WeightsError
from tests.fakes import FakeLabeler
from tests.pages.workspace import dropped, opened, texts, workspace_of
from tests.pictures import jpeg, zipped

THREE = (("two.jpg", jpeg(2)), ("one.jpg", jpeg(1, shade=3)), ("none.jpg", jpeg(0)))


@pytest.fixture
def labeler() -> FakeLabeler:
    return FakeLabeler()


@pytest.fixture
def page(monkeypatch, tmp_path, labeler):
    return opened(monkeypatch, tmp_path, labeler)


def told(app, component: str) -> dict:
    """What one of our components was told to draw."""
    (found,) = [c for c in app.get("bidi_component") if c.proto.component_name == component]
    return json.loads(found.proto.json)


def shown(app) -> list[int]:
    """The numbers of the photos that the gallery shows."""
    return [tile["number"] for tile in told(app, "lapel_gallery")["tiles"]]


def title(app) -> str:
    """The name of the open photo."""
    return told(app, "lapel_viewer")["title"]


def tags(app) -> list[str]:
    """What stands at the boxes of the open photo."""
    return [garment["tag"] for garment in told(app, "lapel_viewer")["garments"]]


def test_an_empty_page_says_what_to_do_and_shows_what_comes_out(page):
    assert not page.exception
    assert "Drop a photo" in texts(page)
    assert [button.label for button in page.button] == [
        "Try it with drawn samples",
        "Fetch a dozen free photos",
    ]
    assert page.subheader[0].value == "What you get"
    assert page.get("plotly_chart")


def test_photos_are_labeled_and_the_first_is_opened(page):
    dropped(page, *THREE)
    assert not page.exception
    assert "3 photos" in texts(page)
    assert title(page) == "two.jpg" and "1 of 3" in texts(page)
    assert page.selectbox(key="category-0-0").value == "top"
    assert shown(page) == [0, 1, 2]


def test_a_refused_file_is_named_with_its_sentence_while_the_others_go_on(page):
    dropped(page, ("broken.jpg", b"\xff\xd8nonsense"), ("good.jpg", jpeg()), ("notes.txt", b"hello"))
    assert "1 photo" in texts(page)
    assert page.expander[0].label == "2 files were refused"
    lines = [text.value for text in page.expander[0].text]
    assert [line.split(": ")[0] for line in lines] == ["broken.jpg", "notes.txt"]
    assert all(line.endswith(".") for line in lines)


def test_only_refused_files_leave_a_page_that_says_so(page):
    dropped(page, ("broken.jpg", b"\xff\xd8nonsense"))
    assert not page.exception
    assert "broken.jpg" in texts(page)


def test_a_zip_brings_its_photos(page):
    dropped(page, ("all.zip", zipped({"a.jpg": jpeg(1), "b/b.png": jpeg(2)})))
    assert "2 photos" in texts(page)


def test_more_photos_can_be_added_and_everything_be_started_over(page):
    dropped(page, *THREE)
    dropped(page, ("later.jpg", jpeg(1, shade=9)))
    assert "4 photos" in texts(page)
    next(button for button in page.button if button.label == "Start over").click().run()
    assert not page.exception
    assert workspace_of(page).batch is None
    assert "Drop a photo" in texts(page)


def test_the_drawn_samples_can_be_tried_without_a_photo_of_ones_own(page):
    page.button[0].click().run()
    assert not page.exception
    batch = workspace_of(page).batch
    assert batch is not None
    batch.wait(lambda now: not now.running, 30)
    assert len(batch.items) >= 10 and not batch.refusals


def test_without_a_network_the_free_photos_are_declined_kindly(page, monkeypatch):
    def offline(*args, **options):
        raise PhotoError("The photos could not be fetched: there is no network.")

    monkeypatch.setattr(upload, "fetch_samples", offline)
    page.button[1].click().run()
    assert not page.exception
    assert page.warning[0].value == "The photos could not be fetched: there is no network."
    assert workspace_of(page).batch is None
    assert not page.run().warning


def test_the_free_photos_are_fetched_and_labeled(page, monkeypatch):
    def fetched(folder, progress):
        folder.mkdir()
        paths = [folder / "shirt.jpg", folder / "hat.jpg"]
        for number, path in enumerate(paths):
            path.write_bytes(jpeg(2, shade=number))
            progress(number + 1, 2)
        return paths

    monkeypatch.setattr(upload, "fetch_samples", fetched)
    page.button[1].click().run()
    assert not page.exception
    workspace_of(page).batch.wait(lambda now: not now.running, 30)
    page.run()
    assert "2 photos" in texts(page) and title(page) == "shirt.jpg"


def test_missing_weights_are_one_clear_sentence(page, monkeypatch):
    def missing():
        raise WeightsError("Expected the detector's weights in assets/weights, found none.")

    monkeypatch.setattr(resources, "labeler", missing)
    page.run()
    assert not page.exception
    assert [error.value for error in page.error] == [
        "Expected the detector's weights in assets/weights, found none."
    ]


def test_the_threshold_takes_boxes_away_and_back_without_inference(page, labeler):
    dropped(page, *THREE)
    calls = labeler.calls
    assert tags(page) == ["top 0.90", "pants 0.60"]
    page.slider(key="threshold").set_value(0.7).run()
    assert tags(page) == ["top 0.90"]
    page.slider(key="threshold").set_value(0.95).run()
    assert tags(page) == [] and "Nothing found above the threshold" in texts(page)
    page.slider(key="threshold").set_value(0.5).run()
    assert tags(page) == ["top 0.90", "pants 0.60"]
    assert labeler.calls == calls


def test_the_threshold_begins_at_the_models_own(page, labeler):
    dropped(page, *THREE)
    assert page.slider(key="threshold").value == labeler.default_threshold


def test_filters_narrow_the_gallery(page):
    dropped(page, *THREE)
    page.segmented_control(key="show").set_value("Nothing found").run()
    assert shown(page) == [2]
    page.segmented_control(key="show").set_value("All").run()
    page.multiselect(key="categories").set_value(["pants"]).run()
    assert shown(page) == [0] and "1 of 3 photos" in texts(page)
    page.slider(key="scores").set_range(0.95, 1.0).run()
    assert "No photo passes the filters" in texts(page)
    page.multiselect(key="categories").set_value([])
    page.slider(key="scores").set_range(0.0, 1.0)
    page.selectbox(key="order").set_value("Name").run()
    assert shown(page) == [2, 1, 0]


def test_unsure_photos_can_be_looked_at_alone(page):
    dropped(page, *THREE)
    page.slider(key="threshold").set_value(0.87)  # the best garment's 0.9 is near to it
    page.segmented_control(key="show").set_value("Uncertain").run()
    assert shown(page) == [0, 1]


def test_arrows_lead_to_the_next_photo_and_back(page):
    dropped(page, *THREE)
    assert page.button(key="step-previous").disabled
    page.button(key="step-next").click().run()
    assert title(page) == "one.jpg" and "2 of 3" in texts(page)
    page.button(key="step-previous").click().run()
    assert title(page) == "two.jpg"


def test_a_category_is_put_right_undone_and_redone(page):
    dropped(page, *THREE)
    page.selectbox(key="category-0-0").set_value("footwear").run()
    assert tags(page)[0] == "footwear ✓"
    page.button(key="undo").click().run()
    assert tags(page)[0] == "top 0.90"
    assert page.selectbox(key="category-0-0").value == "top"
    page.button(key="redo").click().run()
    assert tags(page)[0] == "footwear ✓"
    assert page.button(key="redo").disabled


def test_a_label_is_put_right_for_the_chosen_garment(page):
    dropped(page, *THREE)
    page.get("pills")[0].set_value(1).run()
    assert told(page, "lapel_viewer")["selected"] == 1
    page.selectbox(key="label-0-1").set_value("Hat").run()
    assert not workspace_of(page).corrections.of(0), "a hat is no pants: that is asked about"
    page.button(key="answer-1").click().run()
    garments = workspace_of(page).corrections.of(0)
    assert {number: g.best_label for number, g in garments.items() if g} == {1: "Hat"}


def test_a_garment_is_taken_out_and_brought_back(page):
    dropped(page, *THREE)
    page.button(key="take-out").click().run()
    assert tags(page) == ["pants 0.60"]
    page.button(key="undo").click().run()
    assert tags(page) == ["top 0.90", "pants 0.60"]


def test_a_corrected_garment_stays_whatever_the_threshold(page):
    dropped(page, *THREE)
    page.selectbox(key="category-0-0").set_value("pants").run()
    page.slider(key="threshold").set_value(0.95).run()
    assert tags(page) == ["pants ✓"]


def test_the_shops_names_show_on_the_photo_in_the_gallery_and_in_the_zip(page):
    dropped(page, *THREE)
    page.session_state["names"] = True  # open the table
    page.run()
    assert [list(row) for row in page.data_editor[0].value.to_numpy()] == [
        ["top", ""],
        ["pants", ""],
        ["footwear", ""],
    ]
    workspace_of(page).names["top"] = "Oberteil"
    page.run()
    assert tags(page)[0] == "Oberteil 0.90"
    assert page.selectbox(key="category-0-0").options[0] == "Oberteil (top)"
    assert told(page, "lapel_gallery")["tiles"][0]["note"] == "Oberteil, pants"
    assert {row["shop_category"] for row in rows(page) if row["garment"]} == {"Oberteil", "pants"}


def rows(app) -> list[dict[str, str]]:
    """The table in the zip that the page prepares."""
    app.button(key="prepare").click().run()
    assert not app.exception
    archive = workspace_of(app).archive
    assert archive is not None
    with zipfile.ZipFile(archive[1]) as file:
        return list(csv.DictReader(io.TextIOWrapper(file.open("labels.csv"), "utf-8")))


def test_the_zip_holds_what_is_seen_with_its_corrections(page):
    dropped(page, *THREE)
    page.selectbox(key="category-0-0").set_value("footwear").run()
    table = rows(page)
    assert [(row["photo"], row["category"], row["corrected"]) for row in table] == [
        ("two.jpg", "footwear", "true"),
        ("two.jpg", "pants", "false"),
        ("one.jpg", "top", "false"),
        ("none.jpg", "", ""),
    ]
    assert page.get("download_button")


def test_the_photos_are_in_the_zip_unless_they_are_left_out(page):
    dropped(page, *THREE)

    def photos() -> list[str]:
        rows(page)
        with zipfile.ZipFile(workspace_of(page).archive[1]) as file:
            return sorted(name for name in file.namelist() if re.match("yolo/images/.", name))

    assert photos() == ["yolo/images/none.jpg", "yolo/images/one.jpg", "yolo/images/two.jpg"]
    page.toggle(key="download-photos").set_value(False).run()
    assert not page.get("download_button")
    assert photos() == []


def test_a_zip_that_is_out_of_date_is_offered_no_more(page):
    dropped(page, *THREE)
    rows(page)
    page.slider(key="threshold").set_value(0.7).run()
    assert page.button(key="prepare")
    assert not page.get("download_button")


def test_a_name_with_markup_is_shown_as_text(page):
    name = "<script>alert(1)</script> **bold** $x$.jpg"
    dropped(page, (name, jpeg()), (f"{name}.txt", b"no photo"))
    assert title(page) == workspace_of(page).batch.items[0].spooled.name
    assert "**bold**" in title(page)
    assert "**bold**" in page.expander[0].text[0].value
    assert not any(
        "bold" in str(piece.value) for piece in (*page.markdown, *page.caption, *page.html, *page.info)
    )


def test_uploads_do_not_stay_in_the_servers_memory(page):
    dropped(page, *THREE)
    assert workspace_of(page).incoming == []
    assert page.file_uploader[0].value == []
