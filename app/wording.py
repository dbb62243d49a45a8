"""Links from one page of the workspace to another; addresses are as seen from this folder's main.py.

Small pieces of text that several pages need.
"""

from __future__ import annotations

import re
from datetime import datetime

import streamlit as st

ANNOTATE = "../pages/annotate.py"
DATA = "../pages/data.py"
TRAINING = "../pages/training.py"
MODELS = "../pages/models.py"


def annotate_link(photo_id: int, label: str = "Open in Annotate") -> None:
    """A link that opens one photo in Annotate. Copied out of the browser, it opens the same for others."""
    st.page_link(ANNOTATE, label=label, icon=":material/edit_square:", query_params={"photo": str(photo_id)})


def data_link(label: str = "Data") -> None:
    """A link to the page Data."""
    st.page_link(DATA, label=label, icon=":material/photo_library:")


def annotate_page_link(label: str = "Annotate") -> None:
    """A link to the next photo of the queue."""
    st.page_link(ANNOTATE, label=label, icon=":material/edit_square:")


def training_link(label: str = "Train") -> None:
    """A link to the page Train."""
    st.page_link(TRAINING, label=label, icon=":material/model_training:")


def compare_link(kind: str, candidate_id: int, label: str = "Compare with the champion") -> None:
    """A link that opens the page Models with a candidate beside the champion of its kind."""
    asked = {"kind": kind, "candidate": str(candidate_id)}
    st.page_link(MODELS, label=label, icon=":material/compare:", query_params=asked)


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
