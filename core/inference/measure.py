"""Evaluation of a detector or classifier on a dataset, by the same inference as for any photo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from core.boxes import Detections, GroundTruth
from core.datasets.classification import ClassificationSample, with_known_labels
from core.datasets.detection import DetectionDataset, matched_categories
from core.errors import DatasetError
from core.evaluation.classification import ClassificationReport, evaluate_classification
from core.evaluation.detection import (
    DetectionReport,
    SingleObjectRecall,
    evaluate_detection,
    is_single_object,
    single_object_recall,
)
from core.images.crops import center_crop
from core.images.decode import open_dataset_photo
from core.inference.classifier import Classifier
from core.inference.detector import LOWEST_THRESHOLD, Detector

Item = TypeVar("Item")
Watch = Callable[[Iterable[Any]], Iterable[Any]]


def _unwatched(items: Iterable[Item]) -> Iterator[Item]:
    yield from items


def predictions_on(
    detector: Detector, dataset: DetectionDataset, watch: Watch = _unwatched
) -> tuple[list[Detections], list[GroundTruth]]:
    """The detector's boxes, down to its lowest score, and the true ones, in the detector's categories.

    Raises DatasetError where the detector does not know a category of the dataset, or a photo is missing or
    unreadable.
    """
    ids = _category_ids(dataset.categories, detector.card.categories)
    found, truths = [], []
    for photo in watch(dataset.photos):
        found.append(detector.detections(open_dataset_photo(dataset.path_of(photo)), LOWEST_THRESHOLD))
        truths.append(photo.ground_truth(ids))
    return found, truths


def _category_ids(names: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    place_of = matched_categories(names, known)
    unknown = [name for name in names if name not in place_of]
    if unknown:
        raise DatasetError(
            f"expected the detector's categories ({', '.join(known)}), got also {', '.join(unknown)}"
        )
    return np.array([place_of[name] for name in names], dtype=np.int64)


def measure_detector(
    detector: Detector, dataset: DetectionDataset, watch: Watch = _unwatched
) -> tuple[DetectionReport, SingleObjectRecall | None]:
    """Detection metrics at the card's threshold, and single-object recall where every photo has one box."""
    found, truths = predictions_on(detector, dataset, watch)
    threshold = detector.card.score_threshold
    report = evaluate_detection(found, truths, detector.card.categories, threshold)
    single = all(is_single_object(truth) for truth in truths)
    return report, single_object_recall(found, truths, threshold) if single else None


def measure_classifier(
    classifier: Classifier, photos: tuple[ClassificationSample, ...], watch: Watch = _unwatched
) -> ClassificationReport:
    """Top-k over the photos whose label the classifier knows; the others are counted as skipped.

    Intervals are resampled by sender where every photo has one. Raises DatasetError where no label is known.
    """
    labels = classifier.card.categories
    known, skipped = with_known_labels(photos, labels)
    if not known:
        raise DatasetError(f"expected photos labeled {', '.join(labels)}, got none")
    share = classifier.card.crop_pct
    pictures = (center_crop(open_dataset_photo(photo.path).image, share) for photo in watch(known))
    rows = [classifier.probabilities([picture])[0] for picture in pictures]
    targets = np.array([labels.index(photo.label) for photo in known])
    groups = np.array([photo.group for photo in known]) if all(photo.group for photo in known) else None
    return evaluate_classification(np.stack(rows), targets, labels, skipped=skipped, groups=groups)
