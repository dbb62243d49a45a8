"""The models' predictions of the store's photos: saved once, proposed to annotators, rank the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from core.access import Right, needs
from core.errors import NotFoundError, StoreError
from core.garments import Garment
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.annotations import Draft
from core.store.boxes import AnnotatedBox
from core.store.bulk import check_names, renamed
from core.store.models import KINDS
from core.store.photos import PhotoRow
from core.store.predictions import ModelPair, Prediction
from core.store.search import PhotoQuery
from core.taxonomy import load_taxonomy, taxonomy_names

if TYPE_CHECKING:  # who only reads proposals need not load torch
    from core.inference.labeler import Labeler

FLOOR_SHARE = 1 / 3  # of the detector's threshold: garments that were nearly found are saved as well
CATEGORIES_SETTING = "model_categories"
QUEUE_SETTING = "queue_model"
UNAIDED_HOLDOUT_SETTING = "unaided_holdout"
LEAST_LABEL_PROBABILITY = 0.1  # a label less likely than that is not worth proposing
AUTHOR = "lapel"
_FIRST_DRAFT = (None, 1)  # one object, however many drafts there are


def model_pair(store: Store, labeler: Labeler) -> ModelPair:
    """The ids of a labeler's models. Raises NotFoundError where the store does not have them."""
    ids = store.models.ids_of(labeler.names)
    return ModelPair(ids["detector"], ids["classifier"])


def predict(store: Store, labeler: Labeler, photo_id: int) -> tuple[Garment, ...]:
    """Label a photo of the store and save the prediction, with the whole photo's embedding.

    Garments down to a third of the detector's threshold are saved. Raises NotFoundError where the store does
    not have the models, or the photo was deleted, also meanwhile.
    """
    models = model_pair(store, labeler)
    photo = store.photos.open(photo_id)
    garments, embedding = labeler.label_and_embed(photo, labeler.default_threshold * FLOOR_SHARE)
    ensure_category_ids(store, labeler.categories)
    store.predictions.save(photo_id, models, garments, embedding)
    return garments


def serving_models(store: Store) -> ModelPair | None:
    """The champions; None before the first ones are known."""
    ids = store.models.champion_ids()
    return ModelPair(ids["detector"], ids["classifier"]) if len(ids) == len(KINDS) else None


def prediction_of(store: Store, photo_id: int) -> Prediction | None:
    """The champions' prediction of a photo; before they have one, the latest of any models."""
    models = serving_models(store)
    prediction = store.predictions.get(photo_id, models) if models else None
    return prediction or store.predictions.get(photo_id)


def set_queue_models(store: Store, models: ModelPair) -> None:
    """Have the queue ranked by the predictions of these models from now on: they have labeled all photos."""
    if store.settings.get(QUEUE_SETTING) != models.as_list():
        store.settings.remember(QUEUE_SETTING, models.as_list())


def queue_models(store: Store) -> ModelPair | None:
    """The models whose predictions rank the queue: the last that labeled all photos, or at least some.

    None before the first prediction.
    """
    ids = store.settings.get(QUEUE_SETTING)
    return ModelPair(*ids) if ids else store.predictions.latest_models()


def category_ids(store: Store) -> dict[str, int]:
    """The store's categories by the names that models have for them; reads only.

    A model's name stays its category's when people rename that. Names that no model of the store has used so
    far are the categories' own.
    """
    categories = store.categories.by_id()
    own = {category.name: category.id for category in categories.values()}
    known = store.settings.get(CATEGORIES_SETTING, {})
    return own | {name: id for name, id in known.items() if id in categories}


def ensure_category_ids(store: Store, names: Iterable[str]) -> dict[str, int]:
    """The store's category of each of a model's names, saved, and made where there is none."""
    known: dict[str, int] = store.settings.get(CATEGORIES_SETTING, {})
    there = store.categories.by_id()
    missing = [name for name in dict.fromkeys(names) if known.get(name) not in there]
    if missing:
        known = known | store.categories.ensure(missing, AUTHOR)
        store.settings.remember(CATEGORIES_SETTING, known)
    return known


def is_unaided(store: Store, photo: PhotoRow) -> bool:
    """Whether annotators see nothing of what the models find in this photo: a holdout photo, by a setting.

    Boxes that began as a model's proposal favor models that propose alike.
    """
    return photo.holdout and bool(store.settings.get(UNAIDED_HOLDOUT_SETTING, False))


def hidden_among(store: Store, photo_ids: Sequence[int]) -> set[int]:
    """Those of at most 10,000 photos of which no page shows what models find: unaided ones to annotate.

    Whoever will draw their boxes could see it there. Once a photo is annotated, it is shown.
    """
    if not photo_ids or not store.settings.get(UNAIDED_HOLDOUT_SETTING, False):
        return set()
    waiting = PhotoQuery(ids=tuple(photo_ids), part="holdout", state="without annotation")
    return set(store.search.ids(waiting).tolist())


def without_hidden(store: Store, query: PhotoQuery) -> PhotoQuery:
    """The query without the photos that :func:`hidden_among` finds, where it is about predicted boxes."""
    if query.models is None or not store.settings.get(UNAIDED_HOLDOUT_SETTING, False):
        return query
    return replace(query, open_holdout=False)


