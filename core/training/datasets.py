"""PyTorch datasets: augmented and validation samples of the detector, pictures of the classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from core.datasets.classification import ClassificationSample
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError
from core.images.crops import CROP_SIZE, to_square, to_tensor
from core.images.decode import open_dataset_photo
from core.images.letterbox import letterbox
from core.models.detection import Targets
from core.training.recipes import DetectorRecipe
from core.training.sampler import Request, repeat_factors
from core.training.transforms import (
    BoxedImage,
    Cutout,
    classifier_transforms,
    color_jitter,
    horizontal_flip,
    mosaic,
    paste_cutout,
    random_erasing,
    rotate,
    scale_jitter,
)

Sample = tuple[Tensor, Tensor, Tensor, Tensor]
"""Image (3, H, W) uint8, boxes xyxy (N, 4) float32 in its pixels, class ids (N,) int64, and which categories
are labeled (C,) bool."""


class DetectionTrainingDataset(Dataset[Sample]):
    """Augmented samples by ``(epoch, index)``; a sample depends on seed, epoch and index alone.

    ``shares`` is how much of each dataset an epoch takes (by default all of the first, the recipe's share of
    the others); mosaics take their other photos accordingly, and label what all their photos' sets label.
    Photos are cached in memory as JPEGs no larger than the network's input needs. ``masks`` is the folder of
    pixel masks (one PNG a photo, whose values are indices of ``label_names``) that copy-paste cuts along;
    ``iterate`` wraps the photos while they are read.
    """

    def __init__(
        self,
        datasets: Sequence[DetectionDataset],
        recipe: DetectorRecipe,
        *,
        shares: Sequence[float] = (),
        masks: Path | None = None,
        label_names: Sequence[str] = (),
        iterate: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    ) -> None:
        self.recipe = recipe
        shares = shares or [1.0, *[recipe.extra_share] * (len(datasets) - 1)][: len(datasets)]
        counts = [len(dataset.photos) for dataset in datasets]
        self.shares = np.repeat(np.asarray(shares, dtype=np.float64), counts)
        self.photos = [(dataset, photo) for dataset in datasets for photo in dataset.photos]
        if not self.photos:
            raise DatasetError("expected boxed photos to train on, got none")
        self.limit = limit = round(max(recipe.input_wh) * 1.15)
        self.encoded = [cached_jpeg(dataset.path_of(photo), limit) for dataset, photo in iterate(self.photos)]
        self.cutouts = self._cutouts(masks, tuple(label_names)) if masks and recipe.copy_paste else []

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def classes_of(self) -> list[list[int]]:
        """Each photo's class ids, for rebalancing."""
        return [photo.category_ids.tolist() for _, photo in self.photos]

    def repeats(self) -> list[float]:
        """How often an epoch takes each photo: rare classes more often, datasets by their share."""
        factors = repeat_factors(self.classes_of, self.recipe.rebalance)
        return [factor * float(share) for factor, share in zip(factors, self.shares, strict=True)]

    def labeled(self, index: int) -> np.ndarray:
        """Which categories the photo's dataset labels (C,) bool."""
        return self.photos[index][0].is_labeled

    def mosaic_partners(self, rng: Generator) -> list[int]:
        """Three photos for a mosaic, by their datasets' shares."""
        return [int(i) for i in rng.choice(len(self), size=3, p=self.shares / self.shares.sum())]

    def boxed_image(self, index: int) -> BoxedImage:
        """The cached photo without augmentation, boxes in its pixels."""
        image = Image.open(BytesIO(self.encoded[index])).convert("RGB")
        photo = self.photos[index][1]
        scale = np.array([image.width / photo.width, image.height / photo.height] * 2, dtype=np.float32)
        return BoxedImage(image, photo.boxes_xyxy * scale, photo.category_ids)

    def __getitem__(self, request: Request) -> Sample:
        epoch, index = request
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, epoch, index))
        mixes = epoch < recipe.epochs - recipe.clean_epochs
        sample, labeled = self._compose(index, rng, mixes, recipe.canvas_of(epoch))
        if rng.random() < 0.5:
            sample = horizontal_flip(sample)
        if recipe.rotation_degrees and rng.random() < 0.4:
            sample = rotate(sample, float(rng.uniform(-recipe.rotation_degrees, recipe.rotation_degrees)))
        if mixes and rng.random() < recipe.masking:
            sample = random_erasing(sample, rng)
        sample = BoxedImage(color_jitter(sample.image, rng), sample.boxes_xyxy, sample.classes)
        return to_sample(sample, labeled)

    def _compose(
        self, index: int, rng: Generator, mixes: bool, canvas_wh: tuple[int, int]
    ) -> tuple[BoxedImage, np.ndarray]:
        """The photo on the canvas, alone or in a mosaic, and which categories are labeled there."""
        recipe, labeled = self.recipe, self.labeled(index)
        if mixes and rng.random() < recipe.mosaic:
            tiles = [index, *self.mosaic_partners(rng)]
            labeled = np.logical_and.reduce([self.labeled(i) for i in tiles])
            parts = [self.boxed_image(i) for i in tiles]
            rng.shuffle(parts)  # type: ignore[arg-type]
            sample = mosaic(parts, canvas_wh, rng)
        else:
            sample = scale_jitter(self.boxed_image(index), canvas_wh, rng)
        if mixes and self.cutouts and rng.random() < recipe.copy_paste:
            for _ in range(int(rng.integers(1, 4))):
                cutout = self.cutouts[int(rng.integers(len(self.cutouts)))]
                sample = paste_cutout(sample, cutout, rng, max(canvas_wh) / self.limit)
        return sample, labeled

    def _cutouts(self, masks: Path, names: tuple[str, ...]) -> list[Cutout]:
        """Garments cut out along their masks, at most 60 of a class, rare ones up to three times each."""
        found: dict[int, list[Cutout]] = {}
        for index, (_, photo) in enumerate(self.photos):
            path = masks / f"{Path(photo.file_name).stem}.png"
            if path.is_file():
                for cutout in _cut_along(self.boxed_image(index), photo, path, names):
                    found.setdefault(cutout.category, []).append(cutout)
        rng = np.random.default_rng(self.recipe.seed)
        chosen: list[Cutout] = []
        for _, cutouts in sorted(found.items()):
            picks = rng.integers(0, len(cutouts), size=min(60, 3 * len(cutouts)))
            chosen.extend(cutouts[i] for i in picks)
        return chosen


