"""The project that a page shows: named in its address, and kept as long as the tab is open."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.text import literal
from core.store.projects import FIRST, Project

PARAMETER = "project"
_KEY = "project"


def current_project() -> str:
    """The slug of the project that this tab shows; the first where no page asks.

    A tab stays in one project: another one is opened by its address, so that nothing of one is shown in the
    other.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return FIRST
    if _KEY not in st.session_state:
        st.session_state[_KEY] = st.query_params.get(PARAMETER, FIRST)[:60]
    slug: str = st.session_state[_KEY]
    if slug != st.query_params.get(PARAMETER, FIRST):
        if slug == FIRST:
            del st.query_params[PARAMETER]
        else:
            st.query_params[PARAMETER] = slug
    return slug


def address_of(slug: str) -> str:
    """The address of a project's first page, seen from any page."""
    return "/" if slug == FIRST else f"/?{urlencode({PARAMETER: slug})}"


def show_project_menu(projects: list[Project], slug: str) -> None:
    """The menu of the other projects, each of which opens in a tab of its own; nothing where there is one."""
    if len(projects) < 2:
        return
    shown = next((project.name for project in projects if project.slug == slug), slug)
    with st.popover(literal(shown), icon=":material/folder_open:", help="Project", key="project-menu"):
        st.caption("Each opens in a tab of its own.")
        for project in projects:
            if project.slug != slug:
                st.link_button(literal(project.name), address_of(project.slug), width="stretch")
