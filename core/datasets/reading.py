"""Reads a detection data set in whichever format a path holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.datasets import coco, deepfashion, voc, yolo
from core.datasets.detection import DetectionDataset
from core.datasets.sizes import FittedDataset, fit_to_photos
from core.errors import DatasetError
from core.garments import Refusal

Reader = Callable[[Path, Path | None, list[Refusal] | None], DetectionDataset]


def read_detection(
    path: Path, photos: Path | None = None, *, refused: list[Refusal] | None = None
) -> DetectionDataset:
    """Read boxed photos in whichever format ``path`` holds; ``photos`` is their folder where it is elsewhere.

    Raises ``DatasetError`` with one sentence where nothing known is found or the annotations are bad. Given a
    list ``refused``, the photos whose own annotation or header is bad go there instead, and the rest is read.
    """
    path = Path(path)
    reader = reader_of(path)
    if reader is not None:
        return reader(path, photos, refused)
    files = sorted(path.glob("*.json")) if path.is_dir() else []
    if len(files) == 1:
        return read_detection(files[0], photos, refused=refused)
    raise DatasetError(
        f"{path}: a COCO file, a YOLO data.yaml, or a folder of VOC, YOLO, DeepFashion or DeepFashion2 "
        f"annotations is expected, got {'none of these' if path.exists() else 'nothing there'}"
    )


def read_fitted(path: Path, photos: Path | None = None) -> FittedDataset:
    """Read boxed photos to measure or train on: boxes in pixels of the photos as they are.

    Raises ``DatasetError`` as ``read_detection`` does, and where no photo has the shape that the file says.
    """
    return fit_to_photos(read_detection(path, photos), Path(path).name)


def reader_of(path: Path) -> Reader | None:
    """What reads this file or folder, by its name or by what lies in it; None where nothing does."""
    if path.is_file():
        readers: dict[str, Reader] = {
            ".json": lambda file, photos, _: coco.read_coco(file, photos),
            ".xml": voc.read_voc,
            ".yaml": yolo.read_yolo,
            ".yml": yolo.read_yolo,
        }
        return readers.get(path.suffix.lower())
    if not path.is_dir():
        return None
    if _holds(path, "annos/*.json") or (path.name == "annos" and _holds(path, "*.json")):
        return deepfashion.read_deepfashion2
    if deepfashion.has_category_list(path):
        return deepfashion.read_deepfashion
    if _holds(path, "*.xml", "Annotations/*.xml"):
        return voc.read_voc
    if _holds(path, "data.yaml", "data.yml", "dataset.yaml", "classes.txt", "labels/classes.txt"):
        return yolo.read_yolo
    return None


def _holds(folder: Path, *patterns: str) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)
