"""YOLO folders of every common layout are read, never beyond the folder, and written as trainers expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]
from PIL import Image

from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_detection
from core.datasets.yolo import read_yolo, yolo_lines
from core.errors import DatasetError
from tests.core.datasets.written import write_yolo

LINE = "1 0.2 0.5 0.2 0.8\n"  # of 100 x 50: x 10..30, y 5..45


def picture(path: Path, size_wh: tuple[int, int] = (100, 50)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh).save(path)


def folder_with(root: Path, text: str = LINE, setting: object = None) -> Path:
    picture(root / "images" / "a.jpg")
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "a.txt").write_text(text, encoding="utf-8")
    setting = {"names": ["bag", "top"]} if setting is None else setting
    (root / "data.yaml").write_text(
        setting if isinstance(setting, str) else yaml.safe_dump(setting), encoding="utf-8"
    )
    return root


def test_fractions_become_corners_in_pixels(tmp_path: Path) -> None:
    for path in (folder_with(tmp_path), tmp_path / "data.yaml"):
        dataset = read_detection(path)
        (photo,) = dataset.photos
        assert dataset.categories == ("bag", "top")
        assert (photo.file_name, photo.width, photo.height) == ("a.jpg", 100, 50)
        np.testing.assert_allclose(photo.boxes_xyxy, [[10, 5, 30, 45]], atol=1e-4)
        assert photo.category_ids.tolist() == [1]
        assert dataset.path_of(photo).is_file()


def test_labelimgs_flat_folder_is_understood(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text(LINE)
    (tmp_path / "classes.txt").write_text("bag\ntop\n")
    (tmp_path / "README.txt").write_text("nothing")
    assert read_detection(tmp_path).box_count == 1


def test_splits_as_roboflow_exports_them_are_read_together(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        picture(tmp_path / split / "images" / "a.jpg")
        (tmp_path / split / "labels").mkdir()
        (tmp_path / split / "labels" / "a.txt").write_text(LINE)
    setting = {"train": "../train/images", "val": ["../valid/images"], "names": {0: "bag", 1: "top"}}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(setting))
    dataset = read_yolo(tmp_path)
    assert [photo.file_name for photo in dataset.photos] == ["train/images/a.jpg", "valid/images/a.jpg"]
    assert dataset.box_count == 2
    assert all(dataset.path_of(photo).is_file() for photo in dataset.photos)


def test_photos_elsewhere_can_be_named(tmp_path: Path) -> None:
    root = folder_with(tmp_path / "set")
    (root / "images").rename(tmp_path / "elsewhere")
    assert read_yolo(root, tmp_path / "elsewhere").box_count == 1


def test_a_photo_without_labels_has_no_boxes_and_polygons_have_theirs(tmp_path: Path) -> None:
    root = folder_with(tmp_path, "0 0.1 0.2 0.5 0.2 0.3 0.8\n\n")
    picture(root / "images" / "b.png")
    first, second = read_yolo(root).photos
    np.testing.assert_allclose(first.boxes_xyxy, [[10, 10, 50, 40]], atol=1e-4)
    assert len(second) == 0


def test_a_box_over_the_edge_is_cut_and_one_without_area_dropped(tmp_path: Path) -> None:
    dataset = read_yolo(folder_with(tmp_path, "0 0.0 0.5 0.2 2.0\n0 0.5 0.5 0 0.1\n0 nan 0.5 0.1 0.1\n"))
    np.testing.assert_allclose(dataset.photos[0].boxes_xyxy, [[0, 0, 10, 50]], atol=1e-4)
    assert dataset.dropped_boxes == 2


@pytest.mark.parametrize(
    "text",
    ["2 0.5 0.5 0.1 0.1", "-1 .5 .5 .1 .1", "0.5 .5 .5 .1 .1", "0 .5 .5 .1", "0 50 50 10 10",
     "a b c d e", "0 inf .5 .1 .1", "\x00"]
)  # fmt: skip
def test_bad_lines_are_refused_with_the_files_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match=r"a\.txt") as caught:
        read_yolo(folder_with(tmp_path, text))
    assert "\n" not in str(caught.value)


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nnames: [*c, *c]\ntrain: *c\n"


@pytest.mark.parametrize(
    "setting",
    ["", "- 1", "names: [", "names: 5", "names: []", "train: images", BOMB,
     "!!python/name:os.system",
     {"names": ["a"], "train": "nowhere"}, {"names": ["a"], "train": {"x": 5}},
     "names: {0: a, b: c}", "names: [[a]]"],
)  # fmt: skip
def test_bad_settings_are_refused_with_one_sentence(tmp_path: Path, setting: object) -> None:
    with pytest.raises(DatasetError) as caught:
        read_yolo(folder_with(tmp_path, setting=setting, text=""))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_setting_cannot_name_a_folder_outside(tmp_path: Path) -> None:
    picture(tmp_path / "secret" / "images" / "s.jpg")
    for train in (str(tmp_path / "secret" / "images"), "../secret/images"):
        root = folder_with(
            tmp_path / "set", setting={"names": ["a", "b"], "path": "../secret", "train": train}
        )
        with pytest.raises(DatasetError, match="folder"):
            read_yolo(root)


def test_labels_without_their_photo_and_folders_without_photos_are_refused(tmp_path: Path) -> None:
    root = folder_with(tmp_path)
    (root / "labels" / "b.txt").write_text(LINE)
    with pytest.raises(DatasetError, match=r"b\.txt"):
        read_yolo(root)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "classes.txt").write_text("a\n")
    with pytest.raises(DatasetError, match="photos"):
        read_yolo(tmp_path / "empty")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DatasetError, match=r"classes\.txt"):
        read_yolo(tmp_path / "nothing")


def test_lines_by_hand() -> None:
    photo = BoxedPhoto("a.jpg", 100, 50, np.array([[10, 5, 30, 45]]), np.array([3]))
    assert yolo_lines(photo) == "3 0.200000 0.500000 0.200000 0.800000\n"


def test_a_dataset_comes_back_as_it_was_written(tmp_path: Path) -> None:
    boxes_xyxy = np.array([[10.25, 5, 30, 45.5], [0, 0, 640, 480]])
    photo = BoxedPhoto("sub/ä b.jpg", 640, 480, boxes_xyxy, np.array([1, 0]))
    empty = BoxedPhoto("c.png", 100, 50, np.empty((0, 4)), np.empty(0))
    write_yolo(DetectionDataset(("no", "=x: [y]"), (photo, empty)), tmp_path)
    picture(tmp_path / "images" / "sub" / "ä b.jpg", (640, 480))
    picture(tmp_path / "images" / "c.png")
    again = read_detection(tmp_path)
    assert again.categories == ("no", "=x: [y]")
    by_name = {each.file_name: each for each in again.photos}
    np.testing.assert_allclose(by_name["sub/ä b.jpg"].boxes_xyxy, boxes_xyxy, atol=1e-3)
    assert by_name["sub/ä b.jpg"].category_ids.tolist() == [1, 0]
    assert len(by_name["c.png"]) == 0
