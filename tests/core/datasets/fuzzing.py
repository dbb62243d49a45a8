# ruff: noqa: E501 - datasets in their own lines
"""Reads damaged datasets: ``python -m tests.core.datasets.fuzzing FOLDER SEED``.

Prints what went wrong, a line each: an exception that is no LapelError, or more time or memory than allowed.
"""

from __future__ import annotations

import json
import logging
import random
import resource
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path

from PIL import Image

from core.datasets.discovery import DatasetFinder
from core.datasets.folder_files import files_below, is_picture
from core.datasets.photo_index import PhotoIndex
from core.datasets.reading import read_detection
from core.datasets.report import ReadReport
from core.errors import LapelError

SECONDS, MEBIBYTES = 2, 512
ROUNDS = 12
W, H = 96, 128
VALUES: tuple[object, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1e308,
        float("nan"),
        float("inf"),
        10**400,
        "",
        "1",
        "x" * 300,
        "\ud800",
        "../../x",
        "/etc",
    ),
    *([], {}, [[]], [1, 2, 3, 4], {"a": 1}, "no", "a\0b", "0 .5 .5 .1 .1", 2**63, -0.0),
)
TOKENS = (
    b"\0",
    b"\xff\xfe",
    b"<",
    b">",
    b"&",
    b"&amp;",
    b"[",
    b"]" * 40,
    b"{" * 40,
    b"{}," * 2000,
    b"1e999",
    b"-",
    b":",
    b"\n" * 50,
)
TOKENS += (
    b"&a [*a]",
    b"<<: *a",
    b"!!python/name:os.system",
    b"\r",
    b"9" * 5000,
    b"nan",
    b"\xed\xa0\x80",
    b"<object>" * 200,
)


def coco() -> dict[str, object]:
    images = [{"id": n, "file_name": f"{n}.jpg", "width": W, "height": H} for n in range(3)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 30, 40]} for n in range(3)]
    more = {"attributes": {"rotation": 30, "label": "tee", "occluded": True}, "iscrowd": 0, "ignore": 1}
    boxes.append({"id": 9, "image_id": 0, "category_id": 2, "bbox": [5, 5, 9, 9], **more})
    names = [{"id": 1, "name": "shirt"}, {"id": 2, "name": "pants"}]
    return {
        "images": images,
        "annotations": boxes,
        "categories": names,
        "info": {"labeled_categories": ["shirt"]},
    }


def via() -> dict[str, object]:
    rect = {"name": "rect", "x": 1, "y": 2, "width": 30, "height": 40}
    region = {"shape_attributes": rect, "region_attributes": {"category": "shirt", "difficult": {"1": True}}}
    points = {"name": "polygon", "all_points_x": [1, 2, 9], "all_points_y": [1, 9, 9]}
    other = {"shape_attributes": points, "region_attributes": {"category": {"pants": True}}}
    return {"_via_img_metadata": {"0.jpg1": {"filename": "0.jpg", "regions": [region, other]}}}


def labelme() -> dict[str, object]:
    shape = {
        "label": "shirt",
        "points": [[1, 2], [30, 40]],
        "shape_type": "rectangle",
        "flags": {"occluded": True},
    }
    circle = {"label": "hat", "points": [[30, 30], [40, 40]], "shape_type": "circle"}
    return {"shapes": [shape, circle], "imagePath": "0.jpg", "imageWidth": W, "imageHeight": H}


VOC = (
    "<annotation><filename>0.jpg</filename><size><width>96</width><height>128</height></size><object><name>shirt"
    "</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    "</object></annotation>"
)
CVAT = (
    '<annotations><image name="0.jpg" width="96" height="128"><box label="shirt" xtl="1" ytl="2" xbr="30" '
    'ybr="40" rotation="20" occluded="1"/><polygon label="shirt" points="1,2;30,2;30,40"/></image></annotations>'
)
SETS: dict[str, dict[str, object]] = {
    "coco": {"a.json": coco()},
    "via": {"via.json": via()},
    "labelme": {"0.json": labelme(), "1.json": labelme()},
    "deepfashion2": {"annos/0.json": {"item1": {"bounding_box": [1, 2, 30, 40], "category_id": 1}}},
    "voc": {"0.xml": VOC, "1.xml": VOC.replace("0.jpg", "1.jpg"), "classes.txt": "shirt\n"},
    "cvat": {"annotations.xml": CVAT},
    "yolo": {"data.yaml": "path: .\ntrain: .\nkpt_shape: [2, 2]\nnames: {0: shirt, 1: no}\n", "0.txt": "0 .5 .5 .2 .2\n1 .1 .1 .2 .2 .9 3\n", "1.txt": "0 .1 .1 .5 .1 .5 .6 .2 .6 .1 .3\n"},
    "labelimg": {"classes.txt": "shirt\n\npants\n", "0.txt": "2 .5 .5 .2 .2 .9\n", "1.txt": ""},
    "csv": {"a.csv": "photo,x0,y0,x1,y1,category,label,flags,width,height\n0.jpg,1,2,30,40,shirt,tee,difficult,96,128\n1.jpg,,,,,,,,96,128\n"},
    "deepfashion": {
        "list_category_cloth.txt": "1\nname type\nAnorak 1\n",
        "list_category_img.txt": "1\nimage label\n0.jpg 1\n",
        "list_bbox.txt": "1\nimage x y x y\n0.jpg 1 2 30 40\n",
    },
}  # fmt: skip


