"""From a batch into the store: photos that are kept, and photos that a person says are wrong.

What takes photos from the preview into the store: a button for the batch, and one for the open photo.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from app.auth.identity import current_actor, workspace_store
from app.data.outcomes import outcomes
from app.navigation import annotate_link, data_link
from app.preview.selection import Corrections, Seen
from app.preview.session import Workspace
from app.text import counted, literal
from core.errors import ConflictError, LapelError
from core.garments import Garment
from core.jobs import client
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


KEY = "keeping"


@dataclass
class Keeping:
    """What this person has kept: what became of the last batch, and the number of each wrong photo."""

    told: list[str] = field(default_factory=list)
    problem: str = ""
    wrong_problem: str = ""
    wrong: dict[str, int] = field(default_factory=dict)
    wants: bool = False


def keeping() -> Keeping:
    """The keeping of the person whose page this is."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Keeping()
    found: Keeping = st.session_state[KEY]
    return found


def show_keep(workspace: Workspace, photos: Sequence[Seen]) -> None:
    """The button that takes the batch into the store, and what came of it."""
    mine = keeping()
    st.caption(
        f"Keep {counted(len(photos), 'photo')} in Lapel, with what you corrected: they join the queue, and "
        "the models learn from them once they are annotated."
    )
    checked = st.toggle(
        "I have checked every photo",
        key="keep-checked",
        help="Then they are kept as annotated by you, with the boxes that you see. Otherwise the boxes are "
        "proposals, to be checked in Annotate.",
    )
    st.button("Keep these", icon=":material/inventory_2:", key="keep", on_click=_ask)
    if mine.wants:
        _keep(mine, workspace, photos, checked)
        mine.wants = False  # only now: a run that was cut off goes on with what is left
    if mine.problem:
        st.error(literal(mine.problem), icon=":material/error:")
    if mine.told:
        st.success("  \n".join(map(literal, mine.told)), icon=":material/check:")
        data_link("Look at them in Data")


def show_wrong(workspace: Workspace, photos: Sequence[Seen]) -> None:
    """The button that hands the open photo to the annotators, and the link to it once that is done."""
    seen = next((seen for seen in photos if seen.item.number == workspace.photo), None)
    if seen is None:
        return
    mine = keeping()
    photo_id = mine.wrong.get(seen.item.kept.digest)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "This is wrong",
            icon=":material/report:",
            key="wrong",
            disabled=photo_id is not None,
            help="Keep this photo, and put it at the front of the queue to be corrected.",
            on_click=_say_wrong,
            args=(workspace, seen),
        )
        if photo_id is not None:
            st.text("It is next in the queue.", width="content")
            annotate_link(photo_id, "Correct it now")
    if mine.wrong_problem:
        st.error(literal(mine.wrong_problem), icon=":material/error:")


def _ask() -> None:
    keeping().wants = True


def _keep(mine: Keeping, workspace: Workspace, photos: Sequence[Seen], checked: bool) -> None:
    bar = st.progress(0.0, text="Keeping the photos…")
    mine.told, mine.problem = [], ""
    try:
        store = workspace_store()
        counts = keep(
            store,
            photos,
            workspace.corrections,
            current_actor().name,
            checked=checked,
            report=lambda part: bar.progress(part, text="Keeping the photos…"),
        )
        client.start_labelling(store)
        mine.told = outcomes(counts)
    except LapelError as error:
        mine.problem = str(error)
    bar.empty()


def _say_wrong(workspace: Workspace, seen: Seen) -> None:
    mine = keeping()
    mine.wrong_problem = ""
    try:
        store = workspace_store()
        photo_id = say_wrong(store, seen, workspace.corrections, current_actor().name)
        mine.wrong[seen.item.kept.digest] = photo_id
        client.start_labelling(store)
    except LapelError as error:
        mine.wrong_problem = str(error)
