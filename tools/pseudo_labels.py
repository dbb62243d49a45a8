"""Pseudo-labels: a trained detector's boxes on photos that have only image-level tags.

A tag names a garment in the photo, the detector locates it. A box is kept where both agree, and a photo where
every garment that its tags name was found. Photos whose perceptual hash is near that of a validation photo
are left out.

``python -m tools.pseudo_labels STREET OUT`` writes ``OUT/train.json`` and ``OUT/photos/``: the boxed
training photos of STREET and, after them, those of its tagged photos that were kept.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import ImageOps

from core.boxes import Detections, box_iou
from core.datasets.coco import read_coco, write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.images.decode import Photo, open_dataset_photo
from core.images.perceptual_hash import as_table, difference_hash, hamming_distances
from core.inference.detector import Detector

LOWEST_SCORE, SCORE_THRESHOLD, MATCH_IOU, MAX_HAMMING_DISTANCE = 0.02, 0.05, 0.5, 64


def merge_mirrored(plain: Detections, mirrored: Detections) -> Detections:
    """Merge the detections of a photo and its mirror image; scores are the mean of both (0 where missing).

    ``mirrored`` is in the plain photo's pixels already. Pairs have the same category and an IoU of 0.5; their
    box is the mean, weighted by score. Sorted best first; boxes of the mirror image alone are left out.
    """
    overlap = box_iou(plain.boxes_xyxy, mirrored.boxes_xyxy)
    overlap[plain.category_ids[:, None] != mirrored.category_ids[None]] = 0
    boxes_xyxy, scores = plain.boxes_xyxy.astype(np.float64).copy(), plain.scores / 2
    if overlap.size:
        partner, paired = overlap.argmax(axis=1), overlap.max(axis=1) >= MATCH_IOU
        theirs = mirrored.scores[partner]
        weight = (plain.scores / (plain.scores + theirs))[:, None]
        mean = weight * plain.boxes_xyxy + (1 - weight) * mirrored.boxes_xyxy[partner]
        boxes_xyxy = np.where(paired[:, None], mean, boxes_xyxy)
        scores = np.where(paired, (plain.scores + theirs) / 2, scores)
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes_xyxy[order], scores[order], plain.category_ids[order])


def boxes_for_tags(
    found: Detections, wanted: frozenset[int], score_threshold: float = SCORE_THRESHOLD
) -> Detections | None:
    """The best box of each category that the tags name; None where one of them was not found.

    ``found`` is sorted best first. A category beyond the tags is left out, whatever its score.
    """
    chosen: dict[int, int] = {}
    for row, (category, score) in enumerate(zip(found.category_ids, found.scores, strict=True)):
        if int(category) in wanted and score >= score_threshold:
            chosen.setdefault(int(category), row)
    if not wanted or set(chosen) != wanted:
        return None
    rows = sorted(chosen.values())
    return Detections(found.boxes_xyxy[rows], found.scores[rows], found.category_ids[rows])


def categories_of_labels(dataset: DetectionDataset) -> dict[str, int]:
    """Each label's category, by the majority of its boxes."""
    counts: dict[str, Counter[int]] = {}
    for photo in dataset.photos:
        for label, category in zip(photo.labels, photo.category_ids.tolist(), strict=True):
            if label is not None:
                counts.setdefault(label, Counter())[category] += 1
    return {label: found.most_common(1)[0][0] for label, found in counts.items()}


def detect_with_flip(detector: Detector, photo: Photo) -> Detections:
    """Detections with horizontal-flip test-time augmentation."""
    plain = detector.detections(photo, LOWEST_SCORE)
    turned = detector.detections(Photo(photo.name, ImageOps.mirror(photo.image), photo.digest), LOWEST_SCORE)
    boxes_xyxy = turned.boxes_xyxy.copy()
    boxes_xyxy[:, [0, 2]] = photo.size_wh[0] - boxes_xyxy[:, [2, 0]]
    return merge_mirrored(plain, Detections(boxes_xyxy, turned.scores, turned.category_ids))


def label_tagged(
    detector: Detector,
    folder: Path,
    tags: Mapping[str, Sequence[str]],
    labels: Mapping[str, int],
    validation_hashes: Sequence[bytes],
) -> list[BoxedPhoto]:
    """Pseudo-labeled photos out of a folder's tagged ones (tags by file name), in their order."""
    held = as_table(list(validation_hashes))
    kept = []
    for name, words in tags.items():
        photo = open_dataset_photo(folder / name)
        if len(held) and hamming_distances(difference_hash(photo.image), held).min() <= MAX_HAMMING_DISTANCE:
            continue
        wanted = frozenset(labels[word] for word in words if word in labels)
        boxes = boxes_for_tags(detect_with_flip(detector, photo), wanted)
        if boxes is not None:
            width, height = photo.size_wh
            kept.append(BoxedPhoto(name, width, height, boxes.boxes_xyxy, boxes.category_ids))
    return kept


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Box tagged photos with a trained detector.")
    parser.add_argument(
        "street", type=Path, help="folder with train.json, val.json, unboxed.csv and unboxed/"
    )
    parser.add_argument("out", type=Path, help="folder to write train.json and photos/ into")
    parser.add_argument(
        "--weights", type=Path, default=None, help="the detector, by default the one that ships"
    )
    given = parser.parse_args()
    train, val = (
        read_coco(given.street / name, given.street / "photos") for name in ("train.json", "val.json")
    )
    with (given.street / "unboxed.csv").open(newline="") as handle:
        tags = {row["photo"]: row["tags"].split(";") for row in csv.DictReader(handle)}
    held = [difference_hash(open_dataset_photo(val.path_of(photo)).image) for photo in val.photos]
    detector = Detector.load(given.weights)
    boxed = label_tagged(detector, given.street / "unboxed", tags, categories_of_labels(train), held)
    photos = given.out / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for photo in train.photos:
        shutil.copyfile(train.path_of(photo), photos / photo.file_name)
    for photo in boxed:
        shutil.copyfile(given.street / "unboxed" / photo.file_name, photos / photo.file_name)
    write_coco(DetectionDataset(train.categories, (*train.photos, *boxed), photos), given.out / "train.json")
    print(f"{len(boxed)} of {len(tags)} tagged photos boxed", file=sys.stderr)


if __name__ == "__main__":
    main()
