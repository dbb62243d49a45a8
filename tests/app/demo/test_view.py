"""What the demo shows of a photo, worked out on the fake labeler."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from app.demo import view
from core.images.decode import Photo
from tests.fakes import FakeLabeler, fake_explain


def striped_photo(width: int = 300, height: int = 600) -> Photo:
    """A photo with something in each third, so that the fake labeler finds all three garments."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, ::2] = 200
    return Photo("striped.png", Image.fromarray(pixels), "0" * 64)


def shown_with_maps(photo: Photo) -> view.Shown:
    labeler = FakeLabeler()
    labeled = labeler.label(photo, view.lowest_threshold(labeler))
    return view.show(photo, labeled).explained(fake_explain(labeler, photo, labeled))


def test_the_threshold_takes_garments_away_without_the_models() -> None:
    shown = shown_with_maps(striped_photo())
    assert [len(shown.above(threshold)) for threshold in (0.1, 0.5, 0.7, 0.95)] == [3, 2, 1, 0]


def test_the_slider_starts_no_higher_than_the_labelers_own_threshold() -> None:
    labeler = FakeLabeler()
    assert view.lowest_threshold(labeler) == 0.1
    labeler.default_threshold = 0.04
    assert view.lowest_threshold(labeler) == 0.04


def test_a_large_photo_is_kept_small_and_its_boxes_follow() -> None:
    shown = shown_with_maps(striped_photo(1000, 2560))
    picture = view.annotated(shown, 0.5)
    assert picture.size == (500, 1280)
    edge = np.asarray(picture)[:, 100:110].astype(int)  # the boxes' left side is at 0.2 * 500
    inside = np.asarray(picture)[:, 200:210].astype(int)
    assert np.ptp(edge, axis=2).mean() > 5 * np.ptp(inside, axis=2).mean(), "a colored line on a gray photo"


def test_the_summary_counts_and_says_what_to_do_about_nothing() -> None:
    shown = shown_with_maps(striped_photo())
    assert view.summary(shown, 0.5) == "**2 garments** found in 0.01 s. 1 more below the score."
    assert view.summary(shown, 0.7).startswith("**1 garment** found")
    assert view.summary(shown, 0.95) == "No garment reaches a score of 95%. Lower it to see 3 garments."
    flat = Photo("flat.png", Image.new("RGB", (90, 90), "red"), "0" * 64)
    assert view.summary(shown_with_maps(flat), 0.5).startswith("No garment found")


def test_every_garment_is_a_row_with_its_five_labels() -> None:
    rows = view.rows(shown_with_maps(striped_photo()), 0.1)
    assert [row[:3] for row in rows] == [["1", "top", "90%"], ["2", "pants", "60%"], ["3", "footwear", "30%"]]
    assert all(len(row) == 8 for row in rows)
    assert rows[0][3].endswith(" 60%") and rows[0][7].endswith(" 4%")


def test_choices_and_labels_belong_to_the_same_garment() -> None:
    shown = shown_with_maps(striped_photo())
    (title, number), *_ = view.choices(shown, 0.5)
    labels = view.top5(shown, number)
    assert labels is not None and list(labels.values()) == [0.6, 0.2, 0.1, 0.06, 0.04]
    assert title == f"1 · top 90% · {next(iter(labels))}"


@pytest.mark.parametrize("index", [None, -1, 3])
def test_no_garment_chosen_shows_nothing(index: int | None) -> None:
    shown = shown_with_maps(striped_photo())
    assert view.top5(shown, index) is None
    assert view.classifier_map(shown, index, "class_activation", 0.5) is None


def test_maps_wait_until_they_are_there() -> None:
    photo = striped_photo()
    shown = view.show(photo, FakeLabeler().label(photo))
    assert view.map_choices(shown) == [] and view.stage_choices(shown) == []
    assert view.classifier_map(shown, 0, "class_activation", 0.5) is None
    assert view.detector_map(shown, "stride16", 0.5) is None


def test_the_classifiers_map_lies_over_the_garment_and_a_little_room() -> None:
    shown = shown_with_maps(striped_photo(300, 600))
    clear = view.classifier_map(shown, 1, "class_activation", 0.0)
    hot = view.classifier_map(shown, 1, "class_activation", 1.0)
    assert clear is not None and hot is not None
    # The box is 180 x 200 at (60, 200); with a tenth around it 216 x 240, enlarged to a longer side of 480.
    assert clear.size == (432, 480)
    changed = (np.asarray(clear) != np.asarray(hot)).any(axis=2)
    assert changed[240, 216] and not changed[:, :30].any() and not changed[:30].any()


def test_the_detectors_map_lies_over_the_whole_photo() -> None:
    shown = shown_with_maps(striped_photo())
    picture = view.detector_map(shown, "stride32", 0.5)
    assert picture is not None and picture.size == (300, 600)
    assert view.detector_map(shown, "stride64", 0.5) is None


def test_maps_have_names_for_people() -> None:
    assert view.map_title("class_activation") == "class activation"
    assert view.map_title("attention") == "attention, all heads"
    assert view.map_title("attention_head_3") == "attention, head 3"
    assert [name for _, name in view.stage_choices(shown_with_maps(striped_photo()))] == [
        "stride8",
        "stride16",
        "stride32",
    ]
