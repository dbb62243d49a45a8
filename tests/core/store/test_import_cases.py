"""Datasets as people have them come as they were meant, as folders and as zips."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.store import Store
from core.store.importing import all_came
from core.store.imports import ImportRow
from tests.core.store.import_cases import COCO_AND_VOC
from tests.core.store.import_cases_formats import FORMATS
from tests.core.store.import_cases_more import YOLO_AND_OTHERS
from tests.core.store.import_cases_odd import ODD
from tests.core.store.import_cases_told import TOLD
from tests.core.store.test_importing import brought_in, picture, reasons, zipped_folder
from tests.databases import on_sqlite

CASES = COCO_AND_VOC | YOLO_AND_OTHERS | ODD | TOLD | FORMATS


def as_came(store: Store) -> dict[str, list[tuple[str, tuple[float, ...]]] | None]:
    names = {id: category.name for id, category in store.categories.by_id().items()}
    found: dict[str, list[tuple[str, tuple[float, ...]]] | None] = {}
    for photo in store.photos.page(0, 99):
        latest = store.annotations.latest(photo.id)
        boxes = None if latest is None else [(names[box.category_id], box.box_xyxy) for box in latest.boxes]
        found[photo.name] = boxes
    return found


@on_sqlite
@pytest.mark.parametrize("zips", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", CASES)
def test_a_dataset_comes_as_it_was_meant(store: Store, tmp_path: Path, name: str, zips: bool) -> None:
    case, folder = CASES[name], tmp_path / "set"
    store.categories.ensure([], "ada")
    case.build(folder)
    row = brought_in(store, zipped_folder(tmp_path / "set.zip", folder) if zips else folder)
    came = as_came(store)
    if row.counts["holdout"]:  # kept out of the store as a copy of a holdout photo: none is made here
        pytest.fail("the photos of a case have to differ")
    told = " ".join(f"{name}: {reason}" for name, reason in reasons(store, row).items())
    assert {
        name: boxes and [(c, pytest.approx(b, abs=0.01)) for c, b in boxes] for name, boxes in came.items()
    } == {name: None if boxes is None else list(boxes) for name, boxes in case.came.items()}, told
    for words in case.told:
        assert words in told
    assert all_came(row.counts) == case.whole, told
    assert str(tmp_path) not in told, "the server's paths are nobody's business"
    if not case.told and case.whole:
        assert told == ""
    assert row.counts["boxes"] == sum(len(boxes or ()) for boxes in case.came.values())
    assert row.counts["negatives"] == sum(boxes == [] for boxes in case.came.values())
    if not zips:
        check_coming_again(store, folder, row, case.whole)


def check_coming_again(store: Store, folder: Path, first: ImportRow, whole: bool) -> None:
    """A dataset that comes again is there already."""
    second = brought_in(store, folder)
    assert (second.counts["unchanged"], second.counts["already_there"]) == (
        first.counts["annotated"],
        first.counts["boxes"],
    )
    assert (second.counts["annotated"], second.counts["boxes"], second.counts["new"]) == (0, 0, 0)
    assert all_came(second.counts) == whole
    assert reasons(store, second).keys() - {"Categories"} == reasons(store, first).keys() - {"Categories"}


@on_sqlite
def test_pipes_are_named_and_never_waited_on(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg", 1)
    for name in ("pipe", "x.json", "x.jpg", "x.txt"):
        os.mkfifo(tmp_path / "set" / name)
    row = brought_in(store, tmp_path / "set")
    told = reasons(store, row)
    assert set(as_came(store)) == {"a.jpg"}
    assert {name for name, reason in told.items() if "no plain file" in reason} == {
        "pipe",
        "x.json",
        "x.jpg",
        "x.txt",
    }
    assert not all_came(row.counts)


@on_sqlite
def test_nothing_but_hidden_files_is_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / ".DS_Store").write_bytes(b"x")
    assert brought_in(store, tmp_path / "set").message == "There is no photo in it."


@on_sqlite
def test_links_to_folders_and_folders_too_deep_are_named(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    picture(folder / "a.jpg", 1)
    picture(folder / "/".join("d" * 70) / "deep.jpg", 2)
    (folder / "link").symlink_to(folder / "d")
    row = brought_in(store, folder)
    told = reasons(store, row)
    assert set(as_came(store)) == {"a.jpg"}
    assert "not followed" in told["link"]
    assert any("lies deeper" in reason for reason in told.values())
    assert not all_came(row.counts)
