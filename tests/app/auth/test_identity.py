"""Who is at a page: the local person, a visitor, or somebody with the roles of this moment."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.auth import identity
from app.auth.identity import ACTORS, SignedIn
from core.access import Right, Role
from core.errors import AccessError
from core.store import Store
from tests.app.signing_in import configure
from tests.oidc import person

SECONDS = 120
ANNA = "anna@example.com"


def page_script() -> None:
    import streamlit as st

    from app.auth.identity import require_right
    from core.access import Right

    actor = require_right(Right.ANNOTATE)
    st.text(f"{actor.name}: {', '.join(sorted(actor.roles))}")


def deed_script() -> None:
    import streamlit as st

    from app.auth.identity import workspace_store

    st.button("Delete", on_click=workspace_store().users.set_role, args=("bo@example.com", None))
    st.text("here")


@pytest.fixture(autouse=True)
def store(monkeypatch, tmp_path: Path) -> Store:
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL", "LAPEL_ADMINS", "LAPEL_ROLES_CLAIM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAPEL_DATA", str(tmp_path))
    ACTORS.forget()
    st.cache_resource.clear()
    return Store.open(folder=tmp_path)


def opened(claims: dict[str, object] | None, script=page_script) -> AppTest:
    page = AppTest.from_function(script, default_timeout=SECONDS)
    if claims is not None:
        page.user = {"is_logged_in": True, "iss": "https://id", **claims}
    return page.run()


def said(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(
        str(piece.value).replace("\\", "").replace("\N{WORD JOINER}", "")
        for piece in (*page.text, *page.error)
    )


def test_without_sign_in_it_is_the_local_person_who_may_do_all():
    page = AppTest.from_function(page_script, default_timeout=SECONDS)
    page.query_params["as"] = "Béla"
    assert said(page.run()) == "Béla: admin"


@pytest.mark.parametrize("address", ["0.0.0.0", None, "10.0.0.1"])
def test_without_sign_in_a_server_that_others_reach_knows_nobody(monkeypatch, address):
    told = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: address if name == "server.address" else told(name))
    assert "Without sign-in" in said(opened(None))


def test_a_visitor_is_nobody(monkeypatch):
    configure(monkeypatch)
    for claims in (None, {"is_logged_in": False, **person(ANNA, "admin")}):
        assert said(opened(claims)) == "Expected somebody who has signed in, got a visitor."


def test_somebody_who_signed_in_has_the_roles_that_the_sign_in_names(monkeypatch, store):
    configure(monkeypatch)
    assert said(opened(person(ANNA, "annotator"))) == f"{ANNA}: annotator"
    (known,) = store.users.all()
    assert (known.name, known.claimed) == (ANNA, ("annotator",))


def test_the_parameter_of_the_address_gives_nobody_another_name(monkeypatch):
    configure(monkeypatch)
    page = AppTest.from_function(page_script, default_timeout=SECONDS)
    page.user = {"is_logged_in": True, **person(ANNA, "annotator")}
    page.query_params["as"] = "Bo"
    assert said(page.run()) == f"{ANNA}: annotator"


def test_without_the_right_there_is_one_sentence_and_no_page(monkeypatch):
    configure(monkeypatch)
    assert said(opened(person(ANNA))) == (f"{ANNA} may not annotate: that takes another role than merchant.")


def test_a_sign_in_without_a_subject_is_refused(monkeypatch):
    configure(monkeypatch)
    assert "name a subject" in said(opened({"email": ANNA, "email_verified": True, "roles": ["admin"]}))


def test_a_role_that_is_taken_away_is_gone_at_the_next_run(monkeypatch, store):
    configure(monkeypatch)
    page = opened(person(ANNA, "annotator"))
    assert said(page) == f"{ANNA}: annotator"
    store.users.set_role(ANNA, Role.MERCHANT)
    ACTORS.forget()
    assert "may not annotate" in said(page.run())


def test_a_callback_of_the_run_before_does_not_act_with_rights_that_are_gone(monkeypatch, store):
    configure(monkeypatch)
    store.users.set_role("bo@example.com", Role.ADMIN)
    store.users.set_role("chen@example.com", Role.ADMIN)
    page = opened(person(ANNA, "admin"), deed_script)
    assert said(page) == "here"
    store.users.set_role(ANNA, Role.RESEARCHER)
    ACTORS.forget()
    page.button[0].click().run()
    assert len(page.exception) == 1
    bo = next(known for known in store.users.all() if known.name == "bo@example.com")
    assert bo.role is Role.ADMIN


def test_rights_are_at_most_a_second_old(monkeypatch, store):
    store.users.sign_in(ANNA, "subject", ["admin"])
    actor = SignedIn(ANNA, frozenset({Role.ADMIN}), "subject")
    assert actor.may(Right.PROMOTE)
    store.users.set_role("bo@example.com", Role.ADMIN)
    store.users.set_role(ANNA, Role.MERCHANT)
    monkeypatch.setattr(identity, "FRESH_SECONDS", 0.0)
    assert actor.rights == frozenset({Right.PREVIEW})
    with pytest.raises(AccessError, match="may not promote"):
        actor.require(Right.PROMOTE)


def test_somebody_the_store_does_not_know_may_nothing():
    assert SignedIn("nobody", frozenset({Role.ADMIN}), "no subject").rights == frozenset()


def test_the_first_admin_comes_from_the_machines_settings(monkeypatch):
    configure(monkeypatch)
    monkeypatch.setenv("LAPEL_ADMINS", ANNA)
    assert said(opened(person(ANNA))) == f"{ANNA}: admin"
    assert "may not" in said(opened(person("bo@example.com")))
