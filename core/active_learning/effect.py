"""Effect of active learning: metrics of models over the photos learned from, corrections by arm and batch.

The control arm is a random sample: the corrections there measure how good the models' proposals are, batch by
batch. In the selected arm there should be more corrections a photo, as that is what the order is for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.access import Right
from core.evaluation.bootstrap import Interval, bootstrap_interval, bootstrap_weights, ratio
from core.inference.predictions import category_ids, proposed_boxes
from core.store import Store
from core.store.corrections import Boxes, count_changes, first_submissions
from core.store.models import ModelRow
from core.store.predictions import ModelPair, Prediction
from core.store.promotions import ComparisonRow

ARMS = ("selected", "control")
RESAMPLES = 1000

Measured = tuple[float, Interval | None]
"""A metric with its 95 % interval."""


@dataclass(frozen=True)
class ModelResult:
    """A model, the revision that it was trained on (None: it came with Lapel) and the photos in that.

    ``figures`` are its metrics by name, on the holdout of the revision ``measured_on``; empty where it was
    never compared. ``role`` is "champion" where it serves, "former" where it has served, else "candidate".
    """

    model_id: int
    name: str
    role: str
    revision: int | None
    photos: int
    measured_on: int | None
    figures: Mapping[str, Measured]


@dataclass(frozen=True)
class CorrectedPhoto:
    """A photo that was annotated from a model's proposals: its arm, its batch, and the corrections.

    ``batch`` is the first revision that has the photo, None where none does yet; ``corrections`` counts boxes
    added, removed, moved and renamed.
    """

    photo_id: int
    arm: str
    batch: int | None
    corrections: Mapping[str, int]

    @property
    def total(self) -> int:
        """All corrections; a box that was moved and renamed counts twice."""
        return sum(self.corrections.values())


@dataclass(frozen=True)
class ArmResult:
    """One arm's photos in a batch, corrections a photo with the 95 % interval, and their number by kind."""

    photos: int
    per_photo: float
    interval: Interval | None
    corrections: Mapping[str, int]


@dataclass(frozen=True)
class Batch:
    """Annotations between two revisions: ``revision`` is the later one, None after the newest."""

    revision: int | None
    arms: Mapping[str, ArmResult]


@dataclass(frozen=True)
class SelectionGain:
    """The corrections in selected photos, as the number of random photos that would have had as many.

    ``photos`` were selected; ``random_photos`` has a 95 % interval (None where an arm is too small for one).
    """

    photos: int
    random_photos: float
    interval: Interval | None


def model_history(store: Store, kind: str) -> tuple[ModelResult, ...]:
    """A kind's models in the order in which they were added. Raises AccessError without the right."""
    models = store.models.all(kind)
    comparisons = [row for model in models for row in store.comparisons.of(model.id)]
    photos = {revision.number: revision.photos for revision in store.revisions.all()}
    served = [change.model_id for change in store.promotions.history(kind)]
    return model_results(models, comparisons, photos, served)


def selection_effect(store: Store) -> tuple[tuple[Batch, ...], SelectionGain | None]:
    """Corrections by batch and arm, and the gain of selection. Raises AccessError without the right."""
    done = tuple(corrected_photos(store))
    return batch_results(done), selection_gain(done)


def model_results(
    models: Iterable[ModelRow],
    comparisons: Iterable[ComparisonRow],
    photos: Mapping[int, int],
    served: Sequence[int],
) -> tuple[ModelResult, ...]:
    """Models by id, each with its metrics on the newest revision that it was measured on.

    ``photos`` are the numbers of photos by revision, ``served`` the models that have served, newest first.
    """
    newest = _newest_figures(comparisons)
    results = []
    for model in sorted(models, key=lambda model: model.id):
        role = "champion" if model.id in served[:1] else "former" if model.id in served else "candidate"
        learned = 0 if model.revision is None else photos.get(model.revision, 0)
        measured_on, figures = newest.get(model.id, (None, {}))
        results.append(ModelResult(model.id, model.name, role, model.revision, learned, measured_on, figures))
    return tuple(results)


def _newest_figures(
    comparisons: Iterable[ComparisonRow],
) -> dict[int, tuple[int | None, dict[str, Measured]]]:
    found: dict[int, tuple[int | None, dict[str, Measured]]] = {}
    for row in sorted(comparisons, key=lambda row: (-row.revision, -row.id)):
        figures = row.comparison.metrics
        sides: tuple[dict[str, Measured], dict[str, Measured]] = ({}, {})
        for name, pair in figures.items():
            if pair.champion is not None:
                sides[0][name] = (pair.champion, pair.champion_interval)
            if pair.candidate is not None:
                sides[1][name] = (pair.candidate, pair.candidate_interval)
        for id, side in zip((row.champion_id, row.candidate_id), sides, strict=True):
            found.setdefault(id, (row.revision, side))
    return found


