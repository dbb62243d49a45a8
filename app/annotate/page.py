"""The page Annotate: the open photo in the editor, why it was chosen, progress, and the lists below it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from app.annotate import conflict, history, notes, review
from app.annotate.maps import attention_maps
from app.annotate.prefetch import (
    PREDICTING,
    PictureUrls,
    is_blank,
    load_proposals,
    prefetch_next,
    proposal_jobs,
)
from app.annotate.save import advance, own_keys, own_options, perform, retry_submit, save_draft
from app.annotate.session import AnnotationSession, OpenPhoto, open_next, open_photo
from app.auth.identity import show_account
from app.auth.projects import current_project
from app.editor import EditorAction, EditorPhoto, box_editor
from app.navigation import guidelines_link
from app.text import counted, literal
from core.active_learning.ranking import reasons_after_prediction
from core.errors import LapelError
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.categories import category_of_label
from core.taxonomy import classifier_labels

PARAMETER = "photo"
MORE_KEY = "annotate-more"
DATA = "../pages/data.py"
APP = Path(__file__).parents[1]
MORE = {
    "Tags and comments": notes.show,
    "History": history.show,
    "Consensus review": review.show,
    "Label issues": review.show_label_issues,
    "Drafts": review.show_drafts,
}
TICK_SECONDS = 0.7
UNAIDED_WITHOUT = ("attention",)
"""What the editor does not do on a holdout photo that is annotated without proposals."""


def show(store: Store, session: AnnotationSession) -> None:
    """Draw the page as one fragment, so that a change in the editor does not run the whole script again."""
    _follow_address(store, session)
    st.fragment(_page)(store, session, PictureUrls(store))


def _follow_address(store: Store, session: AnnotationSession) -> None:
    """Open the photo that the URL names, where the URL has changed; ``?photo=12`` is a link to share."""
    asked = st.query_params.get(PARAMETER)
    if asked == session.address:
        return
    session.address = asked
    if asked is not None and not (session.opened and str(session.opened.photo.id) == asked):
        try:
            open_photo(store, session, int(asked))
            session.started = True
        except ValueError:
            session.message = f"There is no photo {asked!r}."
        except LapelError as error:
            session.message = str(error)


def _page(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    try:
        if not session.started:
            open_next(store, session)
            session.started = True
        _show_address(session)
        _draw(store, session, pictures)
    except LapelError as error:
        st.error(str(error), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key="annotate-again", type="primary")


def _draw(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    _header(store, session)
    if session.conflict is not None and session.opened is not None:
        conflict.show(store, session, pictures)
        return
    if session.opened is None:
        show_empty(store, session)
    else:
        _editor(store, session, session.opened, pictures)
    with st.container(horizontal=True, vertical_alignment="center"):
        more = st.segmented_control("More", list(MORE), key=MORE_KEY, label_visibility="collapsed")
        if session.opened is not None:
            guidelines_link()
    if more in MORE:
        MORE[more](store, session, pictures)
    prefetch_next(store, session, pictures)


def _editor(store: Store, session: AnnotationSession, opened: OpenPhoto, pictures: PictureUrls) -> None:
    photo, maps = opened.photo, attention_maps()
    if is_blank(session, opened):
        proposal_jobs().request(store, photo.id)
    layer = None if opened.is_unaided else maps.png(store, photo.id)
    categories = store.categories.by_id()
    box_editor(
        f"{project}/{opened.key}" if (project := current_project()) else opened.key,
        EditorPhoto(
            photo.id,
            pictures.url(photo.id),
            photo.width,
            photo.height,
            photo.name,
            pictures.layer(photo.id, layer) if layer else None,
        ),
        session.boxes,
        categories=tuple(categories.values()),
        labels=classifier_labels(),
        parents=category_of_label(categories.values()),
        predicted_boxes=opened.predicted_boxes,
        attributes=store.categories.attributes(),
        tightened=session.tightened,
        keys=own_keys(store, session.person),
        options=own_options(store, session.person),
        sequence=session.saved_sequence,
        notice=_notice(store, session, opened),
        readonly=bool(opened.locked_reason),
        without=UNAIDED_WITHOUT if opened.is_unaided else (),
        coming=is_blank(session, opened) and proposal_jobs().pending(store, photo.id),
        on_work=partial(save_draft, store, session),
        on_action=partial(_perform, store, session),
    )
    if maps.pending(store, photo.id):
        st.fragment(_wait_for_map, run_every=TICK_SECONDS)(store, photo.id)
    if proposal_jobs().pending(store, photo.id):
        st.fragment(_wait_for_boxes, run_every=TICK_SECONDS)(store, session, photo.id)


def _perform(store: Store, session: AnnotationSession, done: EditorAction) -> None:
    if done.name == "history":
        st.session_state[MORE_KEY] = None if st.session_state.get(MORE_KEY) == "History" else "History"
    elif done.name == "attention" and session.opened is not None and not session.opened.is_unaided:
        attention_maps().request(store, session.opened.photo.id)
    else:
        perform(store, session, done)


def _wait_for_map(store: Store, photo_id: int) -> None:
    """Poll for the attention map; the page runs again once it is there."""
    if not attention_maps().pending(store, photo_id):
        st.rerun()


def _wait_for_boxes(store: Store, session: AnnotationSession, photo_id: int) -> None:
    """Poll for the proposals; a photo that nobody has drawn on yet gets them as its boxes."""
    if not proposal_jobs().pending(store, photo_id):
        load_proposals(store, session)
        st.rerun()


def _header(store: Store, session: AnnotationSession) -> None:
    """One low row above the editor: the photo, why it was chosen, progress, and who annotates."""
    opened = session.opened
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(literal(opened.photo.name) if opened else "Annotate", width="content", anchor=False)
        if opened is not None:
            st.caption(_why(opened, session.boxes), width="content")
            said = "" if opened.is_consensus_review else notes.summary(store, opened.photo.id)
            if said:
                st.caption(said, width="content")
        st.space("stretch")
        if session.counts is not None:
            st.caption(_progress(session), width="content")
        if opened is not None and not opened.has_lease:
            st.button(
                "Continue the queue",
                icon=":material/arrow_forward:",
                on_click=_continue_queue,
                args=(store, session),
            )
        if show_account() != session.person:
            st.rerun()  # another person's session from here on
    if session.unsaved is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning("The database was busy: this submit is not saved yet. Your boxes are safe.")
            st.button(
                "Try again", icon=":material/refresh:", type="primary", on_click=_retry, args=(store, session)
            )


def _why(opened: OpenPhoto, boxes: Sequence[AnnotatedBox]) -> str:
    """Why this photo was chosen; reasons that its proposals have answered are left out."""
    if opened.locked_reason:
        return f"{literal(opened.locked_reason)} You can look at it, not change it."
    if opened.is_consensus_review:
        return "Consensus review: a second, independent annotation of this photo."
    if not opened.has_lease:
        return f"Annotated already: version {opened.base_version}. Submitting makes a new version."
    if opened.is_unaided:
        return "In the holdout, which models are measured on"
    reasons = opened.task.reasons if opened.task else ()
    if opened.task and any(box.origin == "model" for box in boxes):
        reasons = reasons_after_prediction(reasons)
    return literal(" · ".join(reasons)) if reasons else "Next in the queue"


def _progress(session: AnnotationSession) -> str:
    counts = session.counts
    assert counts is not None
    parts = [f"{counts.done:,} done", f"{counts.first_open:,} to do"]
    if counts.second_open:
        parts.append(f"{counts.second_open:,} for consensus review")
    if counts.mine_done_today:
        parts.append(f"{counts.mine_done_today:,} by you today")
    return " · ".join(parts)


def _notice(store: Store, session: AnnotationSession, opened: OpenPhoto) -> str:
    """The notice in the editor; the one that the photo was opened with ends with the first change."""
    begun = session.saved_sequence != opened.sequence
    coming = not opened.is_unaided and proposal_jobs().pending(store, opened.photo.id)
    beginning = PREDICTING if coming else opened.notice
    return session.lease_lost or session.message or ("" if begun else beginning)


def _show_address(session: AnnotationSession) -> None:
    """Put the open photo into the URL, so that it can be shared and survives a reload."""
    opened = str(session.opened.photo.id) if session.opened else None
    if opened == session.address:
        return
    session.address = opened
    if opened is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = opened


def _continue_queue(store: Store, session: AnnotationSession) -> None:
    _attempt(session, partial(advance, store, session))


def _retry(store: Store, session: AnnotationSession) -> None:
    _attempt(session, partial(retry_submit, store, session))


def _attempt(session: AnnotationSession, action: partial[None]) -> None:
    """Run it in a button's callback, where an uncaught error would end the page."""
    session.message = ""
    try:
        action()
    except LapelError as error:
        session.message = str(error)


