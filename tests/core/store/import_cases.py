# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Datasets as people have them: layouts, odd values and gaps, each with what has to come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.core.store.test_importing import SIZE_WH, picture

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

COCO_AND_VOC: dict[str, Case] = {
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
        ("no boxes came for 1 photo that no annotation lists: b.jpg",),
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
}  # fmt: skip
