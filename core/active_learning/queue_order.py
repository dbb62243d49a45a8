"""The annotation queue's order: predictions out of the store, ranks and label issues into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.active_learning.label_issues import LabeledBox, LabelIssue, PhotoBoxes, find_label_issues
from core.active_learning.ppal_order import (
    Difficulties,
    StoredPrediction,
    calibrated_uncertainty_of,
    measure_difficulties,
    ppal_order,
)
from core.active_learning.ranking import PoolPhoto, rank_photos, stable_uniform
from core.active_learning.uncertainty import photo_uncertainty
from core.errors import StoreError
from core.inference.predictions import category_ids, queue_models
from core.queue_place import QueuePlace
from core.store import Store
from core.store.predictions import ModelPair, Prediction
from core.store.queue import OpenTaskPhoto

LABEL_ISSUES_SETTING, METHOD_SETTING = "label_issues", "queue_method"
METHODS = ("selection", "ppal")
"""Uncertainty times distance (:mod:`core.active_learning.ranking`), which is the default, or PPAL."""

MAX_LABEL_ISSUES = 500
SEED = 0

ALL_AT_ONCE = 30_000
"""Open photos up to which an ordering ranks all of them."""

HEAD, PART = 10_000, 20_000
"""Of more photos, ranked at once: so many of the present order's first, and so many with new predictions."""

MOST_ANNOTATED = 8192
"""Annotated photos that distances and difficulties are measured by, a random sample where there are more."""

WATERMARK_SETTING = "ordered_until"
OVERLAP_SECONDS, OVERLAP_VERSIONS = 60.0, 100

VersionIssue = tuple[LabelIssue, int]
"""A label issue, and the version of the annotation that was checked."""


def queue_method(store: Store) -> str:
    """The method that orders photos with predictions, one of ``METHODS``."""
    method: str = store.settings.get(METHOD_SETTING, METHODS[0])
    return method


def choose_queue_method(store: Store, method: str) -> None:
    """Have the queue ordered by another method from the next time on. Raises StoreError for no such one."""
    if method not in METHODS:
        raise StoreError(f"expected an order out of {', '.join(METHODS)}, got {method!r}")
    store.settings.put(METHOD_SETTING, method)


def reorder(store: Store) -> int:
    """Rank open tasks by the queue's models; returns how many rankings that were.

    New photos get their task first. Without predictions the order is by perceptual hashes. Label issues are
    saved for :func:`label_issues`. Up to ``ALL_AT_ONCE`` open photos, all are ranked. Of more, only those
    with new predictions are, in parts; see :func:`_rank_part`. Peak memory is four bytes for each number of
    the ranked photos' embeddings, 120 MB for 30,000 of them; by PPAL no more than four hundred embeddings.
    """
    store.queue.fill()
    ordering, known = _ordering(store), store.settings.get(WATERMARK_SETTING, {})
    predicted, saved = store.predictions.last_at(), store.annotations.last_id()
    if store.queue.counts().first_open <= ALL_AT_ONCE:
        _save_label_issues(store, ordering.find_label_issues(None))
        ranked = store.queue.order(ordering.rank(list(store.queue.open_photos())))
    else:
        known = known if known.get("models") == ordering.model_ids else {}
        annotated = store.annotations.photos_saved_after(known.get("saved", 0)) if known else []
        parts = _predicted_since(store, ordering.models, known.get("predicted", 0.0))
        ranked = _rank_part(ordering, [*next(parts, []), *annotated], is_new=not known)
        ranked += sum(_rank_part(ordering, part) for part in parts)
    # What was being written a moment ago may become visible later: the next ordering looks at it again.
    mark = {"predicted": predicted - OVERLAP_SECONDS, "saved": saved - OVERLAP_VERSIONS}
    store.settings.remember(WATERMARK_SETTING, mark | {"models": ordering.model_ids})
    return ranked


def _predicted_since(store: Store, models: ModelPair | None, at: float) -> Iterator[list[int]]:
    """The photos with predictions by these models since a time, oldest first, ``PART`` at a time."""
    after = (at, 0)
    while models and (found := store.predictions.made_after(models, after, PART)):
        after = found[-1]
        yield [photo_id for _, photo_id in found]


