# ruff: noqa: E501 - a case is read more easily in its lines
"""Names in NFC and NFD that stand side by side in one set are one name, which the report says once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from core.store import Store
from core.store.importing import all_came
from tests.core.store.import_cases import box, coco, image, laid, thing, voc
from tests.core.store.import_cases_odd import cvat, table
from tests.core.store.test_importing import brought_in, reasons
from tests.databases import on_sqlite

NFC, NFD = "caf\u00e9", "cafe\u0301"
COLUMNS = "filename,class,xmin,ymin,xmax,ymax"
FIRST, SECOND = "24,32,72,96", "1,2,30,40"
SMALL = [1, 2, 29, 38]
SHAPES = "".join(
    f'<box label="{name}" xtl="{x}" ytl="2" xbr="72" ybr="96"/>' for x, name in enumerate((NFC, NFD))
)
FILES: dict[str, Mapping[str, str | int | bytes]] = {
    "categories of COCO": {"x.json": coco([image(1, "a.jpg")], [box(), box(2, category_id=2, bbox=SMALL)], (NFC, NFD))},
    "categories of CVAT": {"x.xml": cvat(SHAPES)},
    "categories of a table": {"x.csv": table(COLUMNS, f"a.jpg,{NFC},{FIRST}", f"a.jpg,{NFD},{SECOND}")},
    "categories of two files": {"a.xml": voc("a.jpg", thing(NFC)), "b.jpg": 2, "x.csv": table(COLUMNS, f"b.jpg,{NFD},{FIRST}")},
    "fine labels": {"x.json": coco([image(1, "a.jpg")], [box(attributes={"label": NFC}), box(2, bbox=SMALL, attributes={"label": NFD})])},
    "attributes": {"x.json": coco([image(1, "a.jpg")], [box(attributes={NFC: True}), box(2, bbox=SMALL, attributes={NFD: True})])},
    "values of attributes": {"x.json": coco([image(1, "a.jpg")], [box(attributes={"at": NFC}), box(2, bbox=SMALL, attributes={"at": NFD})])},
    "photos of a table": {f"{NFC}.jpg": 2, "x.csv": table(COLUMNS, f"{NFC}.jpg,shirt,{FIRST}", f"{NFD}.jpg,shirt,{SECOND}")},
    "photos of COCO": {f"{NFC}.jpg": 2, "x.json": coco([image(1, f"{NFC}.jpg"), image(2, f"{NFD}.jpg")], [box(), box(2, 2, bbox=SMALL)])},
}  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("what", FILES)
def test_two_forms_are_one_name_and_told_once(store: Store, tmp_path: Path, what: str) -> None:
    laid({"a.jpg": 1, **FILES[what]})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    told = {name: reason for name, reason in reasons(store, row).items() if "no boxes came" not in reason}
    assert ["two Unicode forms" in reason for reason in told.values()] == [True], told
    boxes = [box for id in (1, 2) for v in store.annotations.history(id) for box in v.boxes]
    assert len(boxes) == 2 and len({(box.category_id, box.label, box.flags) for box in boxes}) == 1
    names = {name for c in store.categories.all() for name in [c.name] if not name.isascii()}
    names |= {text for box in boxes for text in (box.label or "", *box.flags) if not text.isascii()}
    assert names <= {NFC, f"at:{NFC}"}
    assert all_came(row.counts)


@on_sqlite
@pytest.mark.parametrize("format", ["coco", "csv", "yolo"])
def test_two_photos_whose_names_differ_in_form_keep_their_boxes(
    store: Store, tmp_path: Path, format: str
) -> None:
    photos: dict[str, str | int | bytes] = {f"{NFC}.jpg": 1, f"{NFD}.jpg": 2}
    files: dict[str, Mapping[str, str | int | bytes]] = {
        "coco": {"x.json": coco([image(1, f"{NFC}.jpg"), image(2, f"{NFD}.jpg")], [box(bbox=[0, 0, 10, 9]), box(2, 2)])},
        "csv": {"x.csv": table(COLUMNS, f"{NFC}.jpg,shirt,0,0,10,9", f"{NFD}.jpg,shirt,{FIRST}")},
        "yolo": {f"{NFC}.txt": "0 .05 .05 .1 .1\n", f"{NFD}.txt": "0 .5 .5 .5 .5\n", "classes.txt": "shirt\n"},
    }  # fmt: skip
    laid({**photos, **files[format]})(tmp_path / "set")
    row = brought_in(store, tmp_path / "set")
    assert reasons(store, row) == {"Names": f"several photos each have one of these names here: {NFC}.jpg."}
    digests = {store.photos.get(id).digest: store.annotations.history(id)[0].boxes for id in (1, 2)}
    for name, width in ((NFC, 10), (NFD, 48)):
        (found,) = digests[store_digest(tmp_path / "set" / f"{name}.jpg")]
        assert found.box_xyxy[2] - found.box_xyxy[0] == pytest.approx(width, abs=1)


def store_digest(path: Path) -> str:
    from core.images.decode import open_photo

    return open_photo(path).digest
