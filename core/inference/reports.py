"""Reports: a detector or classifier, and perhaps a second one, run on a data set or on a store's revision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core import __version__
from core.boxes import Detections, GroundTruth
from core.datasets.classification import read_classification
from core.datasets.detection import matched_categories
from core.datasets.reading import read_fitted
from core.errors import DatasetError, PhotoError, StoreBusyError, StoreError
from core.evaluation.report.classification import ClassifierOutput, LabeledCrop, report_classifier
from core.evaluation.report.detection import DetectorOutput, report_detector
from core.evaluation.report.photos import ReportPhoto
from core.garments import Box
from core.images.decode import Photo, open_dataset_photo, upright_size
from core.inference.classifier import Classifier, square_crops, whole_photo
from core.inference.detector import LOWEST_THRESHOLD, Detector
from core.inference.predictions import category_ids
from core.machine import machine_line
from core.models.cards import ModelCard, read_card
from core.store import Store
from core.store.boxes import AnnotatedBox

Progress = Callable[[int, int], object]
"""Called with the photos done and their number; what it raises ends the report."""

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


@dataclass(frozen=True)
class ReportModel:
    """A model to report on: its weights with their card, its name, and the digest of the weights."""

    path: Path
    card: ModelCard
    name: str
    digest: str

    @classmethod
    def of_file(cls, path: Path, name: str = "") -> ReportModel:
        """Weights with their card beside them. Raises WeightsError."""
        card = read_card(path)
        return cls(path, card, name or card.name or path.stem, _digest_of(path))

    def as_dict(self) -> dict[str, Any]:
        """What a report says of the model."""
        return {
            "name": self.name,
            "model": f"{self.card.model} {self.card.preset}".strip(),
            "input_size": self.card.input_size,
            "score_threshold": self.card.score_threshold,
            "digest": self.digest,
            "commit": self.card.training.get("commit"),
        }


def _digest_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""  # whoever loads the weights says what is wrong


def data_of_file(path: Path, kind: str, photos: Path | None = None) -> ReportData:
    """A data set as for ``core evaluate``: boxes in any format; for a classifier also a CSV of labels.

    Of a data set of boxes a classifier is asked about each box that has a label. Raises DatasetError.
    """
    name = "/".join(Path(path).resolve().parts[-2:])
    if kind == "classifier" and path.suffix.lower() == ".csv":
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


def _labeled_photos(path: Path, photos: Path | None) -> Iterator[DataPhoto]:
    nothing = GroundTruth(np.zeros((0, 4)), np.zeros(0, np.int64))
    for place, sample in enumerate(read_classification(path, photos)):
        width, height = upright_size(sample.path)
        photo = ReportPhoto(place, sample.path.name, width, height)
        yield DataPhoto(photo, _opener(sample.path), nothing, (sample.label,), sample.group, is_crop=True)


def _opener(path: Path) -> Callable[[], Photo]:
    return lambda: open_dataset_photo(path)


def data_of_revision(store: Store, number: int, part: str = HOLDOUT) -> ReportData:
    """A revision's photos as they were annotated in it: the ``HOLDOUT``, or ``ALL`` of them.

    Photos that were deleted since are left out and counted. Raises NotFoundError for no such revision.
    """
    revision = store.revisions.get(number)
    known = store.categories.by_id()
    place_of = {id: place for place, id in enumerate(known)}
    found, left_out = [], 0
    digest = hashlib.sha256(f"{revision.digest} {part}".encode())
    for item in store.revisions.items(number, holdout=True if part == HOLDOUT else None):
        row = item.photo
        if row.deleted_at is not None:
            left_out += 1
            continue
        digest.update(f" {row.digest}".encode())
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
    digest.update(json.dumps(categories).encode())
    names = {name: known[id].name for name, id in category_ids(store).items()}
    said = f"{part} of revision {number}"
    return ReportData(said, categories, tuple(found), digest.hexdigest(), names, left_out)


def _store_opener(store: Store, photo_id: int) -> Callable[[], Photo]:
    return lambda: store.photos.open(photo_id)


def _ground_truth(boxes: Sequence[AnnotatedBox], place_of: Mapping[int, int]) -> GroundTruth:
    corners = np.array([box.box_xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
    ids = np.array([place_of[box.category_id] for box in boxes], dtype=np.int64)
    return GroundTruth(corners, ids, np.array(["difficult" in box.flags for box in boxes], dtype=np.bool_))


def make_report(
    model: ReportModel,
    data: ReportData,
    against: ReportModel | None = None,
    progress: Progress = lambda done, total: None,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The report of a model on the data, and beside a second one where one is given.

    A detector's categories that the data do not have count as well: what is detected there is wrong.
    Categories of the data that a detector does not know are missed. Photos that cannot be opened are left
    out and counted. Raises WeightsError where a model cannot be loaded or both are not of a kind,
    DatasetError where the data have nothing to measure on.
    """
    kind = model.card.kind
    if against is not None and against.card.kind != kind:
        raise DatasetError(f"expected two models of a kind, got a {kind} and a {against.card.kind}")
    models = [model, *([against] if against else [])]
    run = _report_detectors if kind == "detector" else _report_classifiers
    started = datetime.now(UTC)
    report, engine, left_out = run(models, data, progress, n_bootstrap, seed)
    return report | {
        "model": model.as_dict(),
        "against": against.as_dict() if against else None,
        "data": {"name": data.name, "digest": data.digest or None, "left_out": data.left_out + left_out},
        "made": {
            "at": started.isoformat(timespec="seconds"),
            "engine": engine,
            "machine": machine_line(("onnxruntime", "openvino", "torch")),
            "lapel": __version__,
            "seed": seed,
        },
    }


