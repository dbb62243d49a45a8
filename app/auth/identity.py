"""The current user: name, roles and rights, the account menu, and the store acting in their name.

Rights are looked up at every run of a page and at every action.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace

import streamlit as st

from app.auth.claims import name_of, roles_in, sign_in_configured, subject_of
from app.auth.config import require_loopback
from app.auth.names import current_name, show_name_menu
from app.auth.projects import current_project, show_project_menu
from app.resources import machine_store
from app.text import literal
from core.access import LOCAL, Actor, Right, Role
from core.errors import AccessError, LapelError
from core.store import Store
from core.store.projects import FIRST, all_projects

FRESH_SECONDS = 1.0


class ActorCache:
    """The users of this process's pages as the store knows them, cached for ``FRESH_SECONDS``.

    A page asks for rights many times a run, and an editor's fragment runs at every change.
    """

    def __init__(self) -> None:
        self._people: dict[tuple[str, str], tuple[float, Actor]] = {}
        self._lock = threading.Lock()

    def note(self, subject: str, project: str, actor: Actor) -> None:
        """Cache a user of a project."""
        with self._lock:
            self._people[subject, project] = (time.monotonic(), actor)

    def recall(self, subject: str, project: str) -> Actor | None:
        """The cached user; None once that is too old."""
        with self._lock:
            at, actor = self._people.get((subject, project), (0.0, None))
        return actor if actor is not None and time.monotonic() - at < FRESH_SECONDS else None

    def forget(self) -> None:
        """Empty the cache, as somebody's role has changed."""
        with self._lock:
            self._people.clear()


ACTORS = ActorCache()


@dataclass(frozen=True)
class SignedIn(Actor):
    """A signed-in user; ``roles`` are those at the beginning of the run.

    Rights are looked up at every use, as callbacks, fragments and timers still hold the actor of an earlier
    run: a role that was removed is removed for them as well.
    """

    subject: str = ""
    project: str = ""

    @property
    def rights(self) -> frozenset[Right]:
        """What the roles of this moment allow."""
        return self._now().rights

    def require(self, right: Right) -> None:
        """Raises AccessError with one sentence, which names the roles of this moment."""
        self._now().require(right)

    def _now(self) -> Actor:
        actor = ACTORS.recall(self.subject, self.project)
        if actor is None:
            actor = machine_store(self.project).users.actor_of(self.subject) or Actor(self.name)
            ACTORS.note(self.subject, self.project, actor)
        return actor


def is_visitor() -> bool:
    """Whether a sign-in is configured and the current user has not signed in."""
    return sign_in_configured() and st.user.to_dict().get("is_logged_in") is not True


def current_actor(*, refresh: bool = False) -> Actor:
    """The current user. Without sign-in the local user with every right, on a loopback address only.

    ``refresh`` asks the store in any case; a run does so once. Raises AccessError for a visitor, for a server
    that others can reach without sign-in, and for a sign-in that names no subject; StoreError where the store
    cannot say what their role is.
    """
    if not sign_in_configured():
        require_loopback(st.get_option("server.address"))
        return replace(LOCAL, name=current_name())
    claims = st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        raise AccessError("Expected somebody who has signed in, got a visitor.")
    subject = subject_of(claims)
    if subject is None:
        raise AccessError("Expected the sign-in to name a subject (the claim sub), got none.")
    project = current_project()
    found = None if refresh else ACTORS.recall(subject, project)
    if found is None:
        name = name_of(claims)
        found = machine_store(project).users.sign_in(name, subject, roles_in(claims, name))
        ACTORS.note(subject, project, found)
    return SignedIn(found.name, found.roles, subject, project)


def require_right(right: Right) -> Actor:
    """The current user, if they have this right; otherwise an error is shown and the page ends."""
    try:
        actor = current_actor()
        actor.require(right)
    except LapelError as refused:
        st.error(literal(str(refused)), icon=":material/lock:")
        st.stop()
    return actor


KEY = "account"


def show_account() -> str:
    """The account menu; returns the user's name.

    With sign-in it shows the role and signs out, without it the name can be changed. Beside it are the
    projects, where there are several.
    """
    show_project()
    if not sign_in_configured():
        return show_name_menu()
    actor = current_actor()
    roles = ", ".join(sorted(actor.roles)) or "no role"
    shown = actor.name.partition("@")[0]
    with st.popover(literal(shown), icon=":material/account_circle:", help="Your account", key=KEY):
        st.text(actor.name)
        st.caption(f"Role: {roles}" + ("" if Role.ADMIN in actor.roles else ". An admin can change it."))
        if st.button("Sign out", icon=":material/logout:", key="sign-out"):
            st.logout()
    return actor.name


def page_title(title: str) -> None:
    """A page's title; beside it the projects, where there are several, and with sign-in the account menu."""
    with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
        st.title(title, width="stretch")
        if sign_in_configured():
            show_account()
        else:
            show_project()


def show_project() -> None:
    """The menu of projects, where there are several."""
    with suppress(LapelError):  # what is wrong with the store is for the page to say
        show_project_menu(all_projects(machine_store(FIRST)), current_project())


def first_store() -> Store:
    """The first project's store, which knows the others, acting as the current user with their rights there.

    Raises as ``workspace_store``.
    """
    store, actor = machine_store(FIRST), current_actor()
    if isinstance(actor, SignedIn):
        there = store.users.actor_of(actor.subject) or Actor(actor.name)
        actor = SignedIn(there.name, there.roles, actor.subject, FIRST)
    return store.acting(actor)


def workspace_store() -> Store:
    """The store acting as the current user, with their rights.

    Raises StoreError with one sentence where it cannot be opened, AccessError for somebody who has not
    signed in.
    """
    return machine_store().acting(current_actor())
