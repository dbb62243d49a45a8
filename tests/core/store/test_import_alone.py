# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Annotation files that come without their photos annotate stored ones, each the right one or none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.store import Store
from core.store.importing import all_came
from tests.core.store.import_cases import (
    CVAT,
    LABELME,
    LINE,
    ONE,
    VIA,
    Came,
    box,
    coco,
    image,
    laid,
    thing,
    voc,
)
from tests.core.store.test_import_cases import as_came
from tests.core.store.test_importing import brought_in, reasons
from tests.databases import on_sqlite


@dataclass(frozen=True)
class Alone:
    """Stored photos, the files that come (``source`` of them, else all), and what comes of it."""

    stored: tuple[str, ...]
    files: Mapping[str, str | int | bytes]
    came: Came
    told: tuple[str, ...] = ()
    whole: bool = True
    source: str = ""


def labelme(name: str) -> str:
    return json.dumps(LABELME | {"imagePath": name})


CSV_ROW = "filename,width,height,class,xmin,ymin,xmax,ymax\n{},96,128,shirt,24,32,72,96\n"
FRACTIONS = thing(corners=(0.25, 0.25, 0.75, 0.75))

ALONE: dict[str, Alone] = {
    # files of one photo: by their own name first
    "voc: a stale name": Alone(("p1.jpg", "p2.jpg"), {"p1.xml": voc("IMG_9.jpg")}, {"p1.jpg": ONE, "p2.jpg": None}, source="p1.xml"),
    "voc: another photo's name": Alone(("p1.jpg", "p2.jpg"), {"p1.xml": voc("p2.jpg")}, {"p1.jpg": ONE, "p2.jpg": None}, source="p1.xml"),
    "voc: a name without ending, and a stale one": Alone(("men/p1.jpg", "b.jpg"), {"p1.xml": voc("old")}, {"men/p1.jpg": ONE, "b.jpg": None}, source="p1.xml"),
    "voc: a name that no file can have": Alone(("p1.jpg",), {"p1.xml": voc("x" * 5000)}, {"p1.jpg": ONE}, source="p1.xml"),
    "voc: by its name, where none is called like the file": Alone(("p1.jpg",), {"task-7.xml": voc("p1.jpg")}, {"p1.jpg": ONE}, source="task-7.xml"),
    "voc: another photo, which has a file of its own": Alone(
        ("p4.jpg",), {"p3.xml": voc("p4.jpg"), "p4.xml": voc("p4.jpg", "")}, {"p4.jpg": None}, ("file of its own",), False, "p3.xml"),
    "voc: a folder of files that all say the same": Alone(
        ("p1.jpg", "p2.jpg"), {"p1.xml": voc("frame.jpg"), "p2.xml": voc("frame.jpg", "")}, {"p1.jpg": ONE, "p2.jpg": []}),
    "voc: a folder, where one is damaged": Alone(
        ("p1.jpg", "p2.jpg"), {"p1.xml": "<annotation", "p3.xml": voc("p1.jpg"), "p2.xml": voc("p2")}, {"p1.jpg": None, "p2.jpg": ONE},
        ("p1.xml", "file of its own"), False),
    "voc: two photos of the stem": Alone(("p1.jpg", "p1.png"), {"p1.xml": voc("old.jpg")}, {"p1.jpg": None, "p1.png": None}, ("several photos",), False, "p1.xml"),
    "voc: fractions without a size": Alone(
        ("p1.jpg",), {"p1.xml": f"<annotation>{FRACTIONS}</annotation>"}, {"p1.jpg": ONE}, ("fractions",), source="p1.xml"),
    "labelme: another photo's name": Alone(("p1.jpg", "p2.jpg"), {"p1.json": labelme("p2.jpg")}, {"p1.jpg": ONE, "p2.jpg": None}, source="p1.json"),
    "labelme: a folder with another photo's name": Alone(
        ("p2.jpg",), {"p1.json": labelme("p2.jpg"), "p2.json": labelme("p2.jpg")}, {"p2.jpg": ONE}, ("file of its own",), False),
    # another ending
    "coco: another ending": Alone(("a.png",), {"x.json": coco([image(1, "a.jpg")], [box()])}, {"a.png": ONE}, source="x.json"),
    "coco: two other endings": Alone(
        ("a.png", "a.webp"), {"x.json": coco([image(1, "a.jpg")], [box()])}, {"a.png": None, "a.webp": None}, ("several photos",), False, "x.json"),
    "coco: two listed names of one stem": Alone(
        ("a.png",), {"x.json": coco([image(1, "a.jpg"), image(2, "a.webp")], [box()])}, {"a.png": None}, ("could be any of",), False, "x.json"),
    "coco: a listed name that is there, and one of its stem": Alone(
        ("a.png",), {"x.json": coco([image(1, "a.jpg"), image(2, "a.png")], [box()])}, {"a.png": []}, ("no such file",), False, "x.json"),
    "coco: another machine's folders": Alone(
        ("men/a.jpg", "women/a.jpg"), {"x.json": coco([image(1, "/srv/men/a.jpg"), image(2, "/srv/women/a.jpg")], [box()])},
        {"men/a.jpg": ONE, "women/a.jpg": []}, source="x.json"),
    "coco: fractions without a size": Alone(
        ("a.jpg",), {"x.json": coco([{"id": 1, "file_name": "a.jpg"}], [box(bbox=[0.25, 0.25, 0.5, 0.5])])}, {"a.jpg": ONE}, ("fractions",), source="x.json"),
    "coco: photos that come and photos that are stored": Alone(
        ("a.jpg",), {"b.jpg": 7, "x.json": coco([image(1, "a.jpg"), image(2, "b.jpg")], [box(), box(2, 2)])}, {"a.jpg": ONE, "b.jpg": ONE}, ("the store's",)),
    "coco: Label Studio's": Alone(
        ("8a-x.png",), {"result.json": coco([image(1, "/data/upload/3/8a-x.jpg")], [box()])}, {"8a-x.png": ONE}, source="result.json"),
    "cvat: another ending": Alone(
        ("men/a.png", "women/a.png"), {"x.xml": CVAT.replace('<points label="shirt"\npoints="1,2"/>', "")},
        {"men/a.png": [*ONE, ("belt", (36.0, 34.0, 44.0, 94.0)), *ONE], "women/a.png": []}, ("turned",), source="x.xml"),
    "via: another ending": Alone(
        ("b.webp",), {"x.json": json.dumps({"b.jpg1": VIA["b.jpg1"]})}, {"b.webp": []}, source="x.json"),
    "csv: another ending": Alone(("a.png",), {"x.csv": CSV_ROW.format("a.jpg")}, {"a.png": ONE}, source="x.csv"),
    # a photo that lies elsewhere in the file's folder, with a path that merely ends as the listed name
    "coco: exactly a stored name, and another photo's end": Alone(
        ("a/001.jpg", "z.jpg"), {"x.json": coco([image(1, "a/001.jpg")], [box()]), "holiday/2019/a/001.jpg": 7}, {"a/001.jpg": ONE, "z.jpg": None},
        ("of exactly the listed names, a/001.jpg; not holiday/2019/a/001.jpg",), source="x.json"),
    "coco: exactly a stored name, and others' ends": Alone(
        ("1.jpg",), {"x.json": coco([image(1, "images/1.jpg"), image(2, "2.jpg")], [box()]), "b/1.jpg": 7, "c/1.jpg": 8, "b/2.jpg": 9},
        {"1.jpg": ONE, "b/2.jpg": []}, ("the store's",), source="x.json"),
    "voc: a stored photo of the file's name, and another photo's end": Alone(
        ("p1.jpg",), {"p1.xml": voc("p1.jpg"), "holiday/p1.jpg": 7}, {"p1.jpg": ONE}, ("not holiday/p1.jpg",), source="p1.xml"),
    "csv: exactly a stored name, and another photo's end": Alone(
        ("a.jpg",), {"x.csv": CSV_ROW.format("a.jpg"), "b/a.jpg": 7}, {"a.jpg": ONE}, ("not b/a.jpg",), source="x.csv"),
    "yolo: a stored photo of the text's name, and another photo's end": Alone(
        ("a.jpg",), {"labels/a.txt": LINE, "data.yaml": "names: [shirt]\n", "b/a.jpg": 7}, {"a.jpg": ONE}, ("not b/a.jpg",), source="data.yaml"),
    # stored photos came without their outer folder, as the only one of their import
    "coco: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("a/001.jpg",), {"x.json": coco([image(1, "a/001.jpg")], [box()]), "holiday/2019/a/001.jpg": 7}, {"001.jpg": None},
        ("it may be holiday/2019/a/001.jpg or, of the stored photos, 001.jpg",), False, "x.json"),
    "coco: another ending and case, another machine's folders": Alone(
        ("a/001.PNG",), {"x.json": coco([image(1, "/srv/a/001.jpg")], [box()]), "holiday/a/001.jpg": 7}, {"001.PNG": None},
        ("of the stored photos, 001.PNG",), False, "x.json"),
    "coco: another's end is the stored photo itself": Alone(
        ("a/001.jpg",), {"x.json": coco([image(1, "a/001.jpg")], [box()]), "holiday/a/001.jpg": 1}, {"001.jpg": ONE}, source="x.json"),
    "coco: no photo lies elsewhere": Alone(
        ("a/001.jpg",), {"x.json": coco([image(1, "a/001.jpg")], [box()])}, {"001.jpg": ONE}, source="x.json"),
    "coco: the photo lies where the name says": Alone(
        ("b/001.jpg",), {"x.json": coco([image(1, "a/001.jpg")], [box()]), "images/a/001.jpg": 7}, {"001.jpg": None, "a/001.jpg": ONE}, source="x.json"),
    "cvat: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("men/a.jpg",), {"x.xml": CVAT.replace('<points label="shirt"\npoints="1,2"/>', "").split('<image id="1"')[0] + "</annotations>", "b/men/a.jpg": 7},
        {"a.jpg": None}, ("of the stored photos, a.jpg",), False, "x.xml"),
    "csv: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("a/1.jpg",), {"x.csv": CSV_ROW.format("a/1.jpg"), "b/a/1.jpg": 7}, {"1.jpg": None}, ("of the stored photos, 1.jpg",), False, "x.csv"),
    "via: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("a/b.jpg",), {"x.json": json.dumps({"b.jpg1": VIA["b.jpg1"] | {"filename": "a/b.jpg"}}), "c/a/b.jpg": 7}, {"b.jpg": None},  # type: ignore[operator]
        ("of the stored photos, b.jpg",), False, "x.json"),
    "voc: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("a/1.jpg",), {"old.xml": voc("a/1.jpg"), "b/a/1.jpg": 7}, {"1.jpg": None}, ("of the stored photos, 1.jpg",), False, "old.xml"),
    "labelme: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("a/1.jpg",), {"old.json": labelme("a/1.jpg"), "b/a/1.jpg": 7}, {"1.jpg": None}, ("of the stored photos, 1.jpg",), False, "old.json"),
    "yolo: a stored photo of a folder that was unwrapped, and another's end": Alone(
        ("a/1.jpg",), {"labels/a/1.txt": LINE, "data.yaml": "names: [shirt]\n", "b/a/1.jpg": 7}, {"1.jpg": None},
        ("labels/a/1.txt: it may be b/a/1.jpg or, of the stored photos, 1.jpg",), False, "data.yaml"),
    "coco: a stored name that ends alike, and one of a folder that was unwrapped": Alone(
        ("1.jpg", "b/a/1.jpg"), {"x.json": coco([image(1, "a/1.jpg")], [box()])}, {"1.jpg": None, "b/a/1.jpg": None},
        ("several photos may be meant: b/a/1.jpg, 1.jpg",), False, "x.json"),
    "coco: a stored name, and one of a folder that was unwrapped": Alone(
        ("1.jpg", "a/1.jpg"), {"x.json": coco([image(1, "a/1.jpg")], [box()])}, {"1.jpg": None, "a/1.jpg": ONE}, source="x.json"),
    # YOLO's texts say no size, which the store knows
    "yolo: a folder of labels": Alone(
        ("men/a.jpg", "women/a.png", "c.jpg"), {"labels/men/a.txt": LINE, "labels/women/a.txt": "", "data.yaml": "names: [shirt]\n"},
        {"men/a.jpg": ONE, "women/a.png": [], "c.jpg": None}),
    "yolo: a setting alone": Alone(
        ("a.jpg",), {"labels/a.txt": "0 .5 .5 .5 .5\n1 .5 .5 .25 .25\n", "data.yaml": "names: [shirt, hat]\n"},
        {"a.jpg": [*ONE, ("hat", (36, 48, 60, 80))]}, source="data.yaml"),
    "yolo: labels of photos that are not stored": Alone(
        ("a.jpg",), {"a.txt": LINE, "b.txt": LINE, "classes.txt": "shirt\n"}, {"a.jpg": ONE}, ("labels need a photo",), False),
    "yolo: a set that brings photos annotates no others": Alone(
        ("b.jpg",), {"a.jpg": 7, "a.txt": LINE, "b.txt": LINE, "classes.txt": "shirt\n"}, {"a.jpg": ONE, "b.jpg": None}, ("labels need a photo",), False),
}  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("name", ALONE)
def test_files_without_their_photos_annotate_the_right_ones(store: Store, tmp_path: Path, name: str) -> None:
    case = ALONE[name]
    laid({photo: number for number, photo in enumerate(case.stored, 1)})(tmp_path / "photos")
    brought_in(store, tmp_path / "photos")
    laid(case.files)(tmp_path / "alone")
    row = brought_in(store, tmp_path / "alone" / case.source)
    told = " ".join(f"{name}: {reason}" for name, reason in reasons(store, row).items())
    assert {
        name: boxes and [(c, pytest.approx(b, abs=0.01)) for c, b in boxes]
        for name, boxes in as_came(store).items()
    } == {name: None if boxes is None else list(boxes) for name, boxes in case.came.items()}, told
    for words in case.told:
        assert words in told
    assert all_came(row.counts) == case.whole, told
    if not case.told:
        assert told == ""
