"""What goes on in a store, as JSON and as metrics that Prometheus reads."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from core.errors import StoreError
from core.jobs.client import start_labeling
from core.jobs.status import RATE_SECONDS, serve_metrics, status
from core.jobs.worker_lock import acquire_worker_lock
from core.store.schema import champions
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


def test_prometheus_health_and_readiness(fresh_store):
    store = fresh_store("sqlite")
    port = serve_metrics(store, 0)

    def get(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    code, text = get("/metrics")
    assert (
        code == 200 and "lapel_photos 0.0" in text and 'lapel_jobs{kind="label",state="running"} 0.0' in text
    )
    assert (get("/health")[0], get("/ready")[0], get("/x")[0]) == (200, 200, 404)
    with pytest.raises(StoreError, match="expected a free port for metrics"):
        serve_metrics(store, port)
