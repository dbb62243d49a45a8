"""Text for several pages: counts, times, and user input that Markdown leaves alone."""

from __future__ import annotations

import re
import time

from app.text import counted, literal, moment


def test_numbers_come_with_their_noun():
    assert [counted(n, "photo") for n in (0, 1, 1200)] == ["0 photos", "1 photo", "1,200 photos"]
    assert counted(2, "copy", "copies") == "2 copies"


def test_a_moment_is_told_by_day_and_time(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert moment(0) == "1 January 1970, 00:00"
    monkeypatch.undo()
    time.tzset()


def test_nothing_in_a_literal_means_anything_to_markdown():
    text = "*a* _b_ `c` [d](e) $f$ <g> # ~h~ |"
    left = re.sub(r"\\[^a-z\s]", "", literal(text))
    assert left.split() == ["a", "b", "c", "de", "f", "g", "h"]


def test_icons_and_directives_are_taken_apart():
    assert ":material/home:" not in literal(":material/home:").replace("\\", "")
    assert ":red[" not in literal(":red[x]").replace("\\", "")
