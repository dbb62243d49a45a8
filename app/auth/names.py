"""The user's name without sign-in: chosen by the user, and kept in the URL."""

from __future__ import annotations

import unicodedata

import streamlit as st

from app.text import literal

LOCAL = "local"
PARAMETER = "as"
MOST_CHARACTERS = 60
_KEY = "working-as"
_FIELD = "working-as-field"


def clean_name(name: str, most: int = MOST_CHARACTERS) -> str:
    """A name fit to be stored and shown: without control and invisible characters, at most ``most`` long.

    Where nothing is left it is ``"local"``.

    >>> clean_name("  Anna\\tB. ")
    'Anna B.'
    """
    text = unicodedata.normalize("NFC", " ".join(name.split()))
    visible = "".join(c for c in text if not unicodedata.category(c).startswith("C"))
    return visible[:most].strip() or LOCAL


def current_name() -> str:
    """The current user's name: from the URL, else as last set in this tab.

    The address keeps it, so that a reload and a bookmark know it too.
    """
    asked = st.query_params.get(PARAMETER)
    if asked is not None:
        st.session_state[_KEY] = clean_name(asked)
    person: str = st.session_state.get(_KEY, LOCAL)
    _keep_in_address(person)
    return person


def show_name_menu() -> str:
    """The menu that shows the name and lets the user change it; returns the name."""
    person = current_name()
    with st.popover(literal(person), icon=":material/person:", help="Working as", key="person"):
        st.text_input(
            "Working as",
            value=person,
            max_chars=MOST_CHARACTERS,
            key=_FIELD,
            on_change=_change,
            help="The author of your annotations. Two users of one workspace need two names.",
        )
    return person


def _change() -> None:
    st.session_state[_KEY] = clean_name(st.session_state[_FIELD])
    st.query_params.pop(PARAMETER, None)
    _keep_in_address(st.session_state[_KEY])


def _keep_in_address(person: str) -> None:
    """Keep the name in the URL, except the default; setting an unchanged value would send a message."""
    if person != LOCAL and st.query_params.get(PARAMETER) != person:
        st.query_params[PARAMETER] = person
    elif person == LOCAL and PARAMETER in st.query_params:
        del st.query_params[PARAMETER]
