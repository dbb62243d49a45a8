"""Packs the public sets' photos, with their boxes and labels, for training on a machine without them.

``python -m tools.pack_photos DATA OUT`` writes ``index.json``, ``photos-N.zip`` (stored, AVIF or WebP inside,
each below 25 MiB) and ``weights/`` (teachers in half precision). The photos are for one training run and are
never committed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

LARGEST_PART = 24 * 2**20
CHICTOPIA_VAL = 150
CHICTOPIA_LABELS = {
    "bag": "Bag", "dress": "Dress", "hat": "Hat", "pants": "Pants", "shoe": "Shoes", "shorts": "Shorts",
    "skirt": "Skirt", "sunglass": "Sunglasses",
}  # fmt: skip
"""Jackets may be blazers or coats, and shirts anything: those have no label."""

SENSIBLE_SCORE = 0.3


@dataclass(frozen=True)
class Encoding:
    """How a set's photos are stored: long side in pixels and the encoder's quality."""

    long_side: int
    quality: int


ENCODINGS = {
    "street": Encoding(576, 48),
    "chictopia": Encoding(544, 44),
    "catalog": Encoding(304, 54),
    "unboxed": Encoding(352, 32),
}


@dataclass(frozen=True)
class Source:
    """A photo on disk and what is known of it; boxes are in pixels of the file."""

    set: str
    split: str
    path: Path
    boxes: list[list[float]] = field(default_factory=list)
    category_ids: list[int] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    sender: str | None = None
    category_of_label: int | None = None


def sources(data: Path, unboxed: bool) -> tuple[tuple[str, ...], list[Source]]:
    """The thirteen categories, and all photos to pack in a fixed order."""
    from core.datasets.coco import read_coco
    from tools.derive_boxes import EXTRA_LABELS

    street = data / "street"
    with (street / "labels_to_catalog.csv").open(newline="") as handle:
        rows = csv.DictReader(handle)
        street_labels = {row["street_label"]: row["catalog_label"] for row in rows} | EXTRA_LABELS
    found: list[Source] = []
    categories = read_coco(street / "train.json").categories
    for name, labels in (("street", street_labels), ("chictopia", CHICTOPIA_LABELS)):
        for split in ("train", "val"):
            dataset = read_coco(data / name / f"{split}.json")
            ids = [categories.index(category) for category in dataset.categories]
            photos = sorted(dataset.photos, key=lambda photo: photo.file_name)
            if (name, split) == ("chictopia", "val"):
                chosen = np.random.default_rng(0).permutation(len(photos))[:CHICTOPIA_VAL]
                photos = [photos[i] for i in sorted(chosen.tolist())]
            found += [
                Source(
                    name,
                    split,
                    dataset.path_of(photo),
                    photo.boxes_xyxy.tolist(),
                    [ids[i] for i in photo.category_ids.tolist()],
                    [labels.get(label or "") for label in photo.labels],
                )
                for photo in photos
            ]
    found += catalog_sources(data / "catalog", categories)
    if unboxed:
        found += [Source("unboxed", "unboxed", path) for path in sorted((street / "unboxed").glob("*.jpg"))]
    return categories, found


def catalog_sources(catalog: Path, categories: tuple[str, ...]) -> Iterator[Source]:
    """The catalog's photos that may train: usable label, sender not of the validation part."""
    held = set((catalog / "val_senders.txt").read_text().split())
    with (catalog / "labels_to_categories.csv").open(newline="") as handle:
        category_of = {row["label"]: row["category"] for row in csv.DictReader(handle)}
    with (catalog / "images.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            if row["label"] in category_of and row["sender_id"] not in held:
                yield Source(
                    "catalog",
                    "train",
                    catalog / "images" / f"{row['image']}.jpg",
                    labels=[row["label"]],
                    sender=row["sender_id"],
                    category_of_label=categories.index(category_of[row["label"]]),
                )


@cache
def _detector() -> Any:
    from core.inference.detector import Detector

    os.environ["OMP_NUM_THREADS"] = "1"  # as many threads as engines take
    return Detector.load()


def catalog_box(source: Source, photo: Any) -> tuple[list[float], str]:
    """The one garment's box and where it is from: ``derived``, ``detected`` or ``none`` (the whole photo)."""
    from tools.derive_boxes import derive_box

    derived = derive_box(photo.image)
    if derived is not None:
        return list(derived.box_xyxy), "derived"
    found = _detector().detections(photo, SENSIBLE_SCORE)
    right = found.category_ids == source.category_of_label
    areas = (found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]).prod(axis=1)
    sensible = right & (areas > 0.06 * photo.image.width * photo.image.height)
    if sensible.any():
        return found.boxes_xyxy[np.flatnonzero(sensible)[0]].tolist(), "detected"
    return [0.0, 0.0, float(photo.image.width), float(photo.image.height)], "none"