def _cut_along(sample: BoxedImage, photo: BoxedPhoto, path: Path, names: tuple[str, ...]) -> list[Cutout]:
    """RGBA cutouts of each box along the mask of its label; boxes with little of it are left out."""
    with Image.open(path) as opened:
        labels = np.asarray(opened.resize(sample.image.size, Image.Resampling.NEAREST))
    pixels = np.asarray(sample.image)
    cutouts = []
    for box, category, fine in zip(sample.boxes_xyxy, sample.classes, photo.labels, strict=True):
        if fine not in names:
            continue
        x0, y0, x1, y1 = (int(v) for v in np.round(box))
        alpha = (labels[y0:y1, x0:x1] == names.index(fine)).astype(np.uint8) * 255
        if alpha.size and (alpha > 0).mean() > 0.15 and min(alpha.shape) >= 6:
            rgba = np.dstack((pixels[y0:y1, x0:x1], alpha))
            cutouts.append(Cutout(Image.fromarray(rgba, "RGBA"), int(category)))
    return cutouts


def cached_jpeg(path: Path, limit: int, quality: int = 92) -> bytes:
    """A photo as JPEG, its long side at most ``limit`` pixels. Raises DatasetError where unreadable."""
    return small_jpeg(open_dataset_photo(path).image, limit, quality)