def _rank_part(ordering: Ordering, photo_ids: Sequence[int], *, is_new: bool = False) -> int:
    """Rank these photos together with the first ``HEAD`` of the present order; how many were ranked.

    They share out the places that they had among all, so that those that teach most come to the head; part by
    part, however many photos there are. ``is_new``: no label issue of before counts.
    """
    store = ordering.store
    kept = [] if is_new else _current_issues(store)
    renewed = set(photo_ids)
    kept = [(issue, version) for issue, version in kept if issue.photo_id not in renewed]
    _save_label_issues(store, [*kept, *ordering.find_label_issues(photo_ids)])
    chosen = [*renewed.union(store.queue.head(HEAD))]
    photos = [photo for photo in store.queue.open_photos(chosen) if photo.rank >= 0]
    places = sorted(photo.rank for photo in photos)
    best_first = sorted(ordering.rank(photos), key=lambda place: place.rank)
    return store.queue.order(
        replace(place, rank=rank) for place, rank in zip(best_first, places, strict=True)
    )


def label_issues(store: Store) -> list[LabelIssue]:
    """The label issues that the last ordering found, most probable first.

    Photos that were annotated again since, or deleted, are left out.
    """
    return [issue for issue, _ in _current_issues(store)]


def _current_issues(store: Store) -> list[VersionIssue]:
    saved = store.settings.get(LABEL_ISSUES_SETTING, [])
    current = store.annotations.newest_versions([entry["photo_id"] for entry in saved])
    valid = (entry for entry in saved if current.get(entry["photo_id"]) == entry["version"])
    return [(_issue_from(entry), entry["version"]) for entry in valid]


def _save_label_issues(store: Store, found: Iterable[VersionIssue]) -> None:
    """Save the most probable ones, at most ``MAX_LABEL_ISSUES``."""
    worst_first = sorted(found, key=lambda pair: (-pair[0].score, pair[0].photo_id))[:MAX_LABEL_ISSUES]
    entries = [_saved_issue(issue) | {"version": version} for issue, version in worst_first]
    store.settings.remember(LABEL_ISSUES_SETTING, entries)


def _saved_issue(issue: LabelIssue) -> dict[str, Any]:
    box = None if issue.box_xyxy is None else [float(value) for value in issue.box_xyxy]
    return asdict(issue) | {"box_xyxy": box}


def _issue_from(entry: Mapping[str, Any]) -> LabelIssue:
    values = {name: value for name, value in entry.items() if name != "version"}
    if values.get("box_xyxy") is not None:
        x0, y0, x1, y1 = values["box_xyxy"]
        values["box_xyxy"] = (x0, y0, x1, y1)
    return LabelIssue(**values)


def _pool_photo(photo: OpenTaskPhoto) -> PoolPhoto:
    """An open photo without predictions."""
    return PoolPhoto(
        photo.photo_id,
        perceptual_hash=photo.perceptual_hash,
        annotated=photo.annotated,
        holdout=photo.holdout,
    )


