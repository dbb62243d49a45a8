"""Whatever format lies at a path is found out, and what is none is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.data.coco import write_coco
from core.data.dataset import BoxedPhoto, DetectionDataset, boxed_photo, photos_folder, read_detection
from core.errors import DatasetError


def test_a_folder_with_one_coco_file_is_read(tmp_path: Path) -> None:
    photo = BoxedPhoto("a.jpg", 10, 10, np.array([[0, 0, 5, 5]]), np.zeros(1))
    write_coco(DetectionDataset(("top",), (photo,)), tmp_path / "_annotations.coco.json")
    (tmp_path / "a.jpg").touch()
    dataset = read_detection(tmp_path)
    assert (dataset.box_count, dataset.folder) == (1, tmp_path)
    assert read_detection(tmp_path / "_annotations.coco.json", tmp_path / "else").folder == tmp_path / "else"


@pytest.mark.parametrize("name", ["nothing", "empty", "notes.md", "archive.zip"])
def test_what_is_no_data_set_is_said(tmp_path: Path, name: str) -> None:
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
        (-5, 0, 3, 4, 2, "a"),
        (9, 9, 9, 9, 1, "b"),
        (0, 0, float("nan"), 4, 0, "c"),
        (7, 8, 99, 99, 0, None),
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


def test_a_data_set_without_a_folder_says_which_one_it_misses() -> None:
    photo = BoxedPhoto("a.jpg", 10, 10, np.empty((0, 4)), np.empty(0))
    with pytest.raises(DatasetError, match="photos/ or images/"):
        DetectionDataset(("top",), (photo,)).path_of(photo)
