"""From a batch into the store: photos that are kept, and photos that a person says are wrong."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from app.corrections import Corrections
from app.selection import Seen
from core.errors import ConflictError
from core.garments import Garment
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.photos import Added

WRONG = "a person said it was wrong"


def keep(
    store: Store,
    photos: Sequence[Seen],
    corrections: Corrections,
    by: str,
    *,
    checked: bool,
    report: Callable[[float], object] = lambda part: None,
) -> Mapping[str, int]:
    """Take photos into the store; gives how many had which outcome, as an import counts them.

    ``checked`` says that the person stands behind all boxes: then they are an annotation. Otherwise a photo
    that they corrected gets them as a draft, and the others are left to the models. What is annotated
    already stays as it is. ``report`` is told the part that is done, 0..1.
    """
    counts: Counter[str] = Counter()
    for number, seen in enumerate(photos, start=1):
        added = _add(store, seen, by)
        counts[added.outcome] += 1
        if added.row is not None and _note_boxes(store, added.row.id, seen, corrections, by, checked):
            counts["annotated"] += checked
        report(number / len(photos))
    store.queue.fill()
    return counts


def say_wrong(store: Store, seen: Seen, corrections: Corrections, by: str) -> int:
    """Take the photo into the store and put it at the head of the queue; gives its number there.

    Raises StoreError where a photo of the holdout looks the same, as that one stays alone.
    """
    added = _add(store, seen, by)
    if added.row is None:
        raise ConflictError(
            f"{seen.item.kept.name} looks like a photo of the holdout, which is annotated already or waits "
            "to be: it is not stored twice."
        )
    _note_boxes(store, added.row.id, seen, corrections, by, False)
    store.queue.put_first(added.row.id, WRONG)
    return added.row.id


def boxes_of(garments: Iterable[Garment], ids: Mapping[str, int]) -> tuple[AnnotatedBox, ...]:
    """Garments as boxes; a person stands behind what they corrected, all else is a proposal."""
    boxes = []
    for garment in garments:
        box = AnnotatedBox.from_garment(garment, ids[garment.category])
        if garment.corrected:
            box = replace(box, label=garment.label or box.label, changed=True, accepted=True)
        boxes.append(box)
    return tuple(boxes)


def _add(store: Store, seen: Seen, by: str) -> Added:
    # The digest is of the file that was dropped: dropped again elsewhere, it is the same photo.
    photo = replace(seen.item.kept.photo(), digest=seen.item.kept.digest, name=seen.item.kept.name)
    return store.photos.add(photo, by=by)


def _note_boxes(
    store: Store, photo_id: int, seen: Seen, corrections: Corrections, by: str, checked: bool
) -> bool:
    """Save the boxes as annotation or draft, where there is neither; whether they were saved."""
    corrected = bool(corrections.of(seen.item.number))
    if not (checked or corrected) or store.annotations.latest(photo_id) or store.drafts.load(photo_id, by):
        return False
    garments = list(seen.garments.values())
    ids = store.categories.ensure({garment.category for garment in garments}, by)
    boxes = boxes_of(garments, ids)
    if not checked:
        store.drafts.save(photo_id, by, boxes=boxes, sequence=1, base_version=0)
        return True
    try:
        store.annotations.submit(photo_id, boxes, author=by, base_version=0, request=uuid.uuid4().hex)
    except ConflictError:
        return False  # somebody was quicker, and saw more of it than this page did
    return True
