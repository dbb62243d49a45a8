"""The queue brought into order: what the models say of the store's photos, written as ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import sqlalchemy as sa

from core.active_learning.label_issues import Checked, Seen, Suspect, find_suspects
from core.active_learning.ranking import Candidate, rank_photos
from core.active_learning.uncertainty import score_photo
from core.inference.predictions import category_numbers, queue_model, threshold_of
from core.store import Store
from core.store.boxes import boxes_from
from core.store.schema import annotations as versions_table
from core.store.schema import photos, predictions, tasks

SUSPECTS_SETTING = "suspects"
MOST_SUSPECTS = 500
ROWS_AT_ONCE = 500
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
    model = queue_model(store)
    gathered = Gathered({candidate.photo_id: candidate for candidate in open_photos(store)})
    found = _look_for_suspects(store, model) if model else []
    store.settings.remember(
        SUSPECTS_SETTING, [asdict(suspect) | {"version": version} for suspect, version in found]
    )
    if model:
        _gather(store, model, gathered)
    for suspect, _ in found:
        candidate = gathered.candidates.get(suspect.photo_id)
        if candidate is not None:
            told = replace(candidate, suspicion=suspect.score, suspected=suspect.reason)
            gathered.candidates[suspect.photo_id] = told
    labelled = np.stack(gathered.labelled) if gathered.labelled else np.zeros((0, 1), dtype=np.float16)
    ranked = rank_photos(list(gathered.candidates.values()), labelled_embeddings=labelled, seed=SEED)
    return store.queue.order(ranked)


def suspects(store: Store) -> list[Suspect]:
    """Annotated photos on which something may be wrong, worst first, as the last ordering found them.

    What was annotated again since, or deleted, is left out.
    """
    kept = store.settings.get(SUSPECTS_SETTING, [])
    current = _current_versions(store, [entry["photo_id"] for entry in kept])
    return [
        Suspect(entry["photo_id"], entry["kind"], entry["score"], entry["reason"])
        for entry in kept
        if current.get(entry["photo_id"]) == entry["version"]
    ]


def open_photos(store: Store) -> Iterator[Candidate]:
    """Every live photo whose first task is open, without what models say of it."""
    chosen = (
        sa.select(photos.c.id, photos.c.look, photos.c.holdout, _annotated().label("annotated"))
        .join(tasks, tasks.c.photo_id == photos.c.id)
        .where(tasks.c.kind == "first", tasks.c.state == "open", photos.c.deleted_at.is_(None))
        .order_by(photos.c.id)
    )
    with store.database.read() as connection:
        for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(chosen):
            yield Candidate(row.id, look=row.look, annotated=row.annotated, holdout=row.holdout)


def _annotated() -> sa.Exists:
    return sa.exists().where(versions_table.c.photo_id == photos.c.id, versions_table.c.kind != "second")


def _gather(store: Store, model: str, gathered: Gathered) -> None:
    """Scores and embeddings of the open photos; embeddings alone of those that are labelled and may train."""
    threshold, training = threshold_of(store, model), _labelled_pool(store)
    for prediction in store.predictions.iterate(model):
        candidate = gathered.candidates.get(prediction.photo_id)
        embedding = None if prediction.embedding is None else prediction.embedding.astype(np.float16)
        if candidate is not None:
            scores = score_photo(prediction.garments, threshold)
            gathered.candidates[prediction.photo_id] = replace(candidate, scores=scores, embedding=embedding)
        if prediction.photo_id in training and embedding is not None:
            gathered.labelled.append(embedding)


def _labelled_pool(store: Store) -> set[int]:
    """The annotated photos that are not of the holdout."""
    chosen = sa.select(photos.c.id).where(_annotated(), ~photos.c.holdout)
    with store.database.read() as connection:
        return set(connection.execute(chosen).scalars())


def _look_for_suspects(store: Store, model: str) -> list[tuple[Suspect, int]]:
    """The most suspicious photos, worst first, each with the version of the annotation that was looked at."""
    names = {category.id: category.name for category in store.categories.all()}
    versions: dict[int, int] = {}
    found = find_suspects(_checked(store, model, versions), names, threshold_of(store, model))
    worst_first = sorted(found, key=lambda suspect: (-suspect.score, suspect.photo_id))[:MOST_SUSPECTS]
    return [(suspect, versions[suspect.photo_id]) for suspect in worst_first]


def _checked(store: Store, model: str, versions: dict[int, int]) -> Iterator[Checked]:
    """Annotated photos with their newest boxes and the model's; ``versions`` is filled on the way."""
    threshold = threshold_of(store, model)
    for rows in _newest(store, model):
        categories = {entry["category"] for row in rows for entry in row.garments}
        numbers = category_numbers(store, sorted(categories))
        for row in rows:
            versions[row.photo_id] = row.version
            annotated = (Seen(box.box_xyxy, box.category_id) for box in boxes_from(row.boxes))
            predicted = (
                Seen(tuple(entry["box"]), numbers[entry["category"]], entry["score"])
                for entry in row.garments
                if entry["score"] >= threshold
            )
            yield Checked(row.photo_id, (row.width, row.height), tuple(annotated), tuple(predicted))


def _newest(store: Store, model: str) -> Iterator[list[sa.Row]]:
    """Live photos' newest annotations beside the model's garments, some hundred at a time."""
    last = (
        sa.select(versions_table.c.photo_id, sa.func.max(versions_table.c.version).label("version"))
        .where(versions_table.c.kind != "second")
        .group_by(versions_table.c.photo_id)
        .subquery()
    )
    chosen = (
        sa.select(
            last.c.photo_id,
            last.c.version,
            versions_table.c.boxes,
            predictions.c.garments,
            photos.c.width,
            photos.c.height,
        )
        .join(
            versions_table,
            sa.and_(versions_table.c.photo_id == last.c.photo_id, versions_table.c.version == last.c.version),
        )
        .join(predictions, predictions.c.photo_id == last.c.photo_id)
        .join(photos, photos.c.id == last.c.photo_id)
        .where(predictions.c.model == model, photos.c.deleted_at.is_(None))
        .order_by(last.c.photo_id)
    )
    with store.database.read() as connection:
        found = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(chosen)
        yield from (list(rows) for rows in found.partitions())


def _current_versions(store: Store, photo_ids: list[int]) -> dict[int, int]:
    """The newest version of each of these photos, deleted ones left out."""
    chosen = (
        sa.select(versions_table.c.photo_id, sa.func.max(versions_table.c.version))
        .join(photos, photos.c.id == versions_table.c.photo_id)
        .where(
            versions_table.c.photo_id.in_(photo_ids),
            versions_table.c.kind != "second",
            photos.c.deleted_at.is_(None),
        )
        .group_by(versions_table.c.photo_id)
    )
    with store.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(chosen)}