def batch_results(photos: Iterable[CorrectedPhoto], resamples: int = RESAMPLES) -> tuple[Batch, ...]:
    """Corrections a photo in each arm and batch, the oldest first; intervals are bootstrapped over photos."""
    groups: dict[int | None, dict[str, list[CorrectedPhoto]]] = defaultdict(lambda: defaultdict(list))
    for photo in photos:
        if photo.arm in ARMS:
            groups[photo.batch][photo.arm].append(photo)
    ordered = sorted(groups, key=lambda batch: (batch is None, batch or 0))
    return tuple(
        Batch(batch, {arm: arm_result(groups[batch][arm], resamples) for arm in ARMS if groups[batch][arm]})
        for batch in ordered
    )


def selection_gain(photos: Iterable[CorrectedPhoto], resamples: int = RESAMPLES) -> SelectionGain | None:
    """The number of random photos with as many corrections as the selected ones.

    The ratio of both arms' corrections a photo, times the selected photos; each arm is bootstrapped on its
    own. It measures annotation work, not what models learned from it. None where an arm has no photo, or the
    control arm no correction.
    """
    totals: dict[str, list[int]] = {arm: [] for arm in ARMS}
    for photo in photos:
        if photo.arm in totals:
            totals[photo.arm].append(photo.total)
    selected, control = (np.array(totals[arm], dtype=np.float64) for arm in ARMS)
    if not len(selected) or not control.sum():
        return None
    interval = None
    if len(selected) > 1 and len(control) > 1:
        above, below = (
            np.concatenate(
                [weights @ values for weights in bootstrap_weights(len(values), resamples, seed, 256)]
            )
            for seed, values in enumerate((selected, control))
        )
        interval = bootstrap_interval(ratio(above * len(control), below))
    return SelectionGain(len(selected), float(selected.mean() / control.mean() * len(selected)), interval)


def arm_result(photos: Sequence[CorrectedPhoto], resamples: int = RESAMPLES) -> ArmResult:
    """The corrections of at least one photo; the interval is None for a single one, which shows no spread."""
    totals = np.array([photo.total for photo in photos], dtype=np.float64)
    interval = None
    if len(totals) > 1:
        means = [
            weights @ totals / len(totals) for weights in bootstrap_weights(len(totals), resamples, 0, 256)
        ]
        interval = bootstrap_interval(np.concatenate(means))
    kinds: dict[str, int] = defaultdict(int)
    for photo in photos:
        for kind, count in photo.corrections.items():
            kinds[kind] += count
    return ArmResult(len(totals), float(totals.mean()), interval, dict(kinds))


def corrected_photos(store: Store) -> Iterator[CorrectedPhoto]:
    """The photos annotated from a model's proposals, by id, a page in memory at a time.

    The first version counts, which shows the quality of the proposals. Photos imported with boxes, or
    annotated before there was a prediction, are left out.
    """
    store.actor.require(Right.EXPLAIN)
    for page in first_submissions(store, ARMS):
        proposals = _proposals(store, [prediction for row in page for prediction in row.predictions])
        for row in page:
            offered = [(entry.at, proposals[row.photo_id, entry.models]) for entry in row.predictions]
            if offered:
                counts = count_corrections(row.boxes, row.at, offered)
                yield CorrectedPhoto(row.photo_id, row.arm, row.revision, counts)


def count_corrections(boxes: Boxes, at: float, offered: Iterable[tuple[float, Boxes]]) -> dict[str, int]:
    """The corrections of boxes saved ``at`` a time, by kind, relative to the proposals they were made from.

    ``offered`` are each model's proposals with their time. Those count that most boxes come from (by uid);
    where none do, the last ones before. All boxes are in their saved form.
    """
    uids = {box["uid"] for box in boxes}

    def likelihood(entry: tuple[float, Boxes]) -> tuple[int, bool, float]:
        made_at, proposals = entry
        return sum(box["uid"] in uids for box in proposals), made_at <= at, made_at

    _, proposals = max(offered, key=likelihood)
    return dict(count_changes(proposals, boxes))


def _proposals(store: Store, entries: Iterable[Prediction]) -> dict[tuple[int, ModelPair], Boxes]:
    """Each model's proposals on each photo: the same boxes as in the editor."""
    entries = list(entries)
    thresholds = {
        models: store.predictions.score_threshold(models) for models in {entry.models for entry in entries}
    }
    ids = category_ids(store)
    found: dict[tuple[int, ModelPair], Boxes] = {}
    for entry in entries:
        garments = [garment for garment in entry.garments if garment.score >= thresholds[entry.models]]
        boxes = proposed_boxes(entry.photo_id, garments, ids)
        found[entry.photo_id, entry.models] = [box.as_dict() for box in boxes]
    return found
