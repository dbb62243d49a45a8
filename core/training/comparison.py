"""Compares a candidate with the champion on a revision's holdout, which no model is trained on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from core.access import Right
from core.boxes import Detections, GroundTruth
from core.errors import DatasetError, PhotoError, StoreBusyError, StoreError
from core.evaluation.comparison import Comparison, compare_classification, compare_detection, rank_of
from core.evaluation.photo_changes import (
    NamedBox,
    PhotoChange,
    classifier_change,
    detector_change,
    match_detections,
)
from core.images.decode import Photo
from core.inference.classifier import Classifier, square_crops
from core.inference.detector import LOWEST_THRESHOLD, Detector
from core.inference.predictions import ensure_category_ids
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.promotions import ComparisonRow

MAX_CHANGES = 100
"""The number of photos whose changes are stored, those with the most changes."""

Holdout = Iterable[tuple[Photo, int, tuple[AnnotatedBox, ...]]]


@dataclass
class ChangedPhotos:
    """The photos on which both models differ, and the number of those that were skipped."""

    changes: list[PhotoChange] = field(default_factory=list)
    skipped: int = 0

    def add(self, change: PhotoChange | None) -> None:
        """Add a photo's change, if there is one."""
        if change is not None:
            self.changes.append(change)

    def worst(self) -> list[dict[str, Any]]:
        """The photos with the most changes, among equals those that got worse first, as JSON."""
        ordered = sorted(self.changes, key=lambda change: (-change.weight, change.gain, change.photo_id))
        return [change.as_dict() for change in ordered[:MAX_CHANGES]]


def compare_models(
    store: Store,
    candidate_id: int,
    champion_id: int,
    revision: int,
    progress: Progress = ignore_progress,
    device: str = "auto",
) -> ComparisonRow:
    """Measure both models on the revision's holdout, as it was annotated in it, and store the comparison.

    Detectors get whole photos, and their categories are mapped to the store's. Classifiers get the crops of
    labeled boxes, so that no detector's errors count. Photos that were deleted since or cannot be opened are
    skipped and counted. ``progress`` is called with the photos done and their number; what it raises ends the
    comparison. ``device`` is that of both. Raises DatasetError where the holdout has nothing to measure on,
    WeightsError where a model cannot be loaded, StoreError for two models that are not of one kind.
    """
    store.actor.require(Right.TRAIN)
    candidate, champion = store.models.get(candidate_id), store.models.get(champion_id)
    if candidate.kind != champion.kind:
        raise StoreError(f"expected two models of a kind, got a {candidate.kind} and a {champion.kind}")
    started, changed = time.monotonic(), ChangedPhotos()
    files = [store.models.file_of(row) for row in (champion, candidate)]
    photos = _holdout(store, revision, changed, progress)
    if candidate.kind == "detector":
        detectors = [Detector.load(file, device) for file in files]
        measured = _compare_detectors(store, detectors, photos, changed)
    else:
        classifiers = [Classifier.load(file, device) for file in files]
        measured = _compare_classifiers(classifiers, photos, changed)
    report = {
        "comparison": measured.as_dict(),
        "changed": changed.worst(),
        "changed_photos": len(changed.changes),
        "seconds": round(time.monotonic() - started, 1),
    }
    return store.comparisons.save(candidate_id, champion_id, revision, report)


def _holdout(store: Store, revision: int, changed: ChangedPhotos, progress: Progress) -> Iterator[Any]:
    """The holdout's photos with id and boxes; those that cannot be opened are counted as skipped."""
    total = sum(1 for _ in store.revisions.names(revision, holdout=True))
    progress(0, total)
    for done, item in enumerate(store.revisions.items(revision, holdout=True), start=1):
        photo = _open(store, item.photo.id)
        if photo is None:
            changed.skipped += 1
        else:
            yield photo, item.photo.id, item.annotation.boxes
        progress(done, total)


def _open(store: Store, photo_id: int) -> Photo | None:
    try:
        return store.photos.open(photo_id)
    except StoreBusyError:
        raise
    except (StoreError, PhotoError):  # deleted since, or its picture is damaged
        return None


