"""Sizes in a file that are not the photos': boxes follow a resized photo, and others are left out by name."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_fitted
from core.datasets.sizes import FittedDataset, SizeMismatch, fit_to_photos, resize_factors
from core.errors import DatasetError


def photo(folder: Path, name: str, size_wh: tuple[int, int], orientation: int = 1) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    Image.new("RGB", size_wh).save(folder / name, exif=tags.tobytes())


def listed(name: str, width: int, height: int) -> BoxedPhoto:
    box = np.array([[30, 20, 60, 80]])
    crowd = {"crowd_xyxy": np.array([[0, 0, width, height]]), "crowd_ids": np.array([0])}
    return BoxedPhoto(name, width, height, box, np.zeros(1), ("jeans",), (frozenset({"difficult"}),), **crowd)


def fitted(folder: Path, *photos: BoxedPhoto) -> FittedDataset:
    return fit_to_photos(DetectionDataset(("top",), photos, folder, dropped_boxes=3), "val.json")


def test_photos_of_the_listed_size_stay_as_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photo(tmp_path, "a.jpg", (300, 200))
    photo(tmp_path, "turned.jpg", (200, 300), orientation=6)
    found = fitted(tmp_path, listed("a.jpg", 300, 200), listed("turned.jpg", 300, 200))
    assert [len(each) for each in found.dataset.photos] == [1, 1]
    assert (found.resized, found.left_out, found.dataset.dropped_boxes) == ((), (), 3)
    assert found.as_dict() == {"resized": 0, "left_out": 0, "wrong_sizes": []}
    assert caplog.records == []


def test_boxes_are_scaled_to_a_resized_photo(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photo(tmp_path, "a.jpg", (300, 200))
    with caplog.at_level(logging.WARNING, "lapel.datasets"):
        found = fitted(tmp_path, listed("a.jpg", 600, 400))
    (scaled,) = found.dataset.photos
    assert (scaled.width, scaled.height) == (300, 200)
    assert scaled.boxes_xyxy.tolist() == [[15, 10, 30, 40]]
    assert scaled.crowd_xyxy.tolist() == [[0, 0, 300, 200]]
    assert (scaled.labels, scaled.difficult.tolist()) == (("jeans",), [True])
    assert found.resized == (SizeMismatch("a.jpg", (600, 400), (300, 200)),)
    (sentence,) = caplog.messages
    assert (
        "1 of 1 photos have another size" in sentence and "a.jpg (expected 600 x 400, got 300 x 2" in sentence
    )


def test_photos_of_another_shape_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photo(tmp_path, "right.jpg", (300, 200))
    photo(tmp_path, "exif.jpg", (200, 300), orientation=6)  # 300 x 200 upright
    photo(tmp_path, "cut.jpg", (300, 150))
    rows = (listed("right.jpg", 300, 200), listed("exif.jpg", 200, 300), listed("cut.jpg", 300, 200))
    with caplog.at_level(logging.WARNING, "lapel.datasets"):
        found = fitted(tmp_path, *rows)
    assert [each.file_name for each in found.dataset.photos] == ["right.jpg"]
    figures = found.as_dict()
    assert (figures["resized"], figures["left_out"]) == (0, 2)
    assert figures["wrong_sizes"][0] == {
        "photo": "exif.jpg",
        "expected": [200, 300],
        "got": [300, 200],
        "left_out": True,
    }
    assert "2 of 3 photos have another shape" in caplog.text and "cut.jpg (expected" in caplog.text


def test_where_no_photo_is_left_the_dataset_is_refused(tmp_path: Path) -> None:
    photo(tmp_path, "a.jpg", (300, 200))
    with pytest.raises(
        DatasetError, match=r"val\.json: 1 of 1 .* a\.jpg \(expected 200 x 300, got 300 x 200"
    ):
        fitted(tmp_path, listed("a.jpg", 200, 300))


def test_photos_that_cannot_be_opened_are_left_to_whoever_opens_them(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"<html>")
    found = fitted(tmp_path, listed("broken.jpg", 300, 200), listed("missing.jpg", 300, 200))
    assert len(found.dataset.photos) == 2


def test_a_file_is_read_with_its_photos_sizes(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photo(tmp_path / "photos", "a.jpg", (150, 100))
    write_coco(DetectionDataset(("top",), (listed("a.jpg", 300, 200),)), tmp_path / "train.json")
    assert read_fitted(tmp_path / "train.json").dataset.photos[0].boxes_xyxy.tolist() == [[15, 10, 30, 40]]


@pytest.mark.parametrize(
    ("listed_wh", "photo_wh", "is_resized"),
    [
        ((4000, 3000), (640, 480), True),
        ((1000, 333), (300, 100), True),
        ((1000, 33), (500, 17), True),  # 16.5 rounded
        ((640, 427), (640, 424), True),  # to a multiple of eight: within a hundredth
        ((640, 480), (640, 640), False),
        ((640, 480), (480, 640), False),
        ((1000, 1005), (1005, 1000), False),
        ((10, 11), (11, 10), False),
    ],
)
def test_rounded_sides_are_the_same_shape_and_turned_ones_never(
    listed_wh: tuple[int, int], photo_wh: tuple[int, int], is_resized: bool
) -> None:
    factors = resize_factors(listed_wh, photo_wh)
    assert (factors is not None) == is_resized
    if factors is not None:
        assert factors == (photo_wh[0] / listed_wh[0], photo_wh[1] / listed_wh[1])
