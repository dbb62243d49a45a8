"""The page's address names what is shown, so that a link opens the same view: choices in query parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

PREFIX = "attention-"


def key_of(name: str) -> str:
    """The key of a parameter's widget."""
    return PREFIX + name


def begin(name: str, options: Iterable[str], default: str) -> str:
    """What a choice is: what the user chose, else what the address asks for, else the default.

    To be called before the widget with ``key_of(name)`` is drawn. What is no longer among the options is
    forgotten.
    """
    key, known = key_of(name), list(options)
    if st.session_state.get(key) not in known:
        asked = st.query_params.get(name, "")
        st.session_state[key] = asked if asked in known else default
    found: str = st.session_state[key]
    return found


def asked_numbers(name: str, count: int) -> Sequence[int] | None:
    """Numbers that the address asks for, as "3,4"; None where it asks for none or for something else."""
    parts = st.query_params.get(name, "").split(",")
    if len(parts) != count or not all(part.isdecimal() and len(part) < 4 for part in parts):
        return None
    return [int(part) for part in parts]


def remember(**values: str | None) -> None:
    """Keep the address in step; None takes a parameter out. Unchanged values send no message."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value
