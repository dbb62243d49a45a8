"""Turns the two public sets as they lie on disk into the files that ``train`` and ``evaluate`` take.

``python -m core.data.prepare DATA OUT`` writes, outside the project:
``classify/`` train.csv, val.csv, val_street.csv and images/ (catalog photos, crops of the street's boxes);
``catalog/`` train.json, tune.json and photos/ (the catalog's training photos with derived boxes);
``drawn/`` drawn garments.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.coco import read_coco, write_coco
from core.data.crops import crop_garment
from core.data.dataset import BoxedPhoto, DetectionDataset
from core.data.derive import derive_box
from core.data.drawn import draw_dataset

UNUSABLE = {"Not sure", "Other", "Skip"}
EXTRA_LABELS = {
    "bag": "Bag", "purse": "Bag", "wallet": "Bag", "belt": "Belt", "scarf": "Scarf", "tie": "Tie",
    "sunglasses": "Sunglasses", "glasses": "Sunglasses", "romper": "Dress", "bodysuit": "Body",
    "cardigan": "Outwear",
}  # fmt: skip
"""What the street's own mapping leaves out: labels that no catalog label covers, and three fine names."""

PREPARED_SIZE = 288
SMALLEST_CROP = 14

Row = tuple[str, str, str]


def prepare_classifier(data: Path, out: Path) -> None:
    """Write the classifier's training and validation parts; senders and street photos stay on one side."""
    images = out / "classify" / "images"
    images.mkdir(parents=True, exist_ok=True)
    train, val = _catalog(data / "catalog", images)
    train += _street_crops(data / "street", "train.json", images)
    _write_csv(out / "classify" / "train.csv", train)
    _write_csv(out / "classify" / "val.csv", val)
    _write_csv(out / "classify" / "val_street.csv", _street_crops(data / "street", "val.json", images))


def _catalog(catalog: Path, images: Path) -> tuple[list[Row], list[Row]]:
    held = set((catalog / "val_senders.txt").read_text().split())
    train: list[Row] = []
    val: list[Row] = []
    with (catalog / "images.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            if row["label"] in UNUSABLE:
                continue
            with Image.open(catalog / "images" / f"{row['image']}.jpg") as image:
                _save(image.convert("RGB"), images / f"{row['image']}.jpg")
            (val if row["sender_id"] in held else train).append(
                (row["image"], row["label"], row["sender_id"])
            )
    return train, val


def _street_crops(street: Path, annotations: str, images: Path) -> list[Row]:
    with (street / "labels_to_catalog.csv").open(newline="") as handle:
        mapping = {row["street_label"]: row["catalog_label"] for row in csv.DictReader(handle)} | EXTRA_LABELS
    rows: list[Row] = []
    dataset = read_coco(street / annotations, street / "photos")
    for photo in dataset.photos:
        with Image.open(street / "photos" / photo.file_name) as opened:
            image = opened.convert("RGB")
        for number, (box, fine) in enumerate(zip(photo.boxes_xyxy, photo.labels, strict=True)):
            label = mapping.get(fine or "")
            if label is None or min(box[2] - box[0], box[3] - box[1]) < SMALLEST_CROP:
                continue
            name = f"street_{Path(photo.file_name).stem}_{number}"
            _save(crop_garment(image, box), images / f"{name}.jpg")
            rows.append((name, label, f"street_{Path(photo.file_name).stem}"))
    return rows


def prepare_detector(data: Path, out: Path, drawn: int = 80) -> None:
    """Write the catalog's training photos with derived boxes, and drawn garments, as COCO files.

    The photos of about a tenth of the senders are kept out of training as ``tune.json``: the score threshold
    is chosen on them, never on what is reported.
    """
    categories = read_coco(data / "street" / "train.json", data / "street" / "photos").categories
    photos = out / "catalog" / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    boxed = list(_boxed_catalog(data / "catalog", photos, categories))
    for name, tuning in (("train.json", False), ("tune.json", True)):
        part = tuple(photo for sender, photo in boxed if is_tuning_sender(sender) == tuning)
        write_coco(DetectionDataset(categories, part, photos), out / "catalog" / name)
    draw_dataset(out / "drawn", drawn, seed=0)


def is_tuning_sender(sender: str) -> bool:
    """Whether a sender's photos are kept for choosing thresholds: one in ten, by a digest of the name."""
    return sha256(sender.encode()).digest()[0] % 10 == 0


def _boxed_catalog(
    catalog: Path, photos: Path, categories: tuple[str, ...]
) -> Iterator[tuple[str, BoxedPhoto]]:
    """Sender and photo with its derived box, for every training photo that has one."""
    held = set((catalog / "val_senders.txt").read_text().split())
    with (catalog / "labels_to_categories.csv").open(newline="") as handle:
        category_of = {row["label"]: row["category"] for row in csv.DictReader(handle)}
    with (catalog / "images.csv").open(newline="") as handle:
        rows = [r for r in csv.DictReader(handle) if r["label"] in category_of and r["sender_id"] not in held]
    for row in rows:
        with Image.open(catalog / "images" / f"{row['image']}.jpg") as opened:
            image = opened.convert("RGB")
        derived = derive_box(image)
        if derived is None:
            continue
        image.save(photos / f"{row['image']}.jpg", quality=92)
        box = np.array([derived.box_xyxy], dtype=np.float32)
        ids = np.array([categories.index(category_of[row["label"]])])
        photo = BoxedPhoto(f"{row['image']}.jpg", image.width, image.height, box, ids, (row["label"],))
        yield row["sender_id"], photo


def _save(image: Image.Image, path: Path) -> None:
    image.thumbnail((PREPARED_SIZE, PREPARED_SIZE), Image.Resampling.LANCZOS)
    image.save(path, quality=92)


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("image", "label", "sender_id"))
        writer.writerows(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the files that training takes from the public sets.")
    parser.add_argument("data", type=Path, help="folder with catalog/ and street/")
    parser.add_argument("out", type=Path, help="folder to write classify/, catalog/ and drawn/ into")
    given = parser.parse_args()
    prepare_classifier(given.data, given.out)
    prepare_detector(given.data, given.out)


if __name__ == "__main__":
    main()
