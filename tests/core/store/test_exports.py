"""Exports: what goes out comes back, photos deleted since are said, and memory stays flat."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
import sqlalchemy as sa
import yaml  # type: ignore[import-untyped]
from PIL import Image

from core.datasets.coco import read_coco
from core.datasets.detection import BoxedPhoto, read_class_names
from core.datasets.reading import read_detection
from core.datasets.splits import choose_validation
from core.datasets.voc import read_voc
from core.errors import NotFoundError, StoreError
from core.store import Store, revisions
from core.store.exports import FORMATS, export_name, export_revision, is_zip
from core.store.schema import annotations as versions
from tests.core.store.rows import add_photos, box

SIZE_WH = (96, 128)


class Pipe(io.RawIOBase):
    """Takes bytes as a browser's download does: one after the other, counted and thrown away."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.size += len(data)
        return len(data)


@pytest.fixture
def one(fresh_store) -> Store:
    """A store on SQLite: files are the same from either database, which the revisions' tests hold."""
    store = fresh_store("sqlite")
    store.settings.put("second_share", 0)
    return store


@pytest.fixture
def filled(one: Store, make_photo) -> Store:
    """Three photos: two boxes, none, and one box of a photo with a taken name; the last one is held out."""
    for seed, name in enumerate(["coat.jpg", "bare.png", "Coat.PNG"]):
        one.photos.add(make_photo(seed, name=name, holdout=seed == 2), by="ann")
    flags = frozenset({"truncated", "occluded"})
    save(
        one, 1, box(10, 20, 90, 80, 2, label="rain coat", flags=flags), box(50, 10, 90, 90, 1, origin="model")
    )
    save(one, 2)
    save(one, 3, box(1, 2, 41, 52, 5))
    one.revisions.create("ann")
    return one


def save(store, photo, *boxes):
    return store.annotations.submit(photo, boxes, author="ann", base_version=0, request=f"save {photo}")


def exported(store, format, folder: Path, **choice) -> tuple[int, int, int]:
    """Write revision 1 and unpack it into the folder."""
    folder.mkdir(exist_ok=True)
    name = export_name(1, format, pictures=choice.get("pictures", False))
    with (folder / name).open("wb") as out:
        counts = export_revision(store, 1, format, out, **choice)
    if name.endswith(".zip"):
        with ZipFile(folder / name) as archive:
            assert archive.testzip() is None
            assert len(set(archive.namelist())) == len(archive.namelist())
            archive.extractall(folder)
        (folder / name).unlink()
    return counts.photos, counts.boxes, counts.deleted