def damaged(content: object, rng: random.Random) -> bytes:
    """A file's content with a value replaced, removed or doubled, or with bytes changed."""
    if not isinstance(content, str) and rng.random() < 0.7:
        document = json.loads(json.dumps(content))
        for _ in range(rng.randint(1, 3)):
            _replace_one(document, rng)
        return json.dumps(document).encode()
    data = bytearray((content if isinstance(content, str) else json.dumps(content)).encode())
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        action = rng.randrange(4)
        if action == 0:
            del data[at:]
        elif action == 1:
            data[at : at + rng.randint(1, 6)] = rng.choice(TOKENS)
        elif action == 2 and data:
            data[at % len(data)] = rng.randrange(256)
        else:
            data[at:at] = data[at : at + 200] * rng.randint(1, 30)
    return bytes(data)


def _replace_one(document: object, rng: random.Random) -> None:
    spots: list[tuple[dict[str, object] | list[object], object]] = []
    _collect(document, spots)
    if not spots:
        return
    parent, key = rng.choice(spots)
    if isinstance(parent, dict) and rng.random() < 0.25:
        parent.pop(str(key))
    elif isinstance(parent, list) and rng.random() < 0.25:
        parent.append(deepcopy(parent[int(str(key))]))
    else:
        parent[key] = deepcopy(rng.choice(VALUES))  # type: ignore[index]


def _collect(value: object, spots: list[tuple[dict[str, object] | list[object], object]]) -> None:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, below in entries:
        spots.append((value, key))  # type: ignore[arg-type]
        _collect(below, spots)


def read_all(folder: Path) -> None:
    """Read the folder as an import does, then as evaluation does."""
    files, report = list(files_below(folder)), ReadReport()
    index = PhotoIndex(folder, [file for file in files if is_picture(file)])
    finder = DatasetFinder(folder, [file for file in files if not is_picture(file)], index, report)
    for found in finder.datasets():
        assert all(len(photo) == len(photo.flags) for photo in found.dataset.photos)
    assert all(entry.reason and "\n" not in entry.name for entry in report.entries())
    for path in (folder, *files):
        with suppress(LapelError):
            read_detection(path)


def problem_of(name: str, read: Callable[[], None]) -> str | None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        read()
    except Exception:
        return f"{name}: {traceback.format_exc().splitlines()[-1]} {traceback.format_exc()[-600:]}"
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    grown = (after.ru_maxrss - before.ru_maxrss) / 1024
    if seconds > SECONDS or grown > MEBIBYTES:
        return f"{name}: {seconds:.1f} s, {grown:.0f} MiB"
    return None


def main(home: Path, seed: int) -> None:
    """Damage and read each kind of dataset ``ROUNDS`` times."""
    logging.disable()
    rng = random.Random(seed)
    for round in range(ROUNDS):
        for name, files in SETS.items():
            folder = home / name
            shutil.rmtree(folder, ignore_errors=True)
            target = rng.choice(list(files))
            for place in ("", "image/") if name == "deepfashion2" else ("",):
                for number in range(3):
                    (folder / place).mkdir(parents=True, exist_ok=True)
                    Image.new("RGB", (W, H)).save(folder / place / f"{number}.jpg")
            for file, content in files.items():
                path = folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                plain = content if isinstance(content, str) else json.dumps(content)
                path.write_bytes(damaged(content, rng) if file == target else plain.encode())
            problem = problem_of(f"{name}, round {round} of seed {seed}", partial(read_all, folder))
            if problem:
                print(problem, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
