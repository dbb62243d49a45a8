"""Text for several pages: counts, times, and user input that Markdown leaves alone."""

from __future__ import annotations

import re
import time

from streamlit.testing.v1 import AppTest

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


def test_a_result_is_shown_once_and_again_where_the_next_run_is_not_the_persons():
    def page():
        import streamlit as st

        from app.text import begin_flashes, flash, repeat_flashes, show_flash

        begin_flashes()
        show_flash("result")
        st.button("act", on_click=flash, args=("result", "Done."))
        st.button("tick", on_click=repeat_flashes)  # what a job that ends does before it asks for a run

    shown = AppTest.from_function(page).run()
    shown.button[0].click().run()
    assert [found.value for found in shown.success] == ["Done\\."]
    shown.button[1].click().run()
    assert [found.value for found in shown.success] == ["Done\\."]
    assert not shown.run().success
