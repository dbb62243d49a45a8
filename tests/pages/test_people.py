"""The page People: roles given and taken, the last admin, the audit log and its CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.auth.identity import ACTORS
from app.people.audit import csv_of
from core.access import Role
from core.store import Store
from tests.app.signing_in import configure
from tests.oidc import person
from tests.pages.workspace import fresh_store, texts, unopened

ADMIN, BO = "admin@example.com", "bo@example.com"


@pytest.fixture
def store(monkeypatch, tmp_path: Path) -> Store:
    return fresh_store(monkeypatch, tmp_path)


@pytest.fixture
def page(monkeypatch, store) -> AppTest:
    """The page as an admin sees it."""
    app = unopened(monkeypatch, store.folder)
    configure(monkeypatch)
    app.user = {"is_logged_in": True, **person(ADMIN, "admin")}
    app.run()
    return app.switch_page("../pages/people.py").run()


def on_log(page: AppTest) -> AppTest:
    page.query_params["people"] = "Audit log"
    return page.run()


def test_without_a_sign_in_there_are_no_users_to_manage(monkeypatch, store):
    app = unopened(monkeypatch, store.folder).switch_page("../pages/people.py").run()
    assert not app.exception and "No sign-in is configured" in texts(app)


def test_a_role_is_changed_and_the_sign_in_can_be_followed_again(page, store):
    store.users.sign_in(BO, "bo", ["annotator"])
    page.run()
    assert not page.exception and "sign-in says annotator" in texts(page)
    page.selectbox(key=f"role-{BO}-").set_value("researcher").run()
    assert page.success and store.users.actor_of("bo").roles == {Role.RESEARCHER}
    page.selectbox(key=f"role-{BO}-researcher").set_value("").run()
    assert store.users.actor_of("bo").roles == {Role.ANNOTATOR}


def test_the_last_admin_stays(page, store):
    page.selectbox(key=f"role-{ADMIN}-").set_value("merchant").run()
    assert "last admin" in page.error[0].value
    assert page.selectbox(key=f"role-{ADMIN}-").value == ""


def test_somebody_gets_a_role_before_they_come(page, store):
    page.text_input(key="people-new-name").set_value(" New@Example.com ")
    page.selectbox(key="people-new-role").set_value(Role.RESEARCHER)
    next(button for button in page.button if button.label == "Add").click().run()
    assert not page.exception and "has not signed in yet" in texts(page)
    assert store.users.sign_in("new@example.com", "their subject", []).roles == {Role.RESEARCHER}


def test_who_may_not_gets_one_sentence(page, store):
    store.users.set_role(BO, Role.ADMIN)
    store.users.set_role(ADMIN, Role.ANNOTATOR)
    ACTORS.forget()
    page.run()
    assert not page.exception and not page.selectbox


def test_an_empty_log_says_what_will_be_logged(page):
    assert "No entries yet" in texts(on_log(page))


def test_the_log_is_filtered_and_neutral_in_every_csv(page, store):
    store.audit.record("promote", "=cmd()", reason="better")
    store.users.set_role(BO, Role.ANNOTATOR)
    on_log(page)
    assert not page.exception
    assert list(page.dataframe[0].value["Action"]) == ["role", "promote"]
    assert "'=cmd()" in set(page.dataframe[0].value["Object"])
    page.selectbox(key="log-action").set_value("role").run()
    assert list(page.dataframe[0].value["Object"]) == [BO]
    rows = list(csv.reader(io.StringIO(csv_of(store).decode())))
    assert [row[2] for row in rows] == ["action", "promote", "role"] and rows[1][3] == "'=cmd()"


def test_a_long_log_is_shown_in_steps(page, store, monkeypatch):
    from app.people import audit

    monkeypatch.setattr(audit, "STEP", 2)
    for number in range(3):
        store.audit.record("delete", f"photo {number}")
    on_log(page)
    assert len(page.dataframe[0].value) == 2
    page.button(key="log-more").click().run()
    assert len(page.dataframe[0].value) == 3