@dataclass(frozen=True)
class Ordering:
    """What one ordering of a store goes by: the models, and a sample of the annotated photos."""

    store: Store
    models: ModelPair | None
    is_ppal: bool
    annotated: tuple[int, ...]

    @property
    def model_ids(self) -> list[int] | None:
        """As in settings."""
        return self.models.as_list() if self.models else None

    @cached_property
    def threshold(self) -> float:
        """The score from which the models count a garment as found."""
        assert self.models is not None
        return self.store.predictions.score_threshold(self.models)

    @cached_property
    def labeled_embeddings(self) -> np.ndarray:
        """The annotated photos' embeddings (M, D), float16."""
        if self.models is None or self.is_ppal:
            return np.zeros((0, 1), dtype=np.float16)
        found = self.store.predictions.embeddings(self.models, self.annotated)
        rows = [embedding.astype(np.float16) for _, embedding in found]
        return np.stack(rows) if rows else np.zeros((0, 1), dtype=np.float16)

    @cached_property
    def difficulties(self) -> Difficulties:
        """How hard each category is, measured on the annotated photos."""
        assert self.models is not None
        annotated = self.store.predictions.beside_annotations(self.models, self.annotated)
        return measure_difficulties(annotated, category_ids(self.store))

    def rank(self, photos: Sequence[OpenTaskPhoto]) -> list[QueuePlace]:
        """All of these photos, ranked among themselves."""
        pool = {photo.photo_id: _pool_photo(photo) for photo in photos}
        for prediction in self._predictions(list(pool)):
            known = pool.get(prediction.photo_id)
            if known is not None:
                pool[prediction.photo_id] = self._completed(known, prediction)
        for issue in label_issues(self.store) if self.models else []:
            known = pool.get(issue.photo_id)
            if known is not None:
                pool[issue.photo_id] = replace(known, issue_score=issue.score, issue=issue.reason)
        return rank_photos(
            list(pool.values()),
            labeled_embeddings=self.labeled_embeddings,
            seed=SEED,
            order_predicted=self._ppal_order if self.models and self.is_ppal else None,
        )

    def find_label_issues(self, photo_ids: Sequence[int] | None) -> Iterator[VersionIssue]:
        """Label issues of annotated photos, of all or of these, each with the version that was checked."""
        if self.models is None:
            return
        names = {category.id: category.name for category in self.store.categories.all()}
        versions: dict[int, int] = {}
        photos = _photo_boxes(self.store, self.models, self.threshold, versions, photo_ids)
        for issue in find_label_issues(photos, names, self.threshold):
            yield issue, versions[issue.photo_id]

    def _predictions(self, photo_ids: Sequence[int]) -> Iterator[Prediction]:
        if self.models is not None:
            yield from self.store.predictions.iterate(self.models, photo_ids)

    def _completed(self, photo: PoolPhoto, prediction: Prediction) -> PoolPhoto:
        uncertainty = photo_uncertainty(prediction.garments, self.threshold)
        if self.is_ppal:  # asks for embeddings later, of few photos
            calibrated = calibrated_uncertainty_of(prediction.garments, self.difficulties)
            return replace(photo, uncertainty=uncertainty, calibrated=calibrated)
        embedding = None if prediction.embedding is None else prediction.embedding.astype(np.float16)
        return replace(photo, uncertainty=uncertainty, embedding=embedding)

    def _ppal_order(self, pool: Sequence[PoolPhoto]) -> list[QueuePlace]:
        def fetch(photo_ids: Sequence[int]) -> dict[int, StoredPrediction]:
            found = (self.store.predictions.get(photo_id, self.models) for photo_id in photo_ids)
            return {
                one.photo_id: StoredPrediction(one.garments, one.embedding)
                for one in found
                if one is not None
            }

        return ppal_order(pool, self.difficulties, fetch)


def _ordering(store: Store) -> Ordering:
    """By the queue's models; photos of the holdout choose nothing."""
    pool = sorted(store.annotations.training_pool())
    if len(pool) > MOST_ANNOTATED:
        pool = sorted(pool, key=lambda photo_id: stable_uniform(photo_id, SEED))[:MOST_ANNOTATED]
    return Ordering(store, queue_models(store), queue_method(store) == "ppal", tuple(pool))


def _photo_boxes(
    store: Store,
    models: ModelPair,
    threshold: float,
    versions: dict[int, int],
    photo_ids: Sequence[int] | None,
) -> Iterator[PhotoBoxes]:
    """Annotated photos with their newest and their predicted boxes; ``versions`` is filled on the way."""
    ids = category_ids(store)
    for row in store.predictions.beside_annotations(models, photo_ids):
        versions[row.photo_id] = row.version
        annotated = (LabeledBox(box.box_xyxy, box.category_id) for box in row.boxes)
        predicted = (
            LabeledBox(garment.box_xyxy, ids[garment.category], garment.score)
            for garment in row.garments
            if garment.score >= threshold and garment.category in ids
        )
        yield PhotoBoxes(row.photo_id, row.size_wh, tuple(annotated), tuple(predicted))
