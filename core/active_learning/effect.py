"""What corrections brought: each model's figure over what it learned from, and how much people corrected.

The queue's control arm is a random pick: what people correct there says how good the models' proposals are by
now, batch by batch. In the selected arm they should correct more a photo, as that is what the order is for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Row

from core.access import Right
from core.evaluation.bootstrap import Interval, draw_weights, percentile_interval, ratio
from core.inference.predictions import category_numbers, proposed_boxes, threshold_of
from core.store import Store
from core.store.models import ModelRow
from core.store.predictions import Prediction, prediction_from
from core.store.promotions import ComparisonRow
from core.store.revisions import Boxes, deeds
from core.store.schema import annotations as versions
from core.store.schema import predictions, revision_items, tasks

ARMS = ("selected", "control")
BATCH = 200
RESAMPLES = 1000

Measured = tuple[float, Interval | None]
"""A figure with its 95 % interval."""

Newest = tuple[int | None, Mapping[str, Measured]]
"""The newest revision that a model was measured on, and its figures there."""


@dataclass(frozen=True)
class Step:
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
class Done:
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
class ArmFigure:
    """An arm's photos of a batch, corrections a photo with the 95 % interval, and how many of each kind."""

    photos: int
    per_photo: float
    interval: Interval | None
    corrections: Mapping[str, int]


@dataclass(frozen=True)
class Batch:
    """What people did between two revisions: ``revision`` is the later one, None for what came after all."""

    revision: int | None
    arms: Mapping[str, ArmFigure]


@dataclass(frozen=True)
class Worth:
    """What the order's picks are worth in random ones, counted in corrections.

    ``photos`` were picked by the order; ``random_photos`` would have brought as many corrections, with the
    95 % interval (None where the control arm is too small for one).
    """

    photos: int
    random_photos: float
    interval: Interval | None


def models_so_far(store: Store, kind: str) -> tuple[Step, ...]:
    """A kind's models in the order in which they came. Raises AccessError for who may not see reports."""
    models = store.models.all(kind)
    comparisons = [row for model in models for row in store.comparisons.of(model.id)]
    photos = {revision.number: revision.photos for revision in store.revisions.all()}
    served = [change.model_id for change in store.promotions.history(kind)]
    return steps_of(models, comparisons, photos, served)


def order_so_far(store: Store) -> tuple[tuple[Batch, ...], Worth | None]:
    """People's corrections by batch, and the order's worth, counted now. Raises AccessError as above."""
    done = tuple(photos_done(store))
    return batches_of(done), worth_of(done)


def steps_of(
    models: Iterable[ModelRow],
    comparisons: Iterable[ComparisonRow],
    photos: Mapping[int, int],
    served: Sequence[int],
) -> tuple[Step, ...]:
    """Models in the order of their numbers, each with its figures on the newest revision it was measured on.

    ``photos`` are revisions' numbers of photos, ``served`` who has served, the champion first.
    """
    newest = _newest_figures(comparisons)
    steps = []
    for model in sorted(models, key=lambda model: model.id):
        role = "champion" if model.id in served[:1] else "former" if model.id in served else "candidate"
        learned = 0 if model.revision is None else photos.get(model.revision, 0)
        measured_on, figures = newest.get(model.id, (None, {}))
        steps.append(Step(model.id, model.name, role, model.revision, learned, measured_on, figures))
    return tuple(steps)


def _newest_figures(
    comparisons: Iterable[ComparisonRow],
) -> dict[int, tuple[int | None, dict[str, Measured]]]:
    found: dict[int, tuple[int | None, dict[str, Measured]]] = {}
    for row in sorted(comparisons, key=lambda row: (-row.revision, -row.id)):
        figures = row.comparison.figures
        sides: tuple[dict[str, Measured], dict[str, Measured]] = ({}, {})
        for name, pair in figures.items():
            if pair.champion is not None:
                sides[0][name] = (pair.champion, pair.champion_interval)
            if pair.candidate is not None:
                sides[1][name] = (pair.candidate, pair.candidate_interval)
        for id, side in zip((row.champion_id, row.candidate_id), sides, strict=True):
            found.setdefault(id, (row.revision, side))
    return found


def batches_of(done: Iterable[Done], resamples: int = RESAMPLES) -> tuple[Batch, ...]:
    """Corrections a photo in each arm and batch, the oldest first; intervals are bootstrapped over photos."""
    groups: dict[int | None, dict[str, list[Done]]] = defaultdict(lambda: defaultdict(list))
    for photo in done:
        if photo.arm in ARMS:
            groups[photo.batch][photo.arm].append(photo)
    ordered = sorted(groups, key=lambda batch: (batch is None, batch or 0))
    return tuple(
        Batch(batch, {arm: arm_figure(groups[batch][arm], resamples) for arm in ARMS if groups[batch][arm]})
        for batch in ordered
    )


