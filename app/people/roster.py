"""The users with their roles, and a form that adds one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.auth.claims import sign_in_configured
from app.auth.identity import ACTORS, workspace_store
from app.text import counted, flash, moment, show_flash
from core.access import Role
from core.errors import LapelError
from core.store import Store
from core.store.users import User

PAGE = 25
SEARCHED_FROM = 8
NEW_NAME_KEY, NEW_ROLE_KEY, RESULT_KEY, SEARCH_KEY = (
    "people-new-name",
    "people-new-role",
    "people-result",
    "people-search",
)
AS_CLAIMED = ""
"""Stands for the roles that the sign-in claims."""

DUTIES = {
    Role.MERCHANT: "label photos and download the results",
    Role.ANNOTATOR: "also import photos, annotate and review",
    Role.RESEARCHER: "also explain, compare and train models",
    Role.ADMIN: "everything, also promote, delete and manage users",
}


def show(store: Store) -> None:
    """The users, the form that adds one who has not signed in yet, and what each role may do."""
    if not sign_in_configured():
        st.info(
            "No sign-in is configured: whoever uses this machine has every right. Users and roles appear "
            "once `LAPEL_AUTH_FILE` names a sign-in's settings.",
            icon=":material/person_off:",
        )
        return
    show_flash(RESULT_KEY)
    people = store.users.all()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        if len(people) >= SEARCHED_FROM:
            st.text_input("Name contains", key=SEARCH_KEY, icon=":material/search:", width=260)
        else:
            st.caption(counted(len(people), "person", "people"), width="content")
        with st.popover("Add user", icon=":material/person_add:", key="people-add"):
            _adding()
    _list(people)
    with st.expander("Rights of the roles", icon=":material/help:"):
        st.markdown("\n".join(f"- **{role.value}**: {duties}" for role, duties in DUTIES.items()))


def _list(people: Sequence[User]) -> None:
    wanted = str(st.session_state.get(SEARCH_KEY) or "").strip().casefold()
    found = [person for person in people if wanted in person.name.casefold()]
    if not found:
        st.info("Nobody's name contains this.", icon=":material/filter_list_off:")
        return
    pages = -(-len(found) // PAGE)
    page = st.pagination(pages, key=f"people-page-{wanted}-{pages}") if pages > 1 else 1
    for person in found[(page - 1) * PAGE : page * PAGE]:
        _row(person)


def _row(person: User) -> None:
    """One user: name, facts and role."""
    words, choice = st.columns([3, 2], vertical_alignment="center")
    with words, st.container(gap=None):
        st.text(person.name)
        st.caption(" · ".join(facts(person)))
    # The role is part of the key, so that one that somebody else has changed is shown.
    key = f"role-{person.name}-{person.role or AS_CLAIMED}"
    options = [AS_CLAIMED, *(role.value for role in Role)]
    before = person.role.value if person.role else AS_CLAIMED
    choice.selectbox(
        f"Role of {person.name}",  # for screen readers
        options,
        index=options.index(before),
        format_func=lambda role: role or f"as the sign-in says: {_claimed(person)}",
        required=True,
        key=key,
        label_visibility="collapsed",
        on_change=_set_role,
        args=(person.name, key, before),
    )


def facts(person: User) -> list[str]:
    """The facts beside a user's name."""
    if person.subject is None:
        return ["has not signed in yet"]
    claimed = f"sign-in says {', '.join(person.claimed)}" if person.claimed else "sign-in names no role"
    return [claimed, f"last seen {moment(person.seen_at)}" if person.seen_at else "never seen"]


def _claimed(person: User) -> str:
    return ", ".join(person.claimed) or Role.MERCHANT.value


def _adding() -> None:
    with st.form("people-new", border=False):
        st.text_input(
            "E-mail",
            key=NEW_NAME_KEY,
            max_chars=180,
            placeholder="anna@example.com",
            help="The address that their sign-in confirms. The role applies from their first sign-in on.",
        )
        st.selectbox("Role", list(Role), format_func=lambda role: role.value, index=1, key=NEW_ROLE_KEY)
        st.form_submit_button("Add", icon=":material/add:", on_click=_add)


def _add() -> None:
    name = str(st.session_state[NEW_NAME_KEY]).strip().lower()
    if _change(name, st.session_state[NEW_ROLE_KEY]):
        st.session_state[NEW_NAME_KEY] = ""


def _set_role(name: str, key: str, before: str) -> None:
    chosen = st.session_state[key]
    if not _change(name, Role(chosen) if chosen else None):
        st.session_state[key] = before


def _change(name: str, role: Role | None) -> bool:
    """Set a role as the current user; whether it was set."""
    try:
        person = workspace_store().users.set_role(name, role)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return False
    finally:
        ACTORS.forget()
    roles = ", ".join(sorted(person.roles))
    flash(RESULT_KEY, f"{person.name} is {roles} from now on.")
    return True
