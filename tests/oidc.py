"""An OpenID Connect provider on loopback: whoever comes may choose who they are. For tests only."""

from __future__ import annotations

import base64
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "lapel", "the client's secret"
COOKIE_SECRET = "a cookie secret of forty characters, say."
KEY_ID = "first"
METADATA = "/.well-known/openid-configuration"


def person(email: str, *roles: str, **claims: Any) -> dict[str, Any]:
    """The claims of somebody with a verified e-mail."""
    subject = f"subject of {email}"
    return {"sub": subject, "email": email, "email_verified": True, "roles": list(roles), **claims}


@dataclass
class Provider:
    """The provider while it runs: ``people`` may be changed at any time; codes are good for one token."""

    people: dict[str, Mapping[str, Any]]
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": KEY_ID, "use": "sig"}))
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)  # code to person and nonce
    url: str = ""

    def metadata(self) -> dict[str, Any]:
        """What a client is told at the well-known address."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/end",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def choice(self, asked: Mapping[str, str]) -> str:
        """A page with a link for each person."""
        links = []
        for name in self.people:
            code = secrets.token_urlsafe(16)
            self.codes[code] = (name, asked.get("nonce", ""))
            target = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            links.append(f'<p><a href="{html.escape(target)}">{html.escape(name)}</a></p>')
        return f"<!doctype html><title>Who are you?</title>{''.join(links)}"

    def token(self, code: str) -> dict[str, Any]:
        """The tokens for a code; KeyError for one that is spent or was never given."""
        name, nonce = self.codes.pop(code)
        now = int(time.time())
        times = {"iat": now, "exp": now + 3600}
        claims = {"iss": self.url, "aud": CLIENT_ID, "nonce": nonce, **times, **self.people[name]}
        id_token = jwt.encode({"alg": "RS256", "kid": KEY_ID}, claims, self.key)
        return {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": id_token,
        }

    def settings(self, port: int, host: str = "127.0.0.1") -> str:
        """The file that a workspace on this port signs in with."""
        return (
            f'[auth]\nredirect_uri = "http://{host}:{port}/oauth2callback"\n'
            f'cookie_secret = "{COOKIE_SECRET}"\nclient_id = "{CLIENT_ID}"\n'
            f'client_secret = "{CLIENT_SECRET}"\nserver_metadata_url = "{self.url}{METADATA}"\n'
        )


@contextmanager
def provider(people: Mapping[str, Mapping[str, Any]]) -> Iterator[Provider]:
    """A provider for these people, by the name that is on their link."""
    running = Provider(dict(people))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(running))
    running.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def _handler(running: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, _only(urlsplit(self.path).query)
            if path == METADATA:
                self._json(running.metadata())
            elif path == "/jwks":
                self._json({"keys": [running.key.as_dict(private=False)]})
            elif path == "/authorize":
                self._answer(200, "text/html", running.choice(query).encode())
            elif path == "/end":
                self.send_response(302)
                self.send_header("Location", query["post_logout_redirect_uri"])
                self.end_headers()
            else:
                self._answer(404, "text/plain", b"")

        def do_POST(self) -> None:
            form = _only(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if not self._is_client(form):
                self._json({"error": "invalid_client"}, 401)
            elif form.get("code") not in running.codes:
                self._json({"error": "invalid_grant"}, 400)
            else:
                self._json(running.token(form["code"]))

        def _is_client(self, form: Mapping[str, str]) -> bool:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            wanted = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            return given == wanted or form.get("client_secret") == CLIENT_SECRET

        def _json(self, document: Mapping[str, Any], status: int = 200) -> None:
            self._answer(status, "application/json", json.dumps(document).encode())

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet."""

    return Handler


def _only(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
