# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Data sets with more than a box and a category, or with numbers that do not fit together: what is said of it."""

from __future__ import annotations

import json

from tests.core.store.import_cases import LINE, ONE, Case, box, coco, image, laid, thing, voc
from tests.core.store.import_cases_odd import CVAT_BOX, cvat, table

PART = (
    "<part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>"
)


def turned(angle: str, center: str = "<cx>48</cx><cy>64</cy>") -> str:
    corners = f"<robndbox>{center}<w>64</w><h>48</h><angle>{angle}</angle></robndbox>"
    return voc("a.jpg", f"<object><type>robndbox</type><name>shirt</name>{corners}</object>")


TOLD: dict[str, Case] = {
    "voc: roLabelImg's boxes, upright and turned by half pi": Case(
        laid({"a.jpg": 1, "a.xml": turned("1.5707963"), "b.jpg": 2, "b.xml": turned("0").replace("a.jpg", "b.jpg")}),
        {"a.jpg": ONE, "b.jpg": [("shirt", (16, 40, 80, 88))]},
        ("turned by 90 degrees",),
    ),
    "voc: roLabelImg's box without a center": Case(
        laid({"a.jpg": 1, "a.xml": turned("0", "<cx>48</cx>")}), {"a.jpg": None}, ("robndbox/cy",), whole=False
    ),
    "voc: parts of objects": Case(
        laid({"a.jpg": 1, "a.xml": voc("a.jpg", thing(more=PART))}), {"a.jpg": ONE}, ("parts are not read: head (1)",)
    ),
    "voc: an entity of its own": Case(
        laid({"a.jpg": 1, "a.xml": '<!DOCTYPE a [<!ENTITY x "shirt">]>' + voc("a.jpg", thing("&x;"))}),
        {"a.jpg": None},
        ("XML without entities",),
        whole=False,
    ),
    "coco: a category without a name costs its boxes alone": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(), box(2, category_id=2)], ("shirt", None))}),  # type: ignore[arg-type]
        {"a.jpg": ONE},
        ("'name' is expected of category 2", "unknown category_id 2"),
        whole=False,
    ),
    "coco: a category without a name or a number, and without a box": Case(
        laid({"a.jpg": 1, "x.json": json.dumps(json.loads(coco([image(1, "a.jpg")], [box()])) | {"categories": [
            {"id": 1, "name": "shirt"}, {"id": 2, "name": ""}, {"name": "hat"}]})}),
        {"a.jpg": ONE},
        ("of category 2", "every category has an id"),
    ),
    "csv: rows of one photo in different sizes": Case(
        laid({"a.jpg": 1, "x.csv": table("filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,96,128,shirt,24,32,72,96", "a.jpg,192,256,hat,48,64,144,192")}),
        {"a.jpg": [*ONE, ("hat", (24, 32, 72, 96))]},
        ("different sizes of it", "96 x 128 and 192 x 256"),
    ),
    "yolo: a text that may be any of two photos'": Case(
        laid({"x/1.jpg": 1, "y/1.jpg": 2, "labels/1.txt": LINE, "classes.txt": "shirt\n"}),
        {"x/1.jpg": None, "y/1.jpg": None},
        ("it may be any of x/1.jpg, y/1.jpg",),
        whole=False,
    ),
    "cvat: a tag with an attribute": Case(
        laid({"a.jpg": 1, "x.xml": cvat(CVAT_BOX + '<tag label="outdoor"><attribute name="weather">sunny</attribute></tag>')}),
        {"a.jpg": ONE},
    ),
}  # fmt: skip