def small_jpeg(image: Image.Image, limit: int, quality: int) -> bytes:
    """An image as JPEG, its long side at most ``limit`` pixels."""
    image.thumbnail((limit, limit), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def to_sample(image: BoxedImage, labeled: np.ndarray) -> Sample:
    """An image with boxes, and the labeled categories, as tensors."""
    boxes = torch.from_numpy(np.ascontiguousarray(image.boxes_xyxy, dtype=np.float32))
    pixels = torch.from_numpy(np.array(image.image.convert("RGB"))).permute(2, 0, 1)
    return pixels, boxes, torch.from_numpy(image.classes.astype(np.int64)), torch.from_numpy(labeled)


class DetectionValidationDataset(Dataset[Sample]):
    """Letterboxed photos without augmentation; boxes in the pixels of the network's input."""

    def __init__(self, dataset: DetectionDataset, input_wh: tuple[int, int]) -> None:
        self.dataset, self.input_wh = dataset, input_wh

    def __len__(self) -> int:
        return len(self.dataset.photos)

    def __getitem__(self, index: int) -> Sample:
        photo = self.dataset.photos[index]
        boxed = letterbox(open_dataset_photo(self.dataset.path_of(photo)).image, self.input_wh)
        as_decoded = np.array([boxed.photo_wh[0] / photo.width, boxed.photo_wh[1] / photo.height] * 2)
        boxes = boxed.to_canvas(photo.boxes_xyxy * as_decoded).astype(np.float32)
        return to_sample(BoxedImage(boxed.image, boxes, photo.category_ids), self.dataset.is_labeled)


def collate(samples: Sequence[Sample]) -> tuple[Tensor, Targets]:
    """Images (B, 3, H, W) uint8, channels last as they were decoded, and the targets of the batch."""
    pictures = torch.stack([sample[0].permute(1, 2, 0) for sample in samples]).permute(0, 3, 1, 2)
    images = torch.cat([torch.full((len(classes),), i) for i, (_, _, classes, _) in enumerate(samples)])
    boxes, classes = (torch.cat([sample[part] for sample in samples]) for part in (1, 2))
    labeled = torch.stack([sample[3] for sample in samples])
    return pictures, Targets(images.long(), classes, boxes, None if bool(labeled.all()) else labeled)


CACHED_SIZE = 288
"""Pixels of the longer side of a photo in memory, for pictures of 224; larger ones take more."""

SMALL_SHARE = 1.05
"""How much larger than one in memory a photo may be that stays on the disk; DeepFashion's have 300 pixels."""

SMALL_FORMATS = ("JPEG", "PNG")


class ClassificationDataset(Dataset[tuple[Tensor, int]]):
    """Images (3, S, S) uint8 and class ids; ``(epoch, index)`` is augmented, a plain index is not.

    Photos are cached in memory as small JPEGs; those that are small on the disk (DeepFashion's photos, the
    crops of stored ones) stay there, and are not encoded again. ``iterate`` wraps the photos while they are
    read. Raises DatasetError where one cannot be read.
    """

    def __init__(
        self,
        photos: Sequence[ClassificationSample],
        labels: Sequence[str],
        *,
        strength: str = "rich",
        seed: int = 0,
        size: int = CROP_SIZE,
        iterate: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    ) -> None:
        ids = {label: index for index, label in enumerate(labels)}
        self.targets = [ids[photo.label] for photo in photos]
        self.transform, self.seed, self.size = classifier_transforms(strength, size), seed, size
        limit = max(CACHED_SIZE, round(size * CACHED_SIZE / CROP_SIZE))
        self.encoded = [_small_picture(photo.path, limit) for photo in iterate(photos)]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, request: int | Request) -> tuple[Tensor, int]:
        if isinstance(request, int):
            return to_tensor(to_square(self._picture(request), self.size)), self.targets[request]
        epoch, index = request
        picture = to_tensor(self._picture(index))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng((self.seed, epoch, index)).integers(2**31)))
            return self.transform(picture), self.targets[index]

    def _picture(self, index: int) -> Image.Image:
        encoded = self.encoded[index]
        with Image.open(encoded if isinstance(encoded, Path) else BytesIO(encoded)) as picture:
            return picture.convert("RGB")


def _small_picture(path: Path, limit: int) -> Path | bytes:
    """The path of an upright RGB picture that is small already; else a JPEG within ``limit`` pixels."""
    image = open_dataset_photo(path).image
    with Image.open(path) as opened:
        is_plain = opened.mode == "RGB" and opened.format in SMALL_FORMATS and not opened.getexif()
        is_small = is_plain and max(opened.size) <= SMALL_SHARE * limit
    return path if is_small else small_jpeg(image, limit, 92)
