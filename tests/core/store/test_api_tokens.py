"""Tokens: shown once, kept as digests, valid until they are revoked or expire, and each person's own."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from core.access import Actor, Role
from core.errors import NotFoundError, StoreError
from core.store import api_tokens
from core.store.schema import api_tokens as table

ANN = Actor("ann", frozenset({Role.MERCHANT}))
BO = Actor("bo", frozenset({Role.ANNOTATOR}))
ADMIN = Actor("chief", frozenset({Role.ADMIN}))


def test_a_token_acts_for_its_person_and_only_its_digest_is_stored(store):
    token = store.acting(ANN).api_tokens.create("shop")
    assert token.startswith(api_tokens.PREFIX) and len(token) > 40
    assert store.api_tokens.person_of(token) == "ann"
    (row,) = store.database.rows(sa.select(table))
    assert token not in repr(row) and row.used_at is not None


@pytest.mark.parametrize("wrong", ["", "lapel_", "x" * 10_000, "\ud800"])
def test_another_token_is_nobodys(store, wrong):
    store.acting(ANN).api_tokens.create("shop")
    assert store.api_tokens.person_of(wrong) is None


def test_a_revoked_or_expired_token_is_nobodys(store):
    first, second = (store.acting(ANN).api_tokens.create(label, days=1) for label in "ab")
    tokens = {token.label: token.id for token in store.acting(ANN).api_tokens.all()}
    store.acting(ANN).api_tokens.revoke(tokens["a"])
    assert [store.api_tokens.person_of(token) for token in (first, second)] == [None, "ann"]
    store.database.change(sa.update(table).values(expires_at=store.database.now - 1))
    assert store.api_tokens.person_of(second) is None
    assert [token.label for token in store.acting(ANN).api_tokens.all()] == ["b"]


def test_people_see_and_revoke_their_own_and_admins_those_of_all(store):
    store.acting(ANN).api_tokens.create("shop")
    (token,) = store.acting(ANN).api_tokens.all()
    assert store.acting(BO).api_tokens.all() == []
    with pytest.raises(NotFoundError):
        store.acting(BO).api_tokens.revoke(token.id)
    assert store.acting(ADMIN).api_tokens.all() == [token]
    store.acting(ADMIN).api_tokens.revoke(token.id)
    assert store.acting(ANN).api_tokens.all() == []
    assert [entry.action for entry in store.audit.entries()][:2] == ["revoke", "token"]


def test_nobody_makes_a_token_in_another_persons_name(store):
    token = store.acting(ANN).api_tokens.create("shop", person="chief")
    assert store.api_tokens.person_of(token) == "ann"


@pytest.mark.parametrize(("label", "days"), [("", 1), ("  ", 1), ("x", 0), ("x", 3651)])
def test_a_token_needs_words_and_days(store, label, days):
    with pytest.raises(StoreError, match="expected"):
        store.api_tokens.create(label, days=days)


def test_a_persons_tokens_are_bounded(store, monkeypatch):
    monkeypatch.setattr(api_tokens, "MOST_TOKENS", 1)
    store.acting(ANN).api_tokens.create("one")
    with pytest.raises(StoreError, match="revoke one first"):
        store.acting(ANN).api_tokens.create("two")
    assert store.acting(BO).api_tokens.create("one")
