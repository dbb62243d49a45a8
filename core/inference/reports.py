"""Reports: a detector or classifier, and perhaps a second one, run on annotated photos; kept by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core import __version__
from core.boxes import Detections, GroundTruth
from core.datasets.detection import matched_categories
from core.errors import DatasetError, PhotoError, StoreBusyError, StoreError
from core.evaluation.report.classification import ClassifierOutput, LabeledCrop, report_classifier
from core.evaluation.report.detection import DetectorOutput, report_detector
from core.evaluation.report.photos import ReportPhoto
from core.files import atomic_write, cache_folder
from core.garments import Box
from core.images.crops import center_crop
from core.images.decode import Photo
from core.inference.classifier import Classifier, square_crops, whole_photo
from core.inference.detector import LOWEST_THRESHOLD, Detector
from core.inference.report_data import DataPhoto, ReportData
from core.machine import machine_line
from core.models.cards import ModelCard, read_card
from core.progress import Progress, ignore_progress
from core.store.models import ModelRow

REPORT_VERSION = 1
"""Of the reports' form: kept ones of another are made again."""

MOST_KEPT = 60


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

    @classmethod
    def of_row(cls, row: ModelRow, path: Path = Path()) -> ReportModel:
        """A model of the store, with the file that its weights were fetched to.

        Without one it is known by its digest: enough to find its kept reports, not to make one.
        """
        return cls(path, row.card, row.name, row.digest)

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


def make_report(
    model: ReportModel,
    data: ReportData,
    against: ReportModel | None = None,
    progress: Progress = ignore_progress,
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


def report_key(model: ReportModel, digest: str, against: ReportModel | None = None) -> str:
    """What a kept report is known by: weights, what their cards say of inference, and the data's digest."""
    content = [REPORT_VERSION, digest, *(_what_decides(one) for one in (model, against) if one is not None)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _what_decides(model: ReportModel) -> list[Any]:
    card = model.card
    return [
        model.digest,
        card.categories,
        card.input_size,
        card.score_threshold,
        card.anchors_wh,
        card.calibration,
    ]


def kept_report(key: str) -> dict[str, Any] | None:
    """A report that this machine has kept; None where there is none, or none that can be read."""
    try:
        report = json.loads((_kept_reports() / f"{key}.json").read_bytes())
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def keep_report(key: str, report: Mapping[str, Any]) -> None:
    """Keep a report on this machine, and the newest ``MOST_KEPT`` of them. Raises OSError."""
    folder = _kept_reports()
    with atomic_write(folder / f"{key}.json", private=True) as file:
        file.write(json.dumps(report).encode())
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for old in files[:-MOST_KEPT]:
        old.unlink(missing_ok=True)


def _kept_reports() -> Path:
    folder = cache_folder() / "reports"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


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
        for (_, label), box in zip(chosen, boxes, strict=True):
            crops.append(LabeledCrop(item.photo, label, None if item.is_crop else box, item.group))
        crops_of_boxes = [] if item.is_crop else square_crops(photo, boxes)
        for classifier, side in zip(classifiers, found, strict=True):
            pictures = crops_of_boxes or [center_crop(photo.image, classifier.card.crop_pct)]
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
    """The photos that can be opened; a dataset's file that cannot be read is an error, as in evaluation."""
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
