"""Derives boxes for catalog photos of one garment, and prepares the two public sets for training.

A catalog photo has no box, but its background reaches the border. The border's colors are clustered
(k-means); each pixel's distance to the nearest cluster, split by Otsu's threshold (Otsu 1979), gives a
foreground, and its main components a box. Doubtful photos give none: a missing box costs one photo, a false
one is learned.

``python -m tools.derive_boxes DATA OUT`` writes, outside the project, the files that ``train`` and
``evaluate`` take: ``classify/`` train.csv, val.csv, val_street.csv and images/ (catalog photos, crops of the
street's boxes); ``catalog/`` train.json, tune.json and photos/ (the catalog's training photos with derived
boxes); ``drawn/`` synthetic garments.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage
from sklearn.cluster import KMeans

from core.datasets.coco import read_coco, write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.garments import Box
from core.images.crops import crop_garment
from tools.synthetic import draw_dataset

WORKING_SIZE = 144
BORDER_SHARE = 0.045
BACKGROUND_CLUSTERS = 4
MIN_CONTRAST = 16.0


@dataclass(frozen=True)
class DerivedBox:
    """A box in pixels, the share of it that is foreground, and the contrast to the background in CIELAB."""

    box_xyxy: Box
    fill: float
    contrast: float


def derive_box(image: Image.Image) -> DerivedBox | None:
    """The box of the one garment on a plain background, or None where it is doubtful."""
    lab = _small_lab(image)
    height, width = lab.shape[:2]
    distance = _distance_to_background(lab)
    main = _main_components(_foreground(distance))
    if main is None or main.all():
        return None
    rows, columns = np.nonzero(main)
    x0, y0, x1, y1 = (int(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    fill = float(ndimage.binary_fill_holes(main)[y0:y1, x0:x1].mean())
    contrast = float(distance[main].mean() - distance[~main].mean())
    if not _plausible((x0, y0, x1, y1), (width, height), fill, contrast):
        return None
    across, down = image.width / width, image.height / height
    return DerivedBox((x0 * across, y0 * down, x1 * across, y1 * down), fill, contrast)


def _small_lab(image: Image.Image) -> np.ndarray:
    """The picture at working size in CIELAB (H, W, 3), lightness weighted down: shadows change it most."""
    scale = WORKING_SIZE / max(image.size)
    size_wh = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    small = image.convert("RGB").resize(size_wh, Image.Resampling.BOX).filter(ImageFilter.MedianFilter(3))
    lab = np.asarray(small.convert("LAB"), dtype=np.float32)
    lab = np.where(np.arange(3) > 0, (lab + 128) % 256, lab)  # a and b are signed bytes
    return lab * np.array([0.6, 1.0, 1.0], dtype=np.float32)


def _distance_to_background(lab: np.ndarray) -> np.ndarray:
    """Each pixel's distance to the nearest of the border's main colors (H, W)."""
    height, width = lab.shape[:2]
    rim = max(2, round(BORDER_SHARE * max(height, width)))
    border = np.ones((height, width), dtype=bool)
    border[rim:-rim, rim:-rim] = False
    colors = lab[border]
    clusters = min(BACKGROUND_CLUSTERS, len(np.unique(colors, axis=0)))
    found = KMeans(clusters, n_init=1, random_state=0).fit(colors)
    share = np.bincount(found.labels_, minlength=clusters) / len(colors)
    centers = found.cluster_centers_[share > 0.12]  # a sleeve that touches the border is no background
    distance = np.sqrt(((lab[:, :, None] - centers) ** 2).sum(axis=-1)).min(axis=-1)
    return ndimage.gaussian_filter(distance, 1.0)


def _foreground(distance: np.ndarray) -> np.ndarray:
    """The foreground mask (H, W), opened and closed to remove specks and gaps."""
    mask = ndimage.binary_opening(distance > otsu_threshold(distance), iterations=1)
    return ndimage.binary_closing(np.pad(mask, 4), iterations=3)[4:-4, 4:-4]


def otsu_threshold(values: np.ndarray) -> float:
    """Otsu's threshold on 128 bins: the least variance within both classes. The upper class is above it."""
    counts, edges = np.histogram(values, bins=128)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    valid = (below > 0) & (above > 0)
    between = np.zeros(len(counts))
    mean_below = sums[valid] / below[valid]
    mean_above = (sums[-1] - sums[valid]) / above[valid]
    between[valid] = below[valid] * above[valid] * (mean_below - mean_above) ** 2
    return float(edges[int(between.argmax()) + 1])


def _main_components(mask: np.ndarray) -> np.ndarray | None:
    """The largest connected component, with those of at least a quarter of its size (a pair of shoes)."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return None
    sizes = np.bincount(parts.ravel())[1:]
    wanted = np.nonzero(sizes >= max(0.25 * sizes.max(), 12))[0] + 1
    return np.isin(parts, wanted) if len(wanted) else None


def _plausible(
    box: tuple[int, int, int, int], size_wh: tuple[int, int], fill: float, contrast: float
) -> bool:
    width, height = size_wh
    area = (box[2] - box[0]) * (box[3] - box[1]) / (width * height)
    touched = (box[0] <= 1) + (box[1] <= 1) + (box[2] >= width - 1) + (box[3] >= height - 1)
    return 0.06 <= area <= 0.93 and touched <= 2 and fill >= 0.4 and contrast >= MIN_CONTRAST


UNUSABLE = {"Not sure", "Other", "Skip"}
EXTRA_LABELS = {
    "bag": "Bag", "purse": "Bag", "wallet": "Bag", "belt": "Belt", "scarf": "Scarf", "tie": "Tie",
    "sunglasses": "Sunglasses", "glasses": "Sunglasses", "romper": "Dress", "bodysuit": "Body",
    "cardigan": "Outwear",
}  # fmt: skip
"""Labels that the street's own mapping leaves out."""

PREPARED_SIZE = 288
SMALLEST_CROP = 14

Row = tuple[str, str, str]


def prepare_classifier(data: Path, out: Path) -> None:
    """Write the classifier's training and validation sets, split by sender and by street photo."""
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
    """Write the catalog's training photos with derived boxes, and synthetic garments, as COCO files.

    The photos of a tenth of the senders are kept out of training as ``tune.json``, on which the score
    threshold is chosen.
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
    """Whether a sender's photos are for choosing thresholds: one in ten, by a hash of the name."""
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
