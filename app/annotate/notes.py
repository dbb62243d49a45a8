"""Tags and comments of the open photo, below the editor; comments also beside its history and its review."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app.annotate.prefetch import PictureUrls
from app.annotate.session import AnnotationSession
from app.text import clock, counted, literal
from core.errors import LapelError
from core.store import Store
from core.store.photo_notes import MOST_COMMENT, Comment


def show(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """The open photo's tags to choose, and its comments with a field for another one."""
    opened = session.opened
    if opened is None:
        st.caption("No photo is open.")
        return
    photo_id = opened.photo.id
    tags = store.photo_notes.tags_of([photo_id]).get(photo_id, ())
    st.multiselect(
        "Tags",
        sorted({*store.photo_notes.known_tags(), *tags}),
        default=tags,
        key=_tags_key(photo_id),
        accept_new_options=True,
        placeholder="Choose a tag, or type a new one",
        on_change=partial(_choose_tags, store, session, photo_id),
        help="Tags are of the photo as a whole; revisions, COCO and CSV keep them.",
    )
    if opened.is_consensus_review:
        st.caption("What others said is shown once both annotations are there.")
    else:
        show_comments(store.photo_notes.comments(photo_id))
    with st.form(f"comment-{photo_id}", clear_on_submit=True, border=False):
        st.text_area(
            "Comment",
            key=_comment_key(photo_id),
            max_chars=MOST_COMMENT,
            height=80,
            help="Shown here, in the history and in the review; exports as COCO and CSV hold comments.",
        )
        st.form_submit_button(
            "Add the comment", icon=":material/add_comment:", on_click=_add, args=(store, session, photo_id)
        )


def show_comments(comments: tuple[Comment, ...]) -> None:
    """Comments as lines, the oldest first."""
    for comment in comments:
        st.markdown(f"**{literal(comment.by)}** · {clock(comment.at)}")
        st.text(comment.text)


def summary(store: Store, photo_id: int) -> str:
    """The tags and the number of comments in a line (Markdown); empty where there are none."""
    comments = len(store.photo_notes.comments(photo_id))
    tags = store.photo_notes.tags_of([photo_id]).get(photo_id, ())
    parts = [literal(", ".join(tags))] if tags else []
    return " · ".join([*parts, *([counted(comments, "comment")] if comments else [])])


def _choose_tags(store: Store, session: AnnotationSession, photo_id: int) -> None:
    session.message = ""
    chosen = [" ".join(tag.split()) for tag in st.session_state[_tags_key(photo_id)]]
    before = store.photo_notes.tags_of([photo_id]).get(photo_id, ())
    gone = [tag for tag in before if tag not in chosen]
    try:
        store.photo_notes.tag([photo_id], session.person, add=chosen, remove=gone)
    except LapelError as error:
        session.message = str(error)
        st.session_state[_tags_key(photo_id)] = list(before)


def _add(store: Store, session: AnnotationSession, photo_id: int) -> None:
    session.message = ""
    try:
        store.photo_notes.comment(photo_id, st.session_state[_comment_key(photo_id)], session.person)
    except LapelError as error:
        session.message = str(error)


def _tags_key(photo_id: int) -> str:
    return f"photo-tags-{photo_id}"


def _comment_key(photo_id: int) -> str:
    return f"photo-comment-{photo_id}"
