"""A batch of labeled photos as one zip: CSV, JSON lines, VOC, COCO, YOLO, the photos and garments' crops."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from PIL import Image

from core.csv_cells import escape_formula
from core.datasets.coco import coco_document
from core.datasets.detection import BoxedPhoto, BoxRow, DetectionDataset, boxed_photo, class_list
from core.datasets.listed_paths import PLAIN_FOLDERS
from core.datasets.photo_index import PhotoIndex
from core.datasets.voc import voc_document
from core.datasets.yolo import yolo_lines, yolo_setting
from core.errors import DatasetError
from core.file_names import (
    MAX_PORTABLE_PATH_BYTES,
    free_name,
    path_key,
    portable_name,
    portable_path,
    portable_stems,
    relative_name,
)
from core.garments import Garment, LabeledPhoto
from core.images.crops import on_white
from core.images.encode import jpeg
from core.taxonomy import load_taxonomy

CROP_QUALITY = 90
PHOTO_QUALITY = 92
TOP = 5
COLUMNS = (
    *("photo", "garment", "x0", "y0", "x1", "y1", "category", "shop_category", "label", "score"),
    *(f"{column}_{rank}" for rank in range(1, TOP + 1) for column in ("label", "probability")),
    "corrected",
    *("detector_category", "detector_score", "classifier_label", "classifier_probability", "models_disagree"),
)
README = """\
What Lapel found on {photos} photos, and where it is:
- labels.csv: a row for each garment; a photo without garments has a row whose other cells are empty.
- labels.jsonl: a line for each photo, as python -m core label writes it.
- coco.json, voc/: the same boxes; {names}.
- yolo/: {yolo}
- crops/: the garments cut out, in the folders that the photos came in.
YOLO's files hold categories only; VOC's boxes are in whole pixels. Scores are in labels.csv and labels.jsonl.
"""
YOLO_WITH_PHOTOS = (
    "trains as it is: yolo detect train data=/where/this/is/yolo/data.yaml model=yolo11n.pt. Photos are "
    "upright JPEG files, and are learned from and validated on alike: set some apart to measure a model."
)
NAMES_WITH_PHOTOS = (
    "photos are called by their paths in this zip; labels.jsonl has these (picture) and the names that they "
    "came with (photo)"
)
YOLO_WITHOUT_PHOTOS = (
    "the photos are not in this zip: put them into yolo/images/, named as the files in yolo/labels/."
)
NAMES_WITHOUT_PHOTOS = "photos have the names that they came with"
UNTOLD_FOLDERS = PLAIN_FOLDERS | {"yolo"}


@dataclass(frozen=True, eq=False)
class _Batch:
    """What all formats share: photos, their unique paths without ending, their names in the table, the
    crops' names without ending, the shop's names, and the boxes as a dataset.
    """

    labeled: Sequence[LabeledPhoto]
    paths: Sequence[str]
    table_names: Sequence[str]
    crops: Sequence[Sequence[str]]
    shop_names: Mapping[str, str]
    dataset: DetectionDataset

    def shop_name(self, category: str) -> str:
        return self.shop_names.get(category, category)


def write_zip(
    labeled: Sequence[LabeledPhoto],
    image_of: Callable[[str], Image.Image],
    out: BinaryIO,
    names: Mapping[str, str] | None = None,
    categories: Sequence[str] | None = None,
    *,
    photos: bool = False,
    square: int = 0,
) -> None:
    """Write all that was found in ``labeled`` into ``out`` as a zip, with one picture in memory at a time.

    ``image_of`` gives the upright picture to a photo's name and is called once for each photo with garments;
    with ``photos``, for each photo: these are then in ``yolo/images/``, in their folders, and
    ``yolo/data.yaml`` trains as it is. COCO and VOC then call a photo by its path in the zip, and so does the
    CSV where a photo's own name would not lead to its picture. A photo without garments stays in every
    format; in the CSV it has a row with its name alone.
    ``names`` maps Lapel's category names to the shop's (CSV and JSON keep both); ``categories`` gives the
    order of the class ids, by default the detector's own. With ``square`` crops are squares of so many pixels
    a side, the garment in the middle on white. ``out`` need not be seekable. What ``image_of``
    raises goes up.
    """
    batch = _batch(labeled, names or {}, categories or load_taxonomy("street13").categories, photos)
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        _write_csv(batch, archive)
        _write_lines(batch, archive, photos)
        for path, photo in zip(batch.paths, batch.dataset.photos, strict=True):
            archive.writestr(f"voc/{path}.xml", voc_document(photo, batch.dataset.categories))
            archive.writestr(f"yolo/labels/{path}.txt", yolo_lines(photo))
        archive.writestr("coco.json", _json(coco_document(batch.dataset)))
        archive.writestr("yolo/data.yaml", yolo_setting(batch.dataset.categories))
        archive.writestr("yolo/classes.txt", class_list(batch.dataset.categories))
        archive.writestr("yolo/images/", "")
        how = YOLO_WITH_PHOTOS if photos else YOLO_WITHOUT_PHOTOS
        names_are = NAMES_WITH_PHOTOS if photos else NAMES_WITHOUT_PHOTOS
        readme = README.format(photos=len(labeled), yolo=how, names=names_are)
        archive.writestr("README.txt", readme)
        for name, data in _pictures(batch, image_of, photos, square):
            archive.writestr(name, data, ZIP_STORED)  # JPEG does not get smaller


def _batch(
    labeled: Sequence[LabeledPhoto], names: Mapping[str, str], order: Sequence[str], with_photos: bool
) -> _Batch:
    found = (garment.category for photo in labeled for garment in photo.garments)
    shop_names = {category: _shop_name(category, names) for category in (*order, *found)}
    classes = tuple(dict.fromkeys(shop_names.values()))  # two of Lapel's categories may be one of the shop's
    ids = {category: classes.index(name) for category, name in shop_names.items()}
    own = [photo.photo for photo in labeled]
    stems = portable_stems(own)
    paths, crops = _paths(own) if with_photos else stems, crop_names(labeled)
    if with_photos:
        file_names = [_picture(path) for path in paths]
        table_names = own if _lead_to(own, file_names, crops) else file_names
    else:
        file_names, table_names = _file_names(labeled, stems), own
    photos = [_boxed(photo, name, ids) for photo, name in zip(labeled, file_names, strict=True)]
    return _Batch(labeled, paths, table_names, crops, shop_names, DetectionDataset(classes, tuple(photos)))


def _paths(names: Sequence[str]) -> list[str]:
    """The photos' paths without ending, unique without regard to case; JPEGs keep theirs before others.

    Folders that readers of annotations skip are left out: photos that only these tell apart would be mixed.
    """
    paths: dict[int, str] = {}
    taken: set[str] = set()
    for place in sorted(range(len(names)), key=lambda place: not names[place].endswith(".jpg")):
        *folders, stem = portable_path(names[place]).split("/")
        wanted = "/".join([*(part for part in folders if part.casefold() not in UNTOLD_FOLDERS), stem])
        paths[place] = free_name(wanted, lambda path: path_key(path) in taken, "{stem}_{number}")
        taken.add(path_key(paths[place]))
    return [paths[place] for place in range(len(names))]


def _picture(path: str) -> str:
    return f"yolo/images/{path}.jpg"


def _lead_to(names: Sequence[str], pictures: Sequence[str], crops: Sequence[Sequence[str]]) -> bool:
    """Whether the table's readers find each photo's picture in the zip by the photo's own name."""
    root = Path("zip")
    files = [root / name for name in (*pictures, *(f"{crop}.jpg" for some in crops for crop in some))]
    written = [name.encode("utf-8", "replace").decode().strip() for name in names]
    found = PhotoIndex(root, files).find(written, root / "labels.csv")
    return found == files[: len(pictures)]


