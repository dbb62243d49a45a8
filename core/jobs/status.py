"""What goes on in a store: workers, jobs, rates and what is left; as JSON and as Prometheus metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from core.access import Right, needs
from core.errors import StoreError
from core.jobs.client import IMPORT, LABEL, ORDER, RUN, TRAIN
from core.jobs.worker_lock import held_locks
from core.store import Store
from core.store.activity import activity

RATE_SECONDS = 300.0
"""Rates are over the last five minutes."""


@dataclass(frozen=True)
class Status:
    """A store at one moment; times in seconds, rates a second.

    ``jobs`` are the waiting and running ones, each with its rate since it began, or was resumed, and the
    seconds left.
    ``unlabeled`` are photos without a prediction of the champions, None before the first champions.
    """

    workers: tuple[str, ...]
    jobs: tuple[dict[str, Any], ...]
    photos: int
    unlabeled: int | None
    open_tasks: int
    labeled_rate: float
    annotated_rate: float
    oldest_wait: float
    webhooks_due: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@needs(Right.READ)
def status(store: Store) -> Status:
    """What goes on now."""
    from core.inference.predictions import serving_models

    seen, models, jobs = activity(store, RATE_SECONDS), serving_models(store), store.jobs.running()
    resumed = store.jobs.resumed()
    waits = [seen.now - job.at for job in jobs if job.state == "waiting"]
    return Status(
        workers=tuple(f"worker-{number}" for number in held_locks(store)),
        jobs=tuple(_job(job, seen.now, *resumed.get(job.id, (job.at, 0))) for job in jobs),
        photos=store.photos.count(),
        unlabeled=None if models is None else store.predictions.missing_count(models),
        open_tasks=store.queue.counts().open,
        labeled_rate=round(seen.labeled / RATE_SECONDS, 3),
        annotated_rate=round(seen.annotated / RATE_SECONDS, 4),
        oldest_wait=round(max(waits, default=0.0), 1),
        webhooks_due=seen.webhooks_due,
    )


def _job(job: Any, now: float, began: float, before: int) -> dict[str, Any]:
    """A job as JSON; ``before`` of its steps were done when it began, or are repeated."""
    newly = job.done - before if job.done >= before else job.done
    rate = newly / max(now - began, 1e-3) if job.state == "running" else 0.0
    left = (job.total - job.done) / rate if rate > 0 else None
    told = {"id": job.id, "kind": job.kind, "state": job.state, "done": job.done, "total": job.total}
    times = {"rate": round(rate, 3), "seconds_left": None if left is None else round(left)}
    return told | times | {"seconds": round(max(now - job.at, 0.0), 1), "message": job.message}


def serve_metrics(store: Store, port: int, address: str = "127.0.0.1") -> int:
    """Answer ``/metrics`` (Prometheus), ``/health`` and ``/ready`` in a thread; the port, a free one for 0.

    ``/ready`` is 200 where the database answers, else 503. Raises StoreError where the port is taken.
    """
    from prometheus_client import CollectorRegistry, make_wsgi_app

    registry = CollectorRegistry()
    registry.register(_Collector(store))  # type: ignore[arg-type]
    metrics = make_wsgi_app(registry)

    def answer(environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environment.get("PATH_INFO")
        if path == "/metrics":
            found: Iterable[bytes] = metrics(environment, start)
            return found
        if path not in ("/health", "/ready"):
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"There are /metrics, /health and /ready.\n"]
        try:
            if path == "/ready":
                store.check()
        except StoreError as error:
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [f"{error}\n".encode()]
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"ok\n"]

    try:
        server = make_server(address, port, answer, _Server, _Quiet)
    except OSError as error:
        raise StoreError(f"expected a free port for metrics, got {port}: {error.strerror}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server.server_port


class _Server(ThreadingMixIn, WSGIServer):
    """Health and readiness answer while metrics are counted, or somebody reads slowly."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class _Collector:
    """Prometheus asks for all metrics at once; each answer is a fresh status."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import GaugeMetricFamily

        now = status(self.store)
        plain = {
            "workers": ("Workers that are alive.", len(now.workers)),
            "photos": ("Photos of the store.", now.photos),
            "unlabeled_photos": ("Photos without a prediction of the champions.", now.unlabeled or 0),
            "open_tasks": ("Tasks to annotate.", now.open_tasks),
            "labeled_photos_per_second": ("Over the last five minutes.", now.labeled_rate),
            "annotations_per_second": ("Over the last five minutes.", now.annotated_rate),
            "oldest_waiting_job_seconds": (
                "How long the job that waits longest has waited.",
                now.oldest_wait,
            ),
            "webhook_deliveries_due": ("Deliveries whose next attempt is due.", now.webhooks_due),
        }
        for name, (help, value) in plain.items():
            yield GaugeMetricFamily(f"lapel_{name}", help, value=float(value))
        jobs = GaugeMetricFamily("lapel_jobs", "Jobs that wait or run.", labels=["kind", "state"])
        for kind in (IMPORT, LABEL, ORDER, TRAIN, RUN):
            for state in ("waiting", "running"):
                count = sum(1 for job in now.jobs if (job["kind"], job["state"]) == (kind, state))
                jobs.add_metric([kind, state], float(count))
        yield jobs
