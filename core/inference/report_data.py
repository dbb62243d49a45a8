"""Annotated photos to report on: a dataset's, or a revision's of the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.boxes import GroundTruth
from core.datasets import deepfashion
from core.datasets.classification import read_labeled
from core.datasets.reading import read_fitted
from core.evaluation.report.photos import ReportPhoto
from core.images.decode import Photo, open_dataset_photo, upright_size
from core.inference.predictions import category_ids
from core.store import Store
from core.store.boxes import AnnotatedBox

HOLDOUT, ALL = "holdout", "all photos"


@dataclass(frozen=True)
class DataPhoto:
    """An annotated photo: where to get it, its boxes in the data's categories, their labels, its sender."""

    photo: ReportPhoto
    open: Callable[[], Photo] = field(repr=False)
    truth: GroundTruth = field(repr=False)
    labels: tuple[str | None, ...] = ()
    group: str = ""
    is_crop: bool = False
    """Whether the whole photo is what a label is of."""


@dataclass(frozen=True)
class ReportData:
    """Annotated photos to measure on.

    ``digest`` is of the photos and boxes where both are known never to change, else empty. ``names`` says
    under which of ``categories`` a model's own name counts, where that is another. ``left_out`` counts photos
    that are gone or cannot be opened.
    """

    name: str
    categories: tuple[str, ...]
    photos: tuple[DataPhoto, ...]
    digest: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0


def data_of_file(path: Path, kind: str, photos: Path | None = None) -> ReportData:
    """A dataset as for ``core evaluate``: boxes in any format; for a classifier also a list of labels.

    Of a dataset of boxes a classifier is asked about each box that has a label. Raises DatasetError.
    """
    name = "/".join(Path(path).resolve().parts[-2:])
    if kind == "classifier" and _lists_labels(path):
        return ReportData(name, (), tuple(_labeled_photos(path, photos)))
    fitted = read_fitted(path, photos)
    dataset = fitted.dataset
    found = []
    for place, photo in enumerate(dataset.photos):
        file = dataset.path_of(photo)
        found.append(
            DataPhoto(
                ReportPhoto(place, photo.file_name, photo.width, photo.height),
                _opener(file),
                photo.ground_truth(),
                photo.labels,
            )
        )
    return ReportData(name, dataset.categories, tuple(found), left_out=len(fitted.left_out))


def _lists_labels(path: Path) -> bool:
    """Whether a path holds labels of whole photos: a CSV, or DeepFashion's folder."""
    is_deepfashion = path.name == deepfashion.PHOTOS or deepfashion.has_category_list(path)
    return is_deepfashion or path.suffix.lower() == ".csv"


def _labeled_photos(path: Path, photos: Path | None) -> Iterator[DataPhoto]:
    nothing = GroundTruth(np.zeros((0, 4)), np.zeros(0, np.int64))
    for place, sample in enumerate(read_labeled(path, photos, part="test").photos):
        width, height = upright_size(sample.path)
        photo = ReportPhoto(place, sample.path.name, width, height)
        yield DataPhoto(photo, _opener(sample.path), nothing, (sample.label,), sample.group, is_crop=True)


def _opener(path: Path) -> Callable[[], Photo]:
    return lambda: open_dataset_photo(path)


def revision_digest(store: Store, number: int, part: str = HOLDOUT) -> str:
    """The digest of ``data_of_revision``, without reading annotations. Raises NotFoundError."""
    photos = store.revisions.photos(number, holdout=True if part == HOLDOUT else None)
    there = [photo.digest for photo in photos if not photo.deleted]
    names = [category.name for category in store.categories.by_id().values()]
    content = [store.revisions.get(number).digest, part, there, names, sorted(category_ids(store))]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def data_of_revision(store: Store, number: int, part: str = HOLDOUT) -> ReportData:
    """A revision's photos as they were annotated in it: the ``HOLDOUT``, or ``ALL`` of them.

    Photos that were deleted since are left out and counted. Raises NotFoundError for no such revision.
    """
    digest = revision_digest(store, number, part)
    known = store.categories.by_id()
    place_of = {id: place for place, id in enumerate(known)}
    found, left_out = [], 0
    for item in store.revisions.items(number, holdout=True if part == HOLDOUT else None):
        row = item.photo
        if row.deleted_at is not None:
            left_out += 1
            continue
        boxes = [box for box in item.annotation.boxes if box.category_id in place_of]
        found.append(
            DataPhoto(
                ReportPhoto(row.id, row.name, row.width, row.height),
                _store_opener(store, row.id),
                _ground_truth(boxes, place_of),
                tuple(box.label for box in boxes),
            )
        )
    categories = tuple(category.name for category in known.values())
    names = {name: known[id].name for name, id in category_ids(store).items()}
    return ReportData(f"{part} of revision {number}", categories, tuple(found), digest, names, left_out)


def _store_opener(store: Store, photo_id: int) -> Callable[[], Photo]:
    return lambda: store.photos.open(photo_id)


def _ground_truth(boxes: Sequence[AnnotatedBox], place_of: Mapping[int, int]) -> GroundTruth:
    corners = np.array([box.box_xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
    ids = np.array([place_of[box.category_id] for box in boxes], dtype=np.int64)
    return GroundTruth(corners, ids, np.array(["difficult" in box.flags for box in boxes], dtype=np.bool_))
