"""What the store exported comes in again: the same boxes, within what the format can hold, lose nothing."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from core.images.decode import open_photo
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.exports import FORMATS, export_revision
from core.store.importing import all_came
from tests.core.store.test_importing import SIZE_WH, brought_in, picture, reasons
from tests.databases import on_sqlite

W, H = SIZE_WH
FLAGS = frozenset({"difficult", "occluded"})
PHOTOS: dict[str, list[tuple[tuple[float, float, float, float], str | None, frozenset[str]]]] = {
    "men/001.jpg": [
        ((10.37, 20.51, 60.49, 100.5), "tee", FLAGS),
        ((10.37, 20.51, 60.49, 100.5), None, frozenset()),
    ],
    "women/001.jpg": [],
    "thin.png": [((30.1, 5, 30.3, 50.77), "=a  b\x0b", frozenset()), ((0, 0, W, H), None, FLAGS)],
    "edge.jpg": [
        ((95.6, 0.4, W, 127.5), "Größe 'M'", frozenset()),
        ((0.5, 1.5, 2.5, 3.5), "tee", frozenset()),
    ],
}


def filled(store: Store, tmp_path: Path) -> None:
    """Photos with boxes of two categories."""
    categories = store.categories.ensure(["skirt", "T-shirt: no"], "eve")
    for number, (name, boxes) in enumerate(PHOTOS.items()):
        photo = open_photo(picture(tmp_path / f"{number}.jpg", number))
        row = store.photos.add(replace(photo, name=name), by="eve").row
        assert row is not None
        made = [
            AnnotatedBox(corners, list(categories.values())[place % 2], label, flags=flags)
            for place, (corners, label, flags) in enumerate(boxes)
        ]
        store.annotations.submit(row.id, made, author="eve", base_version=0, request=name)


def exported(store: Store, path: Path, format: str, *, pictures: bool) -> Path:
    out = io.BytesIO()
    export_revision(store, store.revisions.create("eve").number, format, out, pictures=pictures)
    ending = {"coco": "json", "csv": "csv"}.get(format, "zip")
    path = path.with_suffix(".zip" if pictures else f".{ending}")
    path.write_bytes(out.getvalue())
    return path


@on_sqlite
@pytest.mark.parametrize("pictures", [True, False], ids=["pictures", "alone"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_export_comes_into_its_own_store_as_what_is_there(
    store: Store, tmp_path: Path, format: str, pictures: bool
) -> None:
    filled(store, tmp_path)
    row = brought_in(store, exported(store, tmp_path / "out", format, pictures=pictures))
    told = reasons(store, row)
    if pictures:  # the store's own JPEGs are other bytes than those that came, and near duplicates
        assert not any("annotated already" in reason for reason in told.values()), told
        return
    assert (row.counts["unchanged"], row.counts["already_there"], row.counts["dropped"]) == (4, 6, 0), told
    assert all_came(row.counts), told


@on_sqlite
def test_boxes_that_differ_in_their_names_alone_are_told_so(store: Store, tmp_path: Path) -> None:
    filled(store, tmp_path)
    file = exported(store, tmp_path / "out", "coco", pictures=False)
    file.write_text(file.read_text(encoding="utf-8").replace('"tee"', '"top"'), encoding="utf-8")
    told = reasons(store, brought_in(store, file))
    assert set(told) == {"men/001.jpg", "edge.jpg"}
    assert "with other categories, labels or flags of its boxes" in told["edge.jpg"]


@on_sqlite
@pytest.mark.parametrize("format", ["coco", "voc", "csv"])
def test_photos_that_differ_in_case_ending_or_folder_come_again_as_themselves(
    store: Store, tmp_path: Path, format: str
) -> None:
    category = store.categories.all()[0].id
    for number, name in enumerate(("a.jpg", "a.png", "A.jpg", "b/a.jpg")):
        row = store.photos.add(
            replace(open_photo(picture(tmp_path / f"{number}.jpg", number)), name=name), by="eve"
        ).row
        assert row is not None
        made = [AnnotatedBox((5, 5, 20 + number, 30), category)]
        store.annotations.submit(row.id, made, author="eve", base_version=0, request=name)
    row = brought_in(store, exported(store, tmp_path / "out", format, pictures=False))
    assert (row.counts["unchanged"], row.counts["dropped"], row.counts["refused"]) == (4, 0, 0), reasons(
        store, row
    )


@on_sqlite
def test_a_text_that_several_stored_photos_fit_is_told_so(store: Store, tmp_path: Path) -> None:
    for number, name in enumerate(("a.jpg", "a.png")):
        photo = open_photo(picture(tmp_path / f"{number}.jpg", number))
        store.photos.add(replace(photo, name=name), by="eve")
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.txt").write_text("0 .5 .5 .5 .5\n")
    (folder / "classes.txt").write_text("shirt\n")
    told = reasons(store, brought_in(store, folder))
    assert "several photos have this name" in told["a.txt"]
