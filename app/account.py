"""The person's own corner of a page: without sign-in a name to choose, with it the account."""

from __future__ import annotations

import streamlit as st

from app.claims import sign_in_configured
from app.identity import current_actor
from app.people import show_person
from app.wording import literal
from core.access import Role

KEY = "account"


def show_account() -> str:
    """A small menu that says who works here; returns the name.

    With sign-in it holds the role and the way out, without it the name can be changed.
    """
    if not sign_in_configured():
        return show_person()
    actor = current_actor()
    roles = ", ".join(sorted(actor.roles)) or "no role"
    shown = actor.name.partition("@")[0]
    with st.popover(literal(shown), icon=":material/account_circle:", help="Your account", key=KEY):
        st.text(actor.name)
        st.caption(f"Role: {roles}" + ("" if Role.ADMIN in actor.roles else ". An admin can change it."))
        if st.button("Sign out", icon=":material/logout:", key="sign-out"):
            st.logout()
    return actor.name


def title_row(title: str) -> None:
    """A page's title; with sign-in the account beside it."""
    if not sign_in_configured():
        st.title(title)
        return
    with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
        st.title(title, width="stretch")
        show_account()
