"""The workbench: the photo at hand in the editor, why it was picked, how far the work is, what is below."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from app.annotate import conflict, empty, history, review, suspects
from app.annotate.ahead import look_ahead
from app.annotate.keys import own_keys
from app.annotate.labels import labels, parents_of
from app.annotate.maps import attention_maps
from app.annotate.opening import open_next, open_photo
from app.annotate.pictures import Pictures
from app.annotate.save import act, go_on, keep, submit_again
from app.annotate.session import Desk, Opened
from app.annotate.sight import LOOKING, is_blank, sight, take_boxes
from app.auth.identity import show_account
from app.editor import Act, EditorPhoto, box_editor
from app.wording import counted, literal
from core.active_learning.ranking import once_seen
from core.errors import LapelError
from core.store import Store
from core.store.boxes import AnnotatedBox

PARAMETER = "photo"
MORE_KEY = "annotate-more"
MORE = {
    "History": history.show,
    "Second looks": review.show,
    "Suspected errors": suspects.show,
    "Unfinished": empty.show_unfinished,
}
TICK_SECONDS = 0.7


def show(store: Store, desk: Desk) -> None:
    """Draw the workbench; from then on only its own part of the page runs again."""
    _follow_address(store, desk)
    st.fragment(_workbench)(store, desk, Pictures(store))


def _follow_address(store: Store, desk: Desk) -> None:
    """Open the photo that the address names, if the address has changed; ``?photo=12`` is a link to share."""
    asked = st.query_params.get(PARAMETER)
    if asked == desk.address:
        return
    desk.address = asked
    if asked is not None and not (desk.opened and str(desk.opened.photo.id) == asked):
        try:
            open_photo(store, desk, int(asked))
            desk.started = True
        except ValueError:
            desk.said = f"There is no photo {asked!r}."
        except LapelError as error:
            desk.said = str(error)


def _workbench(store: Store, desk: Desk, pictures: Pictures) -> None:
    try:
        if not desk.started:
            open_next(store, desk)
            desk.started = True
        _show_address(desk)
        _draw(store, desk, pictures)
    except LapelError as error:
        st.error(str(error), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key="annotate-again", type="primary")


def _draw(store: Store, desk: Desk, pictures: Pictures) -> None:
    _header(store, desk)
    if desk.conflict is not None and desk.opened is not None:
        conflict.show(store, desk, pictures)
        return
    if desk.opened is None:
        empty.show(store, desk)
    else:
        _editor(store, desk, desk.opened, pictures)
    more = st.segmented_control("More", list(MORE), key=MORE_KEY, label_visibility="collapsed")
    if more in MORE:
        MORE[more](store, desk, pictures)
    look_ahead(store, desk, pictures)


def _editor(store: Store, desk: Desk, opened: Opened, pictures: Pictures) -> None:
    photo, maps = opened.photo, attention_maps()
    if is_blank(desk, opened):
        sight().ask(store, photo.id)
    layer = maps.png(store, photo.id)
    categories = store.categories.by_id()
    box_editor(
        opened.key,
        EditorPhoto(
            photo.id,
            pictures.url(photo.id),
            photo.width,
            photo.height,
            photo.name,
            pictures.layer(photo.id, layer) if layer else None,
        ),
        desk.boxes,
        categories=tuple(categories.values()),
        labels=labels(),
        parents=parents_of(categories),
        keys=own_keys(store, desk.person),
        sequence=desk.saved_sequence,
        notice=_notice(store, desk, opened),
        readonly=bool(opened.held_by),
        on_work=partial(keep, store, desk),
        on_act=partial(_act, store, desk),
    )
    if maps.pending(store, photo.id):
        st.fragment(_wait_for_map, run_every=TICK_SECONDS)(store, photo.id)
    if sight().pending(store, photo.id):
        st.fragment(_wait_for_boxes, run_every=TICK_SECONDS)(store, desk, photo.id)


def _act(store: Store, desk: Desk, done: Act) -> None:
    if done.name == "history":
        st.session_state[MORE_KEY] = None if st.session_state.get(MORE_KEY) == "History" else "History"
    elif done.name == "attention" and desk.opened is not None:
        attention_maps().ask(store, desk.opened.photo.id)
    else:
        act(store, desk, done)


def _wait_for_map(store: Store, photo_id: int) -> None:
    """Look now and then whether the map is there; the page runs again once it is."""
    if not attention_maps().pending(store, photo_id):
        st.rerun()


def _wait_for_boxes(store: Store, desk: Desk, photo_id: int) -> None:
    """Look now and then whether the models are done; a photo that is blank still gets their boxes."""
    if not sight().pending(store, photo_id):
        take_boxes(store, desk)
        st.rerun()


def _header(store: Store, desk: Desk) -> None:
    """One row above the editor, as low as can be: photo, why it is here, how far the work is, who works."""
    opened = desk.opened
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(literal(opened.photo.name) if opened else "Annotate", width="content", anchor=False)
        if opened is not None:
            st.caption(_why(opened, desk.boxes), width="content")
        st.space("stretch")
        if desk.counts is not None:
            st.caption(_progress(desk), width="content")
        if opened is not None and not opened.holds:
            st.button(
                "Go on with the queue", icon=":material/arrow_forward:", on_click=_go_on, args=(store, desk)
            )
        if show_account() != desk.person:
            st.rerun()  # another person's desk
    if desk.unsaved is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning("The database was busy: this submit is not saved yet. The boxes are kept.")
            st.button(
                "Try again", icon=":material/refresh:", type="primary", on_click=_again, args=(store, desk)
            )


def _why(opened: Opened, boxes: Sequence[AnnotatedBox]) -> str:
    """Why this photo is here, in words that hold for what lies on it."""
    if opened.held_by:
        return f"{literal(opened.held_by)} You can look at it, not change it."
    if opened.second_look:
        return "A second look: somebody has annotated this photo. Annotate it as if nobody had."
    if not opened.holds:
        return f"Done already: version {opened.base_version}. Submitting makes a new version."
    reasons = opened.task.reasons if opened.task else ()
    if opened.task and any(box.origin == "model" for box in boxes):
        reasons = once_seen(reasons)
    return literal(" · ".join(reasons)) if reasons else "Next in the queue"


def _progress(desk: Desk) -> str:
    counts = desk.counts
    assert counts is not None
    parts = [f"{counts.done:,} done", f"{counts.open:,} to do"]
    if counts.second_open:
        parts.append(f"{counted(counts.second_open, 'second look')} among them")
    if counts.mine_done_today:
        parts.append(f"{counts.mine_done_today:,} by you today")
    return " · ".join(parts)


def _notice(store: Store, desk: Desk, opened: Opened) -> str:
    """The sentence in the editor; that of the beginning goes with the first change."""
    begun = desk.saved_sequence != opened.sequence
    beginning = LOOKING if sight().pending(store, opened.photo.id) else opened.notice
    return desk.hold_lost or desk.said or ("" if begun else beginning)


def _show_address(desk: Desk) -> None:
    """Let the page's address name the photo at hand, so that it can be shared and survives a reload."""
    at_hand = str(desk.opened.photo.id) if desk.opened else None
    if at_hand == desk.address:
        return
    desk.address = at_hand
    if at_hand is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = at_hand


def _go_on(store: Store, desk: Desk) -> None:
    _attempted(desk, partial(go_on, store, desk))


def _again(store: Store, desk: Desk) -> None:
    _attempted(desk, partial(submit_again, store, desk))


def _attempted(desk: Desk, deed: partial[None]) -> None:
    """Do it in a button's callback, where an error would otherwise end the page."""
    desk.said = ""
    try:
        deed()
    except LapelError as error:
        desk.said = str(error)