def read_back(format: str, folder: Path) -> tuple[tuple[str, ...], dict[tuple[str, str], BoxedPhoto]]:
    """The categories, and the photos of an export with pictures by split and name."""
    found: dict[tuple[str, str], BoxedPhoto] = {}
    if format == "coco":
        files = sorted((folder / "annotations").glob("instances_*.json"))
        sets = {file.stem.split("_")[1]: file for file in files}
        read = {split: read_coco(file, folder / "images" / split) for split, file in sets.items()}
    elif format == "yolo":
        setting = yaml.safe_load((folder / "data.yaml").read_text())
        places = {setting[key] for key in ("train", "val", "test") if key in setting}
        assert "path" not in setting and all((folder / place).is_dir() for place in places)
        dataset = read_detection(folder)
        for photo in dataset.photos:
            _, split, name = photo.file_name.split("/", 2)
            found[split, name] = photo
        return dataset.categories, found
    else:
        lists = sorted((folder / "ImageSets" / "Main").glob("*.txt"))
        stems = {path.stem: path.read_text().splitlines() for path in lists}
        of_split = [(split, stem) for split, names in stems.items() for stem in names]
        for split, stem in of_split:
            read_one = read_voc(folder / "Annotations" / f"{stem}.xml", folder / "JPEGImages")
            (photo,) = read_one.photos
            assert read_one.path_of(photo).is_file()
            names_by_id = [read_one.categories[id] for id in photo.category_ids]
            order = read_class_names(folder / "Annotations" / "classes.txt")
            found[split, photo.file_name] = replace(photo, category_ids=[order.index(n) for n in names_by_id])
        return read_class_names(folder / "Annotations" / "classes.txt"), found
    for split, dataset in read.items():
        for photo in dataset.photos:
            assert dataset.path_of(photo).is_file()
            found[split, photo.file_name] = photo
    return next(iter(read.values())).categories, found


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_what_goes_out_with_pictures_comes_back(filled, format, tmp_path):
    assert exported(filled, format, tmp_path, pictures=True) == (3, 3, 0)
    categories, found = read_back(format, tmp_path)
    assert categories == tuple(category.name for category in filled.categories.all())
    assert set(found) == {("train", "coat.jpg"), ("train", "bare.jpg"), ("holdout", "Coat_3.jpg")}
    coat = found["train", "coat.jpg"]
    assert (coat.width, coat.height) == SIZE_WH
    corners = [10, 20, 90, 80, 50, 10, 90, 90]
    assert coat.boxes_xyxy.ravel().tolist() == pytest.approx(corners, abs=0.01)
    assert coat.category_ids.tolist() == [1, 0]
    assert len(found["train", "bare.jpg"]) == 0
    assert found["holdout", "Coat_3.jpg"].category_ids.tolist() == [4]
    for picture in tmp_path.rglob("*.jpg"):
        with Image.open(picture) as image:
            assert image.size == SIZE_WH
    if format != "yolo":
        assert coat.labels == ("rain coat", None)
        assert coat.flags == (frozenset({"occluded", "truncated"}), frozenset())


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_folders_negatives_and_splits_come_back_through_every_format(one, make_photo, format, tmp_path):
    sent = {}
    for seed in range(14):
        name = f"{('men', 'women')[seed % 2]}/spring/{seed // 2:03}.jpg"
        row = one.photos.add(make_photo(seed, name=name, holdout=seed > 11), by="ann").row
        boxes = [box(4 * n, 5, 4 * n + 30 + seed, 90, n + 1) for n in range(seed % 3)]
        save(one, row.id, *boxes)
        sent[name] = (row, boxes)
    number = one.revisions.create("ann").number
    val = choose_validation([row.digest for row, _ in sent.values() if not row.holdout], number)
    exported(one, format, tmp_path, pictures=True)
    _, found = read_back(format, tmp_path)
    assert len(found) == len(sent)
    for (split, name), photo in found.items():
        row, boxes = sent[name]
        assert split == val.split_of(row.digest, row.holdout)
        corners = [corner for box in boxes for corner in box.box_xyxy]
        assert photo.boxes_xyxy.ravel().tolist() == pytest.approx(corners, abs=1e-3)
        assert list(photo.category_ids) == [box.category_id - 1 for box in boxes]
    assert {split for split, _ in found} == {"train", "val", "holdout"}


@pytest.mark.parametrize("format", ["coco", "voc"])
def test_without_pictures_photos_have_the_names_they_came_with(filled, format, tmp_path):
    assert exported(filled, format, tmp_path) == (3, 3, 0)
    names = {photo.file_name for photo in read_detection(tmp_path).photos}
    assert names == {"coat.jpg", "bare.png", "Coat.PNG"}
    assert not list(tmp_path.rglob("*.jpg"))


def test_yolo_without_pictures_says_where_they_belong(filled, tmp_path):
    exported(filled, "yolo", tmp_path)
    setting = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert [setting[key] for key in ("train", "val", "test")] == ["train.txt", "train.txt", "holdout.txt"]
    listed = (tmp_path / "train.txt").read_text().splitlines()
    assert listed == ["./images/coat.jpg", "./images/bare.png"]
    assert (tmp_path / "holdout.txt").read_text() == "./images/Coat_3.PNG\n"
    assert {path.name for path in (tmp_path / "labels").iterdir()} == {"coat.txt", "bare.txt", "Coat_3.txt"}
    assert "put them into images/" in (tmp_path / "README.txt").read_text()
    assert "Coat_3.PNG\t'Coat.PNG'" in (tmp_path / "renamed.txt").read_text()


