"""Webhooks are sent signed, within bounds, and by a worker that tries again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

from core.jobs.webhooks import attempt_delivery, post
from core.store import Store, sqlite_url


@dataclass
class Receiver:
    """A server that answers with these statuses, one a request, the last one for ever."""

    statuses: list[int]
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    here = Receiver(list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            here.got.append((dict(self.headers.items()), body))
            status = here.statuses[min(len(here.got), len(here.statuses)) - 1]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", here.url)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    here.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def opened(folder) -> Store:
    return Store.open(sqlite_url(folder), folder)


def test_what_is_sent_can_be_verified_as_standard_webhooks_says(tmp_path):
    store = opened(tmp_path)
    with receiver(204) as server:
        hook = store.webhooks.add(server.url)
        delivery = store.webhooks.test(hook.id)
        attempt_delivery(store, delivery.uid, 0)
    ((headers, body),) = server.got
    assert body.decode() == delivery.body
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(hook.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == delivery.uid
    (row,) = store.webhooks.deliveries(hook.id)
    assert (row.state, row.attempts, row.message) == ("delivered", 1, "The server answered 204.")


def test_a_refusal_a_redirect_and_no_server_at_all_are_tried_again(tmp_path):
    store = opened(tmp_path)
    with receiver(500, 302, 200) as server:
        hook = store.webhooks.add(server.url)
        uid = store.webhooks.test(hook.id).uid
        for attempt in range(2):
            attempt_delivery(store, uid, attempt)
        assert len(server.got) == 2  # the redirect was not followed
        (row,) = store.webhooks.deliveries(hook.id)
        assert (row.state, row.attempts, row.message) == ("waiting", 2, "The server answered 302.")
    attempt_delivery(store, uid, 2)  # it is gone by now
    (row,) = store.webhooks.deliveries(hook.id)
    assert row.state == "waiting" and row.message.startswith("The server could not be reached")


def test_an_attempt_that_is_over_is_not_made_again(tmp_path):
    store = opened(tmp_path)
    with receiver(200) as server:
        uid = store.webhooks.test(store.webhooks.add(server.url).id).uid
        attempt_delivery(store, uid, 0)
        attempt_delivery(store, uid, 0)
        attempt_delivery(store, "msg_of_nobody", 0)
    assert len(server.got) == 1


def test_a_server_that_is_silent_is_not_waited_for(tmp_path):
    import socket

    store = opened(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hook = store.webhooks.add(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        delivered, message = post(hook, store.webhooks.test(hook.id), seconds=0.05)
    assert not delivered and message == "The server did not answer within 0.05 seconds."
