"""DeepFashion and DeepFashion2 in their published layout, made up: the folder trains and evaluates."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from core.datasets.classification import read_labeled
from core.datasets.deepfashion import has_parts
from core.datasets.reading import read_detection
from core.errors import DatasetError
from core.models.cards import read_card
from core.taxonomy import load_taxonomy
from tests.core.cli.commands import command

CATEGORIES = ("Anorak", "Blouse", "Button-Down", "Jeans", "Dress")
"""Of which no photo shows the last two, as of four of the published fifty."""

PARTS = {"train": 6, "val": 3, "test": 3}
SIZE_WH = (30, 40)


def listed_photos() -> list[tuple[str, int, str]]:
    """The name, the category from 1 on and the part of each photo, in the order of the lists."""
    parts = [part for part, count in PARTS.items() for _ in range(count)]
    return [
        (f"img/Sheer_Pleated-Front_{CATEGORIES[n % 3]}/img_{n:08d}.jpg", n % 3 + 1, part)
        for n, part in enumerate(parts)
    ]


def table(head: str, rows: list[str]) -> str:
    """A list as it is published: the number of rows, the columns' names, the rows."""
    return "\n".join([str(len(rows)), head, *rows]) + "\n"


def picture(path: Path, color: int, size_wh: tuple[int, int] = SIZE_WH) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh, [(200, 40, 40), (40, 200, 40), (40, 40, 200)][color % 3]).save(path)


