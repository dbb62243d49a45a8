"""Delivery of webhooks, each attempt a durable workflow: signed, bounded in time, tried again on failure.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com): ``webhook-id``,
``webhook-timestamp`` and ``webhook-signature``, an HMAC with SHA-256 over ``id.timestamp.body``. A receiver
gets an event at least once; the id tells it what it has seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Callable

from dbos import DBOS

from core.store import Store
from core.store.webhooks import SECRET_PREFIX, Delivery, Webhook
from core.threads import IMPORTS

WEBHOOK = "webhook"
"""The queue's name."""

TIMEOUT_SECONDS = 10.0
log = logging.getLogger("lapel.worker")


def delivery_workflow(store: Store) -> Callable[[str, int], None]:
    """The workflow of one attempt, registered with DBOS: of a delivery's uid and the attempt's number."""

    @DBOS.step(name="webhook.attempt")
    def attempt_once(uid: str, attempt: int) -> None:
        attempt_delivery(store, uid, attempt)

    @DBOS.workflow(name="webhook", max_recovery_attempts=None)
    def deliver(uid: str, attempt: int) -> None:
        attempt_once(uid, attempt)

    return deliver


def attempt_delivery(store: Store, uid: str, attempt: int) -> None:
    """Send a delivery once, and record what came of it; nothing happens where that attempt is over."""
    found = store.webhooks.to_send(uid, attempt)
    if found is None:
        return
    webhook, delivery = found
    delivered, message = post(webhook, delivery)
    if not delivered:
        log.warning("The webhook %s was not delivered: %s", webhook.url, message)
    store.webhooks.attempted(uid, attempt, delivered=delivered, message=message)


def signature(secret: str, uid: str, timestamp: int, body: str) -> str:
    """The value of ``webhook-signature``: ``v1,`` and the HMAC in base64; secrets begin with ``whsec_``."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{uid}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def post(webhook: Webhook, delivery: Delivery, seconds: float = TIMEOUT_SECONDS) -> tuple[bool, str]:
    """Whether the webhook's server took the delivery (a status of 2xx), and its answer in a sentence.

    Redirects are not followed, and of an answer its status is read alone.
    """
    with IMPORTS:
        import httpx

    timestamp = int(time.time())
    headers = {
        "content-type": "application/json",
        "user-agent": "Lapel",
        "webhook-id": delivery.uid,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(webhook.secret, delivery.uid, timestamp, delivery.body),
    }
    try:
        with httpx.stream(
            "POST", webhook.url, content=delivery.body.encode(), headers=headers, timeout=seconds
        ) as answer:
            return answer.is_success, f"The server answered {answer.status_code}."
    except httpx.TimeoutException:
        return False, f"The server did not answer within {seconds:g} seconds."
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return False, f"The server could not be reached: {error or type(error).__name__}."
