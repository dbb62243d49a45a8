"""Pascal VOC comes in as LabelImg and CVAT write it, and goes out so that both read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_detection
from core.datasets.voc import read_voc, voc_document
from core.errors import DatasetError
from tests.core.datasets.written import write_voc

LABELIMG = """<annotation>
  <folder>photos</folder><filename>a.jpg</filename><path>C:\\photos\\a.jpg</path>
  <size><width>100</width><height>50</height><depth>3</depth></size>
  <object><name>top</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
    <bndbox><xmin>10</xmin><ymin>5</ymin><xmax>30</xmax><ymax>45</ymax></bndbox></object>
  <object><name>bag</name><bndbox><xmax>7.5</xmax><xmin>1.5</xmin><ymin>2</ymin><ymax>90</ymax></bndbox></object>
</annotation>"""


def saved(folder: Path, text: str = LABELIMG, name: str = "a.xml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_labelimg_file_becomes_boxes_with_categories_by_alphabet(tmp_path: Path) -> None:
    dataset = read_voc(saved(tmp_path))
    (photo,) = dataset.photos
    assert dataset.categories == ("bag", "top")
    assert (photo.file_name, photo.width, photo.height) == ("a.jpg", 100, 50)
    assert photo.boxes_xyxy.tolist() == [[10, 5, 30, 45], [1.5, 2, 7.5, 50]]  # the second is cut to the photo
    assert photo.category_ids.tolist() == [1, 0]
    assert photo.labels == (None, None)


def test_the_published_layout_with_two_folders_is_understood(tmp_path: Path) -> None:
    saved(tmp_path / "Annotations")
    (tmp_path / "JPEGImages").mkdir()
    for path in (tmp_path, tmp_path / "Annotations", tmp_path / "Annotations" / "a.xml"):
        dataset = read_detection(path)
        assert (dataset.box_count, dataset.folder) == (2, tmp_path / "JPEGImages")


def test_a_list_of_classes_gives_their_order(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("top\nskirt\n", encoding="utf-8")
    assert read_voc(saved(tmp_path)).categories == ("top", "skirt", "bag")


def test_a_box_without_area_is_dropped_and_counted(tmp_path: Path) -> None:
    dataset = read_voc(saved(tmp_path, LABELIMG.replace("<xmax>30<", "<xmax>10<")))
    assert (dataset.box_count, dataset.dropped_boxes) == (1, 1)


def test_a_photo_without_objects_is_kept(tmp_path: Path) -> None:
    text = LABELIMG[: LABELIMG.index("<object>")] + "</annotation>"
    dataset = read_voc(saved(tmp_path, text))
    assert (len(dataset.photos), dataset.box_count, dataset.categories) == (1, 0, ())


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation><filename>&c;</filename></annotation>'
OUTSIDE = (
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><filename>&b;</filename></annotation>'
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "XML"),
        ("{}", "XML"),
        (BOMB, "XML"),
        (OUTSIDE, "XML"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "XML"),
        ("<html/>", "annotation"),
        ("<annotation/>", "filename"),
        (LABELIMG.replace("<filename>a.jpg", "<filename>../a.jpg"), "folder"),
        (LABELIMG.replace("<width>100</width>", ""), "size/width"),
        (LABELIMG.replace("<width>100", "<width>0"), "whole pixels"),
        (LABELIMG.replace("<width>100", "<width>nan"), "whole pixels"),
        (LABELIMG.replace("<xmin>10", "<xmin>ten"), "number"),
        (LABELIMG.replace("<xmin>10</xmin>", ""), "xmin"),
        (LABELIMG.replace("<name>top</name>", ""), "name"),
    ],
)
def test_bad_files_are_refused_with_one_sentence(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(DatasetError, match=word) as caught:
        read_voc(saved(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "root:" not in str(caught.value)


def test_two_files_for_one_photo_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "two")
    with pytest.raises(DatasetError, match="two"):
        read_voc(saved(tmp_path / "two", name="b.xml"))
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="XML"):
        read_voc(tmp_path / "none")


def test_a_dataset_comes_back_as_it_was_written(tmp_path: Path) -> None:
    boxes_xyxy = np.array([[10, 5, 30, 45], [0, 0, 100, 50], [3, 4, 9, 8]])
    photo = BoxedPhoto("sub/ä & b.jpg", 100, 50, boxes_xyxy, np.array([2, 0, 0]), ("jeans", None, "<b>"))
    empty = BoxedPhoto("c.png", 10, 20, np.empty((0, 4)), np.empty(0))
    write_voc(DetectionDataset(("top", "unused", "pants"), (photo, empty)), tmp_path / "out")
    again = read_detection(tmp_path / "out")
    assert again.categories == ("top", "unused", "pants")
    by_name = {each.file_name: each for each in again.photos}
    assert set(by_name) == {"sub/ä & b.jpg", "c.png"}
    assert by_name["sub/ä & b.jpg"].boxes_xyxy.tolist() == boxes_xyxy.tolist()
    assert by_name["sub/ä & b.jpg"].category_ids.tolist() == [2, 0, 0]
    assert by_name["sub/ä & b.jpg"].labels == ("jeans", None, "<b>")


def test_difficult_objects_are_boxes_that_evaluation_ignores(tmp_path: Path) -> None:
    flags = (frozenset({"difficult", "truncated"}), frozenset({"occluded"}))
    photo = BoxedPhoto("a.jpg", 100, 50, np.array([[10, 5, 30, 45]] * 2), np.zeros(2), flags=flags)
    write_voc(DetectionDataset(("top",), (photo,)), tmp_path / "out")
    again = read_voc(tmp_path / "out").photos[0]
    assert (again.flags, again.difficult.tolist()) == (flags, [True, False])
    assert again.ground_truth(np.array([7])).category_ids.tolist() == [7, 7]


@pytest.mark.parametrize("box", [[9.6, 0, 9.9, 1], [99.7, 0, 100, 1], [0, 0, 0.2, 1], [5.2, 0, 5.4, 1]])
def test_slivers_stay_a_pixel_wide_inside_the_photo(tmp_path: Path, box: list[float]) -> None:
    write_voc(
        DetectionDataset(("top",), (BoxedPhoto("a.jpg", 100, 50, np.array([box]), np.zeros(1)),)),
        tmp_path / "out",
    )
    x0, _, x1, _ = read_voc(tmp_path / "out").photos[0].boxes_xyxy[0].tolist()
    assert x1 - x0 == 1
    assert x0 <= box[2]
    assert x1 >= box[0]


def test_characters_that_xml_cannot_hold_do_not_spoil_the_file() -> None:
    photo = BoxedPhoto("a\x01\ud800.jpg", 9, 9, np.array([[0, 0, 5, 5]]), np.zeros(1), ("\x1b[31m",))
    assert "\ufffd\ufffd.jpg" in voc_document(photo, ("a\0b",)).decode("utf-8")
