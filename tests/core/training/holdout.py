"""Annotated holdout photos on which models can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.inference.labeler import Labeler
from core.inference.predictions import ensure_category_ids
from core.store import Store
from core.store.boxes import AnnotatedBox
from tests.core.store.conftest import drawn
from tests.weights import drawn_photo


def add_photo(store: Store, seed: int, *, holdout: bool = True) -> int:
    """A drawn scene of 180 x 240 pixels in the store; its number."""
    photo = replace(drawn_photo(seed, f"{seed}.png"), digest=drawn(seed, holdout=holdout).digest)
    row = store.photos.add(photo, by="ann").row
    assert row is not None
    return row.id


def boxes_seen(store: Store, labeler: Labeler, photo_id: int) -> list[AnnotatedBox]:
    """What a labeler sees on a photo of the store, as if a person had drawn it."""
    numbers = ensure_category_ids(store, labeler.categories)
    garments = labeler.label(store.photos.open(photo_id)).garments
    return [
        AnnotatedBox(g.box_xyxy, numbers[g.category], g.top5[0][0], uid=str(n))
        for n, g in enumerate(garments)
    ]


def annotate(store: Store, photo_id: int, boxes: Sequence[AnnotatedBox]) -> None:
    """The photo's first annotation."""
    store.annotations.submit(photo_id, boxes, author="ann", base_version=0, request=f"first {photo_id}")


def add_seen(store: Store, labeler: Labeler, seed: int, *, holdout: bool = True) -> list[AnnotatedBox]:
    """A scene annotated with what the labeler sees on it; the boxes."""
    photo_id = add_photo(store, seed, holdout=holdout)
    boxes = boxes_seen(store, labeler, photo_id)
    annotate(store, photo_id, boxes)
    return boxes
