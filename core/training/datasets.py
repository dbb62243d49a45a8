"""The detector's training and validation samples out of a boxed data set."""

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

from core.datasets.classification import LabelledPhoto
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError
from core.images.crops import to_square, to_tensor
from core.images.decode import open_listed
from core.images.letterbox import letterbox
from core.training.recipes import DetectorRecipe
from core.training.sampler import Request, repeat_factors
from core.training.transforms import (
    Cutout,
    Scene,
    augmentation,
    flip,
    mask_out,
    mosaic,
    paste_cutout,
    place,
    recolour,
    rotate,
)
from core.training.yolo_loss import Targets

Sample = tuple[Tensor, Tensor, Tensor]
"""Picture (3, H, W) uint8, boxes xyxy (N, 4) float32 in its pixels, class ids (N,) int64."""


class TrainingScenes(Dataset[Sample]):
    """Augmented scenes, asked for as ``(epoch, index)``; an item depends on seed, epoch and index alone.

    Photos are kept in memory as JPEGs no larger than the canvas needs. ``masks`` is the folder of pixel
    labels (one PNG a photo, ``label_names`` their line numbers) that copy-paste cuts along; ``watch`` sees
    the photos pass while they are read.
    """

    def __init__(
        self,
        datasets: Sequence[DetectionDataset],
        recipe: DetectorRecipe,
        *,
        masks: Path | None = None,
        label_names: Sequence[str] = (),
        watch: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    ) -> None:
        self.recipe = recipe
        self.first_count = len(datasets[0].photos) if datasets else 0
        self.photos = [(dataset, photo) for dataset in datasets for photo in dataset.photos]
        if not self.photos:
            raise DatasetError("expected boxed photos to train on, got none")
        self.limit = limit = round(max(recipe.input_wh) * 1.15)
        self.encoded = [_encode(dataset.path_of(photo), limit) for dataset, photo in watch(self.photos)]
        self.cutouts = self._cutouts(masks, tuple(label_names)) if masks and recipe.copy_paste else []

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def classes_of(self) -> list[list[int]]:
        """Each photo's class ids, for rebalancing."""
        return [photo.category_ids.tolist() for _, photo in self.photos]

    def repeats(self) -> list[float]:
        """How often an epoch takes each photo: rare classes more often, extra data sets by their share."""
        factors = repeat_factors(self.classes_of, self.recipe.rebalance)
        return [f if i < self.first_count else f * self.recipe.extra_share for i, f in enumerate(factors)]

    def scene(self, index: int) -> Scene:
        """The photo as it is, with its boxes in the pixels of what is kept in memory."""
        image = Image.open(BytesIO(self.encoded[index])).convert("RGB")
        photo = self.photos[index][1]
        scale = np.array([image.width / photo.width, image.height / photo.height] * 2, dtype=np.float32)
        return Scene(image, photo.boxes_xyxy * scale, photo.category_ids)

    def __getitem__(self, request: Request) -> Sample:
        epoch, index = request
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, epoch, index))
        mixing = epoch < recipe.epochs - recipe.clean_epochs
        scene = self._compose(index, rng, mixing, recipe.canvas_of(epoch))
        if rng.random() < 0.5:
            scene = flip(scene)
        if recipe.rotation_degrees and rng.random() < 0.4:
            scene = rotate(scene, float(rng.uniform(-recipe.rotation_degrees, recipe.rotation_degrees)))
        if mixing and rng.random() < recipe.masking:
            scene = mask_out(scene, rng)
        scene = Scene(recolour(scene.image, rng), scene.boxes_xyxy, scene.classes)
        return as_sample(scene)

    def _compose(self, index: int, rng: Generator, mixing: bool, canvas_wh: tuple[int, int]) -> Scene:
        recipe = self.recipe
        if mixing and rng.random() < recipe.mosaic:
            others = rng.integers(0, len(self), size=3).tolist()
            scenes = [self.scene(i) for i in (index, *others)]
            rng.shuffle(scenes)  # type: ignore[arg-type]
            scene = mosaic(scenes, canvas_wh, rng)
        else:
            scene = place(self.scene(index), canvas_wh, rng)
        if mixing and self.cutouts and rng.random() < recipe.copy_paste:
            for _ in range(int(rng.integers(1, 4))):
                cutout = self.cutouts[int(rng.integers(len(self.cutouts)))]
                scene = paste_cutout(scene, cutout, rng, max(canvas_wh) / self.limit)
        return scene

    def _cutouts(self, masks: Path, names: tuple[str, ...]) -> list[Cutout]:
        """Garments cut along their pixel labels; rare classes as often as the commonest third allows."""
        found: dict[int, list[Cutout]] = {}
        for index, (_, photo) in enumerate(self.photos):
            path = masks / f"{Path(photo.file_name).stem}.png"
            if path.is_file():
                for cutout in _cut_along(self.scene(index), photo, path, names):
                    found.setdefault(cutout.category, []).append(cutout)
        rng = np.random.default_rng(self.recipe.seed)
        chosen: list[Cutout] = []
        for _, cutouts in sorted(found.items()):
            picks = rng.integers(0, len(cutouts), size=min(60, 3 * len(cutouts)))
            chosen.extend(cutouts[i] for i in picks)
        return chosen


