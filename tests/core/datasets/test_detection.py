"""Whatever format lies at a path is found out, and what is none is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.coco import write_coco
from core.datasets.detection import (
    BoxedPhoto,
    BoxRow,
    DetectionDataset,
    boxed_photo,
    class_list,
    first_repeated,
    photos_folder,
    read_class_names,
)
from core.datasets.reading import read_detection
from core.datasets.report import ReadReport
from core.datasets.voc import voc_document
from core.errors import DatasetError


def test_a_folder_with_one_coco_file_is_read(tmp_path: Path) -> None:
    photo = BoxedPhoto("a.jpg", 10, 10, np.array([[0, 0, 5, 5]]), np.zeros(1))
    write_coco(DetectionDataset(("top",), (photo,)), tmp_path / "_annotations.coco.json")
    (tmp_path / "a.jpg").touch()
    dataset = read_detection(tmp_path)
    assert (dataset.box_count, dataset.folder) == (1, tmp_path)
    assert read_detection(tmp_path / "_annotations.coco.json", tmp_path / "else").folder == tmp_path / "else"


@pytest.mark.parametrize("name", ["nothing", "empty", "notes.md", "archive.zip"])
def test_what_is_no_dataset_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / "archive.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="COCO"):
        read_detection(tmp_path / name)


def test_two_json_files_in_a_folder_are_not_guessed_at(tmp_path: Path) -> None:
    for name in ("train.json", "val.json"):
        (tmp_path / name).write_text(json.dumps({}))
    with pytest.raises(DatasetError, match="expected"):
        read_detection(tmp_path)


def test_rows_are_cut_and_dropped_together_with_their_categories_and_labels() -> None:
    rows = [
        BoxRow(-5, 0, 3, 4, 2, "a"),
        BoxRow(9, 9, 9, 9, 1, "b"),
        BoxRow(0, 0, float("nan"), 4, 0, "c"),
        BoxRow(7, 8, 99, 99, 0),
    ]
    photo, dropped = boxed_photo("a.jpg", 10, 20, rows)
    assert photo.boxes_xyxy.tolist() == [[0, 0, 3, 4], [7, 8, 10, 20]]
    assert (photo.category_ids.tolist(), photo.labels, dropped) == ([2, 0], ("a", None), 2)


def test_the_photos_folder_is_the_one_with_the_first_photo(tmp_path: Path) -> None:
    assert photos_folder(tmp_path, "a.jpg") is None
    for name in ("photos", "images"):
        (tmp_path / name).mkdir()
    assert photos_folder(tmp_path, "a.jpg") == tmp_path / "photos"
    (tmp_path / "images" / "a.jpg").touch()
    assert photos_folder(tmp_path, "a.jpg") == tmp_path / "images"


def test_a_dataset_without_a_folder_says_which_one_it_misses() -> None:
    photo = BoxedPhoto("a.jpg", 10, 10, np.empty((0, 4)), np.empty(0))
    with pytest.raises(DatasetError, match="photos/ or images/"):
        DetectionDataset(("top",), (photo,)).path_of(photo)


def yolo_with_faults(root: Path) -> Path:
    """Three good photos, of which one has bad lines; a photo that is none; lines without a photo."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for name in "abc":
        Image.new("RGB", (100, 50)).save(root / "images" / f"{name}.jpg")
        (root / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "labels" / "b.txt").write_text("five words are no box\n")
    (root / "images" / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "labels" / "lost.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "classes.txt").write_text("top\n")
    return root


def test_a_bad_photo_stops_the_reading_unless_refusals_are_asked_for(tmp_path: Path) -> None:
    folder = yolo_with_faults(tmp_path)
    with pytest.raises(DatasetError):
        read_detection(folder)
    report = ReadReport()
    dataset = read_detection(folder, report=report)
    annotated = {photo.file_name: photo.is_annotated for photo in dataset.photos}
    assert annotated == {"images/a.jpg": True, "images/b.jpg": False, "images/c.jpg": True}
    lost = {entry.name: (entry.loss, entry.reason) for entry in report.entries()}
    assert {name: loss for name, (loss, _) in lost.items()} == {
        "lost.txt": "file",
        "b.txt": "box",
        "images/damaged.jpg": "photo",
    }
    assert "cannot be read" in lost["images/damaged.jpg"][1]


def test_a_bad_voc_file_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    photo = BoxedPhoto("a.jpg", 10, 10, np.array([[0, 0, 5, 5]]), np.zeros(1))
    (tmp_path / "a.xml").write_bytes(voc_document(photo, ("top",)))
    (tmp_path / "b.xml").write_text("<html></html>")
    report = ReadReport()
    assert read_detection(tmp_path, report=report).box_count == 1
    assert [(entry.name, entry.loss) for entry in report.entries()] == [("b.xml", "file")]


def test_where_every_voc_file_is_bad_each_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.xml").write_text("<html></html>")
    report = ReadReport()
    assert read_detection(tmp_path, report=report).photos == ()
    assert [(entry.name, entry.loss) for entry in report.entries()] == [("b.xml", "file")]
    with pytest.raises(DatasetError, match="annotation"):
        read_detection(tmp_path)


def test_a_missing_photo_of_deepfashion2_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "annos").mkdir()
    (tmp_path / "image").mkdir()
    item = {"bounding_box": [1, 2, 30, 40], "category_id": 1, "category_name": "short sleeve top"}
    for name in ("000001", "000002"):
        (tmp_path / "annos" / f"{name}.json").write_text(json.dumps({"item1": item}))
    Image.new("RGB", (50, 50)).save(tmp_path / "image" / "000002.jpg")
    report = ReadReport()
    assert [photo.file_name for photo in read_detection(tmp_path, report=report).photos] == ["000002.jpg"]
    assert [(entry.name, entry.loss) for entry in report.entries()] == [("000001.json", "photo")]


def test_a_class_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(class_list(["top", "scarf\ntie", "喪服"]), encoding="utf-8")
    assert read_class_names(tmp_path / "classes.txt") == ("top", "scarf tie", "喪服")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"classes\.txt"):
        read_class_names(tmp_path / "classes.txt")


def test_the_first_repeated_entry_is_named() -> None:
    assert first_repeated(["a", "b", "b", "a"]) == "b"
    assert first_repeated([]) is None
