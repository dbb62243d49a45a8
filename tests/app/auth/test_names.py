"""Who works at a page: the name in the address, kept for the tab, cleaned before anyone sees it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.auth.names import LOCAL, clean_name

SECONDS = 120


def script() -> None:
    import streamlit as st

    from app.auth.names import show_name_menu

    st.text(show_name_menu())


def person_of(app: AppTest) -> str:
    assert not app.exception
    return str(app.text[0].value)


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_function(script, default_timeout=SECONDS)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Anna", "Anna"),
        ("  Anna \t B.\n", "Anna B."),
        ("", LOCAL),
        ("\u202e\x00", LOCAL),
        ("A\u202enna\x07", "Anna"),
        ("x" * 500, "x" * 60),
        ("<b>*Anna*</b>", "<b>*Anna*</b>"),
    ],
)
def test_names_are_cleaned_but_not_censored(given, kept):
    assert clean_name(given) == kept


def test_without_a_name_it_is_the_local_person(page):
    assert person_of(page.run()) == LOCAL
    assert "as" not in page.query_params


def test_the_address_names_the_person_and_the_tab_remembers(page):
    page.query_params["as"] = " Anna "
    assert person_of(page.run()) == "Anna"
    del page.query_params["as"]  # as when another page is opened
    assert person_of(page.run()) == "Anna"
    assert page.query_params["as"] == "Anna"


def test_the_name_can_be_changed_on_the_page(page):
    page.query_params["as"] = "Anna"
    page.run()
    page.text_input[0].set_value("Béla").run()
    assert person_of(page) == "Béla"
    assert page.query_params["as"] == "Béla"
    page.text_input[0].set_value("  ").run()
    assert person_of(page) == LOCAL
    assert "as" not in page.query_params
