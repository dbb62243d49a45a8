"""The public sets prepared: senders and photos stay on one side, boxes and labels are the sources'."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.classification import read_classification
from core.datasets.coco import read_coco, write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from tools.derive_boxes import PREPARED_SIZE, is_tuning_sender, main, prepare_classifier, prepare_detector
from tools.synthetic import draw_scene

CATEGORIES = ("bag", "pants", "top")
TUNING = next(str(n) for n in range(100) if is_tuning_sender(str(n)))
HELD, LEARNING = "held", "learning"
CATALOG = [  # image, sender, label
    ("a", LEARNING, "T-Shirt"),
    ("b", LEARNING, "Not sure"),
    ("c", HELD, "T-Shirt"),
    ("d", TUNING, "Pants"),
    ("e", HELD, "Skip"),
    ("f", LEARNING, "Pants"),  # even: no box can be derived
]
STREET = [  # box, category, fine label
    ((10, 10, 110, 210), 2, "blouse"),
    ((20, 220, 90, 380), 1, "jeans"),
    ((120, 50, 160, 90), 0, "purse"),
    ((200, 10, 213, 200), 2, "blouse"),  # thinner than what a crop is made of
    ((200, 10, 290, 200), 2, "socks"),  # no catalog label
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree as the public sets lie on disk, with a few photos."""
    folder = tmp_path_factory.mktemp("data")
    catalog, street = folder / "catalog", folder / "street"
    (catalog / "images").mkdir(parents=True)
    (street / "photos").mkdir(parents=True)
    for number, (image, _, _) in enumerate(CATALOG):
        picture = Image.new("RGB", (240, 320), "#e8e2d8")
        if image != "f":
            picture.paste((30 * number, 60, 90), (60, 80, 180, 240))
        picture.save(catalog / "images" / f"{image}.jpg")
    rows(catalog / "images.csv", [("image", "sender_id", "label", "kids"), *((*r, "False") for r in CATALOG)])
    rows(
        catalog / "labels_to_categories.csv", [("label", "category"), ("T-Shirt", "top"), ("Pants", "pants")]
    )
    (catalog / "val_senders.txt").write_text(f"{HELD}\nnobody\n")
    rows(
        street / "labels_to_catalog.csv",
        [("street_label", "catalog_label"), ("blouse", "Blouse"), ("jeans", "Pants")],
    )
    for file, name in (("train.json", "0001"), ("val.json", "0002")):
        draw_scene(int(name), (300, 400), "person").image.save(street / "photos" / f"{name}.jpg")
        boxes, ids, labels = zip(*STREET, strict=True)
        photo = BoxedPhoto(f"{name}.jpg", 300, 400, np.array(boxes, np.float32), np.array(ids), labels)
        write_coco(DetectionDataset(CATEGORIES, (photo,), street / "photos"), street / file)
    return folder


def rows(path: Path, lines: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(lines)


@pytest.fixture(scope="module")
def classify(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    prepare_classifier(data, out)
    return out / "classify"


@pytest.fixture(scope="module")
def detect(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    prepare_detector(data, out, drawn=1)
    return out


def test_senders_stay_on_one_side(classify: Path) -> None:
    train, val, street = (
        read_classification(classify / f"{name}.csv") for name in ("train", "val", "val_street")
    )
    assert {photo.group for photo in val} == {HELD}
    assert {photo.group for photo in train} == {LEARNING, TUNING, "street_0001"}
    assert {photo.group for photo in street} == {"street_0002"}
    paths = [photo.path for part in (train, val, street) for photo in part]
    assert len(set(paths)) == len(paths)


def test_unusable_labels_are_left_out(classify: Path) -> None:
    named = {photo.path.stem: photo.label for photo in read_classification(classify / "train.csv")}
    assert named == {
        "a": "T-Shirt", "d": "Pants", "f": "Pants",
        "street_0001_0": "Blouse", "street_0001_1": "Pants", "street_0001_2": "Bag",
    }  # fmt: skip
    assert [photo.label for photo in read_classification(classify / "val.csv")] == ["T-Shirt"]


def test_crops_have_their_margin_and_all_pictures_are_small(classify: Path) -> None:
    with Image.open(classify / "images" / "street_0001_2.jpg") as crop:
        assert crop.size == (48, 48), "40 pixels and a tenth on every side"
    sizes = []
    for path in (classify / "images").iterdir():
        with Image.open(path) as image:
            sizes.append(max(image.size))
    assert max(sizes) <= PREPARED_SIZE
    assert len(sizes) == 4 + 2 * 3


def test_derived_boxes_are_right_and_never_of_held_senders(detect: Path) -> None:
    train, tune = (read_coco(detect / "catalog" / f"{name}.json") for name in ("train", "tune"))
    assert train.categories == tune.categories == CATEGORIES
    assert [photo.file_name for photo in train.photos] == ["a.jpg"], (
        "held, unusable and doubtful ones are out"
    )
    assert [photo.file_name for photo in tune.photos] == ["d.jpg"]
    np.testing.assert_allclose(train.photos[0].boxes_xyxy, [[60, 80, 180, 240]], atol=5)
    assert train.photos[0].category_ids.tolist() == [CATEGORIES.index("top")]
    assert train.photos[0].labels == ("T-Shirt",)
    assert tune.photos[0].category_ids.tolist() == [CATEGORIES.index("pants")]
    assert all(train.path_of(photo).is_file() for photo in train.photos)
    assert len(json.loads((detect / "drawn" / "train.json").read_text())["images"]) == 1


def test_about_a_tenth_of_the_senders_tune_and_always_the_same() -> None:
    chosen = [sender for sender in map(str, range(2000)) if is_tuning_sender(sender)]
    assert 150 < len(chosen) < 250
    assert chosen == [sender for sender in map(str, range(2000)) if is_tuning_sender(sender)]


def test_the_command_line_says_what_it_wants(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["prepare"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "data, out" in capsys.readouterr().err
