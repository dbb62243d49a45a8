"""Boxes derived from a plain background; the public sets prepared, split by sender and photo."""

from __future__ import annotations

import csv
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import box_iou

from core.datasets.classification import read_classification
from core.datasets.coco import read_coco, write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from tools.derive_boxes import (
    PREPARED_SIZE,
    DerivedBox,
    derive_box,
    is_tuning_sender,
    main,
    otsu_threshold,
    prepare_classifier,
    prepare_detector,
)
from tools.synthetic import draw_scene

KINDS = ("t-shirt", "coat", "pants", "dress", "bag", "hat")


def iou(one: object, other: object) -> float:
    boxes = [torch.tensor(np.asarray(box, dtype=np.float64)[None]) for box in (one, other)]
    return float(box_iou(*boxes))


def block(
    box: tuple[int, int, int, int], size_wh: tuple[int, int] = (300, 400), color: str = "#204060"
) -> Image.Image:
    """A block of one color on a light ground with a little noise."""
    image = Image.new("RGB", size_wh, "#e8e2d8")
    image.paste(color, box)
    noise = np.random.default_rng(0).normal(0, 3, (size_wh[1], size_wh[0], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("size_wh", [(300, 400), (400, 300), (60, 80), (1200, 1600)])
def test_a_block_has_its_box_at_every_size(size_wh: tuple[int, int]) -> None:
    box = tuple(round(share * side) for share, side in zip((0.2, 0.3, 0.7, 0.8), size_wh * 2, strict=True))
    derived = derive_box(block(box, size_wh))  # type: ignore[arg-type]
    assert derived is not None
    assert iou(derived.box_xyxy, box) > 0.93
    assert derived.fill > 0.95 and derived.contrast > 40


@pytest.mark.parametrize("kind", KINDS)
def test_most_drawn_garments_are_found_on_their_ground(kind: str) -> None:
    scenes = [draw_scene(seed, (180, 240), kind) for seed in range(2)]
    derived = [(derive_box(scene.image), scene.boxes_xyxy[0]) for scene in scenes]
    found = [iou(box.box_xyxy, truth) for box, truth in derived if box is not None]
    assert found, "one of two at least"
    assert min(found) > 0.7


def test_a_garment_that_a_sleeve_takes_to_the_border_is_still_found() -> None:
    image = block((90, 100, 210, 330))
    image.paste("#204060", (0, 130, 90, 160))
    derived = derive_box(image)
    assert derived is not None and iou(derived.box_xyxy, (0, 100, 210, 330)) > 0.9


def test_a_pair_is_one_box_and_a_crumb_is_left_out() -> None:
    image = block((40, 150, 130, 260))
    image.paste("#204060", (170, 150, 260, 260))
    image.paste("#204060", (280, 380, 288, 388))
    derived = derive_box(image)
    assert derived is not None and iou(derived.box_xyxy, (40, 150, 260, 260)) > 0.9


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (300, 200), (120, 90, 30)),
        Image.new("RGB", (3000, 8), (120, 90, 30)),
        Image.new("RGB", (8, 8)),
        block((140, 190, 160, 210)),  # too small for the one garment of a photo
        block((1, 1, 299, 399)),  # all but a hair's breadth of the photo
        block((0, 0, 300, 200)),  # a horizon: three sides touched
        block((100, 100, 200, 300), color="#e2dcd2"),  # hardly another color than the ground
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 150, 3), np.uint8)),
    ],
    ids=["even", "thread", "speck", "small", "full", "horizon", "pale", "noise"],
)
def test_where_there_is_doubt_there_is_no_box_and_no_warning(image: Image.Image) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert derive_box(image) is None


def test_a_box_lies_inside_its_photo() -> None:
    for seed in range(6):
        size_wh = (97 + 31 * seed, 300 - 29 * seed)
        derived = derive_box(draw_scene(seed, size_wh, "flat").image)
        if derived is not None:
            x0, y0, x1, y1 = derived.box_xyxy
            assert 0 <= x0 < x1 <= size_wh[0] and 0 <= y0 < y1 <= size_wh[1]
            assert isinstance(derived, DerivedBox) and 0 < derived.fill <= 1


def test_otsus_threshold_parts_two_heaps_by_hand() -> None:
    values = np.array([0.0] * 50 + [1.0] * 10 + [9.0] * 10 + [10.0] * 30)
    # Any threshold from 1 to just below 9 parts the heaps, and no other does as well.
    threshold = otsu_threshold(values)
    assert (values > threshold).sum() == 40 and 1.0 <= threshold < 9.0


def test_otsus_threshold_is_the_best_of_all_that_can_be_tried() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(10, 2, 700), rng.normal(30, 6, 300)])

    def inner(threshold: float) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        return float(low.var() * len(low) + high.var() * len(high))

    tried = np.linspace(values.min() + 0.1, values.max() - 0.1, 400)
    assert inner(otsu_threshold(values)) <= 1.01 * min(inner(threshold) for threshold in tried)


def test_otsus_threshold_of_even_values_is_near_them() -> None:
    assert abs(otsu_threshold(np.full(100, 7.0)) - 7.0) <= 0.5


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
