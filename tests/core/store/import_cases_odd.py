# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Yet more datasets as people have them: names that differ in little, and what tools write beside the usual."""

from __future__ import annotations

import json
from typing import Any

from tests.core.store.import_cases import (
    BOX,
    COCO_ONE,
    LABELME,
    LINE,
    ONE,
    Case,
    H,
    W,
    box,
    coco,
    image,
    laid,
    thing,
    voc,
)

NAMED = {"width": W, "height": H}
CVAT_BOX = '<box label="shirt" xtl="24" ytl="32" xbr="72" ybr="96"/>'
ROTATED = """<attributes><attribute><name>rotation</name><value>90.0</value></attribute><attribute>
<name>occluded</name><value>true</value></attribute></attributes>"""


def cvat(inner: str = CVAT_BOX, name: str = "a.jpg", more: str = "") -> str:
    photo = f'<image id="0" name="{name}" {more} width="{W}" height="{H}">{inner}</image>'
    return f"<annotations><version>1.1</version>{photo}</annotations>"


def labelme(*shapes: dict[str, Any], **more: Any) -> str:
    return json.dumps(LABELME | {"imagePath": "a.jpg", "shapes": shapes} | more)


def table(columns: str, *rows: str) -> str:
    return "\n".join((columns, *rows, ""))


