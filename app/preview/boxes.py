"""The boxes of the open photo in the editor that annotators have: drawn, moved, named and deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.editor import EditorAction, EditorDraft, EditorPhoto, Tightened, box_editor
from app.media import picture_url
from app.preview.selection import PhotoView
from app.preview.session import PreviewSession
from core.corrections import Corrections, Edit
from core.garments import Garment
from core.store.boxes import AnnotatedBox
from core.taxonomy import categories_of_labels, color_of
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

PLACE = "preview-boxes"
WITHOUT = ("submit", "skip", "back", "history", "attention", "pasteBefore", "options", "flags")
"""What the editor does for a queue, or with a store, and not here."""

FOUND = "g"
"""Before the number of a garment that the models found, in the names of boxes."""


@dataclass(frozen=True)
class _Category:
    id: int
    name: str
    color: str


def show_boxes(session: PreviewSession, view: PhotoView, labeler: Labeler) -> None:
    """Draw the editor; every change is a step of corrections."""
    names = categories_of(view, labeler)
    ids = {name: number for number, name in enumerate(names)}
    item = view.item
    parents = {label: found[0] for label, found in categories_of_labels().items() if found[0] in ids}
    box_editor(
        key_of(session, view),
        EditorPhoto(
            item.number,
            picture_url(item.spooled.view(), "image/jpeg", f"{PLACE}/photo"),
            item.labeled.width,
            item.labeled.height,
            item.spooled.name,
        ),
        boxes_of(view.garments, session.corrections, view, ids),
        categories=[
            _Category(number, session.names.get(name, name), color_of(name)) for name, number in ids.items()
        ],
        labels=labeler.labels,
        parents={label: ids[category] for label, category in parents.items() if label in labeler.labels},
        predicted_boxes=boxes_of(view.hidden, session.corrections, view, ids),
        keys=keys_of(session),
        sequence=session.draft.sequences.get(item.number, 0),
        without=WITHOUT,
        on_work=lambda work: take(session, view, names, work),
        tightened=session.tightened,
        on_action=lambda action: perform(session, view, action),
        place=PLACE,
    )


def key_of(session: PreviewSession, view: PhotoView) -> str:
    """The editor's key for this photo, which the browser stores unsent work under."""
    owner = hashlib.sha256((session.owner or "").encode()).hexdigest()[:8]
    return f"label.{session.draft.batch_id}.{view.item.number}.{view.item.spooled.digest[:8]}.{owner}"


def keys_of(session: PreviewSession) -> dict[str, str]:
    """The person's own keys."""
    keys = session.draft.settings.get("keys")
    return {str(name): str(key) for name, key in keys.items()} if isinstance(keys, dict) else {}


def perform(session: PreviewSession, view: PhotoView, action: EditorAction) -> None:
    """Keep the keys that a person chose, or look for a tighter place for a box."""
    box = next((box for box in action.boxes if box.uid == action.uid), None)
    if action.name == "keys":
        session.set("keys", dict(action.keys))
    elif action.name == "tighten" and box is not None:
        with IMPORTS:
            from core.images.foreground import tighten_box

        image = view.item.spooled.photo().image
        session.tightened = Tightened(box.uid, box.box_xyxy, tighten_box(image, box.box_xyxy))


def categories_of(view: PhotoView, labeler: Labeler) -> list[str]:
    """The detector's categories, then those that only this photo's garments have."""
    own = (garment.category for garment in (*view.garments.values(), *view.hidden.values()))
    return list(dict.fromkeys([*labeler.categories, *own]))


def boxes_of(
    garments: Mapping[int, Garment], corrections: Corrections, view: PhotoView, ids: Mapping[str, int]
) -> list[AnnotatedBox]:
    """Garments as the editor's boxes; what a person decided is accepted, all else a proposal."""
    drawn = {number: uid for uid, number in corrections.drawn.get(view.item.number, {}).items()}
    found = view.item.labeled.garments
    boxes = []
    for number, garment in garments.items():
        box = AnnotatedBox.from_garment(garment, ids[garment.category])
        is_found = number < len(found)
        boxes.append(
            replace(
                box,
                uid=f"{FOUND}{number}" if is_found else drawn.get(number, f"{FOUND}{number}"),
                label=None if garment.best_label == garment.category else garment.best_label,
                origin="model" if is_found else "person",
                changed=is_found and garment.corrected and garment != found[number].correct(),
                accepted=garment.corrected,
                score=garment.score if is_found else None,
            )
        )
    return boxes


def take(session: PreviewSession, view: PhotoView, names: Sequence[str], work: EditorDraft) -> None:
    """Take over the editor's boxes as one step of corrections."""
    photo = view.item.number
    session.apply(*edits_of(view, session.corrections, names, work.boxes), sequence=work.sequence)
    known = session.draft.sequences.get(photo, 0)
    session.draft.sequences[photo] = max(known, work.sequence)  # acknowledged also where nothing changed


def edits_of(
    view: PhotoView, corrections: Corrections, names: Sequence[str], boxes: Iterable[AnnotatedBox]
) -> list[Edit]:
    """What changes the photo's garments into these boxes; ``names`` are the categories by their ids.

    Boxes of a category that is none, or outside the photo, are passed over.
    """
    item, edits, seen = view.item, [], set[int]()
    changed, drawn = corrections.of(item.number), corrections.drawn.get(item.number, {})
    first_free = max([len(item.labeled.garments) - 1, *changed]) + 1
    for box in boxes:
        inside = box.inside(item.labeled.width, item.labeled.height)
        if inside is None or not 0 <= box.category_id < len(names):
            continue
        number = _number(box.uid, drawn, len(item.labeled.garments))
        uid = ""
        if number is None:
            number, uid, first_free = first_free, box.uid, first_free + 1
        seen.add(number)
        before = view.garments.get(number) or view.hidden.get(number)
        after = _garment(inside, names, before or _found(view, number))
        edits.append(Edit(item.number, number, before, after, uid))
    gone = [
        Edit(item.number, number, garment, None)
        for number, garment in view.garments.items()
        if number not in seen
    ]
    return edits + gone


def _number(uid: str, drawn: Mapping[str, int], found: int) -> int | None:
    """The number of the garment that a box is of; None for one that was drawn just now."""
    number = uid.removeprefix(FOUND)
    if uid.startswith(FOUND) and number.isdecimal() and len(number) < 6 and int(number) < found:
        return int(number)
    return drawn.get(uid)


def _found(view: PhotoView, number: int) -> Garment | None:
    garments = view.item.labeled.garments
    return garments[number] if number < len(garments) else None


def _garment(box: AnnotatedBox, names: Sequence[str], base: Garment | None) -> Garment:
    """The garment in a box; one that the editor left as it was stays exactly as it was."""
    category = names[box.category_id]
    if base is None:
        return Garment(box.box_xyxy, category, 1.0, box.top5, box.label, True)
    rounded = tuple(round(value, 2) for value in base.box_xyxy)
    is_moved = rounded != tuple(round(value, 2) for value in box.box_xyxy)
    label = box.label or (category if category != base.category else base.best_label)
    is_renamed = (category, label) != (base.category, base.best_label)
    decided = box.accepted or box.changed or is_moved or is_renamed
    if not decided and not base.corrected:
        return base
    after = base.correct(category=category, label=label if is_renamed else None)
    return replace(after, box_xyxy=box.box_xyxy) if is_moved else after
