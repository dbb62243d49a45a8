"""Text for several pages: counts, times, user input inside Markdown, and results of actions (flash)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st

_PUNCTUATION = re.compile(r"([!-/;-@\[-`{-~])")
HIDDEN = (
    "What the models find on holdout photos that wait for their annotation is not shown: these are annotated "
    "without proposals, so that nobody is led by it."
)
"""Said where photos of ``core.inference.predictions.hidden_among`` are left out."""

NO_LABEL_ISSUES = "No annotation looks wrong to the models, or none was compared with them yet."

_SHOWN = "flashes-shown"
_JOINER = "\N{WORD JOINER}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, as "1 photo" or "1,200 photos"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(at: float) -> str:
    """Seconds since 1970 as day and time on this machine's clock."""
    there = datetime.fromtimestamp(at).astimezone()
    return f"{there.day} {there:%B %Y, %H:%M}"


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


def literal(text: str) -> str:
    """Text for a place that reads Markdown, such as a button's label: shown as it is, whatever is in it.

    >>> literal("a*b")
    'a\\\\*b'
    """
    # A backslash stops Markdown, but not Streamlit's :icons:, which are looked for in what Markdown leaves.
    return _PUNCTUATION.sub(r"\\\1", text).replace(":", f"\\:{_JOINER}")


def flash(key: str, text: str, *, error: bool = False) -> None:
    """Keep the result of an action, usually of a button's callback, for the next run of the page."""
    st.session_state[key] = (text, error)


def show_flash(key: str) -> None:
    """Show what ``flash`` kept under this key, once."""
    text, error = st.session_state.pop(key, ("", False))
    if text:
        st.session_state.setdefault(_SHOWN, {})[key] = (text, error)
        show = st.error if error else st.success
        show(literal(text), icon=":material/error:" if error else ":material/check:")


def begin_flashes() -> None:
    """Note from now on, in this run of the page, which results are shown."""
    st.session_state[_SHOWN] = {}


def repeat_flashes() -> None:
    """Show the results of the last run again in the next one: it is not the person who asks for that run."""
    for key, shown in st.session_state.get(_SHOWN, {}).items():
        st.session_state.setdefault(key, shown)


def time_left(seconds: float | None) -> str:
    """The time left as rounded text."""
    if seconds is None:
        return "estimating the time left"
    if seconds < 1.5:
        return "about a second left"
    if seconds < 90:
        return f"about {round(seconds) if seconds < 10 else round(seconds / 5) * 5} s left"
    return f"about {round(seconds / 60)} min left"