ODD: dict[str, Case] = {
    # names that differ in case alone
    "coco: photos that differ in case, and one that is missing": Case(
        laid({"A.jpg": 1, "a.jpg": 2, "x.json": coco(
            [image(1, "a.jpg"), image(2, "A.jpg"), image(3, "b.jpg")], [box(), box(2, 3)])}),
        {"A.jpg": [], "a.jpg": ONE},
        ("no such file",),
        whole=False,
    ),
    "coco: two names that differ in case, one photo": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "A.jpg"), image(2, "a.jpg")], [box()])}),
        {"a.jpg": []},
        ("A.jpg", "no such file"),
        whole=False,
    ),
    "coco: two names that differ in their ending, one photo": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.png"), image(2, "a.jpg")], [box()])}),
        {"a.jpg": []},
        ("a.png", "no such file"),
        whole=False,
    ),
    "coco: two folders' photos, of which one photo may be either": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "men/a.jpg"), image(2, "women/a.jpg")], [box()])}),
        {"a.jpg": None},
        ("men/a.jpg", "women/a.jpg", "could be any of", "no annotation lists"),
        whole=False,
    ),
    "coco: a list given twice, names that are numbers": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "twice.json": COCO_ONE[:-1] + ', "annotations": []}',
              "b.json": coco([image(1, "b.jpg")], [box()], [7])}),  # type: ignore[list-item]
        {"a.jpg": None, "b.jpg": [("7", BOX)]},
        ("the key 'annotations' twice",),
        whole=False,
    ),
    "coco: folders that differ in case, and a photo that is missing": Case(
        laid({"Men/1.jpg": 1, "men/1.jpg": 2, "x.json": coco(
            [image(1, "men/1.jpg"), image(2, "Men/1.jpg"), image(3, "b.jpg")], [box()])}),
        {"Men/1.jpg": [], "men/1.jpg": ONE},
        ("no such file",),
        whole=False,
    ),
    "voc: photos that differ in case": Case(
        laid({"A.jpg": 1, "a.jpg": 2, "A.xml": voc("A.jpg", ""), "a.xml": voc("a.jpg")}),
        {"A.jpg": [], "a.jpg": ONE},
    ),
    "yolo: photos that differ in case": Case(
        laid({"A.jpg": 1, "a.jpg": 2, "A.txt": "", "a.txt": LINE, "classes.txt": "shirt\n"}),
        {"A.jpg": [], "a.jpg": ONE},
    ),
    # COCO
    "coco: LVIS gives photos by their address": Case(
        laid({"val2017/1.jpg": 1, "lvis.json": coco(
            [{"id": 1, "coco_url": "http://images.cocodataset.org/val2017/1.jpg", **NAMED}], [box()])}),
        {"val2017/1.jpg": ONE},
    ),
    "coco: COCO Annotator gives photos by their path": Case(
        laid({"a.jpg": 1, "x.json": coco([{"id": 1, "path": "/datasets/x/a.jpg", **NAMED}], [box()])}), {"a.jpg": ONE}
    ),
    "coco: an address with a query, a name as in an address": Case(
        laid({"images/a.jpg": 1, "images/b c.jpg": 2, "x.json": coco(
            [image(1, "https://shop.example/x/a.jpg?w=100"), image(2, "images/b%20c.jpg")], [box(), box(2, 2)])}),
        {"a.jpg": ONE, "b c.jpg": ONE},
    ),
    "coco: names that look like addresses and are none": Case(
        laid({"a#1.jpg": 1, "b%41.jpg": 2, "x.json": coco(
            [image(1, "a#1.jpg"), image(2, "b%41.jpg"), image(3, "c.jpg")], [box(), box(2, 2)])}),
        {"a#1.jpg": ONE, "b%41.jpg": ONE},
        ("no such file",),
        whole=False,
    ),
    "coco: a parent's folder, a blank behind the name": Case(
        laid({"images/a.jpg": 1, "images/b.jpg": 2, "ann/x.json": coco(
            [image(1, "../images/a.jpg"), image(2, "b.jpg ")], [box(), box(2, 2)])}),
        {"a.jpg": ONE, "b.jpg": ONE},
    ),
    "coco: ids of words, and the largest": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "x.json": coco([image("i-1", "a.jpg"), image(10**30, "b.jpg")],  # type: ignore[arg-type]
              [box(1, "i-1"), box(2, 10**30)])}),  # type: ignore[arg-type]
        {"a.jpg": ONE, "b.jpg": ONE},
    ),
    "coco: categories from 0 on and out of order, one for the background": Case(
        laid({"a.jpg": 1, "x.json": json.dumps({"images": [image(0, "a.jpg")], "annotations": [
            box(0, 0, category_id=1), box(1, 0, category_id=7)], "categories": [{"id": 7, "name": "pants"},
            {"id": 0, "name": "__background__"}, {"id": 1, "name": "shirt"}]})}),
        {"a.jpg": [*ONE, ("pants", BOX)]},
    ),
    "coco: one photo under two ids": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg"), image(2, "a.jpg")], [box(), box(2, 2, bbox=[1, 2, 30, 40])])}),
        {"a.jpg": ONE},
        ("twice",),
        whole=False,
    ),
    "coco: numbers that are none, and sides below zero": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(), box(2, bbox=[float("nan"), 1, 2, 3]),
              box(3, bbox=[72, 96, -48, -64]), box(4, bbox=[-1e308, -1e308, 1e308, 1e308])])}),
        {"a.jpg": ONE},
        ("x.json",),
        whole=False,
    ),
    "coco: a polygon without a box": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(), box(2, bbox=[], segmentation=[[1, 2, 30, 2, 30, 40]])])}),
        {"a.jpg": ONE},
        ("four numbers",),
        whole=False,
    ),
    "coco: a size of zero is the photo's own": Case(
        laid({"a.jpg": 1, "x.json": coco([{"id": 1, "file_name": "a.jpg", "width": 0, "height": 0}], [box()])}),
        {"a.jpg": ONE},
        ("own size",),
    ),
    "coco: boxes of the photo in another size; sides the other way round": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "x.json": coco([image(1, "a.jpg", width=192, height=256),
              image(2, "b.jpg", width=128, height=96)], [box(bbox=[48, 64, 96, 128]), box(2, 2)])}),
        {"a.jpg": ONE, "b.jpg": None},
        ("128 x 96",),
        whole=False,
    ),
    "coco: captions and key points beside the instances": Case(
        laid({"train2017/a.jpg": 1, "annotations/instances_train2017.json": COCO_ONE,
              "annotations/captions_train2017.json": json.dumps({"images": [image(1, "a.jpg")], "annotations": [{"caption": "x"}]}),
              "annotations/person_keypoints_train2017.json": coco([image(1, "a.jpg")], [box(keypoints=[1, 2, 2])])}),
        {"train2017/a.jpg": ONE},
        ("captions_train2017.json", "lists as well"),
        whole=False,
    ),
    "coco: a name that fits photos of two splits": Case(
        laid({"images/train/1.jpg": 1, "images/val/1.jpg": 2, "annotations/x.json": coco([image(1, "1.jpg")], [box()])}),
        {"train/1.jpg": None, "val/1.jpg": None},
        ("several photos",),
        whole=False,
    ),
    "coco: packed, or of another kind": Case(
        laid({"a.jpg": 1, "x.json.gz": b"\x1f\x8b\x08", "y.json": json.dumps([{"image_id": 1, "bbox": [1, 2, 3, 4]}]), "z.json": "{}"}),
        {"a.jpg": None},
        ("x.json.gz", "y.json", "z.json"),
        whole=False,
    ),
    # VOC
    "voc: a size of zero": Case(laid({"a.jpg": 1, "a.xml": voc("a.jpg", size_wh=(0, 0))}), {"a.jpg": ONE}, ("own size",)),
    "voc: CVAT's rotation and flags among the attributes": Case(
        laid({"a.jpg": 1, "a.xml": voc("a.jpg", thing("belt", (10, 60, 70, 68), ROTATED))}),
        {"a.jpg": [("belt", (36, 34, 44, 94))]},
        ("turned by 90 degrees",),
    ),
    "voc: encodings of China and of Europe": Case(
        laid({"a.jpg": 1, "b.jpg": 2,
              "a.xml": ('<?xml version="1.0" encoding="GB2312"?>' + voc("a.jpg", thing("衬衫"))).encode("gb2312"),
              "b.xml": ('<?xml version="1.0" encoding="ISO-8859-1"?>' + voc("b.jpg", thing("Hütchen"))).encode("latin-1")}),
        {"a.jpg": [("衬衫", BOX)], "b.jpg": [("Hütchen", BOX)]},
    ),
    "voc: an encoding that is not the one it says": Case(
        laid({"a.jpg": 1, "a.xml": b'<?xml version="1.0" encoding="gbk"?>' + voc("a.jpg", thing("Hÿtchen")).encode("latin-1")}),
        {"a.jpg": None},
        ("a.xml: XML is expected",),
        whole=False,
    ),
    "voc: corners the other way round, commas, roLabelImg's turned boxes": Case(
        laid({"a.jpg": 1, "a.xml": voc("a.jpg", thing() + thing("hat", (72, 96, 24, 32)) + thing("hat", ("1,5", 2, 30, 40))
              + "<object><name>hat</name><robndbox><cx>48</cx></robndbox></object>")}),
        {"a.jpg": ONE},
        ("a.xml",),
        whole=False,
    ),
    "voc: parts of an object, masks beside the photos, lists of a category": Case(
        laid({"JPEGImages/a.jpg": 1, "SegmentationClass/a.png": 2, "ImageSets/Main/shirt_train.txt": "a  1\n", "classes.txt": "shirt\n",
              "Annotations/a.xml": voc("a.jpg", thing(more="<part><name>x</name><bndbox><xmin>1</xmin></bndbox></part>"))}),
        {"a.jpg": ONE, "SegmentationClass/a.png": None},
        ("no annotation lists", "Other files"),
    ),
    "voc: dots in names, the photo's ending in the file's, a placeholder": Case(
        laid({"a.v1.jpg": 1, "a.v1.xml": voc("a.v1.jpg"), "a.v2.jpg": 2, "a.v2.xml": voc("%s", ""), "b.jpg": 3, "b.jpg.xml": voc("b.jpg")}),
        {"a.v1.jpg": ONE, "a.v2.jpg": [], "b.jpg": ONE},
    ),
    "voc: two files of one photo, in two folders": Case(
        laid({"a.jpg": 1, "Annotations/a.xml": voc("a.jpg"), "old/Annotations/a.xml": voc("a.jpg", "")}),
        {"a.jpg": ONE},
        ("a.xml",),
        whole=False,
    ),
    "voc: YOLO's texts as well": Case(
        laid({"a.jpg": 1, "a.xml": voc("a.jpg"), "a.txt": LINE, "classes.txt": "shirt\n"}), {"a.jpg": ONE}, ("as well",)
    ),
    "voc: a namespace, an entity": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "a.xml": voc("a.jpg").replace("<annotation>", '<annotation xmlns="http://x">'),
              "b.xml": '<!DOCTYPE a [<!ENTITY x "y">]>' + voc("&x;")}),
        {"a.jpg": None, "b.jpg": None},
        ("a.xml", "b.xml"),
        whole=False,
    ),
}  # fmt: skip