@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_the_holdout_alone_is_in_no_training_split(filled, format, tmp_path):
    assert exported(filled, format, tmp_path, pictures=True, holdout=True) == (1, 1, 0)
    _, found = read_back(format, tmp_path)
    assert set(found) == {("holdout", "Coat.jpg")}


def test_one_json_of_coco_tells_the_splits_apart(filled, tmp_path):
    exported(filled, "coco", tmp_path)
    document = json.loads((tmp_path / "lapel-r1-coco.json").read_text())
    assert [image["split"] for image in document["images"]] == ["train", "train", "holdout"]
    assert {image["license"] for image in document["images"]} == {document["licenses"][0]["id"]}
    assert [entry["segmentation"] for entry in document["annotations"]] == [[], [], []]


def test_coco_says_what_it_was_made_from(filled, tmp_path):
    exported(filled, "coco", tmp_path)
    document = json.loads((tmp_path / "lapel-r1-coco.json").read_text())
    revision = filled.revisions.get(1)
    assert (document["info"]["revision"], document["info"]["digest"]) == (1, revision.digest)
    assert [entry.get("holdout", False) for entry in document["images"]] == [False, False, True]
    assert [entry["id"] for entry in document["annotations"]] == [1, 2, 3]


def test_the_holdout_and_the_rest_go_out_apart(filled, tmp_path):
    assert exported(filled, "coco", tmp_path / "held", holdout=True) == (1, 1, 0)
    assert exported(filled, "coco", tmp_path / "rest", holdout=False) == (2, 2, 0)


def test_csv_has_a_row_a_box_and_one_for_a_photo_without(filled, tmp_path):
    assert exported(filled, "csv", tmp_path) == (3, 3, 0)
    with (tmp_path / export_name(1, "csv")).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["photo"], row["box"], row["label"]) for row in rows] == [
        ("coat.jpg", "1", "rain coat"),
        ("coat.jpg", "2", ""),
        ("bare.png", "", ""),
        ("Coat.PNG", "1", ""),
    ]
    assert [row["split"] for row in rows] == ["train", "train", "train", "holdout"]
    assert [row["flags"] for row in rows] == ["occluded truncated", "", "", ""]
    assert [float(rows[0][key]) for key in ("x0", "y0", "x1", "y1")] == [10, 20, 90, 80]
    assert (rows[1]["origin"], rows[3]["holdout"]) == ("model", "true")


def test_a_name_that_looks_like_a_formula_stays_text(one, tmp_path):
    photo = add_photos(one.database, 1, name='=HYPERLINK("x").jpg')[0]
    save(one, photo, box(1, 1, 9, 9, label="+1"))
    one.revisions.create("ann")
    exported(one, "csv", tmp_path)
    text = (tmp_path / export_name(1, "csv")).read_text()
    assert "'=HYPERLINK" in text
    assert "'+1" in text


@pytest.mark.parametrize("format", FORMATS)
def test_photos_deleted_since_are_left_out_of_the_pictures_and_said(filled, format, tmp_path):
    filled.photos.delete(1, "ann")
    assert exported(filled, format, tmp_path, pictures=True) == (2, 1, 1)
    listed = (tmp_path / "deleted.txt").read_text()
    assert listed.startswith("Photos of this revision whose pictures were deleted")
    assert filled.photos.get(1, deleted_ok=True).digest in listed
    if format != "csv":
        assert set(read_back(format, tmp_path)[1]) == {("train", "bare.jpg"), ("holdout", "Coat_3.jpg")}