def _cut_along(scene: Scene, photo: BoxedPhoto, path: Path, names: tuple[str, ...]) -> list[Cutout]:
    """Each box's pixels of its own fine label, as RGBA pictures; slivers are left out."""
    with Image.open(path) as opened:
        labels = np.asarray(opened.resize(scene.image.size, Image.Resampling.NEAREST))
    pixels = np.asarray(scene.image)
    cutouts = []
    for box, category, fine in zip(scene.boxes_xyxy, scene.classes, photo.labels, strict=True):
        if fine not in names:
            continue
        x0, y0, x1, y1 = (int(v) for v in np.round(box))
        alpha = (labels[y0:y1, x0:x1] == names.index(fine)).astype(np.uint8) * 255
        if alpha.size and (alpha > 0).mean() > 0.15 and min(alpha.shape) >= 6:
            rgba = np.dstack((pixels[y0:y1, x0:x1], alpha))
            cutouts.append(Cutout(Image.fromarray(rgba, "RGBA"), int(category)))
    return cutouts


def _encode(path: Path, limit: int) -> bytes:
    image = open_listed(path).image
    image.thumbnail((limit, limit), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def as_sample(scene: Scene) -> Sample:
    """A scene as tensors."""
    boxes = torch.from_numpy(np.ascontiguousarray(scene.boxes_xyxy, dtype=np.float32))
    return to_tensor(scene.image), boxes, torch.from_numpy(scene.classes.astype(np.int64))


class ValidationPhotos(Dataset[Sample]):
    """Photos letterboxed to one canvas, unchanged otherwise; boxes in its pixels."""

    def __init__(self, dataset: DetectionDataset, input_wh: tuple[int, int]) -> None:
        self.dataset, self.input_wh = dataset, input_wh

    def __len__(self) -> int:
        return len(self.dataset.photos)

    def __getitem__(self, index: int) -> Sample:
        photo = self.dataset.photos[index]
        boxed = letterbox(open_listed(self.dataset.path_of(photo)).image, self.input_wh)
        scale = boxed.factor * np.array(
            [boxed.photo_wh[0] / photo.width, boxed.photo_wh[1] / photo.height] * 2
        )
        boxes = (photo.boxes_xyxy * scale + np.array([*boxed.offset_xy] * 2)).astype(np.float32)
        return as_sample(Scene(boxed.image, boxes, photo.category_ids))


def collate(samples: Sequence[Sample]) -> tuple[Tensor, Targets]:
    """Pictures (B, 3, H, W) uint8 and their garments as one set of targets."""
    pictures = torch.stack([picture for picture, _, _ in samples])
    images = torch.cat([torch.full((len(classes),), i) for i, (_, _, classes) in enumerate(samples)])
    boxes = torch.cat([boxes for _, boxes, _ in samples])
    return pictures, Targets(images.long(), torch.cat([classes for _, _, classes in samples]), boxes)


CACHED_SIZE = 288


class LabelledPictures(Dataset[tuple[Tensor, int]]):
    """Pictures and class ids; ``(epoch, index)`` gives an augmented picture, a plain index the plain one.

    Pictures are kept as small JPEGs in memory: (3, 224, 224) uint8 comes out. ``watch`` sees the photos pass
    while they are read. Raises DatasetError where one cannot be.
    """

    def __init__(
        self,
        photos: Sequence[LabelledPhoto],
        labels: Sequence[str],
        *,
        strength: str = "rich",
        seed: int = 0,
        watch: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    ) -> None:
        ids = {label: index for index, label in enumerate(labels)}
        self.targets = [ids[photo.label] for photo in photos]
        self.transform, self.seed = augmentation(strength), seed
        self.encoded = [_encode_crop(photo) for photo in watch(photos)]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, request: int | Request) -> tuple[Tensor, int]:
        if isinstance(request, int):
            return to_tensor(to_square(self._picture(request))), self.targets[request]
        epoch, index = request
        picture = to_tensor(self._picture(index))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng((self.seed, epoch, index)).integers(2**31)))
            return self.transform(picture), self.targets[index]

    def _picture(self, index: int) -> Image.Image:
        return Image.open(BytesIO(self.encoded[index])).convert("RGB")


def _encode_crop(photo: LabelledPhoto) -> bytes:
    image = open_listed(photo.path).image
    image.thumbnail((CACHED_SIZE, CACHED_SIZE), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
