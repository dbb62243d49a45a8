"""Text in cells of CSV files that spreadsheets open: no cell is a formula, and every text comes back."""

from __future__ import annotations

FORMULA_STARTS = "=+-@＝＋－＠"
"""What a spreadsheet takes for the start of a formula, in half and in full width."""


def escape_formula(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before ``= + - @``, tab and line ends.

    Text that begins with an apostrophe before such a sign gets another one, so that ``unescape_formula``
    gives every text back.
    """
    start = text.lstrip("'")
    first = start.lstrip()[:1]
    is_formula = start[:1] in ("\t", "\r", "\n") or (first and first in FORMULA_STARTS)
    return f"'{text}" if start and is_formula else text


def unescape_formula(text: str) -> str:
    """What ``escape_formula`` was given: without the apostrophe that it put before a formula's sign.

    >>> [unescape_formula(escape_formula(text)) for text in ("=1", "'=1", "'x", "x")]
    ['=1', "'=1", "'x", 'x']
    """
    return text[1:] if text.startswith("'") and escape_formula(text[1:]) == text else text
