"""Photos that two people did without seeing each other: how far they agree, and which of the two holds."""

from __future__ import annotations

import streamlit as st

from app.annotate.panes import Pane, show_panes
from app.annotate.pictures import Pictures
from app.annotate.session import Desk
from app.wording import counted, literal
from core.errors import LapelError
from core.store import Store
from core.store.agreement import Agreement, pairs
from core.store.consensus_review import SecondLook

CHOICE_KEY = "annotate-review"


def show(store: Store, desk: Desk, pictures: Pictures) -> None:
    """The photos that wait for a reviewer, and the chosen one's two annotations beside each other."""
    looks = {look.photo_id: look for look in store.second_looks.waiting() if look.second is not None}
    if not looks:
        st.caption("No second look waits for a reviewer.")
        return
    st.caption(
        f"{counted(len(looks), 'photo')} annotated by two people. Accept one of the two, or send it back."
    )
    chosen = st.selectbox(
        "Photo to review", list(looks), key=CHOICE_KEY, format_func=lambda id: _title(store, looks[id])
    )
    if chosen in looks:
        _review(store, desk, pictures, looks[chosen])


def agreement_words(found: Agreement) -> str:
    """An agreement as a sentence.

    >>> agreement_words(Agreement(0.9, 3, 1, 0, 2))
    '3 boxes in the same place (mean IoU 0.90), 2 named alike; 1 only by the first, 0 only by the second'
    """
    return (
        f"{counted(found.matched, 'box', 'boxes')} in the same place (mean IoU {found.mean_iou:.2f}), "
        f"{found.same_category} named alike; {found.only_first} only by the first, "
        f"{found.only_second} only by the second"
    )


def _title(store: Store, look: SecondLook) -> str:
    name = store.photos.get(look.photo_id, deleted_ok=True).name
    share = f" · {look.agreement.share:.0%} alike" if look.agreement else ""
    return f"{name}{share}"


def _review(store: Store, desk: Desk, pictures: Pictures, look: SecondLook) -> None:
    first, second = look.first, look.second
    assert second is not None
    if look.agreement is not None:
        st.text(agreement_words(look.agreement))
    if desk.person in (first.author, second.author):
        st.caption("One of the two is yours: better let somebody else decide.")
    _verdicts(store, desk, look)
    photo = store.photos.get(look.photo_id)
    show_panes(
        photo,
        pictures.url(photo.id, "annotate/review"),
        _sides(look),
        store.categories.by_id(),
        f"review-{photo.id}",
    )


def _sides(look: SecondLook) -> tuple[Pane, Pane]:
    """Both annotations: boxes of a pair share a number, are dotted where alike, bold where alone."""
    assert look.second is not None
    first, second = look.first.boxes, look.second.boxes
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
        Pane(f"First: {look.first.author}", first, marks[0], numbers[0]),
        Pane(f"Second: {look.second.author}", second, marks[1], numbers[1]),
    )


def _verdicts(store: Store, desk: Desk, look: SecondLook) -> None:
    assert look.second is not None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for which, author in (("first", look.first.author), ("second", look.second.author)):
            st.button(
                f"Accept the {which} ({literal(author)})",
                icon=":material/check:",
                key=f"accept-{which}",
                on_click=decide,
                args=(store, desk, look.photo_id, which),
            )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Note", key=f"note-{look.photo_id}", max_chars=500, placeholder="What should be different?"
        )
        st.button(
            "Send it back",
            icon=":material/reply:",
            on_click=decide,
            args=(store, desk, look.photo_id, "neither"),
        )


def decide(store: Store, desk: Desk, photo_id: int, which: str) -> None:
    """Accept the first or the second, or, for ``neither``, send the photo back with the note beside it."""
    try:
        if which == "neither":
            store.second_looks.returned(photo_id, desk.person, st.session_state.get(f"note-{photo_id}", ""))
            desk.said = "The photo is back at the head of the queue."
        else:
            store.second_looks.accept(photo_id, desk.person, which)
            desk.said = f"The {which} annotation holds now."
        desk.counts = store.queue.counts(desk.person)
    except LapelError as error:
        desk.said = str(error)
