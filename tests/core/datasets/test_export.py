"""The zip that a merchant takes away is read by this project, COCO's own tools and a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]
from PIL import Image
from pycocotools.coco import COCO

from core.datasets.export import COLUMNS, write_zip
from core.datasets.reading import read_detection
from core.datasets.shop import ShopTable
from core.garments import Garment, LabeledPhoto

TOP5 = (("T-Shirt", 0.6), ("Top", 0.2), ("Polo", 0.1), ("Shirt", 0.05), ("Blouse", 0.05))
PHOTOS = (
    LabeledPhoto(
        "shop/a.jpg",
        100,
        50,
        0.25,
        {"detector": "d1", "classifier": "c1"},
        (
            Garment((10, 5, 30, 45), "top", 0.9, TOP5),
            Garment((-4.5, 40.25, 60.129, 70), "boots", 0.5, TOP5).correct(label="Shoes"),
        ),
    ),
    LabeledPhoto("empty.png", 20, 10, 0.1),
    LabeledPhoto("b.jpg", 64, 64, 0.1, garments=(Garment((0, 0, 64, 64), "footwear", 0.75),)),
)


def picture_of(name: str) -> Image.Image:
    """A picture whose pixels tell where they lie, with a comment that must not be kept."""
    width, height = next((photo.width, photo.height) for photo in PHOTOS if photo.photo == name)
    grid = np.zeros((height, width, 3), dtype=np.uint8)
    grid[..., 0], grid[..., 1] = np.arange(width)[None] * 2, np.arange(height)[:, None] * 2
    image = Image.fromarray(grid)
    image.info |= {"comment": b"secret", "exif": b"Exif\0\0secret"}
    return image


def exported(
    photos: Sequence[LabeledPhoto] = PHOTOS,
    names: Mapping[str, str] | None = None,
    image_of: Any = picture_of,
    with_photos: bool = False,
) -> ZipFile:
    out = io.BytesIO()
    write_zip(photos, image_of, out, names, photos=with_photos)
    archive = ZipFile(out)
    assert archive.testzip() is None
    assert len(set(archive.namelist())) == len(archive.namelist())
    return archive


def rows_of(archive: ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode("utf-8"), newline="")))


def one(photo: str = "a.jpg", category: str = "top", label: str = "Top") -> list[LabeledPhoto]:
    return [LabeledPhoto(photo, 8, 8, 0.1, garments=(Garment((0, 0, 8, 8), category, 0.5, ((label, 1.0),)),))]


def gray(name: str) -> Image.Image:
    return Image.new("RGB", (8, 8), "gray")


def test_the_zip_holds_every_format() -> None:
    assert sorted(exported().namelist()) == [
        "README.txt",
        "coco.json",
        "crops/b_1_footwear.jpg",
        "crops/shop/a_1_T-Shirt.jpg",
        "crops/shop/a_2_Shoes.jpg",
        "labels.csv",
        "labels.jsonl",
        "voc/a.xml",
        "voc/b.xml",
        "voc/empty.xml",
        "yolo/classes.txt",
        "yolo/data.yaml",
        "yolo/images/",
        "yolo/labels/a.txt",
        "yolo/labels/b.txt",
        "yolo/labels/empty.txt",
    ]


def test_the_table_has_a_row_a_garment() -> None:
    rows = rows_of(exported(names={"top": "Oberteile"}))
    assert [(row["photo"], row["garment"]) for row in rows] == [
        ("shop/a.jpg", "1"),
        ("shop/a.jpg", "2"),
        ("empty.png", ""),
        ("b.jpg", "1"),
    ]
    first, second, empty, third = rows
    assert set(empty.values()) == {"empty.png", ""}
    assert tuple(first) == COLUMNS
    assert [first[key] for key in ("x0", "y0", "x1", "y1")] == ["10", "5", "30", "45"]
    assert [first[key] for key in ("category", "shop_category", "label")] == ["top", "Oberteile", "T-Shirt"]
    assert [first[key] for key in ("score", "label_1", "probability_1")] == ["0.9", "T-Shirt", "0.6"]
    assert [first[key] for key in ("label_5", "probability_5", "corrected")] == ["Blouse", "0.05", "false"]
    assert [second[key] for key in ("x0", "x1", "label", "corrected")] == ["-4.5", "60.13", "Shoes", "true"]
    assert [third[key] for key in ("label", "label_1", "probability_1")] == ["footwear", "", ""]


def test_the_lines_are_the_contracts_with_the_shops_name_beside() -> None:
    lines = [json.loads(line) for line in exported().read("labels.jsonl").splitlines()]
    assert lines == [json.loads(json.dumps(photo.as_dict())) for photo in PHOTOS]
    first = json.loads(exported(names={"top": "Oberteile"}).read("labels.jsonl").splitlines()[0])
    assert [garment["category"] for garment in first["garments"]] == ["top", "boots"]
    assert [garment.get("shop_category") for garment in first["garments"]] == ["Oberteile", None]


@pytest.mark.parametrize("kind", ["coco.json", "voc", "yolo"])
def test_annotations_come_back_through_this_projects_readers(tmp_path: Path, kind: str) -> None:
    exported().extractall(tmp_path)
    if kind == "yolo":
        for photo in PHOTOS:
            name = PurePosixPath(photo.photo).name
            Image.new("RGB", (photo.width, photo.height)).save(tmp_path / "yolo" / "images" / name)
    dataset = read_detection(tmp_path / kind)
    photos = {PurePosixPath(photo.file_name).name: photo for photo in dataset.photos}
    assert set(photos) == {"a.jpg", "empty.png", "b.jpg"}
    assert len(photos["empty.png"]) == 0
    assert len(dataset.categories) == (3 if kind == "voc" else 13)  # VOC lists what is used
    cut = [[10, 5, 30, 45], [0, 40, 60, 50]]  # VOC has whole pixels
    np.testing.assert_allclose(photos["a.jpg"].boxes_xyxy, cut, atol=0.3)
    assert [dataset.categories[number] for number in photos["a.jpg"].category_ids] == ["top", "boots"]
    if kind != "yolo":
        assert photos["a.jpg"].labels == ("T-Shirt", "Shoes")
        assert {photo.file_name for photo in dataset.photos} == {"shop/a.jpg", "empty.png", "b.jpg"}


def test_with_the_photos_yolos_files_train_as_they_are(tmp_path: Path) -> None:
    exported(with_photos=True).extractall(tmp_path)
    setting = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())
    assert "path" not in setting
    for split in ("train", "val"):
        photos = sorted((tmp_path / "yolo" / setting[split]).rglob("*.jpg"))
        labels = [Path(str(photo).replace("/images/", "/labels/")).with_suffix(".txt") for photo in photos]
        assert [photo.stem for photo in photos] == ["b", "empty", "a"]
        assert [len(label.read_text().splitlines()) for label in labels] == [1, 0, 2]
    dataset = read_detection(tmp_path / "yolo")
    assert {photo.file_name: len(photo) for photo in dataset.photos} == {
        "shop/a.jpg": 2,
        "b.jpg": 1,
        "empty.jpg": 0,
    }
    for photo in PHOTOS:
        path = (tmp_path / "yolo" / "images" / photo.photo).with_suffix(".jpg")
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", (photo.width, photo.height))
    assert b"secret" not in (tmp_path / "yolo" / "images" / "shop" / "a.jpg").read_bytes()
    assert "trains as it is" in (tmp_path / "README.txt").read_text()


def test_cocos_own_tools_read_the_file(tmp_path: Path) -> None:
    exported().extract("coco.json", tmp_path)
    coco = COCO(str(tmp_path / "coco.json"))
    (boots,) = coco.getCatIds(catNms=["boots"])
    (annotation,) = coco.loadAnns(coco.getAnnIds(catIds=[boots]))
    np.testing.assert_allclose(annotation["bbox"], [0, 40.25, 60.129, 9.75], atol=1e-3)
    assert len(coco.getImgIds()) == 3
    licenses = {entry["id"] for entry in coco.dataset["licenses"]}
    assert {image["license"] for image in coco.dataset["images"]} <= licenses
    assert all(entry["segmentation"] == [] for entry in coco.dataset["annotations"])


def test_two_categories_that_the_shop_calls_the_same_become_one_class(tmp_path: Path) -> None:
    exported(names={"boots": "Shoes", "footwear": "Shoes", "top": " Tops\n"}).extractall(tmp_path)
    dataset = read_detection(tmp_path / "coco.json")
    assert len(dataset.categories) == 12
    used = [dataset.categories[number] for photo in dataset.photos for number in photo.category_ids]
    assert used == ["Tops", "Shoes", "Shoes"]
    assert (tmp_path / "yolo" / "classes.txt").read_text().splitlines() == list(dataset.categories)
    assert read_detection(tmp_path / "voc").categories == ("Shoes", "Tops")


def test_crops_are_cut_to_the_photo_and_tell_nothing_else() -> None:
    archive = exported()
    crop = Image.open(io.BytesIO(archive.read("crops/shop/a_2_Shoes.jpg")))
    assert (crop.format, crop.mode, crop.size) == ("JPEG", "RGB", (61, 10))
    red, green, _ = np.asarray(crop)[5, 30]
    assert abs(int(red) - 2 * 30) < 8
    assert abs(int(green) - 2 * 45) < 8
    assert not crop.getexif()
    assert all(b"secret" not in archive.read(name) for name in archive.namelist())


def test_a_box_outside_the_photo_gives_no_crop() -> None:
    outside = LabeledPhoto("b.jpg", 64, 64, 0.1, garments=(Garment((70, 70, 90, 90), "top", 0.5),))
    assert not [name for name in exported([outside]).namelist() if name.startswith("crops/")]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "=cmd|'/c calc'!A1"]
)
def test_formulas_are_escaped_in_every_text_cell(text: str) -> None:
    (row,) = rows_of(exported(one(photo=f"{text}.jpg", category=text, label=text), image_of=gray))
    for column in ("photo", "category", "label", "label_1"):
        assert row[column] == f"'{text}" + (".jpg" if column == "photo" else "")
    assert row["shop_category"].startswith("'")


HOSTILE = (
    "../../etc/passwd",
    "/abs.jpg",
    "C:\\win.jpg",
    "<script>alert(1)</script>.jpg",
    "a\u202egpj.exe",
    "con.png",
    "..",
)


@pytest.mark.parametrize("name", [*HOSTILE, "", "x" * 400 + ".jpg", "a\nb.jpg", "\ud800.jpg", "a/b/c.jpg"])
def test_hostile_names_stay_inside_the_folder_and_readable(tmp_path: Path, name: str) -> None:
    archive = exported(one(photo=name, label=name), image_of=gray)
    for member in archive.namelist():
        assert not set('<>:"|?*\\') & set(member)
        parts = member.removesuffix("/").split("/")
        assert all(part.isprintable() and part not in ("", ".", "..") for part in parts)
        assert max(len(part.encode()) for part in parts) <= 255
    archive.extractall(tmp_path)
    assert read_detection(tmp_path / "coco.json").box_count == 1
    assert read_detection(tmp_path / "voc").box_count == 1


def test_markup_in_a_label_stays_text() -> None:
    archive = exported(one(label="<script>alert(1)</script>"), image_of=gray)
    assert b"<script>" not in archive.read("voc/a.xml")
    assert rows_of(archive)[0]["label"] == "<script>alert(1)</script>"


def test_photos_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    photos = [*one("x/a.jpg"), *one("a.jpg"), *one("../a.jpg"), *one("A.png"), *one("a.jpg")]
    archive = exported(photos, image_of=gray)
    assert len([name for name in archive.namelist() if name.startswith("voc/")]) == 5
    assert len({name.casefold() for name in archive.namelist()}) == len(archive.namelist())
    archive.extractall(tmp_path)
    assert read_detection(tmp_path / "coco.json").box_count == read_detection(tmp_path / "voc").box_count == 5


def test_crops_whose_names_would_meet_are_kept_apart() -> None:
    garments = tuple(Garment((0, 0, 8, 8), "top", 0.5, ((label, 1.0),)) for label in ("2_x", "x"))
    photos = [
        LabeledPhoto("a.jpg", 8, 8, 0.1, garments=garments[:1]),
        LabeledPhoto("a_1.jpg", 8, 8, 0.1, garments=garments),
    ]
    assert len([name for name in exported(photos, image_of=gray).namelist() if "crops/" in name]) == 3


def test_crops_are_in_their_photos_folders_and_the_shops_table_names_them() -> None:
    long = "/".join(["folder of a season"] * 10) + "/1.jpg"
    names = ["men/1.jpg", "women/1.jpg", "Men/1.png", "../aux/1.jpg", "men/..\\..\\1.jpg", "1.jpg", long]
    photos = [photo for name in names for photo in one(name, label="Coat")]
    crops = [name for name in exported(photos, image_of=gray).namelist() if name.startswith("crops/")]
    assert crops[:4] == [
        "crops/men/1_1_Coat.jpg",
        "crops/women/1_1_Coat.jpg",
        "crops/Men/1_2_1_Coat.jpg",
        "crops/_aux/1_1_Coat.jpg",
    ]
    assert all(".." not in name and len(name.encode()) < 220 for name in crops)
    assert len({name.casefold() for name in crops}) == len(photos)
    table = csv.DictReader(io.StringIO(ShopTable().data(photos, {}).decode("utf-8-sig")))
    assert [row["crop"] for row in table] == crops


def test_an_empty_batch_is_an_empty_export() -> None:
    archive = exported([])
    assert rows_of(archive) == []
    assert archive.read("labels.jsonl") == b""
    assert json.loads(archive.read("coco.json"))["images"] == []


def test_one_picture_is_in_memory_at_a_time_and_only_where_garments_are() -> None:
    alive: list[weakref.ref[Image.Image]] = []
    asked = []

    def image_of(name: str) -> Image.Image:
        assert not [ref for ref in alive if ref() is not None]
        image = picture_of(name)
        alive.append(weakref.ref(image))
        asked.append(name)
        return image

    exported(image_of=image_of)
    assert asked == ["shop/a.jpg", "b.jpg"]
    asked.clear()
    exported(image_of=image_of, with_photos=True)
    assert asked == ["shop/a.jpg", "empty.png", "b.jpg"]


def test_the_output_need_not_be_seekable() -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, chunk: Any) -> int:
            self.data += bytes(chunk)
            return len(chunk)

    pipe = Pipe()
    write_zip(PHOTOS, picture_of, pipe)  # type: ignore[arg-type]
    assert "labels.csv" in ZipFile(io.BytesIO(pipe.data)).namelist()


def test_the_table_says_what_each_model_said_alone() -> None:
    garment = Garment(
        (10, 5, 30, 45), "skirt", 0.9, (("Skirt", 0.8), ("Dress", 0.1)),
        detector=("dress", 0.62), classifier=("Skirt", 0.81),
    )  # fmt: skip
    photo = LabeledPhoto("a.jpg", 64, 48, 0.1, {}, (garment,))
    out = io.BytesIO()
    write_zip([photo], lambda _: Image.new("RGB", (64, 48)), out)
    (row,) = rows_of(ZipFile(out))
    assert [row[key] for key in COLUMNS[-5:]] == ["dress", "0.62", "Skirt", "0.81", "true"]


def test_with_the_photos_names_lead_to_their_pictures() -> None:
    archive = exported(with_photos=True)
    pictures = ["yolo/images/shop/a.jpg", "yolo/images/empty.jpg", "yolo/images/b.jpg"]
    assert [image["file_name"] for image in json.loads(archive.read("coco.json"))["images"]] == pictures
    assert b"<filename>yolo/images/shop/a.jpg<" in archive.read("voc/shop/a.xml")
    lines = [json.loads(line) for line in archive.read("labels.jsonl").splitlines()]
    assert [(line["photo"], line["picture"]) for line in lines] == [
        (photo.photo, picture) for photo, picture in zip(PHOTOS, pictures, strict=True)
    ]
    own = ["shop/a.jpg", "shop/a.jpg", "empty.png", "b.jpg"]
    assert [row["photo"] for row in rows_of(archive)] == own, "these lead there as they are"
    alike = exported([*one("a.png"), *one("a.jpg")], image_of=gray, with_photos=True)
    assert [row["photo"] for row in rows_of(alike)] == ["yolo/images/a_2.jpg", "yolo/images/a.jpg"]
