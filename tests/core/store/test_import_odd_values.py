"""What of a box does not fit the store costs itself: the box, its photo and all others come in."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from core.boxes import MOST_FLAGS
from core.store import Store, sqlite_url
from core.store.importing import import_all
from tests.pictures import jpeg


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos of a dataset that a test completes."""
    made = tmp_path / "set"
    made.mkdir()
    for number in (1, 2, 3):
        (made / f"{number}.jpg").write_bytes(jpeg(number, shade=40 * number))
    return made


@pytest.fixture
def imported(tmp_path: Path, folder: Path, monkeypatch):
    """Imports the folder; gives label and flags of each photo's box by name, and the report's sentences."""
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path))

    def run(path: Path = folder) -> tuple[dict[str, Any], list[str], Store]:
        (tmp_path / "store").mkdir()
        store = Store.open(sqlite_url(tmp_path / "store"), tmp_path / "store")
        row = import_all(store, store.imports.begin("x", "ann", str(path)))
        assert row.state == "done", row.message
        found = {}
        for photo in store.photos.page(0, 9):
            saved = store.annotations.latest(photo.id)
            found[photo.name] = [(box.label, set(box.flags)) for box in saved.boxes] if saved else None
        return found, [entry.reason for entry in store.imports.refusals(row.id)], store

    return run


def labelme(folder: Path, number: int, flags: dict[str, bool], photo: dict[str, bool] | None = None) -> None:
    shape = {"label": "top", "points": [[10, 10], [60, 90]], "shape_type": "rectangle", "flags": flags}
    entry = {"imagePath": f"{number}.jpg", "flags": photo or {}, "shapes": [shape]}
    (folder / f"{number}.json").write_text(json.dumps(entry))


def test_a_box_with_too_many_attributes_keeps_the_first(folder, imported):
    labelme(folder, 1, {f"f{place:02}": True for place in range(MOST_FLAGS)} | {"occluded": True})
    labelme(folder, 2, {"wet": True}, {"sunny": True, "rain": False})
    labelme(folder, 3, {})
    found, told, store = imported()
    ((_, flags),) = found["1.jpg"]
    assert len(flags) == MOST_FLAGS and {"occluded", "f00"} <= flags and "f19" not in flags
    assert (found["2.jpg"], found["3.jpg"]) == ([(None, {"wet"})], [(None, set())])
    assert [text for text in told if "at most 20 attributes" in text]
    assert store.photo_notes.known_tags() == {"sunny": 1}


def test_half_a_character_in_a_label_costs_itself(folder, imported):
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 90, "height": 120} for n in (1, 2, 3)]
    labels = {1: "\ud83d", 2: "Blouse", 3: 7}
    rows = [
        {
            "id": n,
            "image_id": n,
            "category_id": 1,
            "bbox": [10, 10, 50, 80],
            "attributes": {"label": labels[n]},
        }
        for n in (1, 2, 3)
    ]
    document = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "top"}]}
    (folder / "coco.json").write_text(json.dumps(document))
    found, told, _ = imported()
    assert {name: boxes[0][0] for name, boxes in found.items()} == {
        "1.jpg": "?",
        "2.jpg": "Blouse",
        "3.jpg": "7",
    }
    assert [text for text in told if "lone surrogates" in text]


def test_flags_of_a_csv_come_however_they_are_written(folder, imported):
    rows = [
        "photo,x0,y0,x1,y1,category,flags,occluded",
        "1.jpg,10,10,60,90,top,difficult;truncated,1",
        "2.jpg,10,10,60,90,top,Difficult,0",
        "3.jpg,10,10,60,90,top,'+size wet,",
    ]
    (folder / "boxes.csv").write_text("\n".join(rows))
    found, _, _ = imported()
    assert {name: boxes[0][1] for name, boxes in found.items()} == {
        "1.jpg": {"difficult", "truncated", "occluded"}, "2.jpg": {"difficult"}, "3.jpg": {"+size", "wet"}
    }  # fmt: skip


def test_vias_fine_label_is_kept(folder, imported):
    shape = {"name": "rect", "x": 10, "y": 10, "width": 50, "height": 80}
    region = {"shape_attributes": shape, "region_attributes": {"category": "top", "fine_label": "Blouse"}}
    entry = {"filename": "1.jpg", "size": -1, "regions": [region], "file_attributes": {}}
    (folder / "via.json").write_text(json.dumps({"1.jpg-1": entry}))
    assert imported()[0]["1.jpg"] == [("Blouse", set())]


def test_names_of_a_zip_by_macos_are_utf_8(tmp_path, imported):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("GrXXXXe.jpg", jpeg())
    data = out.getvalue().replace(b"GrXXXXe.jpg", "Gr\u00f6\u00dfe.jpg".encode())  # UTF-8 without its flag
    (tmp_path / "mac.zip").write_bytes(data)
    found, told, _ = imported(tmp_path / "mac.zip")
    assert set(found) == {"Gr\u00f6\u00dfe.jpg"} and not told
