# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Data sets as people have them: layouts, odd values and gaps, each with what has to come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.store import Store
from core.store.importing import all_came
from tests.core.store.test_importing import SIZE_WH, brought_in, picture, reasons, zipped_folder
from tests.databases import on_sqlite

W, H = SIZE_WH  # 96 x 128
BOX = (24.0, 32.0, 72.0, 96.0)  # a quarter to three quarters of both sides
LINE = "0 .5 .5 .5 .5\n"

Came = Mapping[str, Sequence[tuple[str, tuple[float, ...]]] | None]
"""A photo's name in the store to its boxes; None where it is not annotated."""


@dataclass(frozen=True)
class Case:
    """What is laid out, the photos and boxes that come of it, and words of the report."""

    build: Callable[[Path], object]
    came: Came
    told: tuple[str, ...] = ()
    whole: bool = True


def coco(images: Sequence[Any], annotations: Sequence[Any], names: Sequence[str] = ("shirt",)) -> str:
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def image(id: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "file_name": name, "width": W, "height": H, **more}


def box(id: int = 1, image_id: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": id, "image_id": image_id, "category_id": 1, "bbox": [24, 32, 48, 64], **more}


def voc(filename: str | None, objects: str | None = None, size_wh: tuple[int, int] = SIZE_WH) -> str:
    named = "" if filename is None else f"<filename>{filename}</filename>"
    size = f"<size><width>{size_wh[0]}</width><height>{size_wh[1]}</height><depth>3</depth></size>"
    return f"<annotation>{named}{size}{thing() if objects is None else objects}</annotation>"


def thing(name: str = "shirt", corners: Sequence[object] = (24, 32, 72, 96), more: str = "") -> str:
    sides = "".join(
        f"<{tag}>{value}</{tag}>"
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"


def laid(files: Mapping[str, str | int | bytes]) -> Callable[[Path], object]:
    """Files by path: a number is a photo of that seed, a text or bytes are written."""

    def build(folder: Path) -> None:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, int):
                picture(path, content)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    return build


def sideways_png(folder: Path) -> None:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF>'
        "</x:xmpmeta>"
    )
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp)
    with Image.open(picture(folder / "a.jpg", 1)) as photo:
        photo.transpose(Image.Transpose.ROTATE_90).save(folder / "a.png", pnginfo=info)
    (folder / "a.jpg").unlink()
    laid({"a.txt": LINE, "classes.txt": "shirt\n"})(folder)


