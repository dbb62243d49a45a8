"""The versions of the photo at hand: who, when, from whom, what changed; an old one laid out anew."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from app.annotate.opening import laid_out
from app.annotate.panes import Pane, show_panes
from app.annotate.pictures import Pictures
from app.annotate.session import Desk
from app.annotate.wording import KINDS, changed_words, changes, clock, origins
from app.wording import literal
from core.errors import LapelError
from core.store import Store
from core.store.annotations import Annotation

MOST_SHOWN = 50


def show(store: Store, desk: Desk, pictures: Pictures) -> None:
    """The photo's versions, newest first, and the chosen one beside the one before it."""
    opened = desk.opened
    if opened is None:
        st.caption("No photo is open.")
        return
    if opened.second_look:
        st.caption("A second look is made without seeing the first.")
        return
    versions = store.annotations.history(opened.photo.id)
    if not versions:
        st.caption("Nobody has annotated this photo yet.")
        return
    for at in range(len(versions) - 1, max(-1, len(versions) - 1 - MOST_SHOWN), -1):
        st.markdown(line(versions, at))
    numbers = [version.version for version in reversed(versions)][:MOST_SHOWN]
    chosen = st.pills(
        "Look at a version", numbers, format_func=lambda n: f"Version {n}", key=_key(opened.photo.id)
    )
    if chosen is not None:
        _compare(store, desk, pictures, versions, [version.version for version in versions].index(chosen))


def line(versions: Sequence[Annotation], at: int) -> str:
    """One version in a line of Markdown: number, kind, author, time, origins, what changed, note."""
    version = versions[at]
    parts = [
        f"**Version {version.version}** {KINDS.get(version.kind, version.kind)} by {literal(version.author)}",
        clock(version.at),
        origins(version.boxes),
    ]
    before = base_of(versions, at)
    if before is not None:
        parts.append(f"{changed_words(before.boxes, version.boxes)} since version {before.version}")
    if version.seconds and version.seconds >= 1:
        parts.append(f"{version.seconds:.0f} s of work")
    if version.note:
        parts.append(f"“{literal(version.note)}”")
    return " · ".join(parts)


def base_of(versions: Sequence[Annotation], at: int) -> Annotation | None:
    """The version that another one began from, else the one before it; None for a beginning."""
    number = versions[at].base_version
    if versions[at].kind == "second" or (not number and versions[at].kind != "imported" and at == 0):
        return None
    known = {version.version: version for version in versions[:at]}
    return known.get(number, versions[at - 1] if at else None)


def _compare(store: Store, desk: Desk, pictures: Pictures, versions: Sequence[Annotation], at: int) -> None:
    assert desk.opened is not None
    version, before = versions[at], base_of(versions, at)
    found = changes(before.boxes, version.boxes) if before else {}
    panes = []
    if before is not None:
        gone = {uid: "chosen" if word == "removed" else "" for uid, word in found.items()}
        panes.append(
            Pane(f"Version {before.version}, {before.author}", before.boxes, _rest(before, gone), {})
        )
    new = {uid: "chosen" for uid, word in found.items() if word != "removed"}
    panes.append(Pane(f"Version {version.version}, {version.author}", version.boxes, _rest(version, new), {}))
    photo = desk.opened.photo
    show_panes(photo, pictures.url(photo.id), panes, store.categories.by_id(), f"versions-{photo.id}")
    if desk.opened.held_by:
        return
    st.button(
        f"Begin again from version {version.version}",
        icon=":material/restore:",
        help="Lays its boxes out as your draft. Nothing is saved as a version until you submit.",
        on_click=restore,
        args=(store, desk, version),
    )


def _key(photo_id: int) -> str:
    return f"annotate-version-{photo_id}"


def _rest(version: Annotation, marks: dict[str, str]) -> dict[str, str]:
    """The marks, with all boxes that have none as the same."""
    return {box.uid: marks.get(box.uid, "same") for box in version.boxes}


def restore(store: Store, desk: Desk, version: Annotation) -> None:
    """Make a version's boxes this person's draft of the photo at hand, over the newest version."""
    opened = desk.opened
    if opened is None or opened.photo.id != version.photo_id:
        return
    try:
        store.drafts.save(
            version.photo_id,
            desk.person,
            boxes=version.boxes,
            sequence=max(desk.saved_sequence + 1, int(time.time() * 1000)),
            base_version=opened.base_version,
        )
        desk.lay(laid_out(store, desk.person, version.photo_id, opened.task))
        desk.said = f"Version {version.version} is laid out again. Submit it to make it the newest."
    except LapelError as error:
        desk.said = str(error)
