"""What a visitor sees who has not signed in: what Lapel is, and one button."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

LOGO = str(Path(__file__).resolve().parent.parent / "assets" / "logo.svg")


def show() -> None:
    """The page; the button leads to the sign-in that the workspace is configured for."""
    st.space("large")
    with st.container(horizontal_alignment="center", key="sign-in"), st.container(width=420, border=True):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
            st.image(LOGO, width=56, alt="Lapel's logo")
            st.title("Lapel", anchor=False)
        st.markdown(
            "Lapel labels clothing photos, shows why it labelled them so, lets people correct it, and learns "
            "from the corrections."
        )
        if st.button("Sign in", type="primary", icon=":material/login:", width="stretch", key="sign-in-go"):
            st.login()
        st.caption("You sign in with your organisation's account, and come back here.")
