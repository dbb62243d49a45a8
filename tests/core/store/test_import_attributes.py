"""Attributes of boxes that have values: they come in every format, go out again, and are else counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.exports import export_revision
from core.store.importing import all_came
from tests.core.store.import_cases import LABELME, box, coco, image, laid, thing, voc
from tests.core.store.import_cases_odd import CVAT_BOX, cvat, labelme, table
from tests.core.store.test_importing import SIZE_WH, brought_in, picture, reasons, zipped_folder
from tests.databases import on_sqlite

NFD, NFC = "cafe\u0301", "caf\u00e9"
LONG = "a text that is far too long to be the value of an attribute, and has commas"
GIVEN: dict[str, Any] = {"color": "dark red", "pairs": 2, "ratio": 0.5, "wet": True, "dry": False, "worn": ""}
GIVEN |= {"occluded": "no", "Truncated": "1", "notes": LONG, NFD: NFD}
KEPT = frozenset({"color:dark_red", "pairs:2", "ratio:0.5", "wet", "truncated", f"{NFC}:{NFC}"})
SHAPE = LABELME["shapes"][0]  # type: ignore[index]
REGION = {"name": "rect", "x": 24, "y": 32, "width": 48, "height": 64}


def cvat_box(given: dict[str, Any]) -> str:
    inner = "".join(f'<attribute name="{name}">{_text(value)}</attribute>' for name, value in given.items())
    return cvat(f'<box label="shirt" xtl="24" ytl="32" xbr="72" ybr="96">{inner}</box>')


def voc_thing(given: dict[str, Any]) -> str:
    inner = "".join(
        f"<attribute><name>{name}</name><value>{_text(value)}</value></attribute>"
        for name, value in given.items()
    )
    return voc("a.jpg", thing(more=f"<attributes>{inner}</attributes>"))


def via_region(given: dict[str, Any]) -> str:
    attributes = {"category": "shirt"} | {name: _text(value) for name, value in given.items()}
    region = {"shape_attributes": REGION, "region_attributes": attributes}
    return json.dumps({"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [region]}})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


FILES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "coco": ("x.json", lambda given: coco([image(1, "a.jpg")], [box(attributes=given)])),
    "coco, beside COCO's own keys": ("x.json", lambda given: coco([image(1, "a.jpg")], [box(**given)])),
    "cvat": ("x.xml", cvat_box),
    "voc": ("a.xml", voc_thing),
    "via": ("x.json", via_region),
    "labelme's flags": ("a.json", lambda given: labelme(SHAPE | {"flags": given})),
    "labelme's attributes": ("a.json", lambda given: labelme(SHAPE | {"attributes": given})),
}


def flags_of(store: Store) -> list[frozenset[str]]:
    latest = store.annotations.latest(1)
    return [] if latest is None else [box.flags for box in latest.boxes]


@on_sqlite
@pytest.mark.parametrize("format", FILES)
def test_attributes_with_values_are_kept_and_the_others_counted(
    store: Store, tmp_path: Path, format: str
) -> None:
    name, written = FILES[format]
    laid({"a.jpg": 1, name: written(GIVEN)})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert flags_of(store) == [KEPT]
    assert "notes (1)." in reasons(store, row)[name]
    assert "color" not in reasons(store, row)[name]
    assert (row.counts["boxes"], row.counts["remarks"]) == (1, 1)
    assert all_came(row.counts)
    again = brought_in(store, tmp_path / "set")
    assert again.counts["unchanged"] == 1


@on_sqlite
def test_plain_attributes_come_without_a_word(store: Store, tmp_path: Path) -> None:
    given = {"color": "red", "occluded": False, "rotation": 0.0, "keyframe": True}
    laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(attributes=given)])})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert (flags_of(store), reasons(store, row)) == ([{"color:red"}], {})


@on_sqlite
def test_choices_of_one_attribute_are_kept_one_by_one(store: Store, tmp_path: Path) -> None:
    region = {
        "shape_attributes": REGION,
        "region_attributes": {"category": "shirt", "fit": {"loose": True, "long": True, "short": False}},
    }
    photo = {"filename": "a.jpg", "size": 1, "regions": [region], "file_attributes": {"caption": "at sea"}}
    laid({"a.jpg": 1, "x.json": json.dumps({"a.jpg1": photo})})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert flags_of(store) == [{"fit:loose", "fit:long"}]
    assert reasons(store, row) == {"x.json": "VIA's attributes of photos are not read: caption (1)."}


@on_sqlite
def test_a_pose_and_what_labelme_says_of_a_shape_are_kept(store: Store, tmp_path: Path) -> None:
    more = {"group_id": 3, "description": "left one"}
    laid({"a.jpg": 1, "a.json": labelme(SHAPE | more)})(tmp_path / "one")
    laid({"b.jpg": 2, "b.xml": voc("b.jpg", thing(more="<pose>Left</pose>"))})(tmp_path / "two")
    brought_in(store, tmp_path / "one")
    brought_in(store, tmp_path / "two")
    assert flags_of(store) == [{"group_id:3", "description:left_one"}]
    latest = store.annotations.latest(2)
    assert latest is not None and latest.boxes[0].flags == {"pose:Left"}


@on_sqlite
@pytest.mark.parametrize(
    ("given", "kept", "told"),
    [
        (["torn", {"name": "color", "value": "red"}], {"torn", "color:red"}, ""),
        ("torn", {"attributes:torn"}, ""),
        ({"label": ["tee"], "fine_label": None}, set(), "fine_label (1)"),
        ({"": "x", "  ": 1, "ok": True}, {"ok"}, "one without a name (2)"),
        ({"deep": {"a": {"b": 1}}, "list": ["x", ["y"]]}, {"list:x"}, "deep (1), list (1)"),
        ({"a": "\ud800", "ok": "y", "big": 10**60}, {"ok:y"}, "a (1), big (1)"),
        ({"color": "red", " color ": "blue"}, {"color:red", "color:blue"}, ""),
    ],
)
def test_odd_attributes_of_coco_are_kept_or_named(
    store: Store, tmp_path: Path, given: Any, kept: set[str], told: str
) -> None:
    laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(attributes=given)])})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert flags_of(store) == [kept]
    assert told in reasons(store, row).get("x.json", "" if told else told)
    assert bool(reasons(store, row)) == bool(told)


@on_sqlite
@pytest.mark.parametrize("format", ["cvat", "voc"])
def test_an_attribute_that_is_listed_twice_keeps_both_values(
    store: Store, tmp_path: Path, format: str
) -> None:
    name, written = FILES[format]
    text = written({"fit": "loose", "tif": "long"}).replace("tif", "fit")
    laid({"a.jpg": 1, name: text})(tmp_path / "set")
    brought_in(store, tmp_path / "set")
    assert flags_of(store) == [{"fit:loose", "fit:long"}]


@on_sqlite
def test_attributes_of_photos_become_tags(store: Store, tmp_path: Path) -> None:
    flags = {"good": True, "bad": False, "score": 3, "note": "by the sea"}
    tag = '<tag label="outdoor"><attribute name="weather">sunny</attribute></tag>'
    laid({"a.jpg": 1, "a.json": labelme(SHAPE, flags=flags)})(tmp_path / "one")
    laid({"b.jpg": 2, "x.xml": cvat(CVAT_BOX + tag, "b.jpg")})(tmp_path / "two")
    for name in ("one", "two"):
        assert reasons(store, brought_in(store, tmp_path / name)) == {}
    assert store.photo_notes.tags_of([1, 2]) == {
        1: ("good", "note:by the sea", "score:3"),
        2: ("outdoor", "weather:sunny"),
    }


@on_sqlite
def test_columns_of_a_table_that_are_not_read_are_named(store: Store, tmp_path: Path) -> None:
    columns = "filename,class,xmin,ymin,xmax,ymax,brand,flags,tags"
    flags, tags = "color:red;bad<name", "sale;" + "x" * 61
    laid({"a.jpg": 1, "x.csv": table(columns, f"a.jpg,shirt,24,32,72,96,acme,{flags},{tags}")})(
        tmp_path / "set"
    )
    row = brought_in(store, tmp_path / "set")
    assert flags_of(store) == [{"color:red"}]
    told = reasons(store, row)["x.csv"]
    assert "these columns are not read: brand" in told
    assert "badname (1)" in told or "bad<name (1)" in told
    assert "1 of 2 tags were left out" in told


@on_sqlite
@pytest.mark.parametrize("format", ["coco", "voc", "csv"])
def test_attributes_with_values_survive_a_round_trip(store: Store, tmp_path: Path, format: str) -> None:
    flags = KEPT | {"pose:Left", "fit:loose", "fit:long", "a:true", "x:y:z", "+size", "occluded:2", "color"}
    picture(tmp_path / "photos" / "a.jpg", 1)
    brought_in(store, tmp_path / "photos")
    category = store.categories.ensure(["shirt"], "eve")["shirt"]
    boxes = [AnnotatedBox((24, 32, 72, 96), category, flags=flags), AnnotatedBox((0, 0, *SIZE_WH), category)]
    store.annotations.submit(1, boxes, author="eve", base_version=0, request="1")
    with (tmp_path / "out.zip").open("wb") as out:
        number = store.revisions.create("eve").number
        export_revision(store, number, format, out, pictures=True)
    other = Store.open(folder=tmp_path / "other")
    row = brought_in(other, tmp_path / "out.zip")
    assert sorted(flags_of(other), key=len) == [frozenset(), flags]
    assert all_came(row.counts)


@on_sqlite
def test_coco_gives_values_back_as_they_came(store: Store, tmp_path: Path) -> None:
    laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(attributes={"color": "red", "wet": True})])})(
        tmp_path / "set"
    )
    brought_in(store, zipped_folder(tmp_path / "set.zip", tmp_path / "set"))
    with (tmp_path / "out.json").open("wb") as out:
        export_revision(store, store.revisions.create("eve").number, "coco", out)
    (annotation,) = json.loads((tmp_path / "out.json").read_text("utf-8"))["annotations"]
    assert annotation["attributes"] == {"color": "red", "wet": True}
