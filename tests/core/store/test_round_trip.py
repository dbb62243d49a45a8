"""What goes out of a store comes back into another: boxes, labels, flags, negatives and names, by format."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.boxes import BOX_FLAGS
from core.images.decode import open_photo
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.exports import FORMATS, export_revision
from core.store.importing import all_came
from tests.core.store.test_importing import SIZE_WH, brought_in, picture, reasons, zipped_folder
from tests.databases import on_sqlite

NAMES = ("men/001.jpg", "women/001.jpg", "ünï code/-odd name (2).jpg", "Coat.JPG", "coat.png", "plain.jpg")
Saved = tuple[tuple[str, str | None, tuple[int, ...], tuple[str, ...]], ...]


def filled(store: Store, folder: Path) -> None:
    """A photo of each name, every second one with boxes, the last one not annotated."""
    ids = store.categories.ensure(["shirt", "=pants", "no"], "eve")
    for number, name in enumerate(NAMES):
        path = picture(folder / f"{number}.jpg", number)
        photo = open_photo(path)
        object.__setattr__(photo, "name", name)
        row = store.photos.add(photo, by="eve").row
        assert row is not None
        if name == NAMES[-1]:
            continue
        flags = frozenset(BOX_FLAGS[: number % 4])
        boxes = [
            AnnotatedBox((10, 20, 60 + number, 100), ids["shirt"], "-red", flags=flags),
            AnnotatedBox((0, 0, *SIZE_WH), ids["=pants"], None),
            AnnotatedBox((5, 6, 7, 8), ids["no"], "tee"),
        ]
        boxes = boxes if number % 2 == 0 else []
        store.annotations.submit(row.id, boxes, author="eve", base_version=0, request=name)


def saved(store: Store, *, flags: bool = True, labels: bool = True) -> dict[str, Saved | None]:
    """Every photo's boxes by name, without what the format cannot hold."""
    categories = {id: category.name for id, category in store.categories.by_id().items()}
    found: dict[str, Saved | None] = {}
    for photo in store.photos.page(0, 99):
        latest = store.annotations.latest(photo.id)
        found[photo.name] = None if latest is None else tuple(
            sorted(
                (
                    categories[box.category_id],
                    (box.label or None) if labels else None,
                    tuple(math.floor(side + 0.5) for side in box.box_xyxy),
                    tuple(sorted(box.flags)) if flags else (),
                )
                for box in latest.boxes
            )
        )  # fmt: skip
    return found


@on_sqlite
@pytest.mark.parametrize("pictures", [True, False], ids=["pictures", "alone"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_revision_comes_back_into_another_store(
    store: Store, tmp_path: Path, format: str, pictures: bool
) -> None:
    filled(store, tmp_path / "made")
    revision = store.revisions.create("eve")
    ends = {"coco": "json", "csv": "csv"}.get(format, "zip")
    file = tmp_path / f"out.{'zip' if pictures else ends}"
    with file.open("wb") as out:
        export_revision(store, revision.number, format, out, pictures=pictures)
    other = Store.open(folder=tmp_path / "other")
    if not pictures:  # the photos are there, the annotations come alone
        for photo in store.photos.page(0, 99):
            other.photos.add(store.photos.open(photo.id), by="ada")
    row = brought_in(other, file)
    kept = {"labels": format != "yolo", "flags": format != "yolo"}
    before, after = saved(store, **kept), saved(other, **kept)
    before.pop(NAMES[-1])
    if pictures:
        assert sorted(after.values(), key=repr) == sorted(before.values(), key=repr)
        for name in (*NAMES[:4], "coat.png"):  # renamed.txt gives back what had to change
            assert after[name] == before[name]
    else:
        assert {name: boxes for name, boxes in after.items() if boxes is not None} == before
        assert all_came(row.counts)


def annotated(store: Store, folder: Path, names: Sequence[str]) -> None:
    """A photo of each name, with a box of its own."""
    category = store.categories.ensure(["shirt"], "eve")["shirt"]
    for number, name in enumerate(names):
        photo = open_photo(picture(folder / f"{number}.jpg", number))
        object.__setattr__(photo, "name", name)
        row = store.photos.add(photo, by="eve").row
        assert row is not None
        boxes = [AnnotatedBox((10, 20, 60 + number, 100), category)]
        store.annotations.submit(row.id, boxes, author="eve", base_version=0, request=name)


ALIKE = ("a.jpg", "a.png", "a.webp", "12:30.jpg", "val/a.jpg", "x\ty.jpg", "a_2.png", "plain.jpg")


@on_sqlite
@pytest.mark.parametrize("how", ["zip", "folder", "yaml"])
def test_labels_of_renamed_photos_alone_find_the_stored_ones(store: Store, tmp_path: Path, how: str) -> None:
    annotated(store, tmp_path, ALIKE)
    with (tmp_path / "out.zip").open("wb") as out:
        export_revision(store, store.revisions.create("eve").number, "yolo", out)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path / "out")
    other = Store.open(folder=tmp_path / "other")
    for photo in store.photos.page(0, 99):
        other.photos.add(store.photos.open(photo.id), by="ada")
    source = {"zip": "out.zip", "folder": "out", "yaml": "out/data.yaml"}[how]
    row = brought_in(other, tmp_path / source)
    assert saved(other) == saved(store), reasons(other, row)
    assert (row.counts["annotated"], row.counts["refused"]) == (len(ALIKE), 0)
    assert all_came(row.counts)


FOLDERS = (
    "x.jpg",
    "train/x.jpg",
    "val/x.jpg",
    "images/x.jpg",
    "labels/y.jpg",
    "images/train/x.jpg",
    "z.png",
    "no",
)


@on_sqlite
@pytest.mark.parametrize("format", FORMATS)
def test_photos_in_folders_called_as_formats_call_theirs_keep_boxes_and_names(
    store: Store, tmp_path: Path, format: str
) -> None:
    annotated(store, tmp_path, FOLDERS)
    with (tmp_path / "out.zip").open("wb") as out:
        export_revision(store, store.revisions.create("eve").number, format, out, pictures=True)
    other = Store.open(folder=tmp_path / "other")
    row = brought_in(other, tmp_path / "out.zip")
    assert saved(other) == saved(store), reasons(other, row)
    assert all_came(row.counts) and row.counts["annotated"] == len(FOLDERS)


@on_sqlite
def test_a_list_of_renamed_photos_that_is_none_is_told(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    picture(folder / "images" / "a.jpg", 1)
    picture(folder / "images" / "b.jpg", 2)
    lines = ("two words", "a.jpg\t__import__('os')", "b.jpg\t'../../etc/b\\xgg'", "c.jpg\t'c' + 'd'", "")
    (folder / "renamed.txt").write_text("\n".join(lines), "utf-8")
    row = brought_in(store, zipped_folder(tmp_path / "set.zip", folder))
    assert set(saved(store)) == {"a.jpg", "etc/b/xgg"}
    assert reasons(store, row)["renamed.txt"].startswith("3 lines are not read")
