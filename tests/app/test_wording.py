"""Words for numbers, and text that Markdown leaves alone."""

from __future__ import annotations

import re

from app.wording import counted, literal


def test_numbers_come_with_their_noun():
    assert [counted(n, "photo") for n in (0, 1, 1200)] == ["0 photos", "1 photo", "1,200 photos"]
    assert counted(2, "copy", "copies") == "2 copies"


def test_nothing_in_a_literal_means_anything_to_markdown():
    text = "*a* _b_ `c` [d](e) $f$ <g> # ~h~ |"
    left = re.sub(r"\\[^a-z\s]", "", literal(text))
    assert left.split() == ["a", "b", "c", "de", "f", "g", "h"]


def test_icons_and_directives_are_taken_apart():
    assert ":material/home:" not in literal(":material/home:").replace("\\", "")
    assert ":red[" not in literal(":red[x]").replace("\\", "")
