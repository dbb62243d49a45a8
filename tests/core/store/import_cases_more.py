# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""More datasets as people have them: YOLO, other formats, and folders that tell little apart."""

from __future__ import annotations

import json

from tests.core.store.import_cases import (
    BOX,
    COCO_ONE,
    CSV,
    CVAT,
    LABELME,
    LINE,
    ONE,
    VIA,
    Case,
    box,
    coco,
    image,
    laid,
    sideways_png,
    thing,
    voc,
)

YOLO_AND_OTHERS: dict[str, Case] = {
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
    "yolo: labels of a photo that cannot be opened": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE, "images/b.gif": b"GIF89a", "labels/b.txt": LINE, "data.yaml": "names: [shirt]\n"}),
        {"a.jpg": ONE},
        ("images/b.gif: The photo is damaged",),
        whole=False,
    ),
    "yolo: two texts of one photo": Case(
        laid({"images/a.jpg": 1, "images/a.txt": LINE, "labels/a.txt": LINE, "data.yaml": "names: [shirt]\n"}),
        {"a.jpg": ONE},
        ("labels/a.txt: its photo has the labels of images/a.txt",),
        whole=False,
    ),
    "yolo: an empty class list": Case(
        laid({"a.jpg": 1, "a.txt": LINE, "classes.txt": "\n"}),
        {"a.jpg": None},
        ("a category a line is expected", "of which no annotation was read"),
        whole=False,
    ),
    "yolo: a setting that is no YAML": Case(
        laid({"images/a.jpg": 1, "labels/a.txt": LINE, "data.yaml": "names:\n\t- shirt\n"}), {"a.jpg": None}, ("line 2",), whole=False
    ),
    "yolo: a split's list names a photo that is not there": Case(
        laid({"obj_train_data/a.jpg": 1, "obj_train_data/a.txt": LINE, "obj.names": "shirt\n",
              "train.txt": "data/obj_train_data/a.jpg\ndata/obj_train_data/gone.jpg\n"}),
        {"a.jpg": ONE},
        ("it lists 1 photo that is not there: obj_train_data/gone.jpg",),
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
    "voc: an empty line first, a path and no file name": Case(
        laid({"images/a.jpg": 1, "xml/0001.xml": '\n<?xml version="1.0"?>' + voc(None).replace(
            "<size>", r"<path>C:\me\images\a.jpg</path><size>")}),
        {"a.jpg": ONE},
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
    "coco: annotations of other photos alone": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.jpg")], [box(image_id="a.jpg")])}),  # type: ignore[arg-type]
        {"a.jpg": None},
        ("unknown image_id", "none could be kept"),
        whole=False,
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
        ("a rotation in degrees",),
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
