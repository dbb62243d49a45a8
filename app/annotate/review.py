"""Lists below the editor: consensus review of photos annotated twice, label issues, and own drafts."""

from __future__ import annotations

import streamlit as st

from app.annotate.notes import show_comments
from app.annotate.prefetch import PictureUrls
from app.annotate.session import AnnotationSession, open_photo
from app.components.panes import Pane, show_panes
from app.text import NO_LABEL_ISSUES, clock, counted, literal
from core.errors import LapelError
from core.store import Store
from core.store.agreement import Agreement, pairs
from core.store.consensus_review import ConsensusReview
from core.threads import IMPORTS

CHOICE_KEY = "annotate-review"
MOST_SHOWN = 30


def show(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """The photos that wait for a reviewer, and the chosen one's two annotations beside each other."""
    waiting = {pair.photo_id: pair for pair in store.consensus_reviews.waiting() if pair.second is not None}
    if not waiting:
        st.caption("No photo waits for consensus review.")
        return
    st.caption(
        f"{counted(len(waiting), 'photo')} annotated by two people independently. "
        "Accept one, or return the photo to the queue."
    )
    chosen = st.selectbox(
        "Photo to review",
        list(waiting),
        key=CHOICE_KEY,
        format_func=lambda id: _title(store, waiting[id]),
    )
    if chosen in waiting:
        _review(store, session, pictures, waiting[chosen])


def agreement_text(found: Agreement) -> str:
    """An agreement as a sentence.

    >>> agreement_text(Agreement(0.9, 3, 1, 0, 2))
    '3 boxes in the same place (mean IoU 0.90), 2 named alike; 1 only by the first, 0 only by the second'
    """
    return (
        f"{counted(found.matched, 'box', 'boxes')} in the same place (mean IoU {found.mean_iou:.2f}), "
        f"{found.same_category} named alike; {found.only_first} only by the first, "
        f"{found.only_second} only by the second"
    )


def _title(store: Store, pair: ConsensusReview) -> str:
    name = store.photos.get(pair.photo_id, deleted_ok=True).name
    share = f" · {pair.agreement.share:.0%} alike" if pair.agreement else ""
    return f"{name}{share}"


def _review(store: Store, session: AnnotationSession, pictures: PictureUrls, pair: ConsensusReview) -> None:
    first, second = pair.first, pair.second
    assert second is not None
    if pair.agreement is not None:
        st.text(agreement_text(pair.agreement))
    if session.person in (first.author, second.author):
        st.caption("One of the two is yours: somebody else should decide.")
    show_comments(store.photo_notes.comments(pair.photo_id))
    _decisions(store, session, pair)
    photo = store.photos.get(pair.photo_id)
    show_panes(
        photo,
        pictures.url(photo.id, "annotate/review"),
        _sides(pair),
        store.categories.by_id(),
        f"review-{photo.id}",
    )


def _sides(pair: ConsensusReview) -> tuple[Pane, Pane]:
    """Both annotations: boxes of a pair share a number, are dotted where alike, bold where alone."""
    assert pair.second is not None
    first, second = pair.first.boxes, pair.second.boxes
    numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})
    marks: tuple[dict[str, str], dict[str, str]] = (
        {b.uid: "chosen" for b in first},
        {b.uid: "chosen" for b in second},
    )
    for number, (i, j, _) in enumerate(pairs(first, second), start=1):
        alike = first[i].category_id == second[j].category_id
        for side, uid in enumerate((first[i].uid, second[j].uid)):
            numbers[side][uid] = number
            marks[side][uid] = "same" if alike else ""
    return (
        Pane(f"First: {pair.first.author}", first, marks[0], numbers[0]),
        Pane(f"Second: {pair.second.author}", second, marks[1], numbers[1]),
    )


def _decisions(store: Store, session: AnnotationSession, pair: ConsensusReview) -> None:
    assert pair.second is not None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for which, author in (("first", pair.first.author), ("second", pair.second.author)):
            st.button(
                f"Accept the {which} ({literal(author)})",
                icon=":material/check:",
                key=f"accept-{which}",
                on_click=decide,
                args=(store, session, pair.photo_id, which),
            )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Note",
            key=f"note-{pair.photo_id}",
            max_chars=500,
            placeholder="What should be different?",
        )
        st.button(
            "Return to the queue",
            icon=":material/reply:",
            on_click=decide,
            args=(store, session, pair.photo_id, "neither"),
        )


def decide(store: Store, session: AnnotationSession, photo_id: int, which: str) -> None:
    """Accept the first or the second, or, for ``neither``, send the photo back with the note beside it."""
    try:
        if which == "neither":
            store.consensus_reviews.returned(
                photo_id, session.person, st.session_state.get(f"note-{photo_id}", "")
            )
            session.message = "The photo is back at the front of the queue."
        else:
            store.consensus_reviews.accept(photo_id, session.person, which)
            session.message = f"The {which} annotation is accepted."
        session.counts = store.queue.counts(session.person)
    except LapelError as error:
        session.message = str(error)


def show_label_issues(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """Label issues: annotations that the models contradict, the most probable errors first."""
    with IMPORTS:
        from core.active_learning.queue_order import label_issues  # slow to import

    found = label_issues(store)[:MOST_SHOWN]
    if not found:
        st.caption(NO_LABEL_ISSUES)
        return
    st.caption(
        "Annotations that the models contradict most. Open one, and correct it or submit it unchanged."
    )
    for issue in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                literal(store.photos.get(issue.photo_id, deleted_ok=True).name),
                key=f"label-issue-{issue.photo_id}",
                icon=":material/open_in_new:",
                on_click=open_by_button,
                args=(store, session, issue.photo_id),
            )
            st.caption(literal(issue.reason))


def show_drafts(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """The user's drafts, each with a button that opens it."""
    drafts = store.drafts.of(session.person)
    if not drafts:
        st.caption("You have no drafts.")
    for draft in drafts[:50]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                f"Photo {draft.photo_id}",
                key=f"draft-{draft.photo_id}",
                on_click=open_by_button,
                args=(store, session, draft.photo_id),
            )
            st.caption(f"{counted(len(draft.boxes), 'box', 'boxes')}, saved {clock(draft.at)}")


def open_by_button(store: Store, session: AnnotationSession, photo_id: int) -> None:
    """Open a photo from a button's callback; an error becomes the session's message."""
    session.message = ""
    try:
        open_photo(store, session, photo_id)
        session.started = True
    except LapelError as error:
        session.message = str(error)