@pytest.fixture
def deepfashion(tmp_path: Path) -> Path:
    """The Category and Attribute Prediction Benchmark: ``Anno_coarse/``, ``Eval/`` and ``Img/img/``."""
    root = tmp_path / "Category and Attribute Prediction Benchmark"
    photos = listed_photos()
    texts = {
        "Anno_coarse/list_category_cloth.txt": table(
            "category_name  category_type", [f"{name:<20}{1 + n // 3}" for n, name in enumerate(CATEGORIES)]
        ),
        "Anno_coarse/list_category_img.txt": table(
            "image_name  category_label", [f"{name:<72}{number}" for name, number, _ in photos]
        ),
        "Anno_coarse/list_bbox.txt": table(
            "image_name  x_1  y_1  x_2  y_2", [f"{name:<72}005 004  025  036" for name, _, _ in photos]
        ),
        "Eval/list_eval_partition.txt": table(
            "image_name  evaluation_status", [f"{name:<70}\t{part}  " for name, _, part in photos]
        ).replace("\n", "\r\n"),
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    for n, (name, _, _) in enumerate(photos):
        picture(root / "Img" / name, n)
    return root


def test_the_parts_are_those_of_the_list_and_the_labels_all_categories(deepfashion: Path) -> None:
    for part, count in PARTS.items():
        found = read_labeled(deepfashion, part=part)
        assert found.labels == CATEGORIES
        assert [(photo.path.name, photo.label) for photo in found.photos] == [
            (Path(name).name, CATEGORIES[number - 1]) for name, number, own in listed_photos() if own == part
        ]
        assert len(found.photos) == count and all(photo.path.is_file() for photo in found.photos)
        assert len(read_detection(deepfashion, part=part).photos) == count
    assert (
        len(read_labeled(deepfashion).photos) == len(read_labeled(deepfashion / "Anno_coarse").photos) == 12
    )


def test_the_folder_trains_and_evaluates_a_classifier(
    deepfashion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command("train", "classifier", "--data", deepfashion, "--model", "mobilenet", "--preset", "poster",
            "--size", 32, "--epochs", 1, "--batch", 3, "--device", "cpu", "--out", out)  # fmt: skip
    card = read_card(out / "best.safetensors")
    assert card.categories == tuple(sorted(CATEGORIES)), "those without photos as well: as many as published"
    assert (card.training["photos"], card.training["validation_photos"]) == (6, 3)
    assert card.training["recipe"]["name"] == "poster"
    capsys.readouterr()
    command("evaluate", out / "best.safetensors", deepfashion, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["photos"], found["skipped"]) == (3, 0)
    assert 0 <= found["top1"] <= found["top3"] <= found["top5"] == 1


def change(root: Path, name: str, old: str, new: str) -> None:
    (file,) = root.rglob(name)
    text = file.read_bytes().decode()
    assert old in text
    file.write_bytes(text.replace(old, new, 1).encode())


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "no photos": (
        lambda root: shutil.rmtree(root / "Img"),
        r"unpacked photos are expected, as Img/img/Sheer",
    ),
    "a packed Img": (
        lambda root: (shutil.rmtree(root / "Img" / "img"), (root / "Img" / "img.zip").touch(), None)[2],
        r"unpacked photos are expected, as Img/img/Sheer",
    ),
    "a photo missing": (
        lambda root: (root / "Img" / listed_photos()[2][0]).unlink(),
        r"list_category_img\.txt names .*img_00000002\.jpg, which is not in Img/",
    ),
    "another count": (
        lambda root: change(root, "list_category_img.txt", "12\n", "289222\n"),
        r"list_category_img\.txt: 12 rows are there, the first line says 289222",
    ),
    "a part missing": (
        lambda root: change(root, "list_eval_partition.txt", "12\r\n", "11\r\n"),
        r"list_eval_partition\.txt: 12 rows are there, the first line says 11",
    ),
    "another part": (
        lambda root: change(root, "list_eval_partition.txt", "\ttrain", "\tlearn"),
        r"one of train, val, test is expected for 'img/Sheer.*, got 'learn' for it",
    ),
    "no categories": (
        lambda root: next(root.rglob("list_category_cloth.txt")).unlink(),
        r"DeepFashion's list_category_cloth\.txt is expected, there is none",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_missing_is_told_in_one_sentence(deepfashion: Path, case: str) -> None:
    spoil, sentence = SPOILT[case]
    spoil(deepfashion)
    with pytest.raises(DatasetError, match=sentence) as caught:
        read_labeled(deepfashion, part="train")
    assert "\n" not in str(caught.value)


def test_without_the_list_of_parts_the_folder_does_not_validate_itself(
    deepfashion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(deepfashion / "Eval")
    assert not has_parts(deepfashion) and len(read_labeled(deepfashion, part="test").photos) == 12
    command("train", "classifier", "--data", deepfashion, "--out", tmp_path / "out", status=2)
    assert "DeepFashion's folder (with Eval/list_eval_partition.txt)" in capsys.readouterr().err


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"DeepFashion's folder with Anno/, Eval/ and Img/, at .*, got a folder"
    ):
        read_labeled(tmp_path)


GARMENTS = load_taxonomy("deepfashion2").categories


@pytest.fixture
def deepfashion2(tmp_path: Path) -> Path:
    """``train/`` and ``validation/`` of DeepFashion2, with ``image/`` and ``annos/`` each."""
    root = tmp_path / "deepfashion2"
    for part, count in (("train", 6), ("validation", 3)):
        for number in range(1, count + 1):
            picture(root / part / "image" / f"{number:06d}.jpg", number, (64, 96))
            items = {
                f"item{n}": {
                    "segmentation": [[5, 5, 40, 5, 40, 60]],
                    "scale": 2, "viewpoint": 2, "zoom_in": 1, "occlusion": 2, "style": n,
                    "landmarks": [10, 12, 2] * 3,
                    "bounding_box": [5 * n, 6, 5 * n + 30, 70],
                    "category_id": (number + n) % 13 + 1,
                    "category_name": GARMENTS[(number + n) % 13],
                }
                for n in (1, 2)
            }  # fmt: skip
            annos = root / part / "annos" / f"{number:06d}.json"
            annos.parent.mkdir(parents=True, exist_ok=True)
            annos.write_text(json.dumps({"source": "user", "pair_id": number, **items}))
    return root


def test_the_folder_trains_and_evaluates_a_detector(
    deepfashion2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command("train", "detector", "--data", deepfashion2, "--preset", "pico", "--size", 64, "--epochs", 1,
            "--batch", 2, "--device", "cpu", "--out", out)  # fmt: skip
    card = read_card(out / "best.safetensors")
    assert card.categories == GARMENTS and len(card.categories) == 13
    training = card.training
    assert (training["photos"], training["boxes"], training["validation_photos"]) == (6, 12, 3)
    capsys.readouterr()
    command("evaluate", out / "best.safetensors", deepfashion2, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["photos"], len(found["classes"])) == (3, 13), (
        "its validation part: no test boxes are published"
    )


def test_a_part_of_deepfashion2_that_is_missing_is_told(deepfashion2: Path) -> None:
    assert [len(read_detection(deepfashion2, part=part).photos) for part in PARTS] == [6, 3, 3]
    assert len(read_detection(deepfashion2 / "train", part="val").photos) == 6, (
        "a part by itself is what it is"
    )
    shutil.rmtree(deepfashion2 / "train" / "image")
    with pytest.raises(
        DatasetError, match=r"train: DeepFashion2's photos are expected in image/ beside annos/"
    ):
        read_detection(deepfashion2, part="train")
    shutil.rmtree(deepfashion2 / "train")
    with pytest.raises(
        DatasetError, match=r"DeepFashion2's train/ with annos/ and image/ is expected, there is none"
    ):
        read_detection(deepfashion2, part="train")
