"""The annotation queue's order: predictions out of the store, ranks and label issues into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from core.active_learning.label_issues import LabeledBox, LabelIssue, PhotoBoxes, find_label_issues
from core.active_learning.ppal_order import (
    Difficulties,
    Seen,
    calibrated_uncertainty_of,
    measure_difficulties,
    ppal_order,
)
from core.active_learning.ranking import Candidate, OrderPredicted, rank_photos
from core.active_learning.uncertainty import photo_uncertainty
from core.errors import StoreError
from core.inference.predictions import category_ids, queue_models
from core.store import Store
from core.store.predictions import ModelPair
from core.store.queue import OpenTaskPhoto

LABEL_ISSUES_SETTING, METHOD_SETTING = "label_issues", "queue_method"
METHODS = ("selection", "ppal")
"""Uncertainty times distance (:mod:`core.active_learning.ranking`), which is the default, or PPAL."""

MAX_LABEL_ISSUES = 500
SEED = 0


@dataclass
class Gathered:
    """The candidates by photo, and the embeddings of labeled photos."""

    candidates: dict[int, Candidate] = field(default_factory=dict)
    labeled: list[np.ndarray] = field(default_factory=list)


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
    """Rank all open tasks by the queue's models; returns how many were ranked.

    New photos get their task first. Without predictions the order is by perceptual hashes. Label issues are
    kept for :func:`label_issues`. Peak memory is four bytes for each number of the open photos' embeddings,
    about 400 MB for 100,000 photos; by PPAL no more than four hundred photos' embeddings are in memory.
    """
    store.queue.fill()
    models = queue_models(store)
    gathered = Gathered({photo.photo_id: _candidate(photo) for photo in store.queue.open_photos()})
    found = _find_label_issues(store, models) if models else []
    store.settings.remember(
        LABEL_ISSUES_SETTING, [_saved_issue(issue) | {"version": version} for issue, version in found]
    )
    order_predicted = None
    if models and queue_method(store) == "ppal":
        order_predicted = _gather_for_ppal(store, models, gathered)
    elif models:
        _gather(store, models, gathered)
    for issue, _ in found:
        candidate = gathered.candidates.get(issue.photo_id)
        if candidate is not None:
            gathered.candidates[issue.photo_id] = replace(
                candidate, issue_score=issue.score, issue=issue.reason
            )
    labeled = np.stack(gathered.labeled) if gathered.labeled else np.zeros((0, 1), dtype=np.float16)
    ranked = rank_photos(
        list(gathered.candidates.values()),
        labeled_embeddings=labeled,
        seed=SEED,
        order_predicted=order_predicted,
    )
    return store.queue.order(ranked)


def label_issues(store: Store) -> list[LabelIssue]:
    """The label issues that the last ordering found, most probable first.

    Photos that were annotated again since, or deleted, are left out.
    """
    kept = store.settings.get(LABEL_ISSUES_SETTING, [])
    current = store.annotations.newest_versions([entry["photo_id"] for entry in kept])
    return [_issue_from(entry) for entry in kept if current.get(entry["photo_id"]) == entry["version"]]


def _saved_issue(issue: LabelIssue) -> dict[str, Any]:
    box = None if issue.box_xyxy is None else [float(value) for value in issue.box_xyxy]
    return asdict(issue) | {"box_xyxy": box}


def _issue_from(entry: Mapping[str, Any]) -> LabelIssue:
    values = {name: value for name, value in entry.items() if name != "version"}
    if values.get("box_xyxy") is not None:
        x0, y0, x1, y1 = values["box_xyxy"]
        values["box_xyxy"] = (x0, y0, x1, y1)
    return LabelIssue(**values)


def _candidate(photo: OpenTaskPhoto) -> Candidate:
    """An open photo without predictions."""
    return Candidate(
        photo.photo_id,
        perceptual_hash=photo.perceptual_hash,
        annotated=photo.annotated,
        holdout=photo.holdout,
    )


def _gather(store: Store, models: ModelPair, gathered: Gathered) -> None:
    """Complete the candidates from predictions; collect the embeddings of labeled photos that may train."""
    threshold, training = store.predictions.score_threshold(models), store.annotations.training_pool()
    for prediction in store.predictions.iterate(models):
        candidate = gathered.candidates.get(prediction.photo_id)
        embedding = None if prediction.embedding is None else prediction.embedding.astype(np.float16)
        if candidate is not None:
            uncertainty = photo_uncertainty(prediction.garments, threshold)
            gathered.candidates[prediction.photo_id] = replace(
                candidate, uncertainty=uncertainty, embedding=embedding
            )
        if prediction.photo_id in training and embedding is not None:
            gathered.labeled.append(embedding)


def _gather_for_ppal(store: Store, models: ModelPair, gathered: Gathered) -> OrderPredicted:
    """Complete the candidates from predictions without their embeddings; gives PPAL's order of them."""
    difficulties = _difficulties(store, models)
    threshold = store.predictions.score_threshold(models)
    for prediction in store.predictions.iterate(models):
        candidate = gathered.candidates.get(prediction.photo_id)
        if candidate is not None:
            gathered.candidates[prediction.photo_id] = replace(
                candidate,
                uncertainty=photo_uncertainty(prediction.garments, threshold),
                calibrated=calibrated_uncertainty_of(prediction.garments, difficulties),
            )

    def fetch(photo_ids: Sequence[int]) -> dict[int, Seen]:
        found = (store.predictions.get(photo_id, models) for photo_id in photo_ids)
        return {one.photo_id: Seen(one.garments, one.embedding) for one in found if one is not None}

    return lambda candidates: ppal_order(candidates, difficulties, fetch)


def _difficulties(store: Store, models: ModelPair) -> Difficulties:
    """Measured on the annotated photos that may be trained on: those of the holdout choose nothing."""
    training = store.annotations.training_pool()
    annotated = (row for row in store.predictions.beside_annotations(models) if row.photo_id in training)
    return measure_difficulties(annotated, category_ids(store))


def _find_label_issues(store: Store, models: ModelPair) -> list[tuple[LabelIssue, int]]:
    """The most probable label issues, each with the version of the annotation that was checked."""
    names = {category.id: category.name for category in store.categories.all()}
    versions: dict[int, int] = {}
    found = find_label_issues(
        _photo_boxes(store, models, versions), names, store.predictions.score_threshold(models)
    )
    worst_first = sorted(found, key=lambda issue: (-issue.score, issue.photo_id))[:MAX_LABEL_ISSUES]
    return [(issue, versions[issue.photo_id]) for issue in worst_first]


def _photo_boxes(store: Store, models: ModelPair, versions: dict[int, int]) -> Iterator[PhotoBoxes]:
    """Annotated photos with their newest and their predicted boxes; ``versions`` is filled on the way."""
    threshold, ids = store.predictions.score_threshold(models), category_ids(store)
    for row in store.predictions.beside_annotations(models):
        versions[row.photo_id] = row.version
        annotated = (LabeledBox(box.box_xyxy, box.category_id) for box in row.boxes)
        predicted = (
            LabeledBox(garment.box_xyxy, ids[garment.category], garment.score)
            for garment in row.garments
            if garment.score >= threshold and garment.category in ids
        )
        yield PhotoBoxes(row.photo_id, row.size_wh, tuple(annotated), tuple(predicted))
