# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Yet more datasets as people have them, in the formats besides COCO and VOC."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from tests.core.store.import_cases import (
    BOX,
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


def huge_png() -> bytes:
    """The head of a picture of 13,300 x 13,300 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 13_300, 13_300, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + struct.pack(">I", zlib.crc32(head)) + b"\0\0\0\0IEND\xaeB`\x82"
    )


FORMATS: dict[str, Case] = {
    # YOLO
    "yolo: Darknet's class list, setting, weights and list of photos": Case(
        laid({"data/obj/a.jpg": 1, "data/obj/a.txt": LINE, "data/shop.names": "shirt\n", "data/shop.data": "classes=1\n",
              "data/train.txt": "data/obj/a.jpg\n", "y.cfg": "[net]", "y.weights": b"\0\1"}),
        {"obj/a.jpg": ONE},
        ("Other files",),
    ),
    "yolo: Roboflow's Darknet": Case(
        laid({"train/a.jpg": 1, "train/a.txt": LINE, "train/_darknet.labels": "shirt\n", "valid/b.jpg": 2, "valid/b.txt": "",
              "valid/_darknet.labels": "shirt\n", "README.roboflow.txt": "x"}),
        {"a.jpg": ONE, "b.jpg": []},
        ("Other files",),
    ),
    "yolo: two class lists that differ": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE, "classes.txt": "hat\n", "data.yaml": "names: [shirt]\n"}),
        {"a.jpg": ONE},
        ("classes.txt: it was not used",),
    ),
    "yolo: Ultralytics' cache and lists of photos": Case(
        laid({"images/train/a.jpg": 1, "labels/train/a.txt": LINE, "labels/train.cache": b"\x80\x04", "data.yaml": "names: [shirt]\n",
              "autosplit_train.txt": "./images/train/a.jpg\n"}),
        {"a.jpg": ONE},
        ("Other files",),
    ),
    "yolo: texts with the photo's ending": Case(
        laid({"images/a.jpg": 1, "labels/a.jpg.txt": LINE, "images/b.png": 2, "labels/b.txt": "", "classes.txt": "shirt\n"}),
        {"a.jpg": ONE, "b.png": []},
    ),
    "yolo: a confidence before the box": Case(
        laid({"a.jpg": 1, "a.txt": f"{LINE}0 .9 .5 .5 .5 .5\n", "classes.txt": "shirt\n"}), {"a.jpg": ONE}, ("behind the box",), whole=False
    ),
    "yolo: tabs, blank lines, a mark in front, a class with a point": Case(
        laid({"a.jpg": 1, "a.txt": "\ufeff0.0\t.5\t.5\t.5\t.5\r\n\r\n", "classes.txt": "\ufeffshirt\r\n"}), {"a.jpg": ONE}
    ),
    "yolo: commas, a name for the class, numbers that are none": Case(
        laid({"a.jpg": 1, "a.txt": f"{LINE}0,.5,.5,.5,.5\nshirt .5 .5 .5 .5\n0 nan .5 .5 .5\n-1 .5 .5 .5 .5\n0 .5 .5 0 0\n", "classes.txt": "shirt\n"}),
        {"a.jpg": ONE},
        ("a.txt",),
        whole=False,
    ),
    "yolo: a setting without names": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE, "data.yaml": "nc: 1\ntrain: images\n"}), {"a.jpg": None}, ("no categories",), whole=False
    ),
    "yolo: names with gaps, with a colon, with a tag": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": "2 .5 .5 .5 .5\n", "data.yaml": "names: !!map {0: shirt, 2: 'T-shirt: red'}\n"}),
        {"a.jpg": [("T-shirt: red", BOX)]},
    ),
    "yolo: turned boxes": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": "0 .5 .25 .75 .5 .5 .75 .25 .5\n", "data.yaml": "names: [shirt]\n"}), {"a.jpg": ONE}
    ),
    "yolo: an empty text without a class list": Case(laid({"a.jpg": 1, "a.txt": ""}), {"a.jpg": None}, ("Other files",)),
    "yolo: labels in annotations": Case(
        laid({"images/train/a.jpg": 1, "annotations/train/a.txt": LINE, "classes.txt": "shirt\n"}), {"a.jpg": ONE}
    ),
    "yolo: polygons among boxes, a sign, an exponent, UTF-16": Case(
        laid({"a.jpg": 1, "a.txt": ("0 5e-1 +.5 .5 .5\n0 .25 .25 .75 .25 .75 .75\n").encode("utf-16"), "classes.txt": "shirt\n"}), {"a.jpg": ONE * 2}
    ),
    "yolo: a comment, and NUL bytes for labels": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "a.txt": "# made\n" + LINE, "b.txt": b"\0\0", "classes.txt": "shirt\n"}),
        {"a.jpg": ONE, "b.jpg": None},
        ("a.txt", "b.txt", "none could be kept: b.jpg"),
        whole=False,
    ),
    "yolo: DOTA's lines, and names in one text": Case(
        laid({"a.jpg": 1, "a.txt": "24 32 72 32 72 96 24 96 shirt 0\n", "classes.txt": "shirt\n",
              "b/images/b.jpg": 2, "b/labels/b.txt": LINE, "b/data.yaml": "names: shirt, hat\n"}),
        {"a.jpg": None, "b/images/b.jpg": ONE},
        ("a.txt", "no categories"),
        whole=False,
    ),
    # files of one name in several folders, photos that are listed and refused
    "yolo: CVAT's subsets with a bad line in each": Case(
        laid({"obj_train_data/a/1.jpg": 1, "obj_train_data/a/1.txt": f"{LINE}x\n", "obj_train_data/b/1.jpg": 2,
              "obj_train_data/b/1.txt": f"{LINE}7 .5 .5 .5 .5\n", "obj.names": "shirt\n"}),
        {"a/1.jpg": ONE, "b/1.jpg": ONE},
        ("obj_train_data/a/1.txt: line 2", "obj_train_data/b/1.txt: line 2"),
        whole=False,
    ),
    "voc: files of one name, a bad object in each": Case(
        laid({"JPEGImages/a/1.jpg": 1, "JPEGImages/b/1.jpg": 2, "Annotations/a/1.xml": voc("1.jpg", thing() + "<object/>"),
              "Annotations/b/1.xml": voc("1.jpg", thing() + "<object/>")}),
        {"a/1.jpg": ONE, "b/1.jpg": ONE},
        ("Annotations/a/1.xml: a text", "Annotations/b/1.xml: a text"),
        whole=False,
    ),
    "labelme, coco, csv: files of one name, a bad row in each": Case(
        laid({"a/1.jpg": 1, "b/2.jpg": 2, "c/3.jpg": 3, "c/4.jpg": 4, "a/1.json": labelme(LABELME["shapes"][0], {"label": ""}, imagePath="1.jpg"),  # type: ignore[index]
              "b/x.json": coco([image(1, "2.jpg")], [box(), box(2, category_id=9)]),
              "c/x.json": coco([image(1, "3.jpg")], [box(), box(2, category_id=8)]),
              "c/y.csv": table("filename,class,xmin,ymin,xmax,ymax", "4.jpg,shirt,24,32,72,96", "4.jpg,shirt,x,32,72,96")}),
        {"a/1.jpg": ONE, "b/2.jpg": ONE, "c/3.jpg": ONE, "c/4.jpg": ONE},
        ("a/1.json: a/1.jpg: shape 2", "b/x.json: annotation 2", "c/x.json: annotation 2", "c/y.csv: line 3"),
        whole=False,
    ),
    "yolo: a photo too large to be opened has its labels": Case(
        laid({"a.jpg": 1, "a.txt": LINE, "b.png": huge_png(), "b.txt": LINE, "classes.txt": "shirt\n"}),
        {"a.jpg": ONE},
        ("b.png: The photo has 176.9 million pixels",),
        whole=False,
    ),
    "via, labelme: categories that are numbers": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "a.json": labelme(LABELME["shapes"][0] | {"label": 3}),  # type: ignore[index]
              "x.json": json.dumps({"b.jpg1": {"filename": "b.jpg", "regions": [{"region_attributes": {"class": 4},
              "shape_attributes": {"name": "rect", "x": 24, "y": 32, "width": 48, "height": 64}}]}})}),
        {"a.jpg": [("3", BOX)], "b.jpg": [("4", BOX)]},
    ),
    "csv: a cell of 200,000 characters, an open quote, a blank line, a column twice": Case(
        laid({"a.jpg": 1, "x.csv": table("filename,class,xmin,ymin,xmax,ymax", f"a.jpg,{'x' * 200_000},1,2,3,4", "", 'a.jpg,"shirt,1,2,3,4',
              "a.jpg,shirt,24,32,72,96"), "y.csv": table("filename,class,xmin,ymin,xmax,ymax,Class", "a.jpg,shirt,1,2,3,4,hat")}),
        {"a.jpg": ONE},
        ("2 rows were left out: line 2: cells of at most 131,072", "line 4: a quotation mark", "'class' twice"),
        whole=False,
    ),
    # CVAT, VIA, labelme, CSV
    "cvat: a subset called default is no folder of the photos": Case(
        laid({"images/default/men/a.jpg": 1, "x.xml": cvat(name="men/a.jpg", more='subset="default"')}), {"men/a.jpg": ONE}
    ),
    "cvat: corners the other way round": Case(
        laid({"a.jpg": 1, "x.xml": cvat('<box label="shirt" xtl="72" ytl="96" xbr="24" ybr="32"/>')}), {"a.jpg": None}, ("without area",), whole=False
    ),
    "labelme: a turned rectangle": Case(
        laid({"a.jpg": 1, "a.json": labelme({"label": "shirt", "points": [[48, 32], [72, 64], [48, 96], [24, 64]], "shape_type": "oriented_rectangle"})}),
        {"a.jpg": ONE},
    ),
    "json: Datumaro's, CreateML's, Label Studio's short form": Case(
        laid({"a.jpg": 1, "default.json": json.dumps({"info": {}, "categories": {}, "items": []}), "b.json": json.dumps([{"image": "a.jpg", "annotations": []}]),
              "c.json": json.dumps([{"image": "/data/upload/a.jpg", "label": []}]), "d.json": "3"}),
        {"a.jpg": None},
        ("default.json", "b.json", "c.json", "d.json"),
        whole=False,
    ),
    "cvat: a subset of photos that lie in no folder of its name": Case(
        laid({"images/a.jpg": 1, "x.xml": cvat(more='subset="Train"')}), {"a.jpg": ONE}
    ),
    "cvat: shapes that are not read, known and unknown": Case(
        laid({"a.jpg": 1, "x.xml": cvat(CVAT_BOX + '<mask label="hat" rle="1"/><skeleton label="hat"/><blob label="hat"/>')}),
        {"a.jpg": ONE},
        ("mask", "skeleton", "blob"),
        whole=False,
    ),
    "cvat: the tracks of a video": Case(
        laid({"a.jpg": 1, "x.xml": '<annotations><track id="0" label="shirt"/></annotations>'}), {"a.jpg": None}, ("tracks",), whole=False
    ),
    "cvat: a path of the server, no ending, turned to the left": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "1.xml": cvat(name="upload/task_1/a.jpg"),
              "2.xml": cvat('<box label="belt" xtl="10" ytl="60" xbr="70" ybr="68" rotation="-90.0"/>', "b")}),
        {"a.jpg": ONE, "b.jpg": [("belt", (36, 34, 44, 94))]},
        ("turned",),
    ),
    "labelme: no kind of shape, no size, no shapes": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "b.json": labelme(imagePath="b.jpg"), "a.json": labelme(
            {"label": "shirt", "points": [[24, 32], [72, 96]], "shape_type": None}, imageWidth=None)}),
        {"a.jpg": ONE, "b.jpg": []},
    ),
    "labelme: points, lines and numbers as texts": Case(
        laid({"a.jpg": 1, "a.json": labelme(LABELME["shapes"][0], {"label": "x", "points": [[1, 2]], "shape_type": "point"},  # type: ignore[index]
              {"label": "x", "points": [["1", "2"], [3, 4]], "shape_type": "rectangle"})}),
        {"a.jpg": ONE},
        ("'point'", "numbers are expected"),
        whole=False,
    ),
    "via: CSV and version 3": Case(
        laid({"a.jpg": 1, "via.csv": table("filename,file_size,region_shape_attributes", 'a.jpg,1,"{}"'),
              "via3.json": json.dumps({"project": {}, "file": {"1": {"fname": "a.jpg"}}, "metadata": {}})}),
        {"a.jpg": None},
        ("via.csv", "via3.json"),
        whole=False,
    ),
    "csv: capitals, Kaggle's and RetinaNet's columns, a label for the category": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "c.jpg": 3,
              "a.csv": table("Filename,Width,Height,Class,XMin,YMin,XMax,YMax", "a.jpg,96,128,shirt,24,32,72,96"),
              "b.csv": table("image_path,x1,y1,x2,y2,class_name", "b.jpg,24,32,72,96,shirt"),
              "c.csv": table("image_name,x_min,y_min,x_max,y_max,label", "c.jpg,24,32,72,96,shirt")}),
        {"a.jpg": ONE, "b.jpg": ONE, "c.jpg": ONE},
    ),
    "csv: semicolons, no header, a quote that is not closed": Case(
        laid({"a.jpg": 1, "a.csv": table("filename;xmin;ymin;xmax;ymax;class", "a.jpg;24;32;72;96;shirt"), "b.csv": "a.jpg,24,32,72,96,shirt\n",
              "c.csv": table("filename,class,xmin,ymin,xmax,ymax", 'a.jpg,"shirt,24,32,72,96', "b.jpg,shirt,24,32,72,96")}),
        {"a.jpg": None},
        ("a.csv", "b.csv", "c.csv"),
        whole=False,
    ),
    "csv: short rows, numbers that are none, a mark in front, a comma in a name": Case(
        laid({"a, b.jpg": 1, "a.csv": "\ufeff" + table("filename,class,xmin,ymin,xmax,ymax", '"a, b.jpg",shirt,24,32,72,96', '"a, b.jpg",hat,nan,1,2,3', '"a, b.jpg",hat,1')}),
        {"a, b.jpg": ONE},
        ("a.csv",),
        whole=False,
    ),
}  # fmt: skip
