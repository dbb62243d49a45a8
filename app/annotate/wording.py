"""Times, origins and changes in words, for those who annotate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st

from app.annotate.panes import name_in
from app.wording import counted
from core.store.boxes import AnnotatedBox
from core.store.categories import Category

SAME_BOX_PIXELS = 0.5
KINDS = {
    "imported": "brought along",
    "submitted": "submitted",
    "merged": "merged from two",
    "second": "second look",
    "accepted": "accepted after a second look",
    "returned": "returned",
}


def clock(at: float, zone: tzinfo | None = None, now: float | None = None) -> str:
    """A moment as the person's clock shows it: "12:04", with the day where it was not today.

    >>> clock(1_700_000_000.0, UTC, now=1_700_000_060.0)
    '22:13'
    >>> clock(1_700_000_000.0, UTC, now=1_800_000_000.0)
    '14 Nov 2023, 22:13'
    """
    zone = zone or zone_here()
    there = datetime.fromtimestamp(at, zone)
    today = datetime.fromtimestamp(time.time() if now is None else now, zone)
    if there.date() == today.date():
        return f"{there:%H:%M}"
    return f"{there.day} {there:%b %Y, %H:%M}"


def zone_here() -> tzinfo:
    """The time zone of the person's browser; UTC where it names none that is known."""
    try:
        name = st.context.timezone
        return ZoneInfo(name) if name else UTC
    except Exception:  # a browser may name anything, and a missing zone is no reason to show no page
        return UTC


def box_words(box: AnnotatedBox, categories: Mapping[int, Category]) -> str:
    """A box in words: category, finer label, width and height in pixels."""
    x0, y0, x1, y1 = box.box_xyxy
    label = f" · {box.label}" if box.label else ""
    return f"{name_in(categories, box.category_id)}{label}, {x1 - x0:.0f} × {y1 - y0:.0f}"


def origins(boxes: Sequence[AnnotatedBox]) -> str:
    """What of an annotation came from whom: "3 boxes: 2 by the model, 1 drawn by a person"."""
    counts = {
        "by the model": sum(b.origin == "model" and not b.changed for b in boxes),
        "by the model and changed": sum(b.origin == "model" and b.changed for b in boxes),
        "brought along": sum(b.origin == "import" and not b.changed for b in boxes),
        "brought along and changed": sum(b.origin == "import" and b.changed for b in boxes),
        "drawn by a person": sum(b.origin == "person" for b in boxes),
    }
    parts = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return f"{counted(len(boxes), 'box', 'boxes')}{': ' + parts if parts else ''}"


def changes(before: Sequence[AnnotatedBox], after: Sequence[AnnotatedBox]) -> dict[str, str]:
    """What became of each box between two versions, by uid.

    "added", "removed", "moved", "renamed", "moved and renamed"; boxes that stayed the same have no entry.
    """
    old, new = {box.uid: box for box in before}, {box.uid: box for box in after}
    found = {uid: "removed" for uid in old if uid not in new} | {
        uid: "added" for uid in new if uid not in old
    }
    for uid in old.keys() & new.keys():
        moved = not _same_place(old[uid], new[uid])
        renamed = (old[uid].category_id, old[uid].label) != (new[uid].category_id, new[uid].label)
        words = [word for word, true in (("moved", moved), ("renamed", renamed)) if true]
        if words:
            found[uid] = " and ".join(words)
    return found


def changed_words(before: Sequence[AnnotatedBox], after: Sequence[AnnotatedBox]) -> str:
    """The same as a sentence: "1 box added, 2 boxes moved"; "nothing changed" where nothing did."""
    found = list(changes(before, after).values())
    order = ("added", "removed", "moved", "renamed", "moved and renamed")
    parts = [f"{counted(found.count(word), 'box', 'boxes')} {word}" for word in order if word in found]
    return ", ".join(parts) or "nothing changed"


def _same_place(one: AnnotatedBox, other: AnnotatedBox) -> bool:
    return all(abs(a - b) < SAME_BOX_PIXELS for a, b in zip(one.box_xyxy, other.box_xyxy, strict=True))