def _compare_detectors(
    store: Store, models: Sequence[Detector], holdout: Holdout, changed: ChangedPhotos
) -> Comparison:
    """Of the champion and the candidate."""
    mapping = _CategoryMapping.of(store, *(model.card.categories for model in models))
    thresholds = (models[0].card.score_threshold, models[1].card.score_threshold)
    truths: list[GroundTruth] = []
    found: tuple[list[Detections], list[Detections]] = ([], [])
    for photo, photo_id, boxes in holdout:
        truths.append(mapping.ground_truth(boxes))
        matched = []
        for model, threshold, side in zip(models, thresholds, found, strict=True):
            seen = model.detections(photo, LOWEST_THRESHOLD)
            side.append(mapping.detections(model.card.categories, seen))
            matched.append(match_detections(side[-1], truths[-1], mapping.names, threshold))
        changed.add(detector_change(photo_id, matched[0], matched[1], truths[-1], mapping.names))
    if not any(len(truth.category_ids) for truth in truths):
        raise DatasetError("The revision has no annotated boxes on holdout photos to compare models on.")
    return compare_detection(*found, truths, mapping.names, thresholds, skipped=changed.skipped)


@dataclass(frozen=True)
class _CategoryMapping:
    """Maps both models' categories, each with names and an order of its own, to indices of the store's."""

    names: tuple[str, ...]
    index_of: Mapping[int, int]  # by category id
    ids: Mapping[str, int]  # by the models' names

    @classmethod
    def of(cls, store: Store, *models: Sequence[str]) -> _CategoryMapping:
        ids = ensure_category_ids(store, [name for names in models for name in names])
        known = store.categories.by_id()
        index_of = {id: index for index, id in enumerate(known)}
        return cls(tuple(category.name for category in known.values()), index_of, ids)

    def ground_truth(self, boxes: Sequence[AnnotatedBox]) -> GroundTruth:
        """Annotated boxes as ground truth."""
        corners = np.array([box.box_xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
        return GroundTruth(
            corners, np.array([self.index_of[box.category_id] for box in boxes], dtype=np.int64)
        )

    def detections(self, categories: Sequence[str], found: Detections) -> Detections:
        """A model's detections, from indices of its own categories to those of the store's."""
        indices = np.array([self.index_of[self.ids[name]] for name in categories])
        return Detections(found.boxes_xyxy, found.scores, indices[found.category_ids])


def _compare_classifiers(
    classifiers: Sequence[Classifier], holdout: Holdout, changed: ChangedPhotos
) -> Comparison:
    """Of the champion and the candidate."""
    before, after = map(_LabelRanks, classifiers)
    known = {*before.classifier.card.categories, *after.classifier.card.categories}
    size = max(ranks.classifier.card.input_size for ranks in (before, after))
    labels: list[str] = []
    photo_of: list[int] = []
    for photo, photo_id, boxes in holdout:
        labeled = [box for box in boxes if box.label in known]
        changed.skipped += sum(box.label is not None and box.label not in known for box in boxes)
        targets_of_photo = [str(box.label) for box in labeled]
        crops = square_crops(photo, [box.box_xyxy for box in labeled], size)
        tops = [side.rank(crops, labeled, targets_of_photo) for side in (before, after)]
        changed.add(classifier_change(photo_id, tops[0], tops[1], targets_of_photo))
        labels += targets_of_photo
        photo_of += [photo_id] * len(targets_of_photo)
    if not labels:
        raise DatasetError("The revision has no labeled boxes on holdout photos to compare models on.")
    order, targets = np.unique(labels, return_inverse=True)
    ranks = (np.array(before.ranks), np.array(after.ranks))
    names, units = order.tolist(), np.array(photo_of)
    return compare_classification(*ranks, targets, names, units, skipped=changed.skipped)


@dataclass
class _LabelRanks:
    """A classifier, and the rank that it gave the annotated label of each garment."""

    classifier: Classifier
    ranks: list[int] = field(default_factory=list)

    def rank(
        self, crops: Sequence[Image.Image], boxes: Sequence[AnnotatedBox], labels: Sequence[str]
    ) -> list[NamedBox]:
        """Rank a photo's garments; returns their boxes with the most probable label."""
        own, tops = self.classifier.card.categories, []
        shares = self.classifier.probabilities(crops)
        for row, box, label in zip(shares, boxes, labels, strict=True):
            self.ranks.append(rank_of(row, label, own))
            tops.append((*box.box_xyxy, own[row.argmax()], float(row.max())))
        return tops
