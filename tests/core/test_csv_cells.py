"""Cells of CSV files: what a spreadsheet would take for a formula is escaped, and every text comes back."""

from __future__ import annotations

import pytest

from core.csv_cells import escape_formula, unescape_formula


@pytest.mark.parametrize("text", ["=1", "'=1", "''-", "'x", "x", "", "'", "\t=1", "a'=b"])
def test_every_text_comes_back_from_its_escaped_form(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("text", ["", "T-Shirt", "a=b", "'x", "喪服"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert escape_formula(text) == text
