"""The photos of the experiments: the street's and chictopia's for detectors, the catalog's for classifiers.

Detectors learn ten categories, which both sets box in full: belts, scarves and ties are left out, since
chictopia does not box them, and boots are footwear, as it calls them. So no network has to be told what a set
does not label, which torchvision's can not be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.replay.places import data_folder, read_catalog
from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_fitted
from core.files import atomic_write

SETS = ("street", "chictopia")
LEFT_OUT = frozenset({"belt", "scarf_tie"})
SAME = {"boots": "footwear"}


@dataclass(frozen=True)
class Files:
    """The files that an arm is trained and measured on."""

    train: Path
    val: Path


def detection_files(folder: Path, most: int | None = None) -> Files:
    """Both sets as one, under ten categories, written as COCO files into ``folder``; photos are linked.

    ``most`` photos at most of each part. Raises DatasetError where the photos are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "val"):
        file = folder / f"{part}.json"
        if not file.is_file():
            joined = join_sets(
                {name: read_fitted(data_folder() / name / f"{part}.json").dataset for name in SETS}
            )
            write_coco(replace(joined, photos=_spread(joined.photos, most)), file)
    (folder / "photos").mkdir(exist_ok=True)
    for name in SETS:
        link = folder / "photos" / name
        if not link.exists():
            link.symlink_to((data_folder() / name / "photos").resolve(), target_is_directory=True)
    return Files(folder / "train.json", folder / "val.json")


def join_sets(sets: dict[str, DetectionDataset]) -> DetectionDataset:
    """Datasets of the same categories as one, with the categories that all label; photos as ``set/name``."""
    first = next(iter(sets.values())).categories
    categories = tuple(name for name in first if name not in LEFT_OUT and name not in SAME)
    ids = np.array([_place(name, categories) for name in first])
    photos = tuple(
        _under(photo, ids, f"{name}/{photo.file_name}")
        for name, part in sets.items()
        for photo in part.photos
    )
    return DetectionDataset(categories, photos)


def _place(name: str, categories: tuple[str, ...]) -> int:
    name = SAME.get(name, name)
    return categories.index(name) if name in categories else -1


def _under(photo: BoxedPhoto, ids: np.ndarray, file_name: str) -> BoxedPhoto:
    """A photo under other category ids (-1: its box is left out) and another name."""
    ids = ids[photo.category_ids]
    kept = np.flatnonzero(ids >= 0)
    return BoxedPhoto(file_name, photo.width, photo.height, photo.boxes_xyxy[kept], ids[kept])


def _spread(photos: tuple[BoxedPhoto, ...], most: int | None) -> tuple[BoxedPhoto, ...]:
    """``most`` photos evenly from all."""
    if most is None or most >= len(photos):
        return photos
    return tuple(photos[index] for index in np.linspace(0, len(photos) - 1, most).round().astype(int))


def classification_files(folder: Path, most: int | None = None) -> Files:
    """The catalog's photos as two CSVs, split by sender; ``photos`` is linked. DatasetError where missing."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = read_catalog(data_folder() / "catalog")
    if not (folder / "photos").exists():
        (folder / "photos").symlink_to(
            (data_folder() / "catalog" / "images").resolve(), target_is_directory=True
        )
    for part, chosen in (("train", ~catalog.is_held), ("val", catalog.is_held)):
        rows = np.flatnonzero(chosen)
        if most is not None:
            rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]
        with atomic_write(folder / f"{part}.csv") as handle:
            lines = [("image", "label", "sender_id")]
            lines += [(catalog.paths[i].name, catalog.labels[i], catalog.senders[i]) for i in rows]
            handle.write("".join(f"{','.join(line)}\n" for line in lines).encode())
    return Files(folder / "train.csv", folder / "val.csv")
