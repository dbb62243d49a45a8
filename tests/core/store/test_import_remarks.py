"""What of a dataset an import does not keep is said in its report."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.voc import label_map, voc_document
from core.images.decode import open_photo
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.exports import FORMATS, export_revision
from core.store.importing import all_came, finish_import, import_batch, prepare_import
from core.store.imports import UploadFolder
from tests.core.store.import_cases import box, coco, image, laid, voc
from tests.core.store.test_importing import (
    SIZE_WH,
    brought_in,
    picture,
    pictures,
    reasons,
    zipped,
    zipped_folder,
)
from tests.databases import on_sqlite


def marked(count: int) -> DetectionDataset:
    """Photos 000.jpg and so on with a dress, a difficult one, and a region with a crowd of them."""
    boxes = np.array([[10, 20, 60, 100], [5, 5, 20, 30]])
    regions = {"crowd_xyxy": np.array([[0, 0, 90, 60]]), "crowd_ids": np.array([0])}
    flags = (frozenset(), frozenset({"difficult"}))
    photos = [
        BoxedPhoto(f"{number:03d}.jpg", *SIZE_WH, boxes, np.zeros(2), flags=flags, **regions)
        for number in range(count)
    ]
    return DetectionDataset(("dress",), tuple(photos))


def test_crowd_regions_do_not_become_boxes_and_the_report_names_them(store: Store, tmp_path: Path) -> None:
    pictures(tmp_path / "set" / "images", 7)
    write_coco(marked(7), tmp_path / "set" / "train.json")
    row = brought_in(store, tmp_path / "set")
    kept = [store.annotations.latest(id) for id in range(1, store.photos.count() + 1)]
    assert {tuple(box.flags for box in version.boxes) for version in kept if version} == {
        (frozenset(), frozenset({"difficult"}))
    }
    names = "000.jpg, 001.jpg, 002.jpg, 003.jpg, 004.jpg and 2 more"
    assert reasons(store, row) == {
        "train.json": f"7 crowd regions (iscrowd) were left out, as each covers several garments: in {names}."
    }
    assert (row.counts["annotated"], row.counts["refused"]) == (7, 0)


def test_an_annotation_file_alone_annotates_stored_photos_by_name(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number, name in enumerate(("men/1.jpg", "women/1.jpg", "2.jpg", "3.jpg")):
        picture(folder / name, number)
    brought_in(store, folder)
    boxes, photos = np.array([[10, 20, 60, 100]]), []
    for name in ("women/1.jpg", "kids/2.jpg", "photos/3.jpg", "4.jpg", "1.jpg"):
        photos.append(BoxedPhoto(name, *SIZE_WH, boxes, np.zeros(1)))
    photos.append(BoxedPhoto("men/1.jpg", *SIZE_WH, np.empty((0, 4)), np.empty(0)))
    (tmp_path / "alone").mkdir()
    write_coco(DetectionDataset(("dress",), tuple(photos)), tmp_path / "alone" / "labels.json")
    row = brought_in(store, tmp_path / "alone" / "labels.json")
    counts = {row.name: store.annotations.latest(row.id) for row in store.photos.page(0, 9)}
    found = {name: None if latest is None else len(latest.boxes) for name, latest in counts.items()}
    assert found == {"men/1.jpg": 0, "women/1.jpg": 1, "2.jpg": 1, "3.jpg": 1}
    assert set(reasons(store, row)) == {"4.jpg", "1.jpg"}, "one is not there, the other fits two"
    assert (row.counts["annotated"], row.counts["negatives"], row.counts["refused"]) == (4, 1, 2)


def test_flags_and_fine_labels_come_with_the_boxes(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg", 1)
    flags = frozenset({"difficult", "truncated", "occluded"})
    photo = BoxedPhoto("a.jpg", *SIZE_WH, np.array([[10, 20, 60, 100]]), np.zeros(1), ("tee",), (flags,))
    (tmp_path / "set" / "a.xml").write_bytes(voc_document(photo, ("shirt",)))
    brought_in(store, tmp_path / "set")
    latest = store.annotations.latest(1)
    assert latest is not None
    assert [(box.label, box.flags) for box in latest.boxes] == [("tee", flags)]


def test_categories_that_the_store_cannot_have_cost_their_boxes(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg", 1)
    boxes = np.array([[10, 20, 60, 100], [1, 2, 30, 40]])
    photo = BoxedPhoto("a.jpg", *SIZE_WH, boxes, np.array([0, 1]))
    write_coco(DetectionDataset(("shirt", "x" * 100), (photo,)), tmp_path / "set" / "a.json")
    row = brought_in(store, tmp_path / "set")
    latest = store.annotations.latest(1)
    assert latest is not None and len(latest.boxes) == 1
    assert (row.counts["boxes"], row.counts["dropped"]) == (1, 1)
    assert "60 characters" in reasons(store, row)["a.jpg"]


def listing(names: tuple[str, ...], photos: dict[str, list[int]]) -> DetectionDataset:
    """Photos with a box of each of these categories."""
    boxed = []
    for name, ids in photos.items():
        boxes = np.array([[10 * place, 5, 10 * place + 8, 50] for place in range(len(ids))]).reshape(-1, 4)
        boxed.append(BoxedPhoto(name, *SIZE_WH, boxes, np.array(ids, dtype=int)))
    return DetectionDataset(names, tuple(boxed))


def test_all_categories_of_a_photo_that_cannot_be_stored_are_told(store: Store, tmp_path: Path) -> None:
    long = ("x" * 100, "y" * 100)
    for number, name in enumerate(("some.jpg", "none.jpg")):
        picture(tmp_path / "set" / name, number)
    photos = {"some.jpg": [0, 1, 2], "none.jpg": [1, 2]}
    write_coco(listing(("shirt", *long), photos), tmp_path / "set" / "a.json")
    row = brought_in(store, tmp_path / "set")
    assert (row.counts["boxes"], row.counts["annotated"], row.counts["dropped"]) == (1, 1, 4)
    told = reasons(store, row)
    for name in photos:
        assert "xxx" in told[name] and "yyy" in told[name]
    assert told["some.jpg"].count("left out") == told["none.jpg"].count("left out") == 1


@pytest.mark.parametrize("most", [1, 9])
@pytest.mark.parametrize("cut", [1, 2, 9])
def test_a_photo_that_comes_twice_has_the_first_boxes_and_that_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int, most: int
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        picture(tmp_path / "set" / name, 1)
    photos = {"a.jpg": [0], "b.jpg": [0, 1], "c.jpg": [0], "d.jpg": []}
    write_coco(listing(("shirt", "dress"), photos), tmp_path / "set" / "a.json")
    id = store.imports.begin("set", "ada", str(tmp_path / "set"))
    checkpoint = prepare_import(store, id, trusted=True)
    submit, calls = type(store.annotations).submit, []

    def submit_or_die(*arguments: object, **named: object) -> object:
        saved = submit(*arguments, **named)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == cut:
            raise KeyboardInterrupt
        return saved

    monkeypatch.setattr(type(store.annotations), "submit", submit_or_die)
    while not checkpoint.ended:
        with suppress(KeyboardInterrupt):
            checkpoint = import_batch(store, id, checkpoint, most=most)
    row = finish_import(store, id, checkpoint)
    told = "The photo came twice in this import; the boxes of {} were left out."
    assert reasons(store, row) == {name: told.format(name) for name in ("b.jpg", "d.jpg")}
    assert (row.counts["new"], row.counts["annotated"], row.counts["dropped"]) == (1, 2, 2)
    assert len(store.annotations.history(1)) == 1
    assert len(store.annotations.history(1)[0].boxes) == 1
    assert not all_came(row.counts)


def test_files_of_one_name_in_two_zips_keep_their_reasons(store: Store, tmp_path: Path) -> None:
    upload = UploadFolder.of(store.folder).folder / "0123"
    for number in (1, 2):
        folder = tmp_path / str(number)
        picture(folder / f"{number}.jpg", number)
        document = {"images": [{"id": 1, "file_name": f"{number}.jpg", "width": 96, "height": 128}]}
        boxes = [{"id": 1, "image_id": 1, "category_id": 9 * number, "bbox": [1, 2, 30, 40]}]
        text = json.dumps(document | {"annotations": boxes, "categories": [{"id": 1, "name": "shirt"}]})
        (folder / "ann.json").write_text(text)
        zipped_folder(upload / f"{number}.zip", folder)
    told = reasons(store, brought_in(store, upload, trusted=False))
    assert "category_id 9." in told["ann.json"] and "category_id 18." in told["ann.json"]


def test_categories_that_differ_in_case_are_told_once(store: Store, tmp_path: Path) -> None:
    store.categories.ensure(["slacks", "gown"], "eve")
    for number, names in enumerate((("Slacks", "Zebra"), ("GOWN", "ZEBRA", "Slacks"))):
        picture(tmp_path / "set" / f"{number}.jpg", number)
        found = listing(names, {f"{number}.jpg": list(range(len(names)))})
        write_coco(found, tmp_path / "set" / f"{number}.json")
    id = store.imports.begin("set", "ada", str(tmp_path / "set"))
    checkpoint = prepare_import(store, id, trusted=True)
    while not checkpoint.ended:
        checkpoint = import_batch(store, id, checkpoint, most=1)
    row = finish_import(store, id, checkpoint)
    assert reasons(store, row) == {
        "Categories": "'Slacks' is the store's 'slacks', 'GOWN' is the store's 'gown', 'ZEBRA' is 'Zebra': "
        "case makes no difference."
    }
    assert (row.counts["remarks"], row.counts["boxes"], row.counts["categories"]) == (1, 5, 3)
    assert all_came(row.counts)
    names = [category.name for category in store.categories.all()]
    assert {"slacks", "gown", "Zebra"} <= set(names) and "ZEBRA" not in names


def test_a_box_too_thin_to_be_kept_is_no_copy(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg", 1)
    boxes = np.array([[10, 20, 60, 100], [30.001, 5, 30.004, 50]])
    photo = BoxedPhoto("a.jpg", *SIZE_WH, boxes, np.zeros(2), ("x" * 200, None))
    write_coco(DetectionDataset(("shirt",), (photo,)), tmp_path / "set" / "a.json")
    row = brought_in(store, tmp_path / "set")
    assert (row.counts["annotated"], reasons(store, row)) == (1, {})


def test_files_without_sizes_annotate_stored_photos_as_well(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.jpg", 1)
    brought_in(store, tmp_path / "photos")
    shape = {"name": "rect", "x": 10, "y": 20, "width": 50, "height": 80}
    region = {"shape_attributes": shape, "region_attributes": {"label": "dress"}}
    (tmp_path / "alone").mkdir()
    via = {"a.jpg1": {"filename": "a.jpg", "regions": [region]}}
    (tmp_path / "alone" / "via.json").write_text(json.dumps(via))
    row = brought_in(store, tmp_path / "alone" / "via.json")
    latest = store.annotations.latest(1)
    assert latest is not None and reasons(store, row) == {}
    assert [box.box_xyxy for box in latest.boxes] == [(10, 20, 60, 100)]


def test_names_in_bytes_that_are_no_utf_8_are_read_as_those_of_old_systems(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    picture(folder / "b.jpg", 1)
    photo = BoxedPhoto("café.jpg", *SIZE_WH, np.array([[10, 20, 60, 100]]), np.zeros(1))
    write_coco(DetectionDataset(("dress",), (photo,)), folder / "a.json")
    (folder / "b.jpg").rename(folder / os.fsdecode("café.jpg".encode("latin-1")))
    row = brought_in(store, folder)
    assert (reasons(store, row), store.photos.get(1).name) == ({}, "café.jpg")
    assert row.counts["boxes"] == 1


@on_sqlite
def test_thousands_of_new_categories_beyond_the_most_are_left_out_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = len(store.categories.all()) + 2
    for module in ("categories", "import_step"):
        monkeypatch.setattr(f"core.store.{module}.MOST_CATEGORIES", most)
    asked: list[int] = []
    ensure = type(store.categories).ensure
    monkeypatch.setattr(type(store.categories), "ensure", lambda *given: asked.append(1) or ensure(*given))
    names = [f"c{number}" for number in range(400)]
    boxes = [box(number, category_id=number + 1) for number in range(400)]
    laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], boxes, names)})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert (row.counts["boxes"], row.counts["dropped"], len(asked)) == (2, 398, 2)
    assert "expected at most" in reasons(store, row)["a.jpg"]


@pytest.mark.parametrize(
    "lines", [label_map(["short sleeve top"]), "# label:color:parts:actions\nshirt:1,2,3::\n"]
)
def test_a_labelmap_beside_vocs_files_is_no_labels(store: Store, tmp_path: Path, lines: str) -> None:
    picture(tmp_path / "set" / "JPEGImages" / "1.jpg", 1)
    files = {"Annotations/1.xml": voc("1.jpg"), "Annotations/classes.txt": "short sleeve top\nshirt\n"}
    laid(files | {"labelmap.txt": lines})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert (reasons(store, row), row.counts["annotated"], all_came(row.counts)) == ({}, 1, True)


@pytest.mark.parametrize("length", [200, 201])
def test_a_fine_label_that_is_cut_is_said(store: Store, tmp_path: Path, length: int) -> None:
    picture(tmp_path / "set" / "1.jpg", 1)
    document = coco([image(1, "1.jpg")], [box(attributes={"fine_label": "x" * length}), box(id=2)])
    laid({"x.json": document})(tmp_path / "set")
    for _ in range(2):  # also where it is there already
        row = brought_in(store, tmp_path / "set")
        told = "Fine labels of at most 200 characters are kept, one was cut: got 201."
        assert reasons(store, row) == ({"1.jpg": told} if length > 200 else {})
        assert (row.counts["remarks"], all_came(row.counts)) == (int(length > 200), True)
    saved = store.annotations.latest(1)
    assert saved is not None and {box.label for box in saved.boxes} == {"x" * 200, None}


@pytest.mark.parametrize("pictures", [True, False], ids=["pictures", "alone"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_exports_own_names_are_told_apart_by_any_of_their_folders(
    store: Store, tmp_path: Path, format: str, pictures: bool
) -> None:
    category = store.categories.all()[0].id
    for number, name in enumerate(("photos/3.jpg", "images/3.jpg", "x/data/3.jpg")):
        photo = open_photo(picture(tmp_path / f"{number}.jpg", number))
        added = store.photos.add(replace(photo, name=name), by="eve").row
        assert added is not None
        made = [AnnotatedBox((5, 5, 20 + number, 30), category)]
        store.annotations.submit(added.id, made, author="eve", base_version=0, request=name)
    ends = {"coco": "json", "csv": "csv"}.get(format, "zip")
    file = tmp_path / f"out.{'zip' if pictures else ends}"
    with file.open("wb") as out:
        export_revision(store, store.revisions.create("eve").number, format, out, pictures=pictures)
    other = Store.open(folder=tmp_path / "other")
    if not pictures:
        for own in store.photos.page(0, 9):
            other.photos.add(store.photos.open(own.id), by="ada")
    row = brought_in(other, file)
    assert all_came(row.counts), reasons(other, row)
    ends_at = {}
    for came in other.photos.page(0, 9):
        version = other.annotations.latest(came.id)
        assert version is not None
        ends_at["/".join(came.name.split("/")[-2:])] = round(version.boxes[0].box_xyxy[2])
    assert ends_at == {"photos/3.jpg": 20, "images/3.jpg": 21, "data/3.jpg": 22}


LISTED_CSV = "photo,holdout,x0,y0,x1,y1,category\na.jpg,{},10,20,30,40,shirt\nb.jpg,false,10,20,30,40,shirt\n"
MARKED: dict[str, dict[str, str | int | bytes]] = {
    "a folder": {"images/holdout/a.jpg": 1, "images/train/b.jpg": 2},
    "a list": {"JPEGImages/a.jpg": 1, "JPEGImages/b.jpg": 2, "ImageSets/Main/holdout.txt": "a\n"},
    "YOLO's list": {"images/a.jpg": 1, "images/b.jpg": 2, "holdout.txt": "./images/a.jpg\n"},
    "a column": {"a.jpg": 1, "b.jpg": 2, "x.csv": LISTED_CSV.format("true")},
    "an entry": {"a.jpg": 1, "b.jpg": 2, "x.json": coco([image(1, "a.jpg") | {"split": "holdout"}], [box()])},
}


@on_sqlite
@pytest.mark.parametrize("way", MARKED)
def test_photos_that_were_a_holdout_elsewhere_are_named(store: Store, tmp_path: Path, way: str) -> None:
    laid(MARKED[way])(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    told = reasons(store, row)["Holdout"]
    assert "a.jpg" in told and "b.jpg" not in told and "ordinary photos" in told
    assert all_came(row.counts)


@on_sqlite
def test_a_dataset_without_a_holdout_has_no_remark_on_one(store: Store, tmp_path: Path) -> None:
    laid({"train/a.jpg": 1, "b.jpg": 2, "x.csv": LISTED_CSV.format("false")})(tmp_path / "set")
    assert reasons(store, brought_in(store, tmp_path / "set")) == {}


@on_sqlite
def test_photos_without_boxes_are_told_by_why_they_have_none(store: Store, tmp_path: Path) -> None:
    photos = {"crowd.jpg": 1, "bad.jpg": 2, "unlisted.jpg": 3, "fine.jpg": 4}
    rows = [box(1, 1, iscrowd=1), box(2, 2, category_id=9), box(3, 3)]
    listed = [image(1, "crowd.jpg"), image(2, "bad.jpg"), image(3, "fine.jpg")]
    laid(photos | {"damaged.jpg": b"\xff\xd8\xff\xe0", "x.json": coco(listed, rows)})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    told = reasons(store, row)
    assert told["Photos without annotations"] == (
        "no boxes came for 2 photos that no annotation lists: damaged.jpg, unlisted.jpg; "
        "no boxes came for 2 photos of whose rows none could be kept: bad.jpg, crowd.jpg."
    )
    assert "damaged.jpg" in told and (row.counts["refused"], row.counts["dropped"]) == (1, 1)


@on_sqlite
@pytest.mark.parametrize("most", [1, 9])
def test_boxes_of_a_photo_that_comes_twice_are_counted_once(store: Store, tmp_path: Path, most: int) -> None:
    rows = [box(), box(2, 2)]
    laid({"a.jpg": 1, "b.jpg": 1, "x.json": coco([image(1, "a.jpg"), image(2, "b.jpg")], rows)})(
        tmp_path / "set"
    )
    id = store.imports.begin("set", "ada", str(tmp_path / "set"))
    checkpoint = prepare_import(store, id, trusted=True)
    while not checkpoint.ended:
        checkpoint = import_batch(store, id, checkpoint, most=most)
    row = finish_import(store, id, checkpoint)
    assert (row.counts["boxes"], row.counts["already_there"], reasons(store, row)) == (1, 1, {})


@on_sqlite
@pytest.mark.parametrize("how", ["folder", "zip", "wrapped zip"])
def test_hidden_files_are_counted_in_one_line(store: Store, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "set"
    files: dict[str, str | int | bytes] = {"a/b.jpg": 1, "c.jpg": 2, ".DS_Store": b"x", "a/Thumbs.db": b"x"}
    laid(files | {".git/config": "x", ".git/hooks/x.sample": "x", "__MACOSX/a/._b.jpg": b"x"})(folder)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    prefix = "set/" if how == "wrapped zip" else ""
    zip = zipped(
        tmp_path / "set.zip", {prefix + name: (folder / name).read_bytes() for name in sorted(names)}
    )
    row = brought_in(store, folder if how == "folder" else zip)
    told = reasons(store, row)
    assert set(told) == {"Hidden files"}
    assert told["Hidden files"].startswith("5 hidden files were left out, such as .DS_Store, .git, __MACOSX")
    assert (row.counts["new"] + row.counts["near"], row.counts["remarks"]) == (2, 1)
    assert all_came(row.counts)


@on_sqlite
def test_a_zip_of_windows_has_its_folders(store: Store, tmp_path: Path) -> None:
    laid({"set/images/a/1.jpg": 1, "set/images/b/1.jpg": 2, "set/labels/a/1.txt": "0 .5 .5 .5 .5\n",
          "set/labels/b/1.txt": "", "set/classes.txt": "shirt\n"})(tmp_path / "in")  # fmt: skip
    files = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
    zip = zipped(tmp_path / "x.zip", {str(f.relative_to(tmp_path / "in")): f.read_bytes() for f in files})
    zip.write_bytes(zip.read_bytes().replace(b"set/", b"set\\").replace(b"images/a/", b"images\\a\\"))
    row = brought_in(store, zip)
    found = {photo.name: store.annotations.latest(photo.id) for photo in store.photos.page(0, 9)}
    assert {name: version and len(version.boxes) for name, version in found.items()} == {
        "a/1.jpg": 1,
        "b/1.jpg": 0,
    }
    assert all_came(row.counts) and reasons(store, row) == {}
