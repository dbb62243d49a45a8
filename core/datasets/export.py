"""A batch of labeled photos as one zip: CSV, JSON lines, VOC, COCO, YOLO, the photos and garments' crops."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from PIL import Image

from core.datasets.coco import coco_document
from core.datasets.detection import BoxedPhoto, BoxRow, DetectionDataset, boxed_photo, class_list
from core.datasets.voc import voc_document
from core.datasets.yolo import yolo_lines, yolo_setting
from core.errors import DatasetError
from core.file_names import portable_name, portable_stems, relative_name
from core.garments import Garment, LabeledPhoto
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
- coco.json, voc/: the same boxes; photos have the names that they came with.
- yolo/: {yolo}
- crops/: the garments cut out.
YOLO's files hold categories only; VOC's boxes are in whole pixels. Scores are in labels.csv and labels.jsonl.
"""
YOLO_WITH_PHOTOS = (
    "trains as it is: yolo detect train data=/where/this/is/yolo/data.yaml model=yolo11n.pt. Photos are "
    "upright JPEG files, and are learned from and validated on alike: set some apart to measure a model."
)
YOLO_WITHOUT_PHOTOS = (
    "the photos are not in this zip: put them into yolo/images/, named as the files in yolo/labels/."
)
FORMULA_STARTS = "=+-@＝＋－＠"
"""What a spreadsheet takes for the start of a formula, in half and in full width."""


@dataclass(frozen=True, eq=False)
class _Batch:
    """What all formats share: photos, their unique stems, the shop's names, and the boxes as a data set."""

    labeled: Sequence[LabeledPhoto]
    stems: Sequence[str]
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
) -> None:
    """Write all that was found in ``labeled`` into ``out`` as a zip, with one picture in memory at a time.

    ``image_of`` gives the upright picture to a photo's name and is called once for each photo with garments;
    with ``photos``, for each photo: these are then in ``yolo/images/``, and ``yolo/data.yaml`` trains as it
    is. A photo without garments stays in every format; in the CSV it has a row with its name alone.
    ``names`` maps Lapel's category names to the shop's (CSV and JSON keep both); ``categories`` gives the
    order of the class ids, by default the detector's own. ``out`` need not be seekable. What ``image_of``
    raises goes up.
    """
    batch = _batch(labeled, names or {}, categories or load_taxonomy("street13").categories)
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        _write_csv(batch, archive)
        _write_lines(batch, archive)
        for stem, photo in zip(batch.stems, batch.dataset.photos, strict=True):
            archive.writestr(f"voc/{stem}.xml", voc_document(photo, batch.dataset.categories))
            archive.writestr(f"yolo/labels/{stem}.txt", yolo_lines(photo))
        archive.writestr("coco.json", _json(coco_document(batch.dataset)))
        archive.writestr("yolo/data.yaml", yolo_setting(batch.dataset.categories))
        archive.writestr("yolo/classes.txt", class_list(batch.dataset.categories))
        archive.writestr("yolo/images/", "")
        how = YOLO_WITH_PHOTOS if photos else YOLO_WITHOUT_PHOTOS
        archive.writestr("README.txt", README.format(photos=len(labeled), yolo=how))
        for name, data in _pictures(batch, image_of, photos):
            archive.writestr(name, data, ZIP_STORED)  # JPEG does not get smaller


def neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before ``= + - @``, tab and line ends.

    Text that begins with an apostrophe before such a sign gets another one, so that ``plain`` gives every
    text back.
    """
    start = text.lstrip("'")
    first = start.lstrip()[:1]
    is_formula = start[:1] in ("\t", "\r", "\n") or (first and first in FORMULA_STARTS)
    return f"'{text}" if start and is_formula else text


def plain(text: str) -> str:
    """What ``neutral`` was given: without the apostrophe that it put before a formula's sign.

    >>> [plain(neutral(text)) for text in ("=1", "'=1", "'x", "x")]
    ['=1', "'=1", "'x", 'x']
    """
    return text[1:] if text.startswith("'") and neutral(text[1:]) == text else text


def _batch(labeled: Sequence[LabeledPhoto], names: Mapping[str, str], order: Sequence[str]) -> _Batch:
    found = (garment.category for photo in labeled for garment in photo.garments)
    shop_names = {category: _shop_name(category, names) for category in (*order, *found)}
    classes = tuple(dict.fromkeys(shop_names.values()))  # two of Lapel's categories may be one of the shop's
    ids = {category: classes.index(name) for category, name in shop_names.items()}
    stems = portable_stems([photo.photo for photo in labeled])
    file_names = _file_names(labeled, stems)
    photos = [_boxed(photo, name, ids) for photo, name in zip(labeled, file_names, strict=True)]
    return _Batch(labeled, stems, shop_names, DetectionDataset(classes, tuple(photos)))


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
        for photo in batch.labeled:
            for number, garment in enumerate(photo.garments, start=1):
                row = _csv_row(photo.photo, number, garment, batch.shop_name(garment.category))
                writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in row])
            if not photo.garments:
                writer.writerow([neutral(photo.photo), *[""] * (len(COLUMNS) - 1)])
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


def _write_lines(batch: _Batch, archive: ZipFile) -> None:
    with archive.open("labels.jsonl", "w") as member:
        for photo in batch.labeled:
            line = photo.as_dict()
            for entry in line["garments"]:
                shop_category = batch.shop_name(entry["category"])
                if shop_category != entry["category"]:
                    entry["shop_category"] = shop_category
            member.write(_json(line))


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _pictures(
    batch: _Batch, image_of: Callable[[str], Image.Image], photos: bool
) -> Iterator[tuple[str, bytes]]:
    """Names and JPEGs of the garments' crops, and with ``photos`` of the photos themselves."""
    taken: set[str] = set()
    for photo, stem in zip(batch.labeled, batch.stems, strict=True):
        if not photo.garments and not photos:
            continue
        # handed on unnamed, so that no picture is held while the next one is opened
        for number, label, data in _cut(photo.garments, image_of(photo.photo), photos):
            if number == 0:
                yield f"yolo/images/{stem}.jpg", data
                continue
            name = f"crops/{stem}_{number}_{portable_name(label) or 'garment'}"
            while name.casefold() in taken:  # "a_1" + "2_x" and "a" + "1_2_x"
                name += "_"
            taken.add(name.casefold())
            yield f"{name}.jpg", data


def _cut(garments: Sequence[Garment], image: Image.Image, whole: bool) -> Iterator[tuple[int, str, bytes]]:
    """The garments' numbers from 1, labels and JPEGs; before them, where ``whole``, 0 and the photo's."""
    if whole:
        yield 0, "", _jpeg(image, PHOTO_QUALITY)
    for number, garment in enumerate(garments, start=1):
        data = _crop(image, garment)
        if data is not None:
            yield number, garment.best_label, data


def _crop(image: Image.Image, garment: Garment) -> bytes | None:
    """The garment cut out as JPEG, or ``None`` where its box lies outside the picture."""
    x0, y0, x1, y1 = garment.box_xyxy
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(image.width, -int(-x1 // 1)), min(image.height, -int(-y1 // 1))
    if right <= left or bottom <= top:
        return None
    return _jpeg(image.crop((left, top, right, bottom)), CROP_QUALITY)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    picture = image.convert("RGB")
    picture.info.clear()  # a comment would be written again
    return jpeg(picture, quality)
