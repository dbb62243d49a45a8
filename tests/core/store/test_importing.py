"""Imports bring in what they can, say what they refuse, and can be cut off anywhere."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import AccessError, ArchiveError, StoreError
from core.store import Store
from core.store.importing import (
    ImportCheckpoint,
    all_came,
    finish_import,
    import_all,
    import_batch,
    prepare_import,
)
from core.store.imports import ImportRow, UploadFolder
from tests.core.datasets.written import write_voc, write_yolo
from tests.databases import on_sqlite

SIZE_WH = (96, 128)


def picture(path: Path, seed: int) -> Path:
    """A photo unlike any other seed's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = np.random.default_rng(seed).integers(0, 256, (16, 17, 3), dtype=np.uint8)
    Image.fromarray(patches).resize(SIZE_WH, Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def pictures(folder: Path, count: int, first: int = 0) -> list[Path]:
    return [picture(folder / f"{number:03d}.jpg", first + number) for number in range(count)]


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def zipped_folder(path: Path, folder: Path, prefix: str = "") -> Path:
    files = {f"{prefix}{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*.*")}
    return zipped(path, files)


def boxed(count: int = 3) -> DetectionDataset:
    """Photos 000.jpg and so on with a dress and a thing that the store has no category for."""
    boxes = np.array([[10, 20, 60, 100], [5, 5, 20, 30]], dtype=np.float32)
    photos = [
        BoxedPhoto(f"{number:03d}.jpg", *SIZE_WH, boxes, np.array([0, 1]), ("red dress", None))
        for number in range(count)
    ]
    return DetectionDataset(("dress", "poncho"), tuple(photos))


def brought_in(store: Store, source: Path, *, trusted: bool = True) -> ImportRow:
    return import_all(store, store.imports.begin(source.name, "ada", str(source)), trusted=trusted)


def reasons(store: Store, row: ImportRow) -> dict[str, str]:
    return {refused.name: refused.reason for refused in store.imports.refusals(row.id)}