def _report_detectors(
    models: Sequence[ReportModel], data: ReportData, progress: Progress, n_bootstrap: int, seed: int
) -> tuple[dict[str, Any], str, int]:
    detectors = [Detector.load(model.path) for model in models]
    names, ids_of = _common_categories(data, [detector.card.categories for detector in detectors])
    photos: list[ReportPhoto] = []
    truths: list[GroundTruth] = []
    found: list[list[Detections]] = [[] for _ in detectors]
    for item, photo in _opened(data, progress):
        photos.append(item.photo)
        truths.append(item.truth)
        for detector, ids, side in zip(detectors, ids_of, found, strict=True):
            seen = detector.detections(photo, LOWEST_THRESHOLD)
            side.append(Detections(seen.boxes_xyxy, seen.scores, ids[seen.category_ids]))
    if not any(len(truth.category_ids) for truth in truths):
        raise DatasetError(f"expected annotated boxes to measure on in {data.name}, got none")
    outputs = [
        DetectorOutput(side, detector.card.score_threshold)
        for side, detector in zip(found, detectors, strict=True)
    ]
    report = report_detector(photos, truths, names, *outputs, n_bootstrap=n_bootstrap, seed=seed)
    known = {names[place] for place in ids_of[0]}
    there = {names[place] for truth in truths for place in truth.category_ids}
    report["unknown_categories"] = sorted(there - known)
    return report, detectors[0].engine.name, len(data.photos) - len(photos)


def _common_categories(
    data: ReportData, models: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """The data's categories and those that only a model has, and each model's places in them."""
    names = list(data.categories)
    ids_of = []
    for own in models:
        said = [data.names.get(name, name) for name in own]
        known = matched_categories(said, names)
        for name in said:
            if name not in known:
                known[name] = len(names)
                names.append(name)
        ids_of.append(np.array([known[name] for name in said], dtype=np.int64))
    return tuple(names), ids_of


def _report_classifiers(
    models: Sequence[ReportModel], data: ReportData, progress: Progress, n_bootstrap: int, seed: int
) -> tuple[dict[str, Any], str, int]:
    classifiers = [Classifier.load(model.path) for model in models]
    labels = classifiers[0].card.categories
    said = sorted({label for item in data.photos for label in item.labels if label})
    known = {label: labels[place] for label, place in matched_categories(said, labels).items()}
    crops: list[LabeledCrop] = []
    found: list[list[np.ndarray]] = [[] for _ in classifiers]
    skipped = opened = 0
    for item, photo in _opened(data, progress):
        opened += 1
        chosen = [(place, known[label]) for place, label in enumerate(item.labels) if label in known]
        skipped += sum(label is not None and label not in known for label in item.labels)
        if not chosen:
            continue
        boxes = [_box(item, photo, place) for place, _ in chosen]
        pictures = [photo.image] if item.is_crop else square_crops(photo, boxes)
        for (_, label), box in zip(chosen, boxes, strict=True):
            crops.append(LabeledCrop(item.photo, label, None if item.is_crop else box, item.group))
        for classifier, side in zip(classifiers, found, strict=True):
            side.append(classifier.probabilities(pictures))
    if not crops:
        raise DatasetError(f"expected garments labeled {', '.join(labels)} in {data.name}, got none")
    outputs = [
        ClassifierOutput(np.concatenate(side), classifier.card.categories)
        for side, classifier in zip(found, classifiers, strict=True)
    ]
    report = report_classifier(crops, *outputs, skipped=skipped, n_bootstrap=n_bootstrap, seed=seed)
    return report, classifiers[0].engine.name, len(data.photos) - opened


def _box(item: DataPhoto, photo: Photo, place: int) -> Box:
    if item.is_crop:
        return whole_photo(photo)
    x0, y0, x1, y1 = (float(side) for side in item.truth.boxes_xyxy[place])
    return x0, y0, x1, y1


def _opened(data: ReportData, progress: Progress) -> Iterator[tuple[DataPhoto, Photo]]:
    """The photos that can be opened; a data set's file that cannot be read is an error, as in evaluation."""
    total = len(data.photos)
    progress(0, total)
    for done, item in enumerate(data.photos, start=1):
        try:
            yield item, item.open()
        except StoreBusyError:
            raise
        except (StoreError, PhotoError):  # deleted since, or its picture is damaged
            pass
        progress(done, total)