ONE = [("shirt", BOX)]
CVAT = """<annotations><version>1.1</version><meta><job><labels><label><name>shirt</name></label></labels></job>
</meta><image id="0" name="men/a.jpg" width="96" height="128"><box label="shirt" xtl="24" ytl="32" xbr="72"
ybr="96" occluded="1"><attribute name="label">tee</attribute></box><box label="belt" xtl="10" ytl="60" xbr="70"
ybr="68" rotation="90"/><polygon label="shirt" points="24,32;72,32;72,96;24,96"/><points label="shirt"
points="1,2"/></image><image id="1" name="women/a.jpg" width="96" height="128"></image></annotations>"""
VIA = {
    "a.jpg1": {
        "filename": "a.jpg",
        "size": 1,
        "regions": [
            {
                "shape_attributes": {"name": "rect", "x": 24, "y": 32, "width": 48, "height": 64},
                "region_attributes": {"c": "shirt"},
            },
            {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": {"c": "shirt"}},
        ],
    },
    "b.jpg1": {"filename": "b.jpg", "size": 1, "regions": []},
}
LABELME = {
    "version": "5.0",
    "shapes": [{"label": "shirt", "points": [[72, 96], [24, 32]], "shape_type": "rectangle"}],
    "imagePath": "..\\other\\old name.jpg",
    "imageWidth": W,
    "imageHeight": H,
    "imageData": "AAAA",
}
CSV = (
    "photo,digest,holdout,deleted,width,height,version,author,box,x0,y0,x1,y1,category,label,origin\n"
    "men/a.jpg,d,false,false,96,128,1,eve,1,24,32,72,96,shirt,red,person\n"
    "men/b.jpg,d,false,false,96,128,1,eve,,,,,,,,\n"
)
COCO_ONE = coco([image(1, "a.jpg")], [box()])

CASES: dict[str, Case] = {
    # COCO
    "coco: the file names a folder with a backslash, and one photo is gone": Case(
        laid({"images/a.jpg": 1, "r.json": coco([image(1, "images\\a.jpg"), image(2, "images\\b.jpg")], [box()])}),
        {"a.jpg": ONE},
        ("no such file",),
        whole=False,
    ),
    "coco: images by subset, the same name in two of them": Case(
        laid(
            {
                "images/train/1.jpg": 1,
                "images/val/1.jpg": 2,
                "annotations/instances_train.json": coco([image(1, "1.jpg")], [box()]),
                "annotations/instances_val.json": coco([image(1, "1.jpg")], []),
            }
        ),
        {"train/1.jpg": ONE, "val/1.jpg": []},
    ),
    "coco: folders keep photos of one name apart": Case(
        laid({"images/men/1.jpg": 1, "images/women/1.jpg": 2, "a.json": coco(
            [image(1, "men/1.jpg"), image(2, "women/1.jpg")], [box(), box(2, 2)])}),
        {"men/1.jpg": ONE, "women/1.jpg": ONE},
    ),
    "coco: Label Studio's upload paths, found by base name": Case(
        laid({"images/8a-x.jpg": 1, "result.json": coco([image(1, "/data/upload/3/8a-x.jpg")], [box()])}),
        {"8a-x.jpg": ONE},
    ),
    "coco: FiftyOne's data/ and labels.json": Case(
        laid({"data/a.jpg": 1, "labels.json": COCO_ONE}), {"a.jpg": ONE}
    ),
    "coco: Roboflow's file beside the photos, by split": Case(
        laid({"train/a.jpg": 1, "train/_annotations.coco.json": COCO_ONE, "valid/a.jpg": 2,
              "valid/_annotations.coco.json": coco([image(1, "a.jpg")], [])}),
        {"train/a.jpg": ONE, "valid/a.jpg": []},
    ),
    "coco: capitals and an ending of cameras": Case(
        laid({"Images/IMG_1.JPEG": 1, "ANN.JSON": coco([image(1, "IMG_1.JPEG")], [box()])}),
        {"IMG_1.JPEG": ONE},
    ),
    "coco: a rotated box is the upright one around it": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [
            box(bbox=[10, 60, 60, 8], attributes={"rotation": 90.0})])}),
        {"a.jpg": [("shirt", (36.0, 34.0, 44.0, 94.0))]},
        ("rotated",),
    ),
    "coco: iscrowd as a text": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [box(iscrowd="0"), box(2, iscrowd="1")])}),
        {"a.jpg": ONE},
        ("crowd",),
    ),
    "coco: fractions of the photo": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [box(bbox=[0.25, 0.25, 0.5, 0.5])])}),
        {"a.jpg": ONE},
        ("fractions",),
    ),
    "coco: ids as texts, and rows that give no box": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [
            box(image_id="1", category_id="1"), {"id": 2, "image_id": 1, "category_id": 1},  # type: ignore[arg-type]
            box(3, category_id=9), box(4, bbox=["24", "32", "48", "64"]), box(5, image_id=7), 3])}),
        {"a.jpg": ONE},
        ("5 rows were left out", "category_id 9"),
        whole=False,
    ),
    "coco: names that no file system takes cost themselves": Case(
        laid({"a.jpg": 1, "a.json": coco(
            [image(1, "a.jpg"), image(2, "x" * 5000 + ".jpg"), image(3, "\ud800.jpg"), image(4, "")], [box()])}),
        {"a.jpg": ONE},
        whole=False,
    ),
    "coco: a photo listed without its size has its own": Case(
        laid({"a.jpg": 1, "a.json": coco([{"id": 1, "file_name": "a.jpg", "width": "96"}], [box()])}),
        {"a.jpg": ONE},
        ("own size",),
    ),
    "coco: a photo whose every box is lost is not annotated as empty": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [box(bbox=None)])}),
        {"a.jpg": None},
        ("four numbers",),
        whole=False,
    ),
    "coco: categories that differ in case, and Turkish and German letters": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [box(n, category_id=n) for n in range(1, 7)],
              ["Shirt", "shirt", "İPEK", "ipek", "Straße", "STRASSE"])}),
        {"a.jpg": [(name, BOX) for name in ("Shirt", "Shirt", "İPEK", "ipek", "Straße", "Straße")]},
        ("'Shirt', 'shirt' are one", "'Straße', 'STRASSE' are one"),
    ),
    "coco: NFC in the file, NFD on the disk": Case(
        laid({"images/u\u0308.jpg": 1, "a.json": coco([image(1, "ü.jpg")], [box()])}), {"ü.jpg": ONE}
    ),
    "coco: cut off": Case(
        laid({"a.jpg": 1, "a.json": COCO_ONE[:-30]}), {"a.jpg": None}, ("JSON is expected",), whole=False
    ),
    "coco: without categories": Case(
        laid({"a.jpg": 1, "a.json": json.dumps({"images": [image(1, "a.jpg")], "annotations": [box()]})}),
        {"a.jpg": None},
        ("'categories'",),
        whole=False,
    ),
    "coco: UTF-16": Case(laid({"a.jpg": 1, "a.json": COCO_ONE.encode("utf-16")}), {"a.jpg": ONE}),
    "coco: two files list one photo": Case(
        laid({"a.jpg": 1, "a.json": COCO_ONE, "b.json": coco([image(1, "a.jpg")], [])}),
        {"a.jpg": ONE},
        ("a.json lists as well",),
    ),
    # VOC
    "voc: a file name without ending": Case(laid({"s-01.jpg": 1, "s-01.xml": voc("s-01")}), {"s-01.jpg": ONE}),
    "voc: photo and file renamed alike": Case(laid({"new.jpg": 1, "new.xml": voc("old.jpg")}), {"new.jpg": ONE}),
    "voc: the file names the neighbor": Case(
        laid({"p1.jpg": 1, "p2.jpg": 2, "p1.xml": voc("p2.jpg")}),
        {"p1.jpg": ONE, "p2.jpg": None},
        ("says p2.jpg", "1 photo that no annotation lists"),
    ),
    "voc: never another photo's boxes": Case(
        laid({"p4.jpg": 4, "p4.xml": voc("p4.jpg", ""), "p3.xml": voc("p4.jpg")}),
        {"p4.jpg": []},
        ("p4.jpg has a file of its own",),
        whole=False,
    ),
    "voc: capitals": Case(laid({"IMG_1.JPG": 1, "IMG_1.XML": voc("IMG_1.JPG")}), {"IMG_1.JPG": ONE}),
    "voc: photos that no file names": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "a.xml": voc("a.jpg")}),
        {"a.jpg": ONE, "b.jpg": None},
        ("1 photo that no annotation lists came without boxes: b.jpg",),
    ),
    "voc: subfolders, of files and of photos": Case(
        laid({"JPEGImages/x/1.jpg": 1, "JPEGImages/y/1.jpg": 2, "Annotations/x/1.xml": voc("1.jpg"),
              "Annotations/y/1.xml": voc("1.jpg", ""), "ImageSets/Main/train.txt": "1\n"}),
        {"x/1.jpg": ONE, "y/1.jpg": []},
    ),
    "voc: an object of text for numbers costs itself": Case(
        laid({"a.jpg": 1, "a.xml": voc("a.jpg", thing() + thing(corners=("ten", 1, 2, 3)) + "<object/>")}),
        {"a.jpg": ONE},
        ("2 rows were left out",),
        whole=False,
    ),
    # YOLO
    "yolo: an empty line of the class list keeps its number": Case(
        laid({"a.jpg": 1, "a.txt": "2 .5 .5 .5 .5\n", "classes.txt": "shirt\n\npants\nshoe\n"}),
        {"a.jpg": [("pants", BOX)]},
    ),
    "yolo: CVAT's 1.1": Case(
        laid({"obj_train_data/p0.jpg": 1, "obj_train_data/p0.txt": LINE, "obj.names": "shirt\n",
              "obj.data": "classes = 1\nnames = data/obj.names\n", "train.txt": "data/obj_train_data/p0.jpg\n"}),
        {"p0.jpg": ONE},
    ),
    "yolo: a setting under any name, subsets, names as written": Case(
        laid({"images/train/a.jpg": 1, "labels/train/a.txt": "1 .5 .5 .5 .5\n2 .5 .5 .5 .5\n3 .5 .5 .5 .5\n",
              "garments.yaml": "path: ../datasets/x\ntrain: images/train\nnames: [shirt, no, on, 010]\n"}),
        {"a.jpg": [("no", BOX), ("on", BOX), ("010", BOX)]},
    ),
    "yolo: a setting whose folders are elsewhere": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE, "data.yaml": "train: /srv/x/train\nnames: {0: shirt}\n"}),
        {"a.jpg": ONE},
    ),
    "yolo: Roboflow's splits": Case(
        laid({"train/images/a.jpg": 1, "train/labels/a.txt": LINE, "valid/images/a.jpg": 2,
              "valid/labels/a.txt": "", "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: [shirt]\n"}),
        {"train/images/a.jpg": ONE, "valid/images/a.jpg": []},
    ),
    "yolo: capitals": Case(
        laid({"Images/IMG_1.JPG": 1, "Labels/IMG_1.txt": LINE, "classes.txt": "shirt\n"}), {"IMG_1.JPG": ONE}
    ),
    "yolo: .jfif": Case(
        laid({"images/a.jfif": 1, "labels/a.txt": LINE, "classes.txt": "shirt\n"}), {"a.jfif": ONE}
    ),
    "yolo: confidence, and confidence with a track id": Case(
        laid({"a.jpg": 1, "a.txt": "0 .5 .5 .5 .5 .87\n0 .5 .5 .5 .5 .87 12\n", "classes.txt": "shirt\n"}),
        {"a.jpg": ONE * 2},
    ),
    "yolo: a polygon": Case(
        laid({"a.jpg": 1, "a.txt": "0 .25 .25 .75 .25 .75 .75 .25 .75\n", "classes.txt": "shirt\n"}), {"a.jpg": ONE}
    ),
    "yolo: key points where the setting says so": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": "0 .5 .5 .5 .5 .4 .4 .6 .6\n",
              "data.yaml": "kpt_shape: [2, 2]\nnames: [shirt]\n"}),
        {"a.jpg": ONE},
    ),
    "yolo: key points that may be a polygon": Case(
        laid({"a.jpg": 1, "a.txt": "0 .5 .5 .5 .5 .45 .4 .55 .4\n", "classes.txt": "shirt\n"}),
        {"a.jpg": None},
        ("kpt_shape",),
        whole=False,
    ),
    "yolo: pixels, and a class that is not listed, cost their lines": Case(
        laid({"a.jpg": 1, "a.txt": f"{LINE}0 48 64 48 64\n7 .5 .5 .5 .5\n", "classes.txt": "shirt\n"}),
        {"a.jpg": ONE},
        ("fractions", "a class in 0..0"),
        whole=False,
    ),
    "yolo: an empty text is a photo that shows nothing, none is not annotated": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "a.txt": "", "classes.txt": "shirt\n"}),
        {"a.jpg": [], "b.jpg": None},
        ("1 photo that no annotation lists",),
    ),
    "yolo: labels without a class list": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE}), {"a.jpg": None}, ("need a class list",), whole=False
    ),
    "yolo: the photo is turned by XMP": Case(sideways_png, {"a.png": ONE}),
    # others
    "cvat: boxes, polygons, a rotation, an occluded one, points and an empty photo": Case(
        laid({"images/men/a.jpg": 1, "images/women/a.jpg": 2, "annotations.xml": CVAT}),
        {"men/a.jpg": [("shirt", BOX), ("belt", (36.0, 34.0, 44.0, 94.0)), ("shirt", BOX)], "women/a.jpg": []},
        ("other shapes are not",),
        whole=False,
    ),
    "via: regions, and an attribute that is not called like a category": Case(
        laid({"a.jpg": 1, "b.jpg": 2, "via_project.json": json.dumps({"_via_img_metadata": VIA})}),
        {"a.jpg": ONE, "b.jpg": []},
        ("the attribute 'c'", "got 'point'"),
        whole=False,
    ),
    "labelme: the photo of the file's own name": Case(
        laid({"a.jpg": 1, "a.json": json.dumps(LABELME)}), {"a.jpg": ONE}
    ),
    "csv: Lapel's own, with a photo that shows nothing": Case(
        laid({"men/a.jpg": 1, "men/b.jpg": 2, "annotations.csv": CSV}), {"men/a.jpg": ONE, "men/b.jpg": []}
    ),
    "csv: Roboflow's columns": Case(
        laid({"train/a.jpg": 1, "train/_annotations.csv":
              "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,96,128,shirt,24,32,72,96\n"}),
        {"a.jpg": ONE},
    ),
    "none: files of kinds that are not read": Case(
        laid({"a.jpg": 1, "tasks.json": json.dumps([{"data": {"image": "a.jpg"}}]), "x.xml": "<html/>",
              "labels.csv": "image,label\na,shirt\n", "x.parquet": "PAR1", "README.md": "hello"}),
        {"a.jpg": None},
        ("JSON of a kind that is not read", "'html'", "the columns 'image,label'", "x.parquet", "README.md"),
        whole=False,
    ),
    # what differs in folders or in little else
    "yolo: CVAT's frames of one name in two subsets": Case(
        laid({"obj_train_data/f0.jpg": 1, "obj_train_data/f0.txt": LINE, "obj_valid_data/f0.jpg": 2,
              "obj_valid_data/f0.txt": "1 .5 .5 .5 .5\n", "obj.names": "shirt\npants\n"}),
        {"obj_train_data/f0.jpg": ONE, "obj_valid_data/f0.jpg": [("pants", BOX)]},
    ),
    "yolo: photos called as texts that tools leave": Case(
        laid({"images/test.jpg": 1, "labels/test.txt": LINE, "images/readme-1.jpg": 2, "labels/readme-1.txt": "",
              "classes.txt": "shirt\n"}),
        {"test.jpg": ONE, "readme-1.jpg": []},
    ),
    "yolo: a class list for each folder": Case(
        laid({"a.jpg": 1, "a.txt": LINE, "classes.txt": "shirt\n", "more/images/b.jpg": 2, "more/labels/b.txt": LINE,
              "more/data.yaml": "names: [dress]\n"}),
        {"a.jpg": ONE, "more/images/b.jpg": [("dress", BOX)]},
    ),
    "yolo: two settings, of which one is usual": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE, "coco.yaml": "names: [person]\n", "data.yaml": "names: [shirt]\n"}),
        {"a.jpg": ONE},
        ("data.yaml lists the categories",),
    ),
    "yolo: LabelImg's list among the labels of a subset, a setting in config": Case(
        laid({"images/train/a.jpg": 1, "labels/train/a.txt": LINE, "labels/train/classes.txt": "shirt\n"}),
        {"a.jpg": ONE},
    ),
    "yolo: no labels at all": Case(
        laid({"images/a.jpg": 1, "data.yaml": "names: [shirt]\n"}), {"a.jpg": None},
        ("there are no labels",),
    ),
    "yolo: a list of photos with their boxes": Case(
        laid({"images/a.jpg": 1, "train.txt": "images/a.jpg 10,20,60,80,0\n", "classes.txt": "shirt\n"}),
        {"a.jpg": None},
        ("boxes in a list of photos are not read",),
        whole=False,
    ),
    "yolo: a text of another folder's photo": Case(
        laid({"images/women/1.jpg": 1, "labels/men/1.txt": LINE, "classes.txt": "shirt\n"}),
        {"women/1.jpg": None},
        ("labels need a photo",),
        whole=False,
    ),
    "voc: another folder's photo": Case(
        laid({"JPEGImages/women/1.jpg": 1, "Annotations/men/1.xml": voc("1.jpg"), "Annotations/women/1.xml": voc("1.jpg", "")}),
        {"women/1.jpg": []},
        ("no such file",),
        whole=False,
    ),
    "voc: a photo of the same name in the folder and below": Case(
        laid({"1.jpg": 1, "1.xml": voc("1.jpg"), "men/1.jpg": 2, "men/1.xml": voc("1.jpg", "")}),
        {"1.jpg": ONE, "men/1.jpg": []},
    ),
    "voc: a long comment first": Case(
        laid({"a.jpg": 1, "a.xml": f"<!-- {'x' * 20_000} -->{voc('a.jpg')}"}), {"a.jpg": ONE}
    ),
    "voc: fractions just over the edge, without a size": Case(
        laid({"a.jpg": 1, "a.xml": "<annotation><filename>a.jpg</filename>"
              + thing(corners=(0.25, 0.25, 0.75, 0.75)) + thing("hat", (0.5, 0.5, 1.004, 1)) + "</annotation>"}),
        {"a.jpg": [*ONE, ("hat", (48, 64, 96, 128))]},
        ("fractions", "own size"),
    ),
    "coco: a photo of the same name in the folder and below": Case(
        laid({"images/1.jpg": 1, "images/men/1.jpg": 2, "a.json": coco([image(1, "1.jpg"), image(2, "men/1.jpg")], [box()])}),
        {"1.jpg": ONE, "men/1.jpg": []},
    ),
    "coco: another folder's photo": Case(
        laid({"images/women/1.jpg": 1, "a.json": coco([image(1, "men/1.jpg")], [box()])}),
        {"women/1.jpg": None},
        ("no such file",),
        whole=False,
    ),
    "coco: fractions without a size, one just over the edge": Case(
        laid({"a.jpg": 1, "a.json": coco([{"id": 1, "file_name": "a.jpg"}],
              [box(bbox=[0.25, 0.25, 0.5, 0.5]), box(2, bbox=[0.5, 0.5, 0.504, 0.5])])}),
        {"a.jpg": [*ONE, ("shirt", (48, 64, 96, 128))]},
        ("fractions", "own size"),
    ),
    "coco: a file a category": Case(
        laid({"a.jpg": 1, "a.json": COCO_ONE, "b.json": coco([image(1, "a.jpg")], [box()], ["pants"])}),
        {"a.jpg": ONE},
        ("'pants' of b.json was left out",),
        whole=False,
    ),
    "coco: a crowd region alone is not a photo that shows nothing": Case(
        laid({"a.jpg": 1, "a.json": coco([image(1, "a.jpg")], [box(iscrowd=1)])}), {"a.jpg": None}, ("crowd",)
    ),
    "cvat: subsets, tags, a turned ellipse and a rotation that is none": Case(
        laid({"images/train/a.jpg": 1, "images/val/a.jpg": 2, "x.xml": """<annotations>
              <image name="a.jpg" subset="train" width="96" height="128"><ellipse label="hat" cx="48" cy="64" rx="20"
              ry="10" rotation="90"/><box label="hat" xtl="1" ytl="2" xbr="30" ybr="40" rotation="inf"/></image>
              <image name="a.jpg" subset="val" width="96" height="128"><tag label="shirt"/></image></annotations>"""}),
        {"train/a.jpg": [("hat", (38.0, 44.0, 58.0, 84.0))], "val/a.jpg": None},
        ("a rotation in degrees", "tags name no place"),
        whole=False,
    ),
    "labelme: a circle beyond the photo, and a file called notes": Case(
        laid({"notes.jpg": 1, "notes.json": json.dumps(LABELME | {"shapes": [*LABELME["shapes"],  # type: ignore[misc]
              {"label": "hat", "points": [[1e200, 0], [0, 1e200]], "shape_type": "circle"}]})}),
        {"notes.jpg": [*ONE, ("hat", (0, 0, 96, 128))]},
    ),
    "csv: fractions, blanks in the header, line separators in a label": Case(
        laid({"a.jpg": 1, "a.csv": "filename, width, height, class, xmin, ymin, xmax, ymax, label\n"
              "a.jpg,96,128,shirt,.25,.25,.75,.75,re\u2028d\n"}),
        {"a.jpg": ONE},
        ("fractions",),
    ),
}  # fmt: skip


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
def test_a_data_set_comes_as_it_was_meant(store: Store, tmp_path: Path, name: str, zips: bool) -> None:
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
