"""DeepFashion's lists and DeepFashion2's annotations are read as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.datasets.deepfashion import read_category_list, read_deepfashion2
from core.datasets.reading import read_detection
from core.errors import DatasetError

LISTS = {
    "Anno_coarse/list_category_cloth.txt": "3\nname type\nAnorak 1\nButton-Down 1\nJeans 2\n",
    "Anno_coarse/list_category_img.txt": (
        "2\nimage_name  category_label\nimg/Tee/img_1.jpg   3\nimg/Tee/img_2.jpg   1\n"
    ),
    "Anno_coarse/list_bbox.txt": (
        "2\nimage_name  x_1  y_1  x_2  y_2\nimg/Tee/img_2.jpg 1 2 30 40\nimg/Tee/img_1.jpg 072 079 232 400\n"
    ),
    "Eval/list_eval_partition.txt": (
        "2\nimage_name  evaluation_status\nimg/Tee/img_1.jpg train\nimg/Tee/img_2.jpg val\n"
    ),
}


def lists(root: Path, **changes: str) -> Path:
    for name, text in LISTS.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(changes.get(file.stem, text), encoding="utf-8")
    for number in (1, 2):
        photo = root / "Img" / "img" / "Tee" / f"img_{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 300)).save(photo)
    return root


def test_categories_boxes_and_parts_meet_by_photo(tmp_path: Path) -> None:
    for path in (lists(tmp_path), tmp_path / "Anno_coarse"):
        listed = read_category_list(path)
        assert listed.categories == ("Anorak", "Button-Down", "Jeans")
        assert listed.file_names == ("img/Tee/img_1.jpg", "img/Tee/img_2.jpg")
        assert listed.category_ids.tolist() == [2, 0]
        assert listed.boxes_xyxy is not None
        assert listed.boxes_xyxy.tolist() == [[72, 79, 232, 400], [1, 2, 30, 40]]
        assert listed.folder == tmp_path / "Img"


def test_lists_become_boxed_photos_cut_to_the_photo(tmp_path: Path) -> None:
    dataset = read_detection(lists(tmp_path))
    assert [photo.boxes_xyxy.tolist() for photo in dataset.photos] == [[[72, 79, 232, 300]], [[1, 2, 30, 40]]]
    assert [photo.category_ids.tolist() for photo in dataset.photos] == [[2], [0]]


def test_lists_without_boxes_and_parts_serve_the_classifier(tmp_path: Path) -> None:
    (lists(tmp_path) / "Anno_coarse" / "list_bbox.txt").unlink()
    (tmp_path / "Eval" / "list_eval_partition.txt").unlink()
    listed = read_category_list(tmp_path)
    assert listed.boxes_xyxy is None
    with pytest.raises(DatasetError, match="list_bbox"):
        read_detection(tmp_path)


def test_names_may_hold_blanks(tmp_path: Path) -> None:
    lists(tmp_path, list_category_img="1\nimage_name category_label\nimg/Tee top/img_1.jpg 2\n")
    for name in ("list_bbox", "list_eval_partition"):
        next(tmp_path.rglob(f"{name}.txt")).unlink()
    assert read_category_list(tmp_path).file_names == ("img/Tee top/img_1.jpg",)


@pytest.mark.parametrize(
    ("stem", "text"),
    [
        ("list_category_cloth", "4\nname type\nAnorak 1\n"),
        ("list_category_cloth", ""),
        ("list_category_img", "1\nimage_name category_label\nimg/Tee/img_1.jpg 4\n"),
        ("list_category_img", "1\nimage_name category_label\nimg/Tee/img_1.jpg x\n"),
        ("list_category_img", "1\nimage_name category_label\nimg/Tee/img_1.jpg\n"),
        ("list_category_img", "1\nimage_name category_label\n../img_1.jpg 1\n"),
        ("list_bbox", "1\nimage_name x_1 y_1 x_2 y_2\nimg/Tee/img_1.jpg 1 2 3 4\n"),
        ("list_bbox", "1\nimage_name x_1 y_1 x_2 y_2\nimg/Tee/img_1.jpg 1 2 3 1e9\n"),
    ],
)
def test_lists_that_do_not_fit_are_refused_with_one_sentence(tmp_path: Path, stem: str, text: str) -> None:
    with pytest.raises(DatasetError, match=stem) as caught:
        read_category_list(lists(tmp_path, **{stem: text}))
    assert "\n" not in str(caught.value)


def item(**changes: Any) -> dict[str, Any]:
    plain = {"bounding_box": [10, 5, 30, 45], "category_id": 8, "category_name": "trousers", "style": 1}
    return plain | changes


def annos(root: Path, document: object) -> Path:
    (root / "annos").mkdir(parents=True)
    (root / "annos" / "000001.json").write_text(json.dumps(document))
    (root / "image").mkdir()
    Image.new("RGB", (100, 50)).save(root / "image" / "000001.jpg")
    return root


def test_deepfashion2_items_become_boxes(tmp_path: Path) -> None:
    second = item(bounding_box=[0, 0, 5, 0], category_id=1, category_name="short sleeve top")
    annos(tmp_path, {"source": "user", "pair_id": 1, "item1": item(), "item2": second})
    for path in (tmp_path, tmp_path / "annos"):
        dataset = read_detection(path)
        assert dataset.photos[0].boxes_xyxy.tolist() == [[10, 5, 30, 45]]
        assert dataset.categories[dataset.photos[0].category_ids[0]] == "trousers"
        assert (dataset.dropped_boxes, dataset.path_of(dataset.photos[0]).is_file()) == (1, True)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"item1": 3},
        {"item1": item(bounding_box=[1, 2, 3])},
        {"item1": item(bounding_box=[1, 2, 3, "4"])},
        {"item1": item(bounding_box=[1, 2, 3, 10**400])},
        {"item1": item(category_id=14)},
        {"item1": item(category_id=True)},
        {"item1": item(category_name="skirt")},
    ],
)
def test_bad_deepfashion2_files_are_refused_with_one_sentence(tmp_path: Path, document: object) -> None:
    with pytest.raises(DatasetError, match="000001") as caught:
        read_deepfashion2(annos(tmp_path, document))
    assert "\n" not in str(caught.value)


def test_deepfashion2_needs_its_photos(tmp_path: Path) -> None:
    (annos(tmp_path, {"item1": item()}) / "image" / "000001.jpg").unlink()
    with pytest.raises(DatasetError, match="no such photo"):
        read_deepfashion2(tmp_path)
    (tmp_path / "image").rmdir()
    with pytest.raises(DatasetError, match="image/"):
        read_deepfashion2(tmp_path)
    with pytest.raises(DatasetError, match="annos/"):
        read_deepfashion2(tmp_path / "nowhere")
