"""Who is at this page, and what they may do: asked anew at every run, and at every deed.

The person's own corner of a page: without sign-in a name to choose, with it the account.

The store as a page gets it: in the name of whoever is there.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

import streamlit as st

from app.auth.claims import name_of, roles_in, sign_in_configured, subject_of
from app.auth.config import require_loopback
from app.auth.names import current_person, show_person
from app.resources import machine_store
from app.text import literal
from core.access import LOCAL, Actor, Right, Role
from core.errors import AccessError, LapelError
from core.store import Store

FRESH_SECONDS = 1.0


class Known:
    """What the store has said of the people at this process's pages, for ``FRESH_SECONDS``.

    A page asks for rights many times a run, and an editor's fragment runs at every change.
    """

    def __init__(self) -> None:
        self._people: dict[str, tuple[float, Actor]] = {}
        self._lock = threading.Lock()

    def note(self, subject: str, actor: Actor) -> None:
        """Keep what the store has just said."""
        with self._lock:
            self._people[subject] = (time.monotonic(), actor)

    def recall(self, subject: str) -> Actor | None:
        """What it said, None once that is too old."""
        with self._lock:
            at, actor = self._people.get(subject, (0.0, None))
        return actor if actor is not None and time.monotonic() - at < FRESH_SECONDS else None

    def forget(self) -> None:
        """Ask the store again: somebody's role has changed."""
        with self._lock:
            self._people.clear()


KNOWN = Known()


@dataclass(frozen=True)
class SignedIn(Actor):
    """Somebody who has signed in; ``roles`` are those at the beginning of the run.

    The rights are looked up anew, as callbacks, fragments and timers still hold the actor of an earlier run:
    a role that was taken away is gone for them as well.
    """

    subject: str = ""

    @property
    def rights(self) -> frozenset[Right]:
        """What the roles of this moment allow."""
        return self._now().rights

    def require(self, right: Right) -> None:
        """Raises AccessError with one sentence, which names the roles of this moment."""
        self._now().require(right)

    def _now(self) -> Actor:
        actor = KNOWN.recall(self.subject)
        if actor is None:
            actor = machine_store().people.known(self.subject) or Actor(self.name)
            KNOWN.note(self.subject, actor)
        return actor


def is_visitor() -> bool:
    """Whether a sign-in is configured, and whoever is at this page has not signed in."""
    return sign_in_configured() and st.user.to_dict().get("is_logged_in") is not True


def current_actor(*, anew: bool = False) -> Actor:
    """Whoever is at this page. Without sign-in the local person, who may do all, on this machine only.

    ``anew`` asks the store in any case; a run does so once. Raises AccessError for a visitor, for a server
    that others can reach without sign-in, and for a sign-in that names no subject; StoreError where the store
    cannot say what their role is.
    """
    if not sign_in_configured():
        require_loopback(st.get_option("server.address"))
        return replace(LOCAL, name=current_person())
    claims = st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        raise AccessError("Expected somebody who has signed in, got a visitor.")
    subject = subject_of(claims)
    if subject is None:
        raise AccessError("Expected the sign-in to name a subject (the claim sub), got none.")
    found = None if anew else KNOWN.recall(subject)
    if found is None:
        name = name_of(claims)
        found = machine_store().people.seen(name, subject, roles_in(claims, name))
        KNOWN.note(subject, found)
    return SignedIn(found.name, found.roles, subject)


def admit(right: Right) -> Actor:
    """The person at this page, who has the right that it takes; otherwise one sentence, and the page ends."""
    try:
        actor = current_actor()
        actor.require(right)
    except LapelError as refused:
        st.error(literal(str(refused)), icon=":material/lock:")
        st.stop()
    return actor


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


def workspace_store() -> Store:
    """The store for the person at this page: it does what they may, in their name.

    Raises StoreError with one sentence where it cannot be opened, AccessError for somebody who has not
    signed in.
    """
    return machine_store().acting(current_actor())
