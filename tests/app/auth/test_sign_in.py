"""A link that was opened before the sign-in leads, after it, where it was to lead."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.auth.sign_in import COOKIE, SignInRedirect, is_page
from tests.app.signing_in import configure, cookie
from tests.oidc import person

ANNA = cookie(person("anna@example.com"))
PAGE = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def client() -> TestClient:
    """A server that answers everything, behind the middleware."""
    everything = Route("/{path:path}", lambda request: PlainTextResponse("here"))
    return TestClient(
        Starlette(routes=[everything], middleware=[Middleware(SignInRedirect)]), follow_redirects=False
    )


def asked(client: TestClient, path: str, cookies: str = "", **headers: str):
    """A browser's answer for this page."""
    return client.get(path, headers=PAGE | {"cookie": cookies} | headers)


def test_the_first_page_after_the_sign_in_is_the_one_that_was_asked_for(client, monkeypatch):
    configure(monkeypatch)
    asked(client, "/annotate?photo=5&as=anna%20b")
    kept = f"{COOKIE}={client.cookies[COOKIE]}"
    answer = asked(client, "/", f"{ANNA}; {kept}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/annotate?photo=5&as=anna%20b")
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_the_first_page_itself_needs_no_way_back(client, monkeypatch):
    configure(monkeypatch)
    answer = asked(client, "/")
    assert answer.text == "here" and "set-cookie" not in answer.headers
    assert asked(client, "/", ANNA).text == "here"


def test_a_visitor_who_goes_to_the_first_page_has_given_the_link_up(client, monkeypatch):
    configure(monkeypatch)
    answer = asked(client, "/", f"{COOKIE}=%2Fannotate")
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_who_has_signed_in_and_opens_a_page_stays_there(client, monkeypatch):
    configure(monkeypatch)
    answer = asked(client, "/data", f"{ANNA}; {COOKIE}=%2Fannotate")
    assert answer.text == "here" and "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example.com",
        "/\\evil.example.com",
        "https://evil.example.com",
        "/a/b",
        "/a.b",
        "a",
        "",
        "/a\n",
    ],
)
def test_what_is_no_page_of_ours_is_not_followed(client, monkeypatch, address):
    configure(monkeypatch)
    from urllib.parse import quote

    assert not is_page(address)
    assert asked(client, "/", f"{ANNA}; {COOKIE}={quote(address, safe='')}").text == "here"


@pytest.mark.parametrize("path", ["/oauth2callback?code=x", "/auth/login", "/media/a.jpg"])
def test_the_sign_ins_own_addresses_are_not_kept(client, monkeypatch, path):
    configure(monkeypatch)
    assert "set-cookie" not in asked(client, path).headers


def test_what_a_page_fetches_is_not_kept_nor_an_endless_address(client, monkeypatch):
    configure(monkeypatch)
    assert "set-cookie" not in asked(client, "/annotate", accept="*/*").headers
    assert "set-cookie" not in asked(client, "/annotate?" + "x" * 2000).headers


def test_what_the_server_does_when_it_starts_goes_through(monkeypatch):
    configure(monkeypatch)
    began = []

    @asynccontextmanager
    async def lifespan(_):
        began.append("began")
        yield

    with TestClient(Starlette(middleware=[Middleware(SignInRedirect)], lifespan=lifespan)):
        assert began == ["began"]


def test_without_a_sign_in_nothing_is_kept(client):
    assert "set-cookie" not in asked(client, "/annotate?photo=5").headers
