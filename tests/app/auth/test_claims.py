"""What a sign-in says of a person: a name that is theirs alone, and roles by name."""

from __future__ import annotations

import pytest

from app.auth.claims import ADMINS_VARIABLE, CLAIM_VARIABLE, name_of, roles_in, sign_in_configured, subject_of

ANNA = {"iss": "https://id", "sub": "7", "email": "Anna@Example.com", "email_verified": True}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in (CLAIM_VARIABLE, ADMINS_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_a_verified_email_is_the_name():
    assert name_of(ANNA) == "anna@example.com"


@pytest.mark.parametrize(
    "claims",
    [
        ANNA | {"email_verified": False},
        {**ANNA, "email_verified": None, "preferred_username": "anna@example.com"},
        {**ANNA, "email": "anna", "name": "Anna"},
        {**ANNA, "email": "x" * 300 + "@example.com"},
        {**ANNA, "email": None},
    ],
)
def test_any_other_name_carries_a_digest_so_that_nobody_takes_anothers(claims):
    name = name_of(claims)
    assert name != "anna@example.com"
    assert name_of({**claims, "sub": "8"}) != name == name_of(dict(claims))
    assert len(name) < 80


def test_names_are_cleaned():
    assert name_of({"sub": "7", "name": "A\u202enna\x00\n"}).startswith("Anna (")


def test_a_subject_is_the_issuers():
    assert subject_of(ANNA) == "https://id 7"
    assert subject_of({**ANNA, "iss": "https://other"}) != subject_of(ANNA)
    assert len(subject_of({**ANNA, "sub": "x" * 9000}) or "") == 64
    assert subject_of({"email": "anna@example.com"}) is None
    assert subject_of({"sub": ""}) is None and subject_of({"sub": 7}) is None


@pytest.mark.parametrize(
    ("claim", "roles"),
    [
        (["annotator", "ADMIN", "janitor", 3], ["annotator", "admin"]),
        ("researcher, annotator", ["annotator", "researcher"]),
        ("annotator", ["annotator"]),
        (None, []),
        ({"annotator": True}, []),
        (7, []),
    ],
)
def test_roles_come_from_a_list_or_a_text_and_others_bring_nothing(claim, roles):
    assert roles_in({**ANNA, "roles": claim}, "anna@example.com") == roles


def test_the_claim_can_have_another_name_or_lie_within_another(monkeypatch):
    claims = {**ANNA, "roles": "admin", "groups": ["annotator"], "realm": {"roles": ["researcher"]}}
    monkeypatch.setenv(CLAIM_VARIABLE, "groups")
    assert roles_in(claims, "x") == ["annotator"]
    monkeypatch.setenv(CLAIM_VARIABLE, "realm.roles")
    assert roles_in(claims, "x") == ["researcher"]
    monkeypatch.setenv(CLAIM_VARIABLE, "realm.roles.more")
    assert roles_in(claims, "x") == []


def test_the_first_admins_are_named_by_the_machines_settings(monkeypatch):
    monkeypatch.setenv(ADMINS_VARIABLE, "bo@example.com, ANNA@example.com,")
    assert roles_in(ANNA, name_of(ANNA)) == ["admin"]
    impostor = ANNA | {"sub": "8", "email_verified": False, "name": "anna@example.com"}
    assert roles_in(impostor, name_of(impostor)) == []
    monkeypatch.setenv(ADMINS_VARIABLE, "")
    assert roles_in(ANNA, "") == []


def test_without_a_table_nobody_signs_in():
    assert sign_in_configured() is False
