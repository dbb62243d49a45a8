"""A folder of drawn photos with a COCO file beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError
from tools.synthetic.scene import CATEGORIES, draw_scene

JPEG_QUALITY = 92


def draw_dataset(
    folder: Path,
    count: int,
    seed: int = 0,
    size_wh: tuple[int, int] = (480, 640),
    kind: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DetectionDataset:
    """Draw ``count`` photos into ``folder/photos`` and write ``folder/train.json`` (COCO).

    Photo n is drawn with the seed ``seed * 1_000_003 + n``, so that sets of different seeds share none.
    ``progress`` is called with (photos done, photos in all). Raises ``DatasetError`` for a count below one.
    """
    if count < 1:
        raise DatasetError(f"at least one photo is expected, got a count of {count}")
    photos_folder = Path(folder) / "photos"
    photos_folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for n in range(count):
        scene = draw_scene(seed * 1_000_003 + n, size_wh, kind)
        name = f"drawn-{seed}-{n:05d}.jpg"
        scene.image.save(photos_folder / name, quality=JPEG_QUALITY)
        ids = np.array([CATEGORIES.index(category) for category in scene.categories], dtype=np.int64)
        photos.append(BoxedPhoto(name, *size_wh, scene.boxes_xyxy, ids, scene.labels))
        if progress is not None:
            progress(n + 1, count)
    dataset = DetectionDataset(CATEGORIES, tuple(photos), photos_folder)
    write_coco(dataset, Path(folder) / "train.json")
    return dataset
