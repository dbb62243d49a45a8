"""Boxed photos as a frozen network sees them: features, targets in the canvas's pixels, embeddings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from benchmarks.replay.places import kept_folder
from core.boxes import GroundTruth
from core.datasets.coco import read_coco
from core.datasets.detection import DetectionDataset
from core.images.crops import normalize_pixels, to_tensor
from core.images.decode import open_dataset_photo
from core.images.letterbox import letterbox
from core.models.mobilenet import MobileNetFeatures, load_imagenet
from core.models.weights import digest

CHANNELS, STRIDES = (256, 512, 1024), (8, 16, 32)
CANVAS_WH = (192, 288)
LARGE_CANVAS_WH = (288, 416)
AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Boxed:
    """Photos' features at strides 8, 16 and 32, each (N, C, h, w) float16 on one device, and their garments.

    On the CPU they lie on disk. Boxes are in pixels of the canvas.
    """

    levels: tuple[Tensor, ...]
    truths: tuple[GroundTruth, ...]
    categories: tuple[str, ...]
    canvas_wh: tuple[int, int] = CANVAS_WH
    embeddings: np.ndarray = field(init=False, repr=False)
    """What diversity is judged by: the last features' means (N, 1024) float32."""

    def __post_init__(self) -> None:
        rows = [level.float().mean(dim=(1, 2)).cpu().numpy() for level in self.levels[-1]]
        object.__setattr__(self, "embeddings", np.stack(rows))

    def __len__(self) -> int:
        return len(self.truths)

    @property
    def device(self) -> torch.device:
        """Where the features are."""
        return self.levels[0].device


def read_boxed(
    file: Path,
    weights: Path,
    most: int | None = None,
    *,
    canvas_wh: tuple[int, int] = CANVAS_WH,
    device: str = "cpu",
) -> Boxed:
    """A COCO file's first ``most`` photos; features are computed once and kept in a temporary folder."""
    dataset = read_coco(file)
    photos = dataset.photos[:most]
    dataset = DetectionDataset(dataset.categories, photos, dataset.folder)
    truths = tuple(_truth(dataset, index, canvas_wh) for index in range(len(photos)))
    files = _features(dataset, weights, canvas_wh, device)
    levels = tuple(torch.from_numpy(np.load(kept, mmap_mode="c")) for kept in files)
    return Boxed(tuple(level.to(device) for level in levels), truths, dataset.categories, canvas_wh)


def _truth(dataset: DetectionDataset, index: int, canvas_wh: tuple[int, int]) -> GroundTruth:
    photo = dataset.photos[index]
    factor = min(canvas_wh[0] / photo.width, canvas_wh[1] / photo.height)
    size = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
    offset = ((canvas_wh[0] - size[0]) // 2, (canvas_wh[1] - size[1]) // 2)
    shift = np.array([*offset] * 2, dtype=np.float32)
    truth = photo.ground_truth()
    crowd_xyxy = truth.crowd_xyxy * factor + shift
    return replace(truth, boxes_xyxy=truth.boxes_xyxy * factor + shift, crowd_xyxy=crowd_xyxy)


def _features(
    dataset: DetectionDataset, weights: Path, canvas_wh: tuple[int, int], device: str
) -> list[Path]:
    paths = [dataset.path_of(photo) for photo in dataset.photos]
    told = "\n".join(str(path) for path in paths) + digest(weights) + str(canvas_wh)
    name = hashlib.sha256(told.encode()).hexdigest()[:16]
    files = [kept_folder() / f"boxed-{name}-{stride}.npy" for stride in STRIDES]
    if not all(file.is_file() for file in files):
        _compute(paths, weights, files, canvas_wh, device)
    return files


@torch.inference_mode()
def _compute(
    paths: list[Path], weights: Path, files: list[Path], canvas_wh: tuple[int, int], device: str
) -> None:
    backbone = MobileNetFeatures()
    load_imagenet(backbone, weights)
    backbone.eval().to(device, memory_format=torch.channels_last)
    unfinished = [file.with_suffix(f".{os.getpid()}") for file in files]
    shapes = [(c, canvas_wh[1] // s, canvas_wh[0] // s) for c, s in zip(CHANNELS, STRIDES, strict=True)]
    levels = [
        open_memmap(file, mode="w+", dtype=np.float16, shape=(len(paths), *shape))
        for file, shape in zip(unfinished, shapes, strict=True)
    ]
    start = 0
    for pictures in _pictures(paths, canvas_wh):
        batch = normalize_pixels(pictures.to(device)).contiguous(memory_format=torch.channels_last)
        for level, found in zip(levels, backbone.pyramid(batch), strict=True):
            level[start : start + len(pictures)] = found.half().cpu().numpy()
        start += len(pictures)
    for level, file, target in zip(levels, unfinished, files, strict=True):
        level.flush()
        file.replace(target)


def _pictures(paths: list[Path], canvas_wh: tuple[int, int]) -> Iterator[Tensor]:
    """Letterboxed photos (B, 3, H, W), decoded on as many threads as there are cores."""

    def picture(path: Path) -> Tensor:
        return to_tensor(letterbox(open_dataset_photo(path).image, canvas_wh).image)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for start in range(0, len(paths), AT_ONCE):
            yield torch.stack(list(threads.map(picture, paths[start : start + AT_ONCE])))