def _shop_name(category: str, names: Mapping[str, str]) -> str:
    """The shop's name for a category, else Lapel's own; one printable line, as class lists go by lines."""
    for name in (names.get(category, ""), category):
        printable = "".join(c if c.isprintable() else " " for c in name).strip()
        if printable:
            return printable
    return "garment"


def _file_names(labeled: Sequence[LabeledPhoto], stems: Sequence[str]) -> list[str]:
    """The photos' names as annotation files give them: their own where they are safe and unique."""
    chosen: dict[str, None] = {}
    for photo, stem in zip(labeled, stems, strict=True):
        try:
            name = relative_name(photo.photo, "export")
        except DatasetError:
            name = ""
        if not name or name in chosen:
            name = f"{stem}.{portable_name(PurePosixPath(photo.photo).suffix) or 'jpg'}"
        while name in chosen:
            name = f"_{name}"
        chosen[name] = None
    return list(chosen)


def _boxed(photo: LabeledPhoto, file_name: str, ids: Mapping[str, int]) -> BoxedPhoto:
    rows = [
        BoxRow(*garment.box_xyxy, ids[garment.category], garment.best_label) for garment in photo.garments
    ]
    return boxed_photo(file_name, photo.width, photo.height, rows)[0]


def _write_csv(batch: _Batch, archive: ZipFile) -> None:
    with archive.open("labels.csv", "w") as member:
        text = io.TextIOWrapper(member, encoding="utf-8", errors="replace", newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for photo, name in zip(batch.labeled, batch.table_names, strict=True):
            for number, garment in enumerate(photo.garments, start=1):
                row = _csv_row(name, number, garment, batch.shop_name(garment.category))
                writer.writerow([escape_formula(cell) if isinstance(cell, str) else cell for cell in row])
            if not photo.garments:
                writer.writerow([escape_formula(name), *[""] * (len(COLUMNS) - 1)])
        text.flush()
        text.detach()


def _csv_row(photo: str, number: int, garment: Garment, shop_category: str) -> list[str | float]:
    box: list[str | float] = [round(value, 2) for value in garment.box_xyxy]
    ranked: list[str | float] = []
    for label, probability in garment.top5[:TOP]:
        ranked += [label, round(probability, 4)]
    ranked += [""] * (2 * TOP - len(ranked))
    named = (garment.category, shop_category, garment.best_label, round(garment.score, 4))
    alone: list[str | float] = []
    for said in (garment.detector, garment.classifier):
        alone += ["", ""] if said is None else [said[0], round(said[1], 4)]
    alone.append(_truth(garment.models_disagree))
    return [photo, number, *box, *named, *ranked, _truth(garment.corrected), *alone]


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _write_lines(batch: _Batch, archive: ZipFile, with_photos: bool) -> None:
    with archive.open("labels.jsonl", "w") as member:
        for photo, path in zip(batch.labeled, batch.paths, strict=True):
            line = photo.as_dict()
            if with_photos:
                line["picture"] = _picture(path)
            for entry in line["garments"]:
                shop_category = batch.shop_name(entry["category"])
                if shop_category != entry["category"]:
                    entry["shop_category"] = shop_category
            member.write(_json(line))


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _pictures(
    batch: _Batch, image_of: Callable[[str], Image.Image], photos: bool, square: int
) -> Iterator[tuple[str, bytes]]:
    """Names and JPEGs of the garments' crops, and with ``photos`` of the photos themselves."""
    for photo, path, crops in zip(batch.labeled, batch.paths, batch.crops, strict=True):
        if not photo.garments and not photos:
            continue
        # handed on unnamed, so that no picture is held while the next one is opened
        for number, data in _cut(photo.garments, image_of(photo.photo), photos, square):
            yield (f"{crops[number - 1]}.jpg" if number else _picture(path)), data


def crop_names(labeled: Sequence[LabeledPhoto]) -> list[list[str]]:
    """The paths of each photo's crops without ending, whether or not there is something to cut out.

    They are in ``crops/``, in the photos' folders, and differ also where case is ignored.
    """
    taken: set[str] = set()
    names: list[list[str]] = []
    for photo, path in zip(labeled, _unique_paths(photo.photo for photo in labeled), strict=True):
        names.append([])
        for number, garment in enumerate(photo.garments, start=1):
            ending = f"_{number}_{portable_name(garment.best_label) or 'garment'}"
            inside = path
            while "/" in inside and len(f"{inside}{ending}".encode()) > MAX_PORTABLE_PATH_BYTES:
                inside = inside.partition("/")[2]
            name = f"crops/{inside}{ending}"
            while path_key(name) in taken:  # "a_1" + "2_x" and "a" + "1_2_x"
                name += "_"
            taken.add(path_key(name))
            names[-1].append(name)
    return names


def _unique_paths(names: Iterable[str]) -> Iterator[str]:
    """``portable_path`` of each name, made unique by a number at the end."""
    taken: set[str] = set()
    for path in map(portable_path, names):
        unique = free_name(path, lambda name: path_key(name) in taken, "{stem}_{number}")
        taken.add(path_key(unique))
        yield unique


def _cut(
    garments: Sequence[Garment], image: Image.Image, whole: bool, square: int
) -> Iterator[tuple[int, bytes]]:
    """The garments' numbers from 1 and JPEGs; before them, where ``whole``, 0 and the photo's."""
    if whole:
        yield 0, _jpeg(image, PHOTO_QUALITY)
    for number, garment in enumerate(garments, start=1):
        data = _crop(image, garment, square)
        if data is not None:
            yield number, data


def _crop(image: Image.Image, garment: Garment, square: int) -> bytes | None:
    """The garment cut out as JPEG, or ``None`` where its box lies outside the picture."""
    x0, y0, x1, y1 = garment.box_xyxy
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(image.width, -int(-x1 // 1)), min(image.height, -int(-y1 // 1))
    if right <= left or bottom <= top:
        return None
    cut = on_white(image, garment.box_xyxy, square) if square else image.crop((left, top, right, bottom))
    return _jpeg(cut, CROP_QUALITY)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    picture = image.convert("RGB")
    picture.info.clear()  # a comment would be written again
    return jpeg(picture, quality)
