"""A candidate and the champion on the photos of a revision's holdout, which nobody trains on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow

MOST_CHANGES = 100
"""Changed photos that are kept, those with the most changes."""

Progress = Callable[[int, int], object]
Holdout = Iterable[tuple[Photo, int, tuple[AnnotatedBox, ...]]]


@dataclass
class Outcome:
    """What comes out photo by photo, until it is measured."""

    changes: list[PhotoChange] = field(default_factory=list)
    skipped: int = 0

    def note(self, change: PhotoChange | None) -> None:
        """Keep a change, if it is one."""
        if change is not None:
            self.changes.append(change)

    def worst(self) -> list[dict[str, Any]]:
        """The photos with the most changes, losses first among equals, as JSON."""
        ordered = sorted(self.changes, key=lambda change: (-change.weight, change.gain, change.photo_id))
        return [change.as_dict() for change in ordered[:MOST_CHANGES]]


def compare_models(
    store: Store,
    candidate_id: int,
    champion_id: int,
    revision: int,
    progress: Progress = lambda done, total: None,
) -> ComparisonRow:
    """Measure both on the revision's holdout photos as they were annotated in it, and keep what comes out.

    Detectors are given whole photos; their categories and the annotated ones are the store's. Classifiers are
    given the crops of labelled boxes, so that no detector's mistakes count. Photos that were deleted since or
    cannot be opened are left out and counted. ``progress`` hears of photos done and all; what it raises ends
    the comparison. Raises DatasetError where the holdout has nothing to measure on, WeightsError where a
    model cannot be loaded, StoreError for two models that are not of one kind.
    """
    store.actor.require(Right.TRAIN)
    candidate, champion = store.models.get(candidate_id), store.models.get(champion_id)
    if candidate.kind != champion.kind:
        raise StoreError(f"expected two models of a kind, got a {candidate.kind} and a {champion.kind}")
    started, outcome = time.monotonic(), Outcome()
    compare = _compare_detectors if candidate.kind == "detector" else _compare_classifiers
    measured = compare(store, champion, candidate, _holdout(store, revision, outcome, progress), outcome)
    report = {
        "comparison": measured.as_dict(),
        "changed": outcome.worst(),
        "changed_photos": len(outcome.changes),
        "seconds": round(time.monotonic() - started, 1),
    }
    return store.comparisons.save(candidate_id, champion_id, revision, report)


def _holdout(store: Store, revision: int, outcome: Outcome, progress: Progress) -> Iterator[Any]:
    """The holdout's photos with number and boxes; what cannot be opened is counted as skipped."""
    total = sum(1 for _ in store.revisions.names(revision, holdout=True))
    progress(0, total)
    for done, item in enumerate(store.revisions.items(revision, holdout=True), start=1):
        photo = _opened(store, item.photo.id)
        if photo is None:
            outcome.skipped += 1
        else:
            yield photo, item.photo.id, item.annotation.boxes
        progress(done, total)


def _opened(store: Store, photo_id: int) -> Photo | None:
    try:
        return store.photos.open(photo_id)
    except StoreBusyError:
        raise
    except (StoreError, PhotoError):  # deleted since, or its picture is damaged
        return None


def _compare_detectors(
    store: Store, champion: ModelRow, candidate: ModelRow, holdout: Holdout, outcome: Outcome
) -> Comparison:
    former, latter = (Detector.load(store.models.file_of(row)) for row in (champion, candidate))
    names = _Names.of(store, former.card.categories, latter.card.categories)
    thresholds = (former.card.score_threshold, latter.card.score_threshold)
    truths: list[GroundTruth] = []
    before: list[Detections] = []
    after: list[Detections] = []
    for photo, photo_id, boxes in holdout:
        truths.append(names.truth_of(boxes))
        before.append(names.known(former.card.categories, former.detections(photo, LOWEST_THRESHOLD)))
        after.append(names.known(latter.card.categories, latter.detections(photo, LOWEST_THRESHOLD)))
        first = match_detections(before[-1], truths[-1], names.names, thresholds[0])
        second = match_detections(after[-1], truths[-1], names.names, thresholds[1])
        outcome.note(detector_change(photo_id, first, second, truths[-1], names.names))
    if not any(len(truth.category_ids) for truth in truths):
        raise DatasetError("The revision has no annotated boxes on holdout photos to compare models on.")
    return compare_detection(before, after, truths, names.names, thresholds, skipped=outcome.skipped)


@dataclass(frozen=True)
class _Names:
    """The store's categories as places in one list: models call them each in their own way and order."""

    names: tuple[str, ...]
    place_of: Mapping[int, int]  # the store's number to its place
    numbers: Mapping[str, int]  # what models say to the store's number

    @classmethod
    def of(cls, store: Store, *spoken: Sequence[str]) -> _Names:
        numbers = ensure_category_ids(store, [name for names in spoken for name in names])
        known = store.categories.by_id()
        place_of = {number: place for place, number in enumerate(known)}
        return cls(tuple(category.name for category in known.values()), place_of, numbers)

    def truth_of(self, boxes: Sequence[AnnotatedBox]) -> GroundTruth:
        """The annotated boxes."""
        corners = np.array([box.box_xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)
        return GroundTruth(
            corners, np.array([self.place_of[box.category_id] for box in boxes], dtype=np.int64)
        )

    def known(self, spoken: Sequence[str], found: Detections) -> Detections:
        """A model's boxes, of the categories as it says them, in these."""
        places = np.array([self.place_of[self.numbers[name]] for name in spoken])
        return Detections(found.boxes_xyxy, found.scores, places[found.category_ids])


def _compare_classifiers(
    store: Store, champion: ModelRow, candidate: ModelRow, holdout: Holdout, outcome: Outcome
) -> Comparison:
    former, latter = (Classifier.load(store.models.file_of(row)) for row in (champion, candidate))
    known = {*former.card.categories, *latter.card.categories}
    before, after = _Ranks(former), _Ranks(latter)
    labels: list[str] = []
    photo_of: list[int] = []
    for photo, photo_id, boxes in holdout:
        meant = [box for box in boxes if box.label in known]
        outcome.skipped += sum(box.label is not None and box.label not in known for box in boxes)
        said = [str(box.label) for box in meant]
        crops = square_crops(photo, [box.box_xyxy for box in meant])
        firsts = [side.look(crops, meant, said) for side in (before, after)]
        outcome.note(classifier_change(photo_id, firsts[0], firsts[1], said))
        labels += said
        photo_of += [photo_id] * len(said)
    if not labels:
        raise DatasetError("The revision has no labelled boxes on holdout photos to compare models on.")
    order, targets = np.unique(labels, return_inverse=True)
    ranks = (np.array(before.ranks), np.array(after.ranks))
    names, units = order.tolist(), np.array(photo_of)
    return compare_classification(*ranks, targets, names, units, skipped=outcome.skipped)


@dataclass
class _Ranks:
    """A classifier, and where it ranked the annotated label of each garment."""

    classifier: Classifier
    ranks: list[int] = field(default_factory=list)

    def look(
        self, crops: Sequence[Image.Image], boxes: Sequence[AnnotatedBox], labels: Sequence[str]
    ) -> list[NamedBox]:
        """Rank a photo's garments; gives their boxes with the label that came first."""
        own, firsts = self.classifier.card.categories, []
        shares = self.classifier.probabilities(crops).numpy()
        for row, box, label in zip(shares, boxes, labels, strict=True):
            self.ranks.append(rank_of(row, label, own))
            firsts.append((*box.box_xyxy, own[row.argmax()], float(row.max())))
        return firsts
