"""Webhooks and their deliveries: ``/webhooks``, ``/deliveries``. They take the right to change settings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.api.bearer import ActingStore
from app.api.forms import WebhookChange, WebhookIn, timed
from core.store.webhooks import Delivery, Webhook

router = APIRouter(tags=["webhooks"])


@router.get("/webhooks")
def webhooks(store: ActingStore) -> list[dict[str, Any]]:
    """All webhooks, without their secrets."""
    return [_webhook(row) for row in store.webhooks.all()]


@router.post("/webhooks", status_code=201)
def add_webhook(store: ActingStore, body: WebhookIn) -> dict[str, Any]:
    """Tell an address of events from now on; ``secret`` verifies the signature, and is shown this once."""
    made = store.webhooks.add(body.url, body.events)
    return _webhook(made) | {"secret": made.secret}


@router.patch("/webhooks/{id}")
def change_webhook(store: ActingStore, id: int, body: WebhookChange) -> dict[str, Any]:
    """Pause a webhook, or go on with it."""
    return _webhook(store.webhooks.set_active(id, body.active))


@router.delete("/webhooks/{id}", status_code=204)
def remove_webhook(store: ActingStore, id: int) -> None:
    """Remove a webhook with its deliveries."""
    store.webhooks.remove(id)


@router.post("/webhooks/{id}/test", status_code=202)
def test_webhook(store: ActingStore, id: int) -> dict[str, Any]:
    """Send an event that tells of nothing."""
    return _delivery(store.webhooks.test(id))


@router.get("/webhooks/{id}/deliveries")
def deliveries(
    store: ActingStore, id: int, most: Annotated[int, Query(ge=1, le=1000)] = 50
) -> list[dict[str, Any]]:
    """The latest deliveries, newest first, each with the last answer."""
    return [_delivery(row) for row in store.webhooks.deliveries(id, most)]


@router.post("/deliveries/{uid}/again", status_code=202)
def deliver_again(store: ActingStore, uid: str) -> dict[str, Any]:
    """Try a delivery again at once."""
    return _delivery(store.webhooks.redeliver(uid))


def _webhook(row: Webhook) -> dict[str, Any]:
    values = timed(asdict(row))
    del values["secret"]
    return values


def _delivery(row: Delivery) -> dict[str, Any]:
    return timed(asdict(row))
