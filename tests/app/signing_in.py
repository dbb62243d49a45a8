"""A sign-in without a provider: the secrets' table, and the cookie that Streamlit would have given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from tests.oidc import COOKIE_SECRET

ORIGIN = "https://lapel.example.com"
AUTH = {"redirect_uri": f"{ORIGIN}/oauth2callback", "cookie_secret": COOKIE_SECRET, "client_id": "lapel"}


def configure(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on to the end of the test people have to sign in."""
    monkeypatch.setattr(secrets_singleton, "_secrets", {"auth": AUTH})


def cookie(claims: Mapping[str, Any], *, secret: str = COOKIE_SECRET, **changes: Any) -> str:
    """A request's Cookie header, as after a sign-in with these claims."""
    payload = {**claims, "origin": ORIGIN, "is_logged_in": True, "provider": "default", **changes}
    signed = create_signed_value(secret, USER_COOKIE_NAME, json.dumps(payload))
    return f"{USER_COOKIE_NAME}={signed.decode()}"
