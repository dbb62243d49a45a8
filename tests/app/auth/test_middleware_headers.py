"""Every answer carries the security headers, and nothing else about it changes."""

from __future__ import annotations

from typing import Any

from app.auth.origins import SECURITY_HEADERS, SecurityHeaders
from tests.loops import run_alone


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"SAMEORIGIN")]}
    )
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


def messages_of(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    run_alone(SecurityHeaders(app)(scope, None, send))
    return sent


def test_an_answer_gets_all_headers_once_over_those_it_had():
    start, *_ = messages_of(answer, {"type": "http"})
    headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
    assert sorted(headers) == sorted((name.lower(), value) for name, value in SECURITY_HEADERS.items())


def test_the_body_passes_piece_by_piece():
    _, *body = messages_of(answer, {"type": "http"})
    assert [message["body"] for message in body] == [b"one", b"two"]


def test_a_websocket_passes_untouched():
    async def accept(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": []})

    assert messages_of(accept, {"type": "websocket"}) == [{"type": "websocket.accept", "headers": []}]


def test_pages_of_others_cannot_frame_the_workspace_nor_lend_it_scripts():
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in policy
    assert "http:" not in policy and "https:" not in policy