def worth_of(done: Iterable[Done], resamples: int = RESAMPLES) -> Worth | None:
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
            np.concatenate([weights @ values for weights in draw_weights(len(values), resamples, seed, 256)])
            for seed, values in enumerate((picked, control))
        )
        interval = percentile_interval(ratio(above * len(control), below))
    return Worth(len(picked), float(picked.mean() / control.mean() * len(picked)), interval)


def arm_figure(photos: Sequence[Done], resamples: int = RESAMPLES) -> ArmFigure:
    """The corrections of at least one photo; the interval is None for a single one, which shows no spread."""
    totals = np.array([photo.total for photo in photos], dtype=np.float64)
    interval = None
    if len(totals) > 1:
        means = [weights @ totals / len(totals) for weights in draw_weights(len(totals), resamples, 0, 256)]
        interval = percentile_interval(np.concatenate(means))
    kinds: dict[str, int] = defaultdict(int)
    for photo in photos:
        for kind, count in photo.corrections.items():
            kinds[kind] += count
    return ArmFigure(len(totals), float(totals.mean()), interval, dict(kinds))


def photos_done(store: Store) -> Iterator[Done]:
    """The photos that people did from a model's proposals, by number, a few in memory at a time.

    What counts is the first version: it shows what the proposals were worth. Photos that came with boxes, or
    were done before any model had seen them, are left out.
    """
    store.actor.require(Right.EXPLAIN)
    with store.database.read() as connection:
        rows = connection.execute(_first_versions()).all()
    for start in range(0, len(rows), BATCH):
        page = rows[start : start + BATCH]
        boxes, said = _page(store, page)
        proposals = _proposals(store, [prediction for all_said in said.values() for prediction in all_said])
        for row in page:
            offered = [(entry.at, proposals[row.photo_id, entry.model]) for entry in said[row.photo_id]]
            if offered:
                yield Done(row.photo_id, row.arm, row.batch, corrections_of(boxes[row.id], row.at, offered))


def corrections_of(boxes: Boxes, at: float, offered: Iterable[tuple[float, Boxes]]) -> dict[str, int]:
    """What a person who saved at a time did to the proposals that they were offered, counted by deed.

    ``offered`` are each model's proposals with the time when they were made. Those count that most of the
    boxes came from; where none did, the last that were made before. All boxes are in their saved form.
    """
    uids = {box["uid"] for box in boxes}

    def fit(entry: tuple[float, Boxes]) -> tuple[int, bool, float]:
        made_at, proposed = entry
        return sum(box["uid"] in uids for box in proposed), made_at <= at, made_at

    _, began_with = max(offered, key=fit)
    return dict(deeds(began_with, boxes))


def _page(store: Store, page: Sequence[Row]) -> tuple[dict[int, Boxes], defaultdict[int, list[Prediction]]]:
    """Some versions' boxes by number, and what every model says of their photos."""
    saved = sa.select(versions.c.id, versions.c.boxes).where(versions.c.id.in_([row.id for row in page]))
    plain = [column for column in predictions.c if column.name != "embedding"]
    sayings = sa.select(*plain, sa.null().label("embedding"))
    sayings = sayings.where(predictions.c.photo_id.in_([row.photo_id for row in page]))
    said: defaultdict[int, list[Prediction]] = defaultdict(list)
    with store.database.read() as connection:
        boxes = {row.id: row.boxes for row in connection.execute(saved)}
        for row in connection.execute(sayings):
            said[row.photo_id].append(prediction_from(row))
    return boxes, said


def _proposals(store: Store, said: Iterable[Prediction]) -> dict[tuple[int, str], Boxes]:
    """What each model proposed on each photo: the same boxes, by name, as the editor was given."""
    said = list(said)
    thresholds = {model: threshold_of(store, model) for model in {entry.model for entry in said}}
    names = sorted({garment.category for entry in said for garment in entry.garments})
    numbers = category_numbers(store, names)
    found: dict[tuple[int, str], Boxes] = {}
    for entry in said:
        garments = [garment for garment in entry.garments if garment.score >= thresholds[entry.model]]
        boxes = proposed_boxes(entry.photo_id, garments, numbers)
        found[entry.photo_id, entry.model] = [box.as_dict() for box in boxes]
    return found


def _first_versions() -> sa.Select[Any]:
    """First versions that people made from nothing but proposals, with arm and first revision."""
    entered = sa.select(revision_items.c.photo_id, sa.func.min(revision_items.c.revision).label("batch"))
    first = entered.group_by(revision_items.c.photo_id).subquery()
    of_photo = sa.and_(tasks.c.photo_id == versions.c.photo_id, tasks.c.kind == "first")
    chosen = sa.select(
        versions.c.id, versions.c.photo_id, versions.c.at, tasks.c.arm, first.c.batch
    ).join_from(versions, tasks, of_photo)
    chosen = chosen.outerjoin(first, first.c.photo_id == versions.c.photo_id)
    begun = (versions.c.version == 1, versions.c.base_version == 0)
    people = versions.c.kind.in_(("submitted", "merged"))
    return chosen.where(*begun, people, tasks.c.arm.in_(ARMS)).order_by(versions.c.photo_id)
