"""What the models say of the store's photos: kept once, shown as proposals, read again to find the order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from core.access import LOCAL
from core.garments import Garment
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.models import KINDS
from core.store.predictions import Prediction
from core.taxonomy import load_taxonomy, taxonomy_names

if TYPE_CHECKING:  # who only reads proposals need not load torch
    from core.inference.labeler import Labeler

FLOOR_SHARE = 1 / 3  # of the detector's threshold: what was nearly found is kept as well
NUMBERS_SETTING = "model_categories"
THRESHOLDS_SETTING = "model_thresholds"
QUEUE_SETTING = "queue_model"
USUAL_THRESHOLD = 0.25
LEAST_SHARE = 0.1  # a label less likely than that is not worth proposing
AUTHOR = "lapel"


def model_name(labeler: Labeler) -> str:
    """The name under which a labeler's predictions are kept: both models', at most 200 characters."""
    return " + ".join(labeler.names[kind] for kind in KINDS)[:200]


def predict(store: Store, labeler: Labeler, photo_id: int) -> tuple[Garment, ...]:
    """Label a photo of the store and keep what comes out, with the whole photo's embedding.

    Garments down to a third of the detector's threshold are kept. Raises NotFoundError where the photo is
    gone, also when it was deleted meanwhile.
    """
    photo = store.photos.open(photo_id)
    found = labeler.detect(photo, labeler.default_threshold * FLOOR_SHARE)
    ranked, embedding = labeler.classifier.classify_and_embed(photo, [box for box, _, _ in found])
    garments = tuple(
        Garment(box, category, score, top5)
        for (box, category, score), top5 in zip(found, ranked, strict=True)
    )
    remember(store, labeler)
    store.predictions.save(photo_id, model_name(labeler), garments, embedding)
    return garments


def remember(store: Store, labeler: Labeler) -> None:
    """Keep what reading a labeler's predictions needs: its threshold, and its categories' numbers."""
    category_numbers(store, labeler.categories)
    thresholds, name = store.settings.get(THRESHOLDS_SETTING, {}), model_name(labeler)
    if thresholds.get(name) != labeler.default_threshold:
        store.settings.remember(THRESHOLDS_SETTING, thresholds | {name: labeler.default_threshold})


def threshold_of(store: Store, model: str) -> float:
    """The score from which a garment of this model counts as found."""
    return float(store.settings.get(THRESHOLDS_SETTING, {}).get(model, USUAL_THRESHOLD))


def serving_name(store: Store) -> str | None:
    """The name under which the champions' predictions are kept; None before the first ones are known."""
    names = store.models.champion_names()
    return " + ".join(names[kind] for kind in KINDS)[:200] if len(names) == len(KINDS) else None


def prediction_of(store: Store, photo_id: int) -> Prediction | None:
    """What the champions say of a photo; before they have seen it, what was said last by any."""
    name = serving_name(store)
    said = store.predictions.get(photo_id, name) if name else None
    return said or store.predictions.get(photo_id)


def follow(store: Store, model: str) -> None:
    """Have the queue ordered by this model's predictions from now on: it has seen all photos."""
    if store.settings.get(QUEUE_SETTING) != model:
        store.settings.remember(QUEUE_SETTING, model)


def queue_model(store: Store) -> str | None:
    """The model whose predictions order the queue: the last that has seen all; None before any has said
    anything."""
    model: str | None = store.settings.get(QUEUE_SETTING)
    return model or store.predictions.latest_model()


def category_numbers(store: Store, names: Iterable[str]) -> dict[str, int]:
    """The store's category of each of a model's names, made where there is none.

    A name is looked up once and remembered: people may rename the category, the model goes on calling it as
    it was trained to.
    """
    known: dict[str, int] = store.settings.get(NUMBERS_SETTING, {})
    there = store.categories.by_id()
    missing = [name for name in dict.fromkeys(names) if known.get(name) not in there]
    if missing:
        # Whoever opens a photo may be the first to see a new model's category: noting its number down takes
        # more than they may do, and is none of their doing.
        machine = store.acting(LOCAL)
        known = known | machine.categories.ensure(missing, AUTHOR)
        machine.settings.remember(NUMBERS_SETTING, known)
    return known


def proposals(
    store: Store, photo_id: int, threshold: float, *, blind: bool = False
) -> tuple[AnnotatedBox, ...]:
    """What an annotator begins from: the photo's boxes as they were left, else the models' garments.

    Garments count from ``threshold`` on and are not accepted yet; proposed again, they have the same uids.
    ``blind`` (a second look) leaves the boxes of other people out.
    """
    latest = None if blind else store.annotations.latest(photo_id)
    if latest is not None:
        return latest.boxes
    prediction = prediction_of(store, photo_id)
    garments = [g for g in prediction.garments if g.score >= threshold] if prediction else []
    numbers = category_numbers(store, [garment.category for garment in garments])
    return proposed_boxes(photo_id, garments, numbers)


def proposed_boxes(
    photo_id: int, garments: Sequence[Garment], numbers: Mapping[str, int]
) -> tuple[AnnotatedBox, ...]:
    """Garments of a photo as boxes that nobody has accepted; ``numbers`` are the categories' by name."""
    return tuple(
        _proposal(f"{photo_id} {place}", garment, numbers[garment.category])
        for place, garment in enumerate(garments)
    )


def fitting_label(garment: Garment) -> str | None:
    """The likeliest label that belongs to the garment's category: pants are not proposed as a dress.

    None where no likely one does. Labels that no taxonomy knows belong to every category.
    """
    parents = _parents()
    for label, share in garment.top5:
        if share >= LEAST_SHARE and parents.get(label, garment.category) == garment.category:
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
