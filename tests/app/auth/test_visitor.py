"""Each browser has a name of its own where nobody signs in, which its cookie keeps."""

from __future__ import annotations

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.auth import visitor
from app.auth.visitor import COOKIE, VisitorCookie, owner_of_draft


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(visitor, "sign_in_configured", lambda: False)

    async def page(_: object) -> HTMLResponse:
        return HTMLResponse("<p>page</p>")

    async def data(_: object) -> PlainTextResponse:
        return PlainTextResponse("data")

    return TestClient(VisitorCookie(Starlette(routes=[Route("/", page), Route("/data", data)])))


def test_a_browser_gets_its_cookie_once_and_with_pages_only(client: TestClient) -> None:
    assert "set-cookie" not in client.get("/data").headers
    given = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in given and "SameSite=Strict" in given and "Max-Age=" in given
    assert "set-cookie" not in client.get("/").headers
    client.cookies.clear()
    assert client.get("/").headers["set-cookie"] != given


def test_a_value_that_is_none_of_ours_is_replaced(client: TestClient) -> None:
    client.cookies.set(COOKIE, "../../etc")
    assert COOKIE in client.get("/").headers["set-cookie"]


def test_where_people_sign_in_nothing_is_set(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor, "sign_in_configured", lambda: True)
    assert "set-cookie" not in client.get("/").headers


def test_the_owner_is_the_person_or_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        cookies = {COOKIE: "a" * 32}

    class User:
        def to_dict(self) -> dict[str, str]:
            return {"iss": "https://id.example", "sub": "42"}

    monkeypatch.setattr(st, "context", Context)
    monkeypatch.setattr(st, "user", User())
    monkeypatch.setattr(visitor, "sign_in_configured", lambda: False)
    assert owner_of_draft() == "browser " + "a" * 32
    Context.cookies = {COOKIE: "short"}
    assert owner_of_draft() is None
    monkeypatch.setattr(visitor, "sign_in_configured", lambda: True)
    assert owner_of_draft() == "person https://id.example 42"