@pytest.mark.parametrize("format", FORMATS)
def test_without_pictures_deleted_photos_keep_their_boxes_and_are_marked(filled, format, tmp_path):
    filled.photos.delete(1, "ann")
    assert exported(filled, format, tmp_path) == (3, 3, 1)
    if format == "coco":
        images = json.loads((tmp_path / export_name(1, "coco")).read_text())["images"]
        assert [image.get("deleted", False) for image in images] == [True, False, False]
    elif format == "csv":
        with (tmp_path / export_name(1, "csv")).open(newline="") as file:
            assert [row["deleted"] for row in csv.DictReader(file)] == ["true", "true", "false", "false"]
    else:
        assert "coat.jpg" in (tmp_path / "deleted.txt").read_text()


def test_old_revisions_go_out_with_the_names_of_their_time(filled, tmp_path):
    name = filled.categories.all()[1].name
    filled.categories.rename(2, "cagoule", "ann")
    exported(filled, "voc", tmp_path)
    assert f"<name>{name}</name>" in (tmp_path / "Annotations" / "coat.xml").read_text()


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_revision_is_a_whole_file(one, format, tmp_path):
    one.revisions.create("ann")
    assert exported(one, format, tmp_path, pictures=True) == (0, 0, 0)


def test_unknown_revisions_and_formats_are_refused(one):
    with pytest.raises(NotFoundError):
        export_revision(one, 1, "coco", io.BytesIO())
    with pytest.raises(StoreError, match="coco, voc, yolo, csv"):
        export_revision(one, 1, "excel", io.BytesIO())


def test_names_say_what_is_in_the_file():
    assert export_name(3, "coco") == "lapel-r3-coco.json"
    assert export_name(3, "csv") == "lapel-r3-csv.csv"
    assert export_name(3, "coco", pictures=True, holdout=False) == "lapel-r3-training-coco.zip"
    assert is_zip("voc", pictures=False)


@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_it_is_told_how_far_the_export_is(filled, format, pictures):
    told: list[tuple[int, int]] = []
    watched = {"progress": lambda *so_far: told.append(so_far)}
    export_revision(filled, 1, format, io.BytesIO(), pictures=pictures, **watched)
    assert len(told) >= 3 and told == [(done, len(told)) for done in range(1, len(told) + 1)]


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_photos(one, format, monkeypatch):
    monkeypatch.setattr(revisions, "BATCH", 50)
    peaks = []
    annotate(one, add_photos(one.database, 1, first=9000))
    export_revision(one, one.revisions.create("ann").number, format, Pipe())  # loads what stays loaded
    for first, count in ((1, 110), (2000, 490)):
        annotate(one, add_photos(one.database, count, first=first))
        number = one.revisions.create("ann").number
        tracemalloc.start()
        export_revision(one, number, format, Pipe())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_200_000  # 490 more photos of four boxes would take 4 MB


def annotate(store, photos):
    """Four boxes on each photo, straight into the table."""
    boxes = [box(1, 2, 30, 40, uid=str(number)).as_dict() for number in range(4)]
    same = {"version": 1, "base_version": 0, "kind": "submitted", "author": "ann", "at": 0.0, "note": ""}
    with store.database.write() as connection:
        rows = [same | {"photo_id": photo, "request": str(photo), "boxes": boxes} for photo in photos]
        connection.execute(sa.insert(versions), rows)


def test_no_attribute_has_a_name_that_other_tools_reserve_and_voc_lists_its_labels(filled, tmp_path):
    exported(filled, "coco", tmp_path)
    exported(filled, "voc", tmp_path)
    (document,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    given = [entry["attributes"] for entry in document["annotations"] if "attributes" in entry]
    assert {"fine_label": "rain coat"}.items() <= given[0].items()
    assert not any("label" in attributes for attributes in given), "FiftyOne calls a box's category so"
    texts = [path.read_text() for path in tmp_path.rglob("*.xml")]
    assert any("<name>fine_label</name>" in text for text in texts)
    listed = [line.split(":") for line in (tmp_path / "labelmap.txt").read_text().splitlines()[1:]]
    assert all(len(fields) == 4 for fields in listed)
    assert [fields[0] for fields in listed[1:]] == [category.name for category in filled.categories.all()]
