"""Boxed photos as a frozen network sees them: features, targets in the canvas's pixels, embeddings."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from benchmarks.replay.places import kept_folder
from core.boxes import GroundTruth
from core.datasets.detection import DetectionDataset
from core.datasets.reading import read_detection
from core.images.crops import normalize_pixels, to_tensor
from core.images.decode import open_dataset_photo
from core.images.letterbox import letterbox
from core.models.mobilenet import MobileNetFeatures, load_imagenet
from core.models.weights import digest

CHANNELS, STRIDES = (256, 512, 1024), (8, 16, 32)
CANVAS_WH = (192, 288)
AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Boxed:
    """Photos' features at strides 8, 16 and 32, each (N, C, h, w) float16 on disk, and their garments.

    Boxes are in pixels of the canvas; ``embeddings`` (N, 1024) are the last features' means.
    """

    levels: tuple[np.ndarray, ...]
    truths: tuple[GroundTruth, ...]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truths)

    @property
    def embeddings(self) -> np.ndarray:
        """What diversity is judged by, (N, 1024)."""
        return np.stack([level.mean(axis=(1, 2), dtype=np.float32) for level in self.levels[-1]])

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        """The features of some photos, float32."""
        return tuple(torch.from_numpy(level[indices].astype(np.float32)) for level in self.levels)


def read_boxed(file: Path, weights: Path, most: int | None = None) -> Boxed:
    """A COCO file's first ``most`` photos; features are computed once and kept in a temporary folder."""
    dataset = read_detection(file)
    photos = dataset.photos[:most]
    dataset = DetectionDataset(dataset.categories, photos, dataset.folder)
    truths = tuple(_truth(dataset, index) for index in range(len(photos)))
    return Boxed(_features(dataset, weights), truths, dataset.categories)


def _truth(dataset: DetectionDataset, index: int) -> GroundTruth:
    photo = dataset.photos[index]
    factor = min(CANVAS_WH[0] / photo.width, CANVAS_WH[1] / photo.height)
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    offset = ((CANVAS_WH[0] - size[0]) // 2, (CANVAS_WH[1] - size[1]) // 2)
    shift = np.array([*offset] * 2, dtype=np.float32)
    truth = photo.ground_truth()
    crowd_xyxy = truth.crowd_xyxy * factor + shift
    return replace(truth, boxes_xyxy=truth.boxes_xyxy * factor + shift, crowd_xyxy=crowd_xyxy)


def _features(dataset: DetectionDataset, weights: Path) -> tuple[np.ndarray, ...]:
    paths = [dataset.path_of(photo) for photo in dataset.photos]
    told = "\n".join(str(path) for path in paths) + digest(weights) + str(CANVAS_WH)
    name = hashlib.sha256(told.encode()).hexdigest()[:16]
    files = [kept_folder() / f"boxed-{name}-{stride}.npy" for stride in STRIDES]
    if not all(file.is_file() for file in files):
        _compute(paths, weights, files)
    return tuple(np.load(file, mmap_mode="r") for file in files)


@torch.inference_mode()
def _compute(paths: list[Path], weights: Path, files: list[Path]) -> None:
    backbone = MobileNetFeatures()
    load_imagenet(backbone, weights)
    backbone.eval().to(memory_format=torch.channels_last)
    unfinished = [file.with_suffix(f".{os.getpid()}") for file in files]
    shapes = [(c, CANVAS_WH[1] // s, CANVAS_WH[0] // s) for c, s in zip(CHANNELS, STRIDES, strict=True)]
    levels = [
        open_memmap(file, mode="w+", dtype=np.float16, shape=(len(paths), *shape))
        for file, shape in zip(unfinished, shapes, strict=True)
    ]
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        pictures = [to_tensor(letterbox(open_dataset_photo(path).image, CANVAS_WH).image) for path in some]
        batch = normalize_pixels(torch.stack(pictures)).contiguous(memory_format=torch.channels_last)
        for level, found in zip(levels, backbone.pyramid(batch), strict=True):
            level[start : start + len(some)] = found.numpy()
    for level, file, target in zip(levels, unfinished, files, strict=True):
        level.flush()
        file.replace(target)
