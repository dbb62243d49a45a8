"""Webhooks: what happens is told in the transaction that does it, to those who asked, until it arrives."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from core.errors import ConflictError, NotFoundError, StoreError
from core.store import webhooks
from core.store.schema import webhook_deliveries
from tests.app.annotating import box, filled_store

URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def store(tmp_path):
    return filled_store(tmp_path, 1)


def submit(store, *boxes, kind="submitted", base=0):
    return store.annotations.submit(
        1, boxes, author="ann", base_version=base, request=f"{kind}-{base}", kind=kind
    )


def told(store) -> list[tuple[str, dict]]:
    rows = store.database.rows(sa.select(webhook_deliveries).order_by(webhook_deliveries.c.id))
    return [(row.event, json.loads(row.body)) for row in rows]


def test_a_saved_annotation_and_a_revision_are_told(store):
    store.webhooks.add(URL)
    submit(store, box(), box(50))
    made = store.revisions.create("ann")
    (saved, body), (created, other) = told(store)
    assert saved == "annotation.saved" == body["type"]
    assert body["data"] == {
        "photo": 1, "name": "photo-0.jpg", "version": 1, "kind": "submitted", "author": "ann", "boxes": 2
    }  # fmt: skip
    assert created == "revision.created"
    assert other["data"]["revision"] == made.number and other["data"]["boxes"] == 2


def test_a_training_that_ends_is_told_once(store):
    store.webhooks.add(URL, ["training.ended"])
    submit(store, box())
    training = store.trainings.begin("detector", "quick", store.revisions.create("ann").number)
    store.trainings.finish(training.id, "failed", "No memory left.")
    store.trainings.finish(training.id, "cancelled")
    ((event, body),) = told(store)
    assert event == "training.ended"
    assert (body["data"]["state"], body["data"]["message"]) == ("failed", "No memory left.")


def test_nothing_is_told_that_was_not_asked_for_was_not_done_or_is_paused(store):
    hook = store.webhooks.add(URL, ["revision.created"])
    submit(store, box())
    with pytest.raises(ConflictError):
        submit(store, box(), base=2)
    submit(store, box(), kind="imported", base=1)
    store.webhooks.set_active(hook.id, False)
    store.revisions.create("ann")
    assert told(store) == []


def test_a_failed_attempt_is_due_again_later_and_the_last_one_gives_up(store):
    hook = store.webhooks.add(URL)
    uid = store.webhooks.test(hook.id).uid
    assert [delivery.uid for delivery in store.webhooks.due()] == [uid]
    waits = []
    for attempt in range(len(webhooks.RETRY_SECONDS) + 1):
        assert store.webhooks.to_send(uid, attempt) is not None
        began = store.database.value(sa.select(store.database.now))
        store.webhooks.attempted(uid, attempt, delivered=False, message="no")
        store.webhooks.attempted(uid, attempt, delivered=True, message="too late")
        (row,) = store.webhooks.deliveries(hook.id)
        waits.append(row.next_at - began)
    assert waits[:-1] == pytest.approx(webhooks.RETRY_SECONDS, abs=5)
    assert (row.state, row.attempts, row.message) == ("failed", 8, "no") and store.webhooks.due() == []
    assert store.webhooks.redeliver(uid).attempts == 0 and len(store.webhooks.due()) == 1


def test_a_delivered_one_is_over_and_goes_after_a_week(store):
    hook = store.webhooks.add(URL)
    uid = store.webhooks.test(hook.id).uid
    store.webhooks.attempted(uid, 0, delivered=True, message="The server answered 200.")
    assert store.webhooks.to_send(uid, 0) is None and store.webhooks.due() == []
    store.webhooks.sweep()
    assert len(store.webhooks.deliveries(hook.id)) == 1
    store.database.change(sa.update(webhook_deliveries).values(ended_at=1.0))
    store.webhooks.sweep()
    assert store.webhooks.deliveries(hook.id) == []


def test_a_removed_webhook_takes_its_deliveries_along(store):
    hook = store.webhooks.add(URL)
    store.webhooks.test(hook.id)
    store.webhooks.remove(hook.id)
    assert store.webhooks.all() == [] and told(store) == []
    for act in (store.webhooks.remove, store.webhooks.test):
        with pytest.raises(NotFoundError):
            act(hook.id)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a.b/c", "http://", "https://u:p@a.b", "http://a b/", "http://a:99999/", "h" * 3000,
     "http://a\n.b"],
)  # fmt: skip
def test_an_address_is_http_with_a_host_and_no_password(store, url):
    with pytest.raises(StoreError, match="expected an address"):
        store.webhooks.add(url)


@pytest.mark.parametrize("events", [[], ["nothing.like"], ["annotation.saved", 3]])
def test_events_are_those_there_are(store, events):
    with pytest.raises(StoreError, match="expected events out of annotation.saved"):
        store.webhooks.add(URL, events)
