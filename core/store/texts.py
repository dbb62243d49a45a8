"""One line of text as databases take it: a person's words without what is not seen."""

from __future__ import annotations

import unicodedata


def one_line(text: str, most: int = 1000) -> str:
    """The text on one line, without control and direction-changing characters, at most ``most`` of them.

    >>> one_line("  Rain\\x00  coat\\n")
    'Rain coat'
    """
    visible = "".join(c for c in text if c.isspace() or not unicodedata.category(c).startswith("C"))
    return unicodedata.normalize("NFC", " ".join(visible.split()))[:most]