def show_empty(store: Store, session: AnnotationSession) -> None:
    """Why no photo is open: there are none, all are annotated, or none is left for this user."""
    if session.message:
        st.info(literal(session.message), icon=":material/info:")
    if not store.photos.count():
        st.info("There are no photos yet. Import some first.", icon=":material/add_photo_alternate:")
        if (APP / DATA).exists():
            st.page_link(DATA, label="Import photos", icon=":material/database:")
        return
    counts = store.queue.counts(session.person)
    if not counts.open:
        st.success("All done: every photo has been annotated.", icon=":material/task_alt:")
        return
    st.info(
        f"Nothing is left for you just now: {counted(counts.open, 'photo is', 'photos are')} with others, "
        "skipped by you, or waiting for consensus review by somebody else.",
        icon=":material/hourglass_empty:",
    )
    with st.container(horizontal=True):
        st.button("Check again", icon=":material/refresh:", on_click=_check_again, args=(store, session))
        st.button(
            "Restore skipped photos",
            icon=":material/undo:",
            on_click=_restore_skipped,
            args=(store, session),
        )


def _check_again(store: Store, session: AnnotationSession) -> None:
    session.message = ""
    session.started = False


def _restore_skipped(store: Store, session: AnnotationSession) -> None:
    try:
        store.queue.recall_skipped(session.person)
        open_next(store, session)
    except LapelError as error:
        session.message = str(error)
