"""Small pieces of text that several pages need."""

from __future__ import annotations

import re
from datetime import datetime

_PUNCTUATION = re.compile(r"([!-/;-@\[-`{-~])")
_JOINER = "\N{WORD JOINER}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, as "1 photo" or "1,200 photos"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def moment(at: float) -> str:
    """Seconds since 1970 as day and time on this machine's clock."""
    there = datetime.fromtimestamp(at).astimezone()
    return f"{there.day} {there:%B %Y, %H:%M}"


def literal(text: str) -> str:
    """Text for a place that reads Markdown, such as a button's label: shown as it is, whatever is in it.

    >>> literal("a*b")
    'a\\\\*b'
    """
    # A backslash stops Markdown, but not Streamlit's :icons:, which are looked for in what Markdown leaves.
    return _PUNCTUATION.sub(r"\\\1", text).replace(":", f"\\:{_JOINER}")
