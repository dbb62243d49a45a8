"""The queue brought into order: what the models say of the store's photos, written as ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from core.active_learning.label_issues import LabeledBox, LabelIssue, PhotoBoxes, find_label_issues
from core.active_learning.ranking import Candidate, rank_photos
from core.active_learning.uncertainty import photo_uncertainty
from core.inference.predictions import category_ids, queue_models
from core.store import Store
from core.store.predictions import ModelPair
from core.store.queue import OpenPhoto

SUSPECTS_SETTING = "suspects"
MOST_SUSPECTS = 500
SEED = 0


@dataclass
class Gathered:
    """What one pass over the predictions collects: candidates by photo, embeddings of labelled photos."""

    candidates: dict[int, Candidate] = field(default_factory=dict)
    labelled: list[np.ndarray] = field(default_factory=list)


def reorder(store: Store) -> int:
    """Rank all open tasks by what the queue's model says; how many were ranked.

    New photos get their task first. Without any prediction the order is by looks. Photos whose boxes may be
    wrong are kept for :func:`suspects`. Memory: four bytes for each number of the open photos' embeddings at
    the peak, about 400 MB for 100,000 photos.
    """
    store.queue.fill()
    models = queue_models(store)
    gathered = Gathered({photo.photo_id: _candidate(photo) for photo in store.queue.open_photos()})
    found = _look_for_suspects(store, models) if models else []
    store.settings.remember(
        SUSPECTS_SETTING, [asdict(suspect) | {"version": version} for suspect, version in found]
    )
    if models:
        _gather(store, models, gathered)
    for suspect, _ in found:
        candidate = gathered.candidates.get(suspect.photo_id)
        if candidate is not None:
            told = replace(candidate, suspicion=suspect.score, suspected=suspect.reason)
            gathered.candidates[suspect.photo_id] = told
    labelled = np.stack(gathered.labelled) if gathered.labelled else np.zeros((0, 1), dtype=np.float16)
    ranked = rank_photos(list(gathered.candidates.values()), labelled_embeddings=labelled, seed=SEED)
    return store.queue.order(ranked)


def suspects(store: Store) -> list[LabelIssue]:
    """Annotated photos on which something may be wrong, worst first, as the last ordering found them.

    What was annotated again since, or deleted, is left out.
    """
    kept = store.settings.get(SUSPECTS_SETTING, [])
    current = store.annotations.newest_versions([entry["photo_id"] for entry in kept])
    return [
        LabelIssue(entry["photo_id"], entry["kind"], entry["score"], entry["reason"])
        for entry in kept
        if current.get(entry["photo_id"]) == entry["version"]
    ]


def _candidate(photo: OpenPhoto) -> Candidate:
    """An open photo without what models say of it."""
    return Candidate(
        photo.photo_id, look=photo.perceptual_hash, annotated=photo.annotated, holdout=photo.holdout
    )


def _gather(store: Store, models: ModelPair, gathered: Gathered) -> None:
    """Scores and embeddings of the open photos; embeddings alone of those that are labelled and may train."""
    threshold, training = store.predictions.score_threshold(models), store.annotations.training_pool()
    for prediction in store.predictions.iterate(models):
        candidate = gathered.candidates.get(prediction.photo_id)
        embedding = None if prediction.embedding is None else prediction.embedding.astype(np.float16)
        if candidate is not None:
            scores = photo_uncertainty(prediction.garments, threshold)
            gathered.candidates[prediction.photo_id] = replace(candidate, scores=scores, embedding=embedding)
        if prediction.photo_id in training and embedding is not None:
            gathered.labelled.append(embedding)


def _look_for_suspects(store: Store, models: ModelPair) -> list[tuple[LabelIssue, int]]:
    """The most suspicious photos, worst first, each with the version of the annotation that was looked at."""
    names = {category.id: category.name for category in store.categories.all()}
    versions: dict[int, int] = {}
    found = find_label_issues(
        _checked(store, models, versions), names, store.predictions.score_threshold(models)
    )
    worst_first = sorted(found, key=lambda suspect: (-suspect.score, suspect.photo_id))[:MOST_SUSPECTS]
    return [(suspect, versions[suspect.photo_id]) for suspect in worst_first]


def _checked(store: Store, models: ModelPair, versions: dict[int, int]) -> Iterator[PhotoBoxes]:
    """Annotated photos with their newest boxes and the model's; ``versions`` is filled on the way."""
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
