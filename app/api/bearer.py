"""Who asks: the person of a bearer token, and the store acting in their name."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.auth.claims import sign_in_configured
from app.resources import machine_store
from core.access import LOCAL, Actor
from core.store import Store
from core.store.projects import FIRST

BEARER = HTTPBearer(
    auto_error=False, description="A token of the page API, or of `python -m core tokens add`."
)


def acting_store(
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    lapel_project: Annotated[str, Header(description="The slug of a project; by default the first.")] = FIRST,
) -> Store:
    """The store with the rights that the token's person has there now. Raises HTTPException (401)."""
    if given is None:
        raise _unknown("Expected a header `Authorization: Bearer TOKEN`, got none.")
    store = machine_store(lapel_project)
    person = store.api_tokens.person_of(given.credentials)
    actor = None if person is None else _actor(store, person)
    if actor is None:
        raise _unknown("Expected a valid token, got one that is unknown, revoked or expired.")
    return store.acting(actor)


def _actor(store: Store, person: str) -> Actor | None:
    """Without sign-in there is one local user under every name; with it those who have signed in."""
    return store.users.actor_called(person) if sign_in_configured() else replace(LOCAL, name=person)


def _unknown(sentence: str) -> HTTPException:
    return HTTPException(401, sentence, {"WWW-Authenticate": "Bearer"})


ActingStore = Annotated[Store, Depends(acting_store)]
"""A handler's argument: the store, acting as whoever asks."""
