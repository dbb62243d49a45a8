"""Who works at this page. Without sign-in it is a name that the person gives, kept in the address."""

from __future__ import annotations

import unicodedata

import streamlit as st

from app.text import literal

LOCAL = "local"
PARAMETER = "as"
MOST_CHARACTERS = 60
_KEY = "working-as"
_FIELD = "working-as-field"


def clean_person(name: str, most: int = MOST_CHARACTERS) -> str:
    """A name fit to be stored and shown: without control and invisible characters, at most ``most`` long.

    Where nothing is left it is ``"local"``.

    >>> clean_person("  Anna\\tB. ")
    'Anna B.'
    """
    text = unicodedata.normalize("NFC", " ".join(name.split()))
    visible = "".join(c for c in text if not unicodedata.category(c).startswith("C"))
    return visible[:most].strip() or LOCAL


def current_person() -> str:
    """The name of whoever works at this page: out of the address, else as last given in this tab.

    The address keeps it, so that a reload and a bookmark know it too.
    """
    asked = st.query_params.get(PARAMETER)
    if asked is not None:
        st.session_state[_KEY] = clean_person(asked)
    person: str = st.session_state.get(_KEY, LOCAL)
    _keep_in_address(person)
    return person


def show_person() -> str:
    """A small menu that says who works here and lets them change it; returns the name."""
    person = current_person()
    with st.popover(literal(person), icon=":material/person:", help="Working as", key="person"):
        st.text_input(
            "Working as",
            value=person,
            max_chars=MOST_CHARACTERS,
            key=_FIELD,
            on_change=_change,
            help="The name that stands at your annotations. Two people at one workspace need two names.",
        )
    return person


def _change() -> None:
    st.session_state[_KEY] = clean_person(st.session_state[_FIELD])
    st.query_params.pop(PARAMETER, None)
    _keep_in_address(st.session_state[_KEY])


def _keep_in_address(person: str) -> None:
    """The local person's address stays short; setting what is there already would be a needless message."""
    if person != LOCAL and st.query_params.get(PARAMETER) != person:
        st.query_params[PARAMETER] = person
    elif person == LOCAL and PARAMETER in st.query_params:
        del st.query_params[PARAMETER]
