"""The projects of this workspace, a form that adds one, and other names for them."""

from __future__ import annotations

import streamlit as st

from app.auth.identity import first_store
from app.auth.projects import address_of
from app.text import flash, literal, moment, show_flash
from core.errors import LapelError
from core.store import Store
from core.store.projects import FIRST, MOST_NAME, Project, add_project, all_projects, rename_project

NAME_KEY, RESULT_KEY = "project-name", "project-result"


def show(_: Store) -> None:
    """The projects, and the form that adds one."""
    show_flash(RESULT_KEY)
    st.caption(
        "Each project has photos, categories, a queue, a holdout, models and people of its own. A token of "
        "the API and a backup belong to one project."
    )
    with st.form("project-form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("New project", key=NAME_KEY, max_chars=MOST_NAME, placeholder="Winter 2027")
        st.form_submit_button("Add a project", icon=":material/add:", on_click=_add)
    for project in all_projects(first_store()):
        _row(project)


def _row(project: Project) -> None:
    words, name, opening = st.columns([3, 3, 1], vertical_alignment="center")
    with words, st.container(gap=None):
        st.text(project.name)
        made = (
            f"made by {literal(project.by)} on {moment(project.at)}" if project.at else "there from the start"
        )
        st.caption(f"{project.slug} · {made}" if project.slug != FIRST else made)
    key = f"project-name-{project.slug}-{project.name}"
    name.text_input(
        f"Another name for {project.name}", value=project.name, key=key, max_chars=MOST_NAME,
        label_visibility="collapsed", on_change=_rename, args=(project.slug, key),
    )  # fmt: skip
    opening.link_button("Open", address_of(project.slug), icon=":material/open_in_new:")


def _add() -> None:
    try:
        made = add_project(first_store(), st.session_state[NAME_KEY])
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        flash(RESULT_KEY, f"{made.name} is there. Open it to bring in photos and people.")
        st.session_state[NAME_KEY] = ""


def _rename(slug: str, key: str) -> None:
    try:
        rename_project(first_store(), slug, st.session_state[key])
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
