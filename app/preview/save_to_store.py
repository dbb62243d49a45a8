"""Save to store: the whole batch, or the open photo reported as wrong."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from app.auth.identity import current_actor, workspace_store
from app.components.background import shown_on
from app.data.imports import outcomes
from app.navigation import annotate_link, data_link
from app.preview.selection import PhotoView
from app.preview.session import PreviewSession
from app.text import counted, literal
from core.corrections import Corrections
from core.errors import ConflictError, LapelError
from core.jobs import client
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.photos import Added

WRONG = "reported as wrong"


def save_photos(
    store: Store,
    photos: Sequence[PhotoView],
    corrections: Corrections,
    by: str,
    *,
    checked: bool,
    progress: Progress = ignore_progress,
) -> Mapping[str, int]:
    """Save photos to the store; gives how many had which outcome, as an import counts them.

    ``checked`` says that the user has checked all boxes: then they are an annotation. Otherwise the boxes of
    a corrected photo become a draft, and the other photos are left to the models. Existing annotations stay
    unchanged. ``progress`` counts photos.
    """
    counts: Counter[str] = Counter()
    for number, view in enumerate(photos, start=1):
        added = _add(store, view, by)
        counts[added.outcome] += 1
        if added.row is not None and _save_boxes(store, added.row.id, view, corrections, by, checked):
            counts["annotated"] += checked
        progress(number, len(photos))
    store.queue.fill()
    return counts


def report_wrong(store: Store, view: PhotoView, corrections: Corrections, by: str) -> int:
    """Save the photo to the store and put it at the front of the queue; gives its id there.

    Raises ConflictError for a near duplicate of a holdout photo, which is never stored twice.
    """
    added = _add(store, view, by)
    if added.row is None:
        raise ConflictError(
            f"{view.item.spooled.name} is a near duplicate of a holdout photo, and not stored twice."
        )
    _save_boxes(store, added.row.id, view, corrections, by, False)
    store.queue.put_first(added.row.id, WRONG)
    return added.row.id


def boxes_of(view: PhotoView, ids: Mapping[str, int]) -> tuple[AnnotatedBox, ...]:
    """A photo's garments as boxes; those that the user corrected are accepted, all others are proposals.

    A garment that the user accepted as the models found it is unchanged; one that the user drew is theirs.
    """
    boxes, found = [], view.item.labeled.garments
    for number, garment in view.garments.items():
        box = AnnotatedBox.from_garment(garment, ids[garment.category])
        if number >= len(found):
            box = replace(box, label=garment.label, origin="person", accepted=True, score=None)
        elif garment.corrected:
            changed = garment != found[number].correct()
            box = replace(box, label=garment.label or box.label, changed=changed, accepted=True)
        boxes.append(box)
    return tuple(boxes)


def _add(store: Store, view: PhotoView, by: str) -> Added:
    # The digest is of the file that was dropped: dropped again elsewhere, it is the same photo.
    spooled = view.item.spooled
    photo = replace(spooled.photo(), digest=spooled.digest, name=spooled.name)
    return store.photos.add(photo, by=by, encoded=spooled.path.read_bytes())


def _save_boxes(
    store: Store, photo_id: int, view: PhotoView, corrections: Corrections, by: str, checked: bool
) -> bool:
    """Save the boxes as annotation or draft, where there is neither; whether they were saved."""
    corrected = bool(corrections.of(view.item.number))
    if not (checked or corrected) or store.annotations.latest(photo_id) or store.drafts.load(photo_id, by):
        return False
    ids = store.categories.ensure({garment.category for garment in view.garments.values()}, by)
    boxes = boxes_of(view, ids)
    if not checked:
        store.drafts.save(photo_id, by, boxes=boxes, sequence=1, base_version=0)
        return True
    try:
        store.annotations.submit(photo_id, boxes, author=by, base_version=0, request=uuid.uuid4().hex)
    except ConflictError:
        return False  # somebody else has annotated it meanwhile
    return True


KEY = "save-to-store"


@dataclass
class SaveState:
    """Results of the last save, and the store id of each photo reported as wrong, by digest."""

    results: list[str] = field(default_factory=list)
    problem: str = ""
    wrong_problem: str = ""
    wrong: dict[str, int] = field(default_factory=dict)
    requested: bool = False


def save_state() -> SaveState:
    """The state of this browser tab."""
    if KEY not in st.session_state:
        st.session_state[KEY] = SaveState()
    found: SaveState = st.session_state[KEY]
    return found


def show_save(session: PreviewSession, photos: Sequence[PhotoView]) -> None:
    """The button that saves the batch to the store, and the result."""
    mine = save_state()
    st.caption(
        f"Save {counted(len(photos), 'photo')} with your corrections: they join the annotation queue, and "
        "the models can be trained on them once they are annotated."
    )
    checked = st.toggle(
        "I have checked every photo",
        key="save-checked",
        help="Then they are saved as annotated by you, with the boxes that are shown. Otherwise the boxes "
        "are proposals, to be checked in Annotate.",
    )
    st.button("Save to store", icon=":material/inventory_2:", key="save", on_click=_request_save)
    if mine.requested:
        _save(mine, session, photos, checked)
        mine.requested = False  # only now, so that an interrupted run is repeated
    if mine.problem:
        st.error(literal(mine.problem), icon=":material/error:")
    if mine.results:
        st.success("  \n".join(map(literal, mine.results)), icon=":material/check:")
        data_link("Open Data")


def show_wrong(session: PreviewSession, photos: Sequence[PhotoView]) -> None:
    """The button that reports the open photo as wrong, and then the link to it in Annotate."""
    view = next((view for view in photos if view.item.number == session.photo), None)
    if view is None:
        return
    mine = save_state()
    photo_id = mine.wrong.get(view.item.spooled.digest)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Report wrong labels",
            icon=":material/report:",
            key="wrong",
            disabled=photo_id is not None,
            help="Save this photo, and put it at the front of the annotation queue.",
            on_click=_report_wrong,
            args=(session, view),
        )
        if photo_id is not None:
            st.text("It is next in the queue.", width="content")
            annotate_link(photo_id, "Correct in Annotate")
    if mine.wrong_problem:
        st.error(literal(mine.wrong_problem), icon=":material/error:")


def _request_save() -> None:
    save_state().requested = True


def _save(mine: SaveState, session: PreviewSession, photos: Sequence[PhotoView], checked: bool) -> None:
    bar = st.progress(0.0, text="Saving the photos…")
    mine.results, mine.problem = [], ""
    try:
        store = workspace_store()
        counts = save_photos(
            store,
            photos,
            session.corrections,
            current_actor().name,
            checked=checked,
            progress=shown_on(bar, "Saving the photos…"),
        )
        client.start_labeling(store)
        mine.results = outcomes(counts)
    except LapelError as error:
        mine.problem = str(error)
    bar.empty()


def _report_wrong(session: PreviewSession, view: PhotoView) -> None:
    mine = save_state()
    mine.wrong_problem = ""
    try:
        store = workspace_store()
        photo_id = report_wrong(store, view, session.corrections, current_actor().name)
        mine.wrong[view.item.spooled.digest] = photo_id
        client.start_labeling(store)
    except LapelError as error:
        mine.wrong_problem = str(error)
