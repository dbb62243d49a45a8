"""A batch of labeled photos as one zip: CSV, JSON lines, Pascal VOC, COCO, YOLO and the garments' crops."""

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
TOP = 5
COLUMNS = (
    *("photo", "garment", "x0", "y0", "x1", "y1", "category", "shop_category", "label", "score"),
    *(f"{column}_{rank}" for rank in range(1, TOP + 1) for column in ("label", "probability")),
    "corrected",
    *("detector_category", "detector_score", "classifier_label", "classifier_probability", "models_disagree"),
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
) -> None:
    """Write all that was found in ``labeled`` into ``out`` as a zip, with one picture in memory at a time.

    ``image_of`` gives the upright picture to a photo's name and is called once for each photo with garments;
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
        for name, data in _crops(batch, image_of):
            archive.writestr(name, data, ZIP_STORED)  # JPEG does not get smaller


def neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before ``= + - @``, tab and line ends."""
    start = text.lstrip()[:1]
    return f"'{text}" if text[:1] in ("\t", "\r", "\n") or (start and start in FORMULA_STARTS) else text


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


def _crops(batch: _Batch, image_of: Callable[[str], Image.Image]) -> Iterator[tuple[str, bytes]]:
    taken: set[str] = set()
    for photo, stem in zip(batch.labeled, batch.stems, strict=True):
        if not photo.garments:
            continue
        # handed on unnamed, so that no picture is held while the next one is opened
        for number, label, data in _cut(photo.garments, image_of(photo.photo)):
            name = f"crops/{stem}_{number}_{portable_name(label) or 'garment'}"
            while name.casefold() in taken:  # "a_1" + "2_x" and "a" + "1_2_x"
                name += "_"
            taken.add(name.casefold())
            yield f"{name}.jpg", data


def _cut(garments: Sequence[Garment], image: Image.Image) -> Iterator[tuple[int, str, bytes]]:
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
    crop = image.crop((left, top, right, bottom)).convert("RGB")
    crop.info.clear()  # a comment would be written again
    return jpeg(crop, CROP_QUALITY)
