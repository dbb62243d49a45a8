"""The page API: tokens are made, shown once and revoked; webhooks are for admins."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.store import Store
from tests.app.signing_in import configure
from tests.oidc import person
from tests.pages.workspace import fresh_store, texts, unopened


@pytest.fixture
def store(monkeypatch, tmp_path: Path) -> Store:
    return fresh_store(monkeypatch, tmp_path)


def opened(monkeypatch, store: Store, role: str, tab: str | None = None) -> AppTest:
    app = unopened(monkeypatch, store.folder)
    configure(monkeypatch)
    app.user = {"is_logged_in": True, **person("ann@example.com", role)}
    app.run()
    if tab:
        app.query_params["api"] = tab
    return app.switch_page("../pages/api.py").run()


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def test_a_merchant_makes_a_token_sees_it_once_and_revokes_it(monkeypatch, store):
    page = opened(monkeypatch, store, "merchant")
    assert not page.exception and [tab.label for tab in page.tabs] == ["Tokens", "How to call"]
    page.text_input(key="token-label").set_value("shop sync")
    press(page, "Make a token")
    token = page.code[0].value
    assert store.api_tokens.person_of(token) == "ann@example.com" and "shop sync" in texts(page)
    page.run()
    assert not page.code
    page.button(key="revoke-1").click().run()
    assert store.api_tokens.person_of(token) is None and "There is no token yet" in texts(page)


def test_a_token_without_words_is_refused(monkeypatch, store):
    page = opened(monkeypatch, store, "merchant")
    press(page, "Make a token")
    assert "expected a few words" in texts(page) and not store.api_tokens.all()


def test_an_admin_adds_a_webhook_and_tests_it(monkeypatch, store):
    page = opened(monkeypatch, store, "admin", "Webhooks")
    page.text_input(key="webhook-url").set_value("ftp://x").run()
    press(page, "Add a webhook")
    assert "expected an address" in texts(page).replace("\\", "")
    page.text_input(key="webhook-url").set_value("https://example.com/x")
    press(page, "Add a webhook")
    (hook,) = store.webhooks.all()
    assert page.code[0].value == hook.secret
    page.button(key="test-1").click().run()
    assert not page.exception and store.webhooks.deliveries(1)[0].event == "webhook.test"
    assert "webhook.test" in list(page.dataframe[0].value["Event"])
    page.button(key="remove-1").click().run()
    assert not store.webhooks.all() and "No address is told" in texts(page)


def test_how_to_call_names_the_workspaces_own_address(monkeypatch, store):
    page = opened(monkeypatch, store, "merchant", "How to call")
    assert not page.exception and any("/api/v1/label" in code.value for code in page.code)
