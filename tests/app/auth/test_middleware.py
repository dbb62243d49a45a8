"""What the server answers to whom: hosts that are ours, and data to those they were given to."""

from __future__ import annotations

import itsdangerous
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.auth.media_owners import MediaOwners
from app.auth.middleware import KnownHosts, SignedInOnly, is_closed
from tests.app.signing_in import configure, cookie
from tests.oidc import person

ANNA, BO = person("anna@example.com"), person("bo@example.com")
SUBJECT = " subject of anna@example.com"
DATA = (
    "/media/0a1b.jpg",
    "/_stcore/upload_file/session/file",
    "/component/lapel/rows.json",
    "/_stcore/bidi-components/lapel/rows.json",
    "/_stcore/metrics",
    "/_stcore/agent/interact",
    "/_stcore/script-health-check",
)
OPEN = (
    "/",
    "/annotate",
    "/static/media/font.woff2",
    "/_stcore/health",
    "/_stcore/host-config",
    "/auth/login",
)


@pytest.fixture
def owners() -> MediaOwners:
    found = MediaOwners()
    found.give("/media/0a1b.jpg", SUBJECT)
    return found


@pytest.fixture
def client(owners) -> TestClient:
    """A server that answers everything, behind the guard."""
    everything = Route("/{path:path}", lambda request: PlainTextResponse("here"), methods=["GET", "PUT"])
    app = Starlette(routes=[everything], middleware=[Middleware(SignedInOnly, owners=owners)])
    return TestClient(app)


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE"])
def test_to_a_visitor_data_do_not_exist(client, monkeypatch, path, method):
    configure(monkeypatch)
    assert client.request(method, path).status_code == 404


@pytest.mark.parametrize("path", OPEN)
def test_the_sign_in_and_the_frontend_stay_open(client, monkeypatch, path):
    configure(monkeypatch)
    assert client.get(path).text == "here"


@pytest.mark.parametrize("path", DATA)
def test_without_a_sign_in_nothing_is_asked(client, path):
    assert client.get(path).text == "here"


@pytest.mark.parametrize("path", DATA)
def test_who_has_signed_in_gets_what_is_theirs_and_no_cache_keeps_it(client, monkeypatch, path):
    configure(monkeypatch)
    answer = client.get(path, headers={"cookie": cookie(ANNA)})
    assert answer.text == "here" and answer.headers["cache-control"] == "private"


def test_a_picture_given_to_one_does_not_exist_for_another(client, monkeypatch):
    configure(monkeypatch)
    assert client.get("/media/0a1b.jpg", headers={"cookie": cookie(BO)}).status_code == 404
    assert client.get("/media/other.jpg", headers={"cookie": cookie(ANNA)}).status_code == 404
    assert client.get("/media/x/../0a1b.jpg", headers={"cookie": cookie(BO)}).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "_streamlit_user=",
        "_streamlit_user=nonsense",
        cookie(ANNA, secret="another secret of forty characters or so"),
        cookie(ANNA, origin="https://elsewhere.example.com"),
        cookie(ANNA, is_logged_in=False),
        cookie(ANNA, is_logged_in="yes"),
        cookie(ANNA, sub=None),
        cookie(ANNA).replace("_streamlit_user", "_streamlit_user_tokens"),
        cookie(ANNA)[:-3] + "AAA",
    ],
)
def test_a_cookie_that_is_not_ours_is_nobodys(client, monkeypatch, wrong):
    configure(monkeypatch)
    assert client.get("/media/0a1b.jpg", headers={"cookie": wrong}).status_code == 404


def test_a_cookie_of_last_month_is_nobodys(client, monkeypatch):
    configure(monkeypatch)
    with monkeypatch.context() as then:
        clock = itsdangerous.timed.time.time
        then.setattr(itsdangerous.timed.time, "time", lambda: clock() - 32 * 86400)
        old = cookie(ANNA)
    assert client.get("/media/0a1b.jpg", headers={"cookie": old}).status_code == 404


def test_a_prefix_does_not_open_anything(monkeypatch, client):
    configure(monkeypatch)
    told = st.get_option
    monkeypatch.setattr(
        st, "get_option", lambda name: "/lapel/" if name == "server.baseUrlPath" else told(name)
    )
    assert client.get("/lapel/media/0a1b.jpg").status_code == 404
    assert client.get("/lapel/_stcore/health").text == "here"
    assert is_closed("/media/") and not is_closed("/mediation")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8501", 200),
        ("127.0.0.1", 200),
        ("[::1]:8501", 200),
        ("evil.example.com", 400),
        ("localhost.example.com", 400),
        ("localhost@example.com", 400),
    ],
)
def test_only_known_hosts_are_answered(monkeypatch, host, status):
    from streamlit import config

    told = config.get_option
    hosts = ["localhost", "127.0.0.1", "::1"]
    monkeypatch.setattr(
        config, "get_option", lambda name: hosts if name == "server.allowedHosts" else told(name)
    )
    everything = Route("/{path:path}", lambda request: PlainTextResponse("here"))
    client = TestClient(Starlette(routes=[everything], middleware=[Middleware(KnownHosts)]))
    assert client.get("/media/0a1b.jpg", headers={"host": host}).status_code == status
    assert client.get("/_stcore/health", headers={"host": host}).status_code == 200
