"""The versions of the open photo: who, when, origin of the boxes, changes; restoring an old version."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations
from operator import itemgetter

import streamlit as st

from app.annotate.prefetch import PictureUrls
from app.annotate.session import AnnotationSession, load_photo
from app.components.panes import Pane, show_panes
from app.text import clock, counted, literal
from core.errors import LapelError
from core.store import Store
from core.store.annotations import Annotation
from core.store.boxes import AnnotatedBox
from core.store.corrections import is_moved
from core.store.photo_notes import Comment

CHANGES = ("moved", "renamed", "flagged")
KINDS = {
    "imported": "imported",
    "submitted": "submitted",
    "merged": "merged",
    "second": "second annotation",
    "accepted": "accepted in consensus review",
    "returned": "returned to the queue",
    "relabeled": "relabeled with others at once",
}
MOST_SHOWN = 50


def show(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """The photo's versions and comments, newest first, and the chosen one beside its base version."""
    opened = session.opened
    if opened is None:
        st.caption("No photo is open.")
        return
    if opened.is_consensus_review:
        st.caption("A consensus review is annotated without seeing the first annotation.")
        return
    versions = store.annotations.history(opened.photo.id)
    comments = store.photo_notes.comments(opened.photo.id)
    if not versions:
        st.caption("Nobody has annotated this photo yet.")
    shown = range(len(versions) - 1, max(-1, len(versions) - 1 - MOST_SHOWN), -1)
    lines = [(versions[at].at, line(versions, at)) for at in shown]
    lines += [(comment.at, comment_line(comment)) for comment in comments[-MOST_SHOWN:]]
    for _, text in sorted(lines, key=itemgetter(0), reverse=True):
        st.markdown(text)
    if not versions:
        return
    numbers = [version.version for version in reversed(versions)][:MOST_SHOWN]
    chosen = st.pills(
        "Show version", numbers, format_func=lambda n: f"Version {n}", key=_key(opened.photo.id)
    )
    if chosen is not None:
        _compare(store, session, pictures, versions, [version.version for version in versions].index(chosen))


def line(versions: Sequence[Annotation], at: int) -> str:
    """One version as a line of Markdown: number, kind, author, time, origins, changes, note."""
    version = versions[at]
    parts = [
        f"**Version {version.version}** {KINDS.get(version.kind, version.kind)} by {literal(version.author)}",
        clock(version.at),
        origins(version.boxes),
    ]
    before = base_of(versions, at)
    if before is not None:
        parts.append(f"{changes_text(before.boxes, version.boxes)} since version {before.version}")
    if version.seconds and version.seconds >= 1:
        parts.append(f"took {version.seconds:.0f} s")
    if version.note:
        parts.append(f"“{literal(version.note)}”")
    return " · ".join(parts)


def comment_line(comment: Comment) -> str:
    """A comment as a line of Markdown."""
    return f"**Comment** by {literal(comment.by)} · {clock(comment.at)} · “{literal(comment.text)}”"


def base_of(versions: Sequence[Annotation], at: int) -> Annotation | None:
    """The version that another one was made from, else the one before it; None for a first version."""
    number = versions[at].base_version
    if versions[at].kind == "second" or (not number and versions[at].kind != "imported" and at == 0):
        return None
    known = {version.version: version for version in versions[:at]}
    return known.get(number, versions[at - 1] if at else None)


def _compare(
    store: Store, session: AnnotationSession, pictures: PictureUrls, versions: Sequence[Annotation], at: int
) -> None:
    assert session.opened is not None
    version, before = versions[at], base_of(versions, at)
    found = changes(before.boxes, version.boxes) if before else {}
    panes = []
    if before is not None:
        gone = {uid: "chosen" if word == "removed" else "" for uid, word in found.items()}
        panes.append(
            Pane(f"Version {before.version}, {before.author}", before.boxes, _with_defaults(before, gone), {})
        )
    new = {uid: "chosen" for uid, word in found.items() if word != "removed"}
    panes.append(
        Pane(f"Version {version.version}, {version.author}", version.boxes, _with_defaults(version, new), {})
    )
    photo = session.opened.photo
    show_panes(photo, pictures.url(photo.id), panes, store.categories.by_id(), f"versions-{photo.id}")
    if session.opened.locked_reason:
        return
    st.button(
        f"Restore version {version.version}",
        icon=":material/restore:",
        help="Makes its boxes your draft. No version is saved until you submit.",
        on_click=restore,
        args=(store, session, version),
    )


def _key(photo_id: int) -> str:
    return f"annotate-version-{photo_id}"


def _with_defaults(version: Annotation, marks: dict[str, str]) -> dict[str, str]:
    """The marks, with "same" for all boxes that have none."""
    return {box.uid: marks.get(box.uid, "same") for box in version.boxes}


def restore(store: Store, session: AnnotationSession, version: Annotation) -> None:
    """Make a version's boxes this user's draft of the open photo, based on the newest version."""
    opened = session.opened
    if opened is None or opened.photo.id != version.photo_id:
        return
    try:
        store.drafts.save(
            version.photo_id,
            session.person,
            boxes=version.boxes,
            sequence=max(session.saved_sequence + 1, int(time.time() * 1000)),
            base_version=opened.base_version,
        )
        session.open(load_photo(store, session.person, version.photo_id, opened.task))
        session.message = f"Version {version.version} is your draft now. Submit it to make it the newest."
    except LapelError as error:
        session.message = str(error)


def origins(boxes: Sequence[AnnotatedBox]) -> str:
    """Boxes by origin: "3 boxes: 2 by the model, 1 drawn by a person"."""
    counts = {
        "by the model": sum(b.origin == "model" and not b.changed for b in boxes),
        "by the model and changed": sum(b.origin == "model" and b.changed for b in boxes),
        "imported": sum(b.origin == "import" and not b.changed for b in boxes),
        "imported and changed": sum(b.origin == "import" and b.changed for b in boxes),
        "drawn by a person": sum(b.origin == "person" for b in boxes),
    }
    parts = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return f"{counted(len(boxes), 'box', 'boxes')}{': ' + parts if parts else ''}"


def changes(before: Sequence[AnnotatedBox], after: Sequence[AnnotatedBox]) -> dict[str, str]:
    """What happened to each box between two versions, by uid.

    "added", "removed", "moved", "renamed", "flagged" (its flags differ) or several of the last three; boxes
    that stayed the same have no entry.
    """
    old, new = {box.uid: box for box in before}, {box.uid: box for box in after}
    found = {uid: "removed" for uid in old if uid not in new} | {
        uid: "added" for uid in new if uid not in old
    }
    for uid in old.keys() & new.keys():
        moved = is_moved(old[uid].box_xyxy, new[uid].box_xyxy)
        renamed = (old[uid].category_id, old[uid].label) != (new[uid].category_id, new[uid].label)
        flagged = old[uid].flags != new[uid].flags
        words = [word for word, true in zip(CHANGES, (moved, renamed, flagged), strict=True) if true]
        if words:
            found[uid] = " and ".join(words)
    return found


def changes_text(before: Sequence[AnnotatedBox], after: Sequence[AnnotatedBox]) -> str:
    """The same as a sentence: "1 box added, 2 boxes moved"; "nothing changed" where nothing did."""
    found = list(changes(before, after).values())
    several = (" and ".join(words) for count in (1, 2, 3) for words in combinations(CHANGES, count))
    order = ("added", "removed", *several)
    parts = [f"{counted(found.count(word), 'box', 'boxes')} {word}" for word in order if word in found]
    return ", ".join(parts) or "nothing changed"
