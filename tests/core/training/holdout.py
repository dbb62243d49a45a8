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


def boxes_seen(store: Store, labeler: Labeler, photo_id: int, *, labeled: bool = False) -> list[AnnotatedBox]:
    """What the detector alone says of a photo of the store, as if a person had drawn it.

    ``labeled`` has the classifier name each box: dozens of crops take a second.
    """
    numbers = ensure_category_ids(store, labeler.categories)
    photo = store.photos.open(photo_id)
    found = labeler.detector.detections(photo, labeler.default_threshold)
    boxes = [(x0, y0, x1, y1) for x0, y0, x1, y1 in found.boxes_xyxy.tolist()]
    ranked = labeler.classifier.classify(photo, boxes) if labeled else []
    labels = [top5[0][0] for top5 in ranked] or [None] * len(boxes)
    names = [labeler.categories[category] for category in found.category_ids]
    return [
        AnnotatedBox(box, numbers[name], label, uid=str(n))
        for n, (box, name, label) in enumerate(zip(boxes, names, labels, strict=True))
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
