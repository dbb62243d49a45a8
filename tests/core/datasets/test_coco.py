"""COCO files are read strictly and written so that other tools read them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.datasets.coco import coco_document, read_coco, write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError

DATA = Path(os.environ.get("LAPEL_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def document(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 30,
                "bbox": [10, 5, 20, 40],
                "iscrowd": 0,
                "attributes": {"label": "jeans"},
            }
        ],
        "categories": [{"id": 20, "name": "top"}, {"id": 30, "name": "pants"}],
    }
    return plain | changes


def saved(folder: Path, content: object) -> Path:
    path = folder / "train.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def annotation(**changes: Any) -> dict[str, Any]:
    return document()["annotations"][0] | changes


def test_a_box_becomes_corners_with_its_category_and_fine_label(tmp_path: Path) -> None:
    dataset = read_coco(saved(tmp_path, document()))
    assert dataset.categories == ("top", "pants")
    (photo,) = dataset.photos
    assert (photo.file_name, photo.width, photo.height) == ("a.jpg", 100, 50)
    assert photo.boxes_xyxy.tolist() == [[10, 5, 30, 45]]
    assert photo.boxes_xyxy.dtype == np.float32
    assert photo.category_ids.tolist() == [1]
    assert photo.labels == ("jeans",)
    assert dataset.folder is None
    assert dataset.dropped_boxes == 0


@pytest.mark.parametrize("name", ["photos", "images"])
def test_photos_are_looked_for_beside_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    dataset = read_coco(saved(tmp_path, document()))
    assert dataset.folder == tmp_path / name
    assert dataset.path_of(dataset.photos[0]) == tmp_path / name / "a.jpg"
    assert read_coco(tmp_path / "train.json", tmp_path / "else").folder == tmp_path / "else"


def test_a_box_over_the_edge_is_cut_to_the_photo(tmp_path: Path) -> None:
    path = saved(tmp_path, document(annotations=[annotation(bbox=[-10, 40, 60.5, 40])]))
    assert read_coco(path).photos[0].boxes_xyxy.tolist() == [[0, 40, 50.5, 50]]


@pytest.mark.parametrize(
    "bbox",
    [[10, 5, 0, 4], [10, 5, 4, -3], [200, 5, 4, 4], [float("nan"), 0, 1, 1], [0, 0, float("inf"), 1]],
    ids=["no width", "negative height", "outside", "NaN", "infinite"],
)
def test_what_is_no_box_is_dropped_and_counted(tmp_path: Path, bbox: list[float]) -> None:
    dataset = read_coco(saved(tmp_path, document(annotations=[annotation(bbox=bbox), annotation(id=2)])))
    assert dataset.dropped_boxes == 1
    assert dataset.box_count == 1


def test_crowd_regions_are_kept_apart_from_the_boxes(tmp_path: Path) -> None:
    both = [annotation(id=2), annotation(iscrowd=1, bbox=[50, 10, 80, 20]), annotation(id=3, ignore=1)]
    dataset = read_coco(saved(tmp_path, document(annotations=both)))
    (photo,) = dataset.photos
    assert (dataset.box_count, dataset.dropped_boxes) == (2, 0)
    assert photo.crowd_xyxy.tolist() == [[50, 10, 100, 30]], "cut to the photo"
    assert photo.crowd_ids.tolist() == [1]
    assert photo.difficult.tolist() == [False, True]
    path = tmp_path / "again.json"
    write_coco(dataset, path)
    written = json.loads(path.read_text())["annotations"]
    assert [(a["iscrowd"], a.get("ignore")) for a in written] == [(0, None), (0, 1), (1, None)]
    again = read_coco(path).photos[0]
    assert (again.crowd_xyxy.tolist(), again.difficult.tolist()) == ([[50, 10, 100, 30]], [False, True])


def test_a_crowd_region_without_area_is_dropped_and_counted(tmp_path: Path) -> None:
    path = saved(tmp_path, document(annotations=[annotation(iscrowd=1, bbox=[5, 5, 0, 9])]))
    assert read_coco(path).dropped_boxes == 1


def test_a_file_without_photos_is_an_empty_dataset(tmp_path: Path) -> None:
    dataset = read_coco(saved(tmp_path, document(images=[], annotations=[])))
    assert (dataset.photos, dataset.box_count) == ((), 0)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([], "images"),
        ({"images": [], "annotations": []}, "categories"),
        (document(images={}), "images"),
        (document(annotations=[3]), "an annotation is an object"),
        (document(images=[{"id": 7, "file_name": "a.jpg", "width": 100}]), "height"),
        (document(images=[{"id": 7, "file_name": "a.jpg", "width": 0, "height": 5}]), "width"),
        (document(images=[{"id": 7, "file_name": "../a.jpg", "width": 9, "height": 5}]), "folder"),
        (document(images=[{"id": 7, "file_name": "C:\\a.jpg", "width": 9, "height": 5}]), "folder"),
        (document(images=[{"id": 7, "width": 9, "height": 5}]), "file name"),
        (document(images=document()["images"] * 2), "twice"),
        (document(images=[*document()["images"], document()["images"][0] | {"id": 8}]), "twice"),
        (document(categories=[{"id": 20}]), "name"),
        (document(annotations=[annotation(bbox=[1, 2, 3])]), "four numbers"),
        (document(annotations=[annotation(bbox=[1, 2, 3, "4"])]), "numbers"),
        (document(annotations=[annotation(bbox=[1, 2, 3, 10**400])]), "four numbers"),
        (document(annotations=[annotation(image_id=99)]), "image_id"),
        (document(annotations=[annotation(category_id=[1])]), "category_id"),
    ],
)
def test_bad_files_are_refused_with_one_sentence(tmp_path: Path, content: object, word: str) -> None:
    with pytest.raises(DatasetError, match=word) as caught:
        read_coco(saved(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b""])
def test_what_is_no_json_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="JSON"):
        read_coco(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nothing\.json"):
        read_coco(tmp_path / "nothing.json")


def test_a_dataset_comes_back_as_it_was_written(tmp_path: Path) -> None:
    boxes_xyxy = np.array([[0.1, 2.25, 30.7, 49.9], [1, 2, 3, 4]])
    photo = BoxedPhoto("sub/ä b.jpg", 100, 50, boxes_xyxy, np.array([1, 0]), ("jeans", None))
    write_coco(DetectionDataset(("top", "pants"), (photo,)), tmp_path / "out.json")
    again = read_coco(tmp_path / "out.json")
    assert again.categories == ("top", "pants")
    assert again.photos[0].file_name == "sub/ä b.jpg"
    np.testing.assert_allclose(again.photos[0].boxes_xyxy, boxes_xyxy, atol=2e-4)
    assert again.photos[0].category_ids.tolist() == [1, 0]
    assert again.photos[0].labels == ("jeans", None)


def test_boxes_and_categories_that_disagree_make_no_photo() -> None:
    with pytest.raises(DatasetError, match="2 boxes"):
        BoxedPhoto("a.jpg", 9, 9, np.ones((2, 4)), np.zeros(1))
    with pytest.raises(DatasetError, match="category ids"):
        DetectionDataset(("top",), (BoxedPhoto("a.jpg", 9, 9, [[0, 0, 1, 1]], [1]),))  # type: ignore[arg-type]


@pytest.mark.skipif(not (DATA / "street" / "train.json").is_file(), reason="the street photos are not here")
def test_the_street_file_is_read_whole_and_in_its_own_order() -> None:
    dataset = read_coco(DATA / "street" / "train.json")
    assert (len(dataset.photos), dataset.box_count, len(dataset.categories)) == (700, 3300, 13)
    assert dataset.categories[0] == "bag"
    assert dataset.path_of(dataset.photos[0]).is_file()
    original = json.loads((DATA / "street" / "train.json").read_text())
    ours = coco_document(dataset)
    assert sorted(a["bbox"] for a in ours["annotations"]) == sorted(
        a["bbox"] for a in original["annotations"]
    )


def test_a_set_says_which_categories_it_labels(tmp_path: Path) -> None:
    photo = BoxedPhoto("a.jpg", 40, 30, np.array([[1, 2, 20, 25]]), np.array([0]))
    path = tmp_path / "partly.json"
    write_coco(DetectionDataset(("top", "belt"), (photo,), labeled_categories=("top",)), path)
    assert json.loads(path.read_text())["info"]["labeled_categories"] == ["top"]
    read = read_coco(path)
    assert read.labeled_categories == ("top",) and read.is_labeled.tolist() == [True, False]
    document = json.loads(path.read_text())
    for bad, sentence in (("top", "is a list of category names"), (["hat"], "are of top, belt, got hat")):
        path.write_text(json.dumps(document | {"info": {"labeled_categories": bad}}))
        with pytest.raises(DatasetError, match=sentence):
            read_coco(path)


def test_a_set_without_a_word_on_it_labels_all_its_categories(tmp_path: Path) -> None:
    write_coco(DetectionDataset(("top", "belt"), ()), tmp_path / "all.json")
    read = read_coco(tmp_path / "all.json")
    assert read.labeled_categories is None and read.is_labeled.all()
    assert read.without_labels_of(["belt"]).labeled_categories == ("top",)