def test_a_folder_of_photos_is_brought_in_with_its_copies_counted(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "shoot"
    first, *_ = pictures(folder, 4)
    (folder / "again.jpg").write_bytes(first.read_bytes())
    with Image.open(folder / "001.jpg") as image:
        image.save(folder / "smaller quality.jpg", quality=60)
    (folder / "notes.txt").write_text("not a photo, and not meant to be one")
    (folder / "page.jpg").write_text("<html>")
    row = brought_in(store, folder)
    kept = {name: row.counts[name] for name in ("new", "near", "exact", "holdout")}
    assert sum(kept.values()) == 6
    assert row.counts["new"] == 4
    assert kept["exact"] + kept["near"] + kept["holdout"] == 2
    assert row.counts["refused"] == 1
    assert list(reasons(store, row)) == ["page.jpg", "Other files"]
    assert "notes.txt" in reasons(store, row)["Other files"]
    assert (row.state, row.done, row.total) == ("done", 8, 8)
    assert store.queue.counts("ada").open == store.photos.count()
    assert first.is_file(), "a folder of the server is left as it is"


def test_the_same_folder_again_brings_in_nothing(store: Store, tmp_path: Path) -> None:
    pictures(tmp_path / "shoot", 3)
    brought_in(store, tmp_path / "shoot")
    row = brought_in(store, tmp_path / "shoot")
    assert row.counts["new"] == row.counts["near"] == row.counts["refused"] == 0
    assert row.counts["exact"] + row.counts["holdout"] == 3
    assert store.photos.count() == 3


@on_sqlite
def test_an_upload_of_photos_and_a_zip_goes_in_and_is_removed(store: Store, tmp_path: Path) -> None:
    upload = UploadFolder.of(store.folder).folder / "0123"
    pictures(upload, 2)
    files = {path.name: path.read_bytes() for path in pictures(tmp_path, 2, first=10)}
    zipped(
        upload / "more.zip", {f"in/{name}": data for name, data in files.items()} | {"in/read.me": b"hello"}
    )
    (upload / "script.jpg").write_text("<script>alert(1)</script>")
    row = brought_in(store, upload, trusted=False)
    assert row.counts["new"] == 4
    assert sorted(reasons(store, row)) == ["read.me", "script.jpg"]
    assert list(UploadFolder.of(store.folder).folder.iterdir()) == []


def coco_of(folder: Path) -> Path:
    pictures(folder / "images", 3)
    write_coco(boxed(), folder / "annotations.json")
    return folder


def coco_file_of(folder: Path) -> Path:
    coco_of(folder)
    return folder / "annotations.json"


def official_coco_of(folder: Path) -> Path:
    (folder / "annotations").mkdir(parents=True)
    write_coco(boxed(), folder / "annotations" / "instances_val2017.json")
    pictures(folder / "val2017", 3)
    return folder


def voc_of(folder: Path) -> Path:
    write_voc(boxed(), folder)
    pictures(folder, 3)
    return folder


def yolo_of(folder: Path) -> Path:
    write_yolo(boxed(), folder)
    pictures(folder / "images", 3)
    return folder


def wrapped_zip_of(folder: Path) -> Path:
    return zipped_folder(folder.with_suffix(".zip"), yolo_of(folder), "my dataset/")


def deepfashion2_of(folder: Path) -> Path:
    pictures(folder / "image", 3)
    (folder / "annos").mkdir()
    items = {
        "item1": {
            "bounding_box": [10, 20, 60, 100],
            "category_id": 10,
            "category_name": "short sleeve dress",
        },
        "item2": {"bounding_box": [5, 5, 20, 30], "category_id": 7, "category_name": "shorts"},
    }
    for number in range(3):
        (folder / "annos" / f"{number:03d}.json").write_text(json.dumps({"source": "user", **items}))
    return folder


def splits_of(folder: Path) -> Path:
    for number, split in enumerate(("train", "valid")):
        photos = pictures(folder / split, 3, first=10 * number)
        listed = boxed(1 + number)
        write_coco(listed, folder / split / "_annotations.coco.json")
        for spare in photos[1 + number :]:
            spare.unlink()
    return folder


@on_sqlite
@pytest.mark.parametrize(
    "make",
    [coco_of, coco_file_of, official_coco_of, voc_of, yolo_of, wrapped_zip_of, deepfashion2_of, splits_of],
)
def test_a_dataset_comes_with_its_boxes(store: Store, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    row = brought_in(store, make(tmp_path / "set"))
    assert reasons(store, row) == {}
    assert (row.counts["new"], row.counts["annotated"]) == (3, 3)
    (photo, *_) = store.photos.page(0, 3)
    latest = store.annotations.latest(photo.id)
    assert latest is not None
    assert (latest.kind, latest.author) == ("imported", "ada")
    boxes = sorted(latest.boxes, key=lambda box: box.box_xyxy[0])
    assert [box.origin for box in boxes] == ["import", "import"]
    np.testing.assert_allclose(boxes[1].box_xyxy, (10, 20, 60, 100), atol=1.01)
    names = {category.name for category in store.categories.all()}
    assert {"dress", "poncho"} <= names or {"short sleeve dress", "shorts"} <= names


@on_sqlite
def test_deepfashions_lists_come_with_their_boxes(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "set"
    pictures(root / "img" / "Tee", 2)
    lists = {
        "list_category_cloth.txt": ["category_name  category_type", "Anorak 1", "Jeans 2"],
        "list_category_img.txt": ["image_name  category_label", "img/Tee/000.jpg 1", "img/Tee/001.jpg 2"],
        "list_bbox.txt": ["image_name x y x y", "img/Tee/000.jpg 1 2 30 40", "img/Tee/001.jpg 5 6 50 60"],
    }
    for name, (head, *rows) in lists.items():
        (root / name).write_text("\n".join([str(len(rows)), head, *rows]))
    row = brought_in(store, root)
    assert (row.counts["new"], row.counts["annotated"], reasons(store, row)) == (2, 2, {})


@on_sqlite
def test_boxes_follow_a_photo_of_another_size_and_not_one_of_another_shape(
    store: Store, tmp_path: Path
) -> None:
    boxes = np.array([[20, 40, 120, 200]], dtype=np.float32)
    listed = (
        BoxedPhoto("000.jpg", 192, 256, boxes, np.zeros(1)),
        BoxedPhoto("001.jpg", 128, 96, boxes / 4, np.zeros(1)),
    )
    write_coco(DetectionDataset(("dress",), listed), tmp_path / "set.json")
    pictures(tmp_path / "photos", 2)
    row = brought_in(store, tmp_path / "set.json")
    first, second = sorted(store.photos.page(0, 9), key=lambda photo: photo.name)
    latest = store.annotations.latest(first.id)
    assert latest is not None and latest.boxes[0].box_xyxy == (10, 20, 60, 100)
    assert store.annotations.latest(second.id) is None
    assert "128 x 96" in reasons(store, row)["photos/001.jpg"]
    assert row.counts["refused"] == 0, "the photo itself was taken"


@on_sqlite
def test_imported_boxes_never_replace_a_persons(store: Store, tmp_path: Path) -> None:
    coco_of(tmp_path / "set")
    brought_in(store, tmp_path / "set" / "images")
    (photo, *_) = store.photos.page(0, 1)
    store.annotations.submit(photo.id, [], author="eve", base_version=0, request="a")
    row = brought_in(store, tmp_path / "set")
    assert (row.counts["annotated"], row.counts["unchanged"]) == (2, 0)
    assert "annotated already, with other boxes" in reasons(store, row)[f"images/{photo.name}"]
    assert not all_came(row.counts)
    latest = store.annotations.latest(photo.id)
    assert latest is not None and latest.author == "eve"


@on_sqlite
def test_a_missing_photo_of_a_dataset_is_refused_and_the_rest_goes_in(store: Store, tmp_path: Path) -> None:
    coco_of(tmp_path / "set")
    (tmp_path / "set" / "images" / "001.jpg").unlink()
    row = brought_in(store, tmp_path / "set")
    assert (row.counts["new"], row.counts["refused"]) == (2, 1)
    assert "no such file" in reasons(store, row)["images/001.jpg"]


@on_sqlite
def test_a_dangerous_zip_is_refused_as_a_whole_and_a_bad_row_alone(store: Store, tmp_path: Path) -> None:
    good = picture(tmp_path / "a.jpg", 1).read_bytes()
    row = brought_in(store, zipped(tmp_path / "bad.zip", {"../../evil.jpg": good, "a.jpg": good}))
    assert (row.state, row.counts["refused"], store.photos.count()) == ("done", 1, 0)
    assert "leads out" in reasons(store, row)["bad.zip"]
    assert not list(tmp_path.rglob("evil.jpg"))
    coco_of(tmp_path / "set")
    document = json.loads((tmp_path / "set" / "annotations.json").read_text())
    document["annotations"][0]["bbox"] = ["a"]
    (tmp_path / "set" / "annotations.json").write_text(json.dumps(document))
    row = brought_in(store, tmp_path / "set")
    assert "four numbers" in reasons(store, row)["annotations.json"]
    assert (row.counts["new"], row.counts["annotated"], row.counts["dropped"]) == (3, 3, 1)
    assert not all_came(row.counts)


@on_sqlite
def test_links_that_leave_the_folder_are_refused(store: Store, tmp_path: Path) -> None:
    outside = picture(tmp_path / "private" / "me.jpg", 1)
    folder = tmp_path / "shoot"
    pictures(folder, 1, first=5)
    (folder / "link.jpg").symlink_to(outside)
    (folder / "within.jpg").symlink_to(folder / "000.jpg")
    (folder / "deeper").symlink_to(outside.parent)
    row = brought_in(store, folder)
    assert (row.counts["new"], row.counts["refused"]) == (1, 1)
    assert "leads out" in reasons(store, row)["link.jpg"]
    coco_of(tmp_path / "set")
    (tmp_path / "set" / "classes.txt").symlink_to("/etc/hostname")
    row = brought_in(store, tmp_path / "set")
    assert "leads out" in next(iter(reasons(store, row).values()))


@on_sqlite
def test_only_permitted_folders_of_the_server_are_looked_into(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(tmp_path / "allowed" / "shoot", 1)
    pictures(tmp_path / "else", 1)
    (tmp_path / "allowed" / "way out").symlink_to(tmp_path / "else")
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path / "allowed"))
    assert brought_in(store, tmp_path / "allowed" / "shoot", trusted=False).state == "done"
    for path in (tmp_path / "else", tmp_path / "allowed" / "way out", tmp_path / "allowed" / ".." / "else"):
        with pytest.raises(AccessError, match="these folders"):
            brought_in(store, path, trusted=False)
    assert store.imports.recent(1)[0].state == "failed"
    with pytest.raises(StoreError, match="There is no"):
        brought_in(store, tmp_path / "allowed" / "nothing", trusted=False)
    monkeypatch.delenv("LAPEL_IMPORT_FOLDERS")
    monkeypatch.setenv("HOME", str(tmp_path / "else"))
    assert brought_in(store, tmp_path / "else", trusted=False).state == "done"


class _Killed(Exception):
    pass


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_step_that_is_repeated_counts_and_stores_as_if_it_had_not_been(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    coco_of(tmp_path / "set")
    (tmp_path / "set" / "images" / "002.jpg").write_bytes(b"no photo")
    id = store.imports.begin("set", "ada", str(tmp_path / "set"))
    mark = prepare_import(store, id, trusted=True)
    submit, calls = type(store.annotations).submit, []

    def submit_or_die(*arguments: object, **named: object) -> object:
        calls.append(1)
        saved = submit(*arguments, **named)  # type: ignore[arg-type]
        if len(calls) == cut:
            raise _Killed
        return saved

    monkeypatch.setattr(type(store.annotations), "submit", submit_or_die)
    while not mark.ended:
        try:
            mark = import_batch(store, id, ImportCheckpoint(**mark.as_dict()))
        except _Killed:
            continue
    row = finish_import(store, id, mark)
    assert (row.counts["new"], row.counts["annotated"], row.counts["refused"]) == (2, 2, 1)
    assert store.photos.count() == 2
    assert all(len(store.annotations.history(photo.id)) == 1 for photo in store.photos.page(0, 9))


def test_an_import_that_failed_goes_on_where_it_was(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures(tmp_path / "shoot", 5)
    id = store.imports.begin("shoot", "ada", str(tmp_path / "shoot"))
    mark = import_batch(store, id, prepare_import(store, id, trusted=True), most=2)
    with monkeypatch.context() as patch:
        patch.setattr("core.store.importing.import_batch", _no_room)
        with pytest.raises(StoreError):
            import_all(store, id, trusted=True)
    assert (store.imports.get(id).state, store.imports.get(id).done) == ("failed", 2)
    store.imports.retry(id)
    assert prepare_import(store, id, trusted=True) == mark
    row = import_all(store, id, trusted=True)
    assert (row.state, row.done, row.counts["new"]) == ("done", 5, 5)


def _no_room(*_: object, **__: object) -> ImportCheckpoint:
    raise StoreError("There is no room left.")


@on_sqlite
def test_an_empty_folder_says_so(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    row = brought_in(store, tmp_path / "empty")
    assert (row.state, row.message) == ("done", "There is no photo in it.")


def test_day_old_uploads_that_nobody_waits_for_are_swept(tmp_path: Path) -> None:
    import os

    incoming = UploadFolder.of(tmp_path)
    for name in ("old", "wanted", "new"):
        (incoming.folder / name / "in").mkdir(parents=True)
    for name in ("old", "wanted"):
        os.utime(incoming.folder / name, (0, 0))
    assert incoming.sweep({incoming.folder / "wanted" / "in", tmp_path / "elsewhere"}) == 1
    assert sorted(path.name for path in incoming.folder.iterdir()) == ["new", "wanted"]


def test_a_zip_is_refused_before_anything_of_it_is_written(tmp_path: Path) -> None:
    from core.store.sources import unpack_to

    bad = zipped(tmp_path / "bad.zip", {"a.jpg": b"a", "/etc/evil": b"b"})
    with pytest.raises(ArchiveError):
        list(unpack_to(bad, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    odd = zipped(
        tmp_path / "odd.zip", {"a" * 300 + ".jpg": b"a", "b": b"b", "b/c.jpg": b"c", "d/e.jpg": b"d"}
    )
    refused = {refusal.photo[:3]: refusal.error for refusal in unpack_to(odd, tmp_path / "out")}
    assert "255 bytes" in refused["aaa"] and "cannot be unpacked" in refused["b/c"]
    assert (tmp_path / "out" / "d" / "e.jpg").read_bytes() == b"d"