def encode(image: Image.Image, encoding: Encoding, speed: int = 8) -> tuple[bytes, tuple[int, int], str]:
    """A photo no larger than its set's long side: bytes, width and height, and the file's ending."""
    image = image.convert("RGB")
    image.thumbnail((encoding.long_side, encoding.long_side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    if features.check("avif"):
        image.save(buffer, "AVIF", quality=encoding.quality, speed=speed, max_threads=1)
        return buffer.getvalue(), image.size, "avif"
    image.save(buffer, "WEBP", quality=max(encoding.quality - 5, 20), method=6)
    return buffer.getvalue(), image.size, "webp"


def pack_one(source: Source) -> tuple[bytes, dict[str, Any]]:
    """A photo's bytes and its entry of the index, ``part`` still open."""
    from core.images.decode import open_dataset_photo
    from tools.derive_boxes import is_tuning_sender

    photo = open_dataset_photo(source.path)
    boxes, ids, origin = source.boxes, source.category_ids, "given"
    if source.category_of_label is not None:
        box, origin = catalog_box(source, photo)
        boxes, ids = [box], [source.category_of_label]
    width, height = photo.image.size
    encoded, size_wh, ending = encode(photo.image, ENCODINGS[source.set])
    scale = np.array([size_wh[0] / width, size_wh[1] / height] * 2)
    entry = {
        "set": source.set,
        "file": f"{source.set}/{source.path.stem}.{ending}",
        "part": "",
        "width": size_wh[0],
        "height": size_wh[1],
        "boxes": np.round(np.array(boxes).reshape(-1, 4) * scale, 2).tolist(),
        "category_ids": ids,
        "labels": source.labels,
        "split": source.split,
        "sender": source.sender,
        "box": origin,
        "tuning": source.sender is not None and is_tuning_sender(source.sender),
    }
    return encoded, entry


def write_pack(
    out: Path, categories: tuple[str, ...], packed: Iterable[tuple[bytes, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Write the parts and the index; returns the index's photos."""
    out.mkdir(parents=True, exist_ok=True)
    for old in [*out.glob("photos-*.zip"), out / "index.json"]:
        old.unlink(missing_ok=True)
    photos: list[dict[str, Any]] = []
    part, size, archive = 0, LARGEST_PART, None
    for encoded, entry in packed:
        if size + len(encoded) + 300 > LARGEST_PART:
            if archive is not None:
                archive.close()
            archive = zipfile.ZipFile(out / f"photos-{part}.zip", "w", zipfile.ZIP_STORED)
            part, size = part + 1, 0
        assert archive is not None
        archive.writestr(entry["file"], encoded)
        size += len(encoded) + 300  # the archive's own entries
        photos.append(entry | {"part": f"photos-{part - 1}.zip"})
    if archive is not None:
        archive.close()
    document = {"categories": list(categories), "photos": photos}
    (out / "index.json").write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
    return photos


def pack_teachers(out: Path, mobilenet: Path, effnet: Path | None) -> None:
    """The ImageNet weights in half precision, under ``weights/``."""
    from safetensors.torch import load_file, save_file

    folder = out / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    if mobilenet.is_file():
        tensors = load_file(mobilenet)
        kept = {k: v.half() for k, v in tensors.items() if not k.startswith(("classifier", "top", "head"))}
        save_file(kept, folder / "mobilenet.safetensors")
    if effnet is not None and effnet.is_file():
        from tools.efficientnet_lite import convert_published

        convert_published(effnet, folder / "efficientnet-lite2.safetensors")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Pack photos and teachers for training elsewhere.")
    parser.add_argument("data", type=Path, help="folder with street/, chictopia/ and catalog/")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--pretrained", type=Path, help="folder of MobileNet's ImageNet weights")
    parser.add_argument("--effnet", type=Path, help="the state dict of EfficientNet-Lite2")
    parser.add_argument("--unboxed", action="store_true", help="take the street's unboxed photos as well")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    categories, listed = sources(given.data, given.unboxed)
    with ProcessPoolExecutor(given.workers) as pool:
        packed = _counted(pool.map(pack_one, listed, chunksize=16), len(listed))
        photos = write_pack(given.out, categories, packed)
    pretrained = given.pretrained or given.data.parent / "pretrained"
    pack_teachers(given.out, pretrained / "mobilenet_v1_1.0_224_imagenet.safetensors", given.effnet)
    total = sum(path.stat().st_size for path in given.out.rglob("*") if path.is_file())
    print(f"{len(photos)} photos, {total / 2**20:.1f} MiB in all", file=sys.stderr)


def _counted(packed: Iterable[Any], total: int) -> Iterator[Any]:
    for number, item in enumerate(packed, start=1):
        if number % 500 == 0:
            print(f"{number} of {total}", file=sys.stderr, flush=True)
        yield item


if __name__ == "__main__":
    main()
