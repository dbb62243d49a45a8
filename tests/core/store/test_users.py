"""People: who they are stays the sign-in's business, what they may do the admin's; the audit log of both."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from core.access import LOCAL, Actor, Role
from core.errors import AccessError, NotFoundError, StoreError
from core.store.schema import users
from tests.databases import on_sqlite


@pytest.fixture
def writes(store):
    """The statements that have changed something."""
    seen: list[str] = []

    def note(connection, cursor, statement, *_):
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            seen.append(statement)

    sa.event.listen(store.database.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(store.database.engine, "before_cursor_execute", note)


def test_somebody_new_is_a_merchant_unless_the_sign_in_names_a_role(store):
    assert store.users.sign_in("anna@shop.org", "issuer 1", []) == Actor.of("anna@shop.org", ["merchant"])
    assert store.users.sign_in("ben@shop.org", "issuer 2", ["annotator", "emperor"]) == Actor.of(
        "ben@shop.org", ["annotator"]
    )
    assert [person.name for person in store.users.all()] == ["anna@shop.org", "ben@shop.org"]


@on_sqlite
def test_a_role_that_an_admin_set_wins_over_the_sign_in_until_it_is_taken_back(store):
    store.users.sign_in("Anna", "1", ["annotator"])
    assert store.users.set_role("Anna", Role.RESEARCHER).roles == {Role.RESEARCHER}
    assert store.users.sign_in("Anna", "1", ["annotator"]).roles == {Role.RESEARCHER}
    store.users.set_role("Anna", None)
    assert store.users.sign_in("Anna", "1", ["annotator"]).roles == {Role.ANNOTATOR}
    assert store.users.actor_of("1") == Actor.of("Anna", ["annotator"]) and store.users.actor_of("2") is None


@on_sqlite
def test_a_claim_that_is_gone_at_the_next_sign_in_is_gone_here(store):
    store.users.sign_in("Anna", "1", ["admin"])
    assert store.users.sign_in("Anna", "1", []).roles == {Role.MERCHANT}


@on_sqlite
def test_people_keep_the_name_that_they_came_with_and_nobody_gets_anothers(store):
    assert store.users.sign_in("Anna", "1", []).name == "Anna"
    assert store.users.sign_in("Anna Schmidt", "1", []).name == "Anna"
    assert store.users.sign_in("Anna", "2", []).name == "Anna (2)"
    assert store.users.sign_in("aNNa", "3", []).name == "aNNa (3)"
    assert store.users.sign_in("local", "4", ["admin"]).name == "local (2)"
    assert store.users.sign_in("Lapel", "5", []).name == "Lapel (2)"
    assert store.users.sign_in(" \x00 ", "6", []).name == "somebody"
    names = [person.name.casefold() for person in store.users.all()]
    assert len(set(names)) == len(names) == 6


@on_sqlite
def test_a_role_can_be_given_before_somebody_comes(store):
    store.users.set_role("Anna@Shop.org", Role.ADMIN)
    assert store.users.all()[0].seen_at is None
    assert store.users.sign_in("anna@shop.org", "1", []) == Actor.of("anna@shop.org", ["admin"])
    assert store.users.sign_in("anna@shop.org", "2", []) == Actor.of("anna@shop.org (2)", ["merchant"])
    assert [person.name for person in store.users.all()] == ["anna@shop.org", "anna@shop.org (2)"]


@on_sqlite
def test_a_role_given_to_a_name_that_nobody_has_can_be_taken_back_without_a_trace(store):
    store.users.set_role("Anna", Role.RESEARCHER)
    store.users.set_role("anna", None)
    assert store.users.all() == []
    with pytest.raises(NotFoundError, match="nobody called Anna"):
        store.users.set_role("Anna", None)


def test_a_page_that_runs_often_writes_once_an_hour(store, writes):
    store.users.sign_in("Anna", "1", ["annotator"])
    assert len(writes) == 1
    for _ in range(3):
        store.users.sign_in("Anna", "1", ["annotator"])
    assert len(writes) == 1
    with store.database.write() as connection:
        connection.execute(sa.update(users).values(seen_at=users.c.seen_at - 3601))
    store.users.sign_in("Anna", "1", ["annotator"])
    assert len(writes) == 3 and store.users.all()[0].seen_at - store.users.all()[0].at < 60


def test_the_last_admin_stays(store):
    store.users.sign_in("Ada", "1", ["admin"])
    store.users.sign_in("Ben", "2", [])
    for name in ("Ada", "ada"):
        with pytest.raises(StoreError, match="Ada is the last admin"):
            store.users.set_role(name, Role.MERCHANT)
    store.users.set_role("Ben", Role.ADMIN)
    assert store.users.set_role("Ada", Role.MERCHANT).roles == {Role.MERCHANT}
    with pytest.raises(StoreError, match="last admin"):
        store.users.set_role("Ben", None)
    assert store.users.actor_of("2").roles == {Role.ADMIN}


def test_two_admins_who_take_the_role_from_each_other_leave_one(store):
    for subject, name in enumerate(("Ada", "Ben")):
        store.users.sign_in(name, str(subject), ["admin"])
    start, refused = threading.Barrier(2), []

    def demote(name: str) -> None:
        start.wait()
        try:
            store.users.set_role(name, Role.MERCHANT)
        except StoreError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=demote, args=(name,)) for name in ("Ada", "Ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert sum(Role.ADMIN in person.roles for person in store.users.all()) == 1


def test_two_pages_of_somebody_new_make_one_person(store):
    start, found = threading.Barrier(4), []

    def come() -> None:
        start.wait()
        found.append(store.users.sign_in("Anna", "1", ["annotator"]))

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Actor.of("Anna", ["annotator"])] * 4 and len(store.users.all()) == 1


@on_sqlite
def test_changes_of_roles_are_noted_down_with_what_was_before(store):
    store.users.sign_in("Anna", "1", [])
    ada = store.acting(Actor.of("Ada", ["admin"]))
    ada.users.set_role("Anna", Role.ANNOTATOR)
    ada.users.set_role("Anna", Role.ANNOTATOR)
    store.users.set_role("Anna", None)
    noted = [(entry.by, entry.action, entry.object, entry.details) for entry in store.audit.entries()]
    assert noted == [
        (LOCAL.name, "role", "Anna", {"role": None, "before": "annotator"}),
        ("Ada", "role", "Anna", {"role": "annotator", "before": None}),
    ]


@on_sqlite
def test_a_change_that_is_refused_is_not_noted_down(store):
    store.users.sign_in("Ada", "1", ["admin"])
    with pytest.raises(StoreError):
        store.users.set_role("Ada", Role.MERCHANT)
    with pytest.raises(AccessError):
        store.acting(Actor.of("Anna", ["researcher"])).users.set_role("Anna", Role.ADMIN)
    assert store.audit.entries() == [] and store.users.actor_of("1").roles == {Role.ADMIN}


@on_sqlite
@pytest.mark.parametrize("name", ["", " \x00", "local", "Lapel"])
def test_a_name_that_is_nobodys_gets_no_role(store, name):
    with pytest.raises(StoreError, match="somebody's name"):
        store.users.set_role(name, Role.ADMIN)