def proposals(
    store: Store, photo_id: int, threshold: float, *, blind: bool = False
) -> tuple[AnnotatedBox, ...]:
    """What an annotator begins from: the photo's boxes as they were left, else the models' garments.

    Garments count from ``threshold`` on and are not accepted yet; proposed again, they have the same uids.
    ``blind`` (a second annotation) leaves the boxes of other people out. Of an unaided photo none are
    proposed. Raises NotFoundError for no such photo.
    """
    latest = None if blind else store.annotations.latest(photo_id)
    if latest is not None:
        return latest.boxes
    if is_unaided(store, store.photos.get(photo_id)):
        return ()
    prediction = prediction_of(store, photo_id)
    garments = [g for g in prediction.garments if g.score >= threshold] if prediction else []
    return proposed_boxes(photo_id, garments, category_ids(store))


def proposed_boxes(
    photo_id: int, garments: Sequence[Garment], ids: Mapping[str, int]
) -> tuple[AnnotatedBox, ...]:
    """Garments of a photo as boxes that nobody has accepted, without those of a category not in ``ids``."""
    return tuple(
        _proposal(f"{photo_id} {place}", garment, ids[garment.category])
        for place, garment in enumerate(garments)
        if garment.category in ids
    )


@dataclass(frozen=True)
class DraftRelabeling:
    """Predicted boxes that were relabeled in drafts; ``left`` are photos that stay as they are.

    ``saved`` says for each photo which draft was there before, and the sequence of the new one.
    """

    boxes: int
    left: int
    saved: Mapping[int, tuple[Draft | None, int]]


@needs(Right.ANNOTATE)
def relabel_predicted(
    store: Store,
    models: ModelPair,
    chosen: Mapping[int, Collection[int]],
    *,
    author: str,
    category_id: int | None = None,
    label: str | None = None,
    kept_labels: Collection[str] | None = None,
) -> DraftRelabeling:
    """Give boxes that a model pair predicted, by photo and place, another category or label.

    They become accepted boxes of the author's draft, beside the photo's other proposals, which stay
    undecided: nobody has looked at those. Photos that are annotated, unaided, gone or not predicted are left.
    Raises StoreError as ``bulk.relabel`` does.
    """
    check_names(category_id, label)
    if category_id is not None and category_id not in store.categories.by_id():
        raise StoreError("There is no such category.")
    threshold, ids = store.predictions.score_threshold(models), category_ids(store)
    author, saved = store.actor.known_as(author).name, dict[int, tuple[Draft | None, int]]()
    boxes = 0
    for photo_id in sorted(chosen):
        prediction = store.predictions.get(photo_id, models)
        if prediction is None or not _is_to_annotate(store, photo_id):
            continue
        places = {
            place: _proposal(f"{photo_id} {place}", garment, ids[garment.category])
            for place, garment in enumerate(prediction.garments)
            if garment.category in ids
        }
        draft = store.drafts.load(photo_id, author)
        proposed = [
            places[n] for n, g in enumerate(prediction.garments) if n in places and g.score >= threshold
        ]
        after = {box.uid: box for box in (proposed if draft is None else draft.boxes)}
        mine = [after.get(places[n].uid, places[n]) for n in sorted(set(chosen[photo_id])) if n in places]
        for box in mine:
            after[box.uid] = replace(renamed(box, category_id, label, kept_labels), accepted=True)
        sequence = 1 if draft is None else draft.sequence + 1
        if mine:
            store.drafts.save(photo_id, author, boxes=list(after.values()), sequence=sequence, base_version=0)
            saved[photo_id] = _FIRST_DRAFT if draft is None else (draft, sequence)
            boxes += len(mine)
    return DraftRelabeling(boxes, len(chosen) - len(saved), saved)


@needs(Right.ANNOTATE)
def undo_draft_relabeling(
    store: Store, done: DraftRelabeling, *, author: str, progress: Progress = ignore_progress
) -> DraftRelabeling:
    """Give the author the drafts back that were there before; those that were changed since are ``left``."""
    author, restored = store.actor.known_as(author).name, 0
    for number, (photo_id, (before, sequence)) in enumerate(done.saved.items()):
        progress(number, len(done.saved))
        now = store.drafts.load(photo_id, author)
        if now is None or now.sequence != sequence:
            continue
        if before is None:
            store.drafts.drop(photo_id, author)
        else:
            store.drafts.save(
                photo_id, author, boxes=before.boxes, sequence=sequence + 1, base_version=before.base_version
            )
        restored += 1
    return DraftRelabeling(done.boxes, len(done.saved) - restored, {})


def _is_to_annotate(store: Store, photo_id: int) -> bool:
    """Whether a photo is there, without annotation, and annotated with proposals."""
    try:
        photo = store.photos.get(photo_id)
    except NotFoundError:
        return False
    return store.annotations.latest(photo_id) is None and not is_unaided(store, photo)


def fitting_label(garment: Garment) -> str | None:
    """The likeliest label that belongs to the garment's category: pants are not proposed as a dress.

    None where no likely one does. Labels that no taxonomy knows belong to every category.
    """
    parents = _parents()
    for label, share in garment.top5:
        if share >= LEAST_LABEL_PROBABILITY and parents.get(label, garment.category) == garment.category:
            return label
    return None


def _proposal(place: str, garment: Garment, category_id: int) -> AnnotatedBox:
    """The same proposal has the same uid each time, so that two people can be told to speak of one box."""
    name = f"{place} {category_id} {garment.as_dict()['box']}".encode()
    box = AnnotatedBox.from_garment(garment, category_id)
    return replace(box, uid=hashlib.sha256(name).hexdigest()[:12], label=fitting_label(garment))


@cache
def _parents() -> dict[str, str]:
    return {
        label: parent for name in taxonomy_names() for label, parent in load_taxonomy(name).parents.items()
    }
