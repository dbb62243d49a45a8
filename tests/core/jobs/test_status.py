"""What goes on in a store, as JSON and as metrics that Prometheus reads."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pytest
import sqlalchemy as sa

from core.errors import StoreError
from core.jobs.client import start_labeling
from core.jobs.status import RATE_SECONDS, serve_metrics, status
from core.jobs.worker_lock import acquire_worker_lock
from core.store.jobs import RESUMED_SETTING
from core.store.schema import champions, jobs, settings
from tests.core.store.rows import add_models, add_photos


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_store):
    return fresh_store(request.param)


def test_workers_jobs_and_what_is_left_are_counted(store):
    pair, ids = add_models(store.database), add_photos(store.database, 5)
    with store.database.write() as connection:
        for kind, id in (("detector", pair.detector_id), ("classifier", pair.classifier_id)):
            connection.execute(champions.insert().values(kind=kind, model_id=id, at=1.0))
    for id in ids[:2]:
        store.predictions.save(id, pair, [], None)
    job = start_labeling(store)
    lock = acquire_worker_lock(store)
    store.queue.fill()
    now = status(store)
    assert now.workers == ("worker-0",) and (now.photos, now.unlabeled, now.open_tasks) == (5, 3, 5)
    assert now.labeled_rate == pytest.approx(2 / RATE_SECONDS, abs=1e-3)
    assert [(entry["id"], entry["state"]) for entry in now.jobs] == [(job, "waiting")]
    store.jobs.progress(job, 1, 4)
    (running,) = status(store).jobs
    assert (running["state"], running["done"], running["total"]) == ("running", 1, 4)
    assert running["rate"] > 0 and running["seconds_left"] is not None
    lock.release()
    assert status(store).workers == () and json.dumps(status(store).as_dict())


def test_the_rate_of_a_resumed_job_is_of_what_was_done_since(store):
    job = start_labeling(store)
    change = sa.update(jobs).where(jobs.c.id == job)
    store.jobs.progress(job, 900, 1000)
    store.jobs.finish(job, "cancelled")
    store.database.change(change.values(at=store.database.now - 9000.0))
    store.jobs.retry(job)
    ((at, done),) = store.jobs.resumed().values()
    assert done == 900 and at > store.jobs.get(job).at + 8000
    store.database.change(
        sa.update(settings).where(settings.c.name == RESUMED_SETTING).values(value={job: [at - 100.0, 900]})
    )
    store.jobs.progress(job, 910, 1000)
    (running,) = status(store).jobs
    assert 5 < 10 / running["rate"] - 90 < 70  # ten in about 100 seconds
    assert running["seconds"] > 8000 and running["seconds_left"] == pytest.approx(
        90 / running["rate"], rel=0.1
    )
    store.jobs.finish(job, "failed", "no room")
    store.jobs.retry("no such job")
    assert set(store.jobs.resumed()) == {job}


def test_prometheus_health_and_readiness(fresh_store):
    store = fresh_store("sqlite")
    port = serve_metrics(store, 0)

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    code, text = get("/metrics")
    assert (
        code == 200 and "lapel_photos 0.0" in text and 'lapel_jobs{kind="label",state="running"} 0.0' in text
    )
    assert (get("/health")[0], get("/ready")[0], get("/x")[0]) == (200, 200, 404)
    with socket.create_connection(("127.0.0.1", port)):  # who says nothing keeps nobody waiting
        assert get("/health")[0] == 200
    with pytest.raises(StoreError, match="expected a free port for metrics"):
        serve_metrics(store, port)
