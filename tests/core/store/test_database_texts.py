"""Texts: one line, what is not seen left out."""

from __future__ import annotations

import pytest

from core.store.database import one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" a \n\t b ", "a b"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("gpj.\u202etxt", "gpj.txt"),
        ("\ud800lone", "lone"),
        ("u\u0308", "ü"),
        ("<b>=1+1", "<b>=1+1"),
    ],
)
def test_a_text_is_one_visible_line(text, expected):
    assert one_line(text) == expected


def test_a_text_is_cut_to_its_length():
    assert one_line("x" * 50, 7) == "x" * 7
