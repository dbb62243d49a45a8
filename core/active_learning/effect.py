"""What corrections brought: each model's figure over what it learned from, and how much people corrected.

The queue's control arm is a random pick: what people correct there says how good the models' proposals are by
now, batch by batch. In the selected arm they should correct more a photo, as that is what the order is for.
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
"""A figure with its 95 % interval."""

Newest = tuple[int | None, Mapping[str, Measured]]
"""The newest revision that a model was measured on, and its figures there."""


@dataclass(frozen=True)
class ModelResult:
    """A model: the revision that it learned from (None: it came with Lapel) and the photos in that.

    ``figures`` are by name, on the holdout of the revision ``measured_on``; none where it was never compared.
    ``role`` is "champion" where it serves, "former" where it has served, else "candidate".
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
    """A photo that somebody did from a model's proposals: its arm, its batch, and what was done to boxes.

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
    """An arm's photos of a batch, corrections a photo with the 95 % interval, and how many of each kind."""

    photos: int
    per_photo: float
    interval: Interval | None
    corrections: Mapping[str, int]


@dataclass(frozen=True)
class Batch:
    """What people did between two revisions: ``revision`` is the later one, None for what came after all."""

    revision: int | None
    arms: Mapping[str, ArmResult]


@dataclass(frozen=True)
class SelectionGain:
    """What the order's picks are worth in random ones, counted in corrections.

    ``photos`` were picked by the order; ``random_photos`` would have brought as many corrections, with the
    95 % interval (None where the control arm is too small for one).
    """

    photos: int
    random_photos: float
    interval: Interval | None


def model_history(store: Store, kind: str) -> tuple[ModelResult, ...]:
    """A kind's models in the order in which they came. Raises AccessError for who may not see reports."""
    models = store.models.all(kind)
    comparisons = [row for model in models for row in store.comparisons.of(model.id)]
    photos = {revision.number: revision.photos for revision in store.revisions.all()}
    served = [change.model_id for change in store.promotions.history(kind)]
    return model_results(models, comparisons, photos, served)


def selection_effect(store: Store) -> tuple[tuple[Batch, ...], SelectionGain | None]:
    """People's corrections by batch, and the order's worth, counted now. Raises AccessError as above."""
    done = tuple(corrected_photos(store))
    return batch_results(done), selection_gain(done)


def model_results(
    models: Iterable[ModelRow],
    comparisons: Iterable[ComparisonRow],
    photos: Mapping[int, int],
    served: Sequence[int],
) -> tuple[ModelResult, ...]:
    """Models in the order of their numbers, each with its figures on the newest revision it was measured on.

    ``photos`` are revisions' numbers of photos, ``served`` who has served, the champion first.
    """
    newest = _newest_figures(comparisons)
    steps = []
    for model in sorted(models, key=lambda model: model.id):
        role = "champion" if model.id in served[:1] else "former" if model.id in served else "candidate"
        learned = 0 if model.revision is None else photos.get(model.revision, 0)
        measured_on, figures = newest.get(model.id, (None, {}))
        steps.append(ModelResult(model.id, model.name, role, model.revision, learned, measured_on, figures))
    return tuple(steps)


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


def batch_results(done: Iterable[CorrectedPhoto], resamples: int = RESAMPLES) -> tuple[Batch, ...]:
    """Corrections a photo in each arm and batch, the oldest first; intervals are bootstrapped over photos."""
    groups: dict[int | None, dict[str, list[CorrectedPhoto]]] = defaultdict(lambda: defaultdict(list))
    for photo in done:
        if photo.arm in ARMS:
            groups[photo.batch][photo.arm].append(photo)
    ordered = sorted(groups, key=lambda batch: (batch is None, batch or 0))
    return tuple(
        Batch(batch, {arm: arm_result(groups[batch][arm], resamples) for arm in ARMS if groups[batch][arm]})
        for batch in ordered
    )


def selection_gain(done: Iterable[CorrectedPhoto], resamples: int = RESAMPLES) -> SelectionGain | None:
    """How many random photos would have brought the corrections that the picked ones did.

    The quotient of both arms' corrections a photo, times the picked photos; both arms are bootstrapped by
    themselves. A measure of what people had to do, not of what models learned from it. None where an arm has
    no photo, or nothing was corrected in the control arm.
    """
    totals: dict[str, list[int]] = {arm: [] for arm in ARMS}
    for photo in done:
        if photo.arm in totals:
            totals[photo.arm].append(photo.total)
    picked, control = (np.array(totals[arm], dtype=np.float64) for arm in ARMS)
    if not len(picked) or not control.sum():
        return None
    interval = None
    if len(picked) > 1 and len(control) > 1:
        above, below = (
            np.concatenate(
                [weights @ values for weights in bootstrap_weights(len(values), resamples, seed, 256)]
            )
            for seed, values in enumerate((picked, control))
        )
        interval = bootstrap_interval(ratio(above * len(control), below))
    return SelectionGain(len(picked), float(picked.mean() / control.mean() * len(picked)), interval)


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
    """The photos that people did from a model's proposals, by number, a few in memory at a time.

    What counts is the first version: it shows what the proposals were worth. Photos that came with boxes, or
    were done before any model had seen them, are left out.
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
    """What a person who saved at a time did to the proposals that they were offered, counted by deed.

    ``offered`` are each model's proposals with the time when they were made. Those count that most of the
    boxes came from; where none did, the last that were made before. All boxes are in their saved form.
    """
    uids = {box["uid"] for box in boxes}

    def fit(entry: tuple[float, Boxes]) -> tuple[int, bool, float]:
        made_at, proposed = entry
        return sum(box["uid"] in uids for box in proposed), made_at <= at, made_at

    _, began_with = max(offered, key=fit)
    return dict(count_changes(began_with, boxes))


def _proposals(store: Store, said: Iterable[Prediction]) -> dict[tuple[int, ModelPair], Boxes]:
    """What each model proposed on each photo: the same boxes, by name, as the editor was given."""
    said = list(said)
    thresholds = {
        models: store.predictions.score_threshold(models) for models in {entry.models for entry in said}
    }
    ids = category_ids(store)
    found: dict[tuple[int, ModelPair], Boxes] = {}
    for entry in said:
        garments = [garment for garment in entry.garments if garment.score >= thresholds[entry.models]]
        boxes = proposed_boxes(entry.photo_id, garments, ids)
        found[entry.photo_id, entry.models] = [box.as_dict() for box in boxes]
    return found
