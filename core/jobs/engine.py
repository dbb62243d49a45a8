"""DBOS, started for one worker: its tables beside the store's, no port, no console; the worker's process.

The process has a low priority, and may end with its parent.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus
from dbos._error import DBOSAwaitedWorkflowCancelledError, DBOSWorkflowCancelledError

from core.errors import StoreError
from core.jobs.batch_labeling import SHARDS, batch_workflow
from core.jobs.client import IMPORT, LABEL, ORDER, RUN, TRAIN
from core.jobs.context import WorkerContext
from core.jobs.importing import chunk_queue, folder_queue, import_workflow
from core.jobs.labeling import CHUNKS
from core.jobs.training import training_workflow
from core.jobs.webhooks import WEBHOOK, delivery_workflow
from core.jobs.workflows import workflows
from core.logs import adopt_logger
from core.store import Store
from core.store.database import use_write_ahead_log
from core.store.jobs import JobRow
from core.store.webhooks import Delivery
from core.threads import work_in_background

VERSION = "1"
"""The version of the workflows' steps; a new one where running jobs could not continue."""

POLL_SECONDS = 2.0
"""The interval of DBOS's polling, which costs an idle machine a few milliseconds each time."""

KINDS = (IMPORT, LABEL, ORDER, TRAIN, RUN)
"""All kinds of work."""

ONE_AT_ONCE = (LABEL, ORDER)
"""Kinds of which one job runs at a time, in chunks for all workers; of trainings, one on each."""

IMPORTS_AT_ONCE = 4
"""Imports of a worker at a time, which take turns step by step: a small one does not wait for a large one."""

RUNS_AT_ONCE = 4
"""Runs of labeling that a worker hands out at a time: shards of the smaller ones come first."""

CHUNKS_AT_ONCE = 2
"""Chunks of photos that a worker holds: one is worked on, and the next is there when it ends."""

DELIVERIES_AT_ONCE = 4
"""Webhooks that a worker sends at a time, each in a thread."""

KEPT_SECONDS = 30 * 86400.0
"""For which DBOS keeps what it wrote of jobs that have ended, at least."""

FORGOTTEN_AT_ONCE = 500
"""Workflows that are deleted in one transaction."""

log = logging.getLogger("lapel.jobs")
_ENDED = ("SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


class JobEngine:
    """A running DBOS, one in a process; ``name`` is the worker whose jobs it continues.

    It takes jobs of the ``kinds`` only; others wait for another worker.
    """

    def __init__(self, context: WorkerContext, name: str, kinds: Collection[str] = KINDS) -> None:
        self._store = store = context.store
        config = DBOSConfig(
            name="lapel",
            system_database_url=system_url(store),
            dbos_system_schema=system_schema(store),
            application_version=VERSION,
            executor_id=name,
            serializer=DBOSPortableJSONSerializer(),
            log_level="ERROR",
            enable_otlp=False,
        )
        DBOS(config=config)
        adopt_logger("dbos")
        logging.getLogger("dbos").addFilter(_is_no_cancelling)
        self._workflows: Mapping[str, Callable[[str], None]] = {
            **workflows(context),
            IMPORT: import_workflow(context),
            TRAIN: training_workflow(context),
            RUN: batch_workflow(context),
        }
        self._deliver = delivery_workflow(store)
        pictures, files = chunk_queue(store), folder_queue(store)
        queues = ((LABEL, CHUNKS), (RUN, SHARDS), (IMPORT, pictures), (IMPORT, files))
        chunks = [queue for kind, queue in queues if kind in kinds]
        DBOS.listen_queues([*(kind for kind in KINDS if kind in kinds), *chunks, WEBHOOK])
        DBOS.launch()
        self.name = name
        at_once = {IMPORT: IMPORTS_AT_ONCE, RUN: RUNS_AT_ONCE}
        for kind in self._workflows:
            only = 1 if kind in ONE_AT_ONCE else None
            DBOS.register_queue(
                kind,
                worker_concurrency=at_once.get(kind, 1),
                global_concurrency=only,
                polling_interval_sec=POLL_SECONDS,
                on_conflict="always_update",
            )
        held = dict.fromkeys((CHUNKS, SHARDS, pictures), CHUNKS_AT_ONCE)
        held |= {WEBHOOK: DELIVERIES_AT_ONCE, files: IMPORTS_AT_ONCE}
        for queue, most in held.items():
            DBOS.register_queue(
                queue,
                worker_concurrency=most,
                polling_interval_sec=POLL_SECONDS,
                on_conflict="always_update",
            )

    def ensure_running(self, job: JobRow) -> bool:
        """Enqueue a job's workflow, or resume it where it stopped.

        Returns False where the workflow is over although the job still counts as running. A job of a kind
        that only newer workers know is left to them.
        """
        if job.kind not in self._workflows:
            return True
        status = self.status(job.id)
        if status is None:
            log.info("A job begins", extra={"job": job.id, "kind": job.kind})
            with SetWorkflowID(job.id):
                DBOS.enqueue_workflow(job.kind, self._workflows[job.kind], job.id)
        elif status.status == "CANCELLED" and job.kind != TRAIN:
            DBOS.resume_workflow(job.id, queue_name=job.kind)
        elif status.status in ("CANCELLED", *_ENDED) and job.state == "waiting":
            DBOS.rewind_workflow(job.id, queue_name=job.kind)
        return status is None or status.status not in _ENDED or job.state == "waiting"

    def ensure_delivered(self, delivery: Delivery) -> None:
        """Enqueue the due attempt of a webhook's delivery; one that is enqueued already stays as it is."""
        id = f"{delivery.uid}-{delivery.attempts}"
        if self.status(id) is None:
            with SetWorkflowID(id):
                DBOS.enqueue_workflow(WEBHOOK, self._deliver, delivery.uid, delivery.attempts)

    def cancel(self, job: str) -> None:
        """Let a job begin no further step; ``Steps.cancel`` ends the one that runs."""
        status = self.status(job)
        if status is not None and status.status in ("ENQUEUED", "PENDING", "DELAYED"):
            DBOS.cancel_workflow(job)

    def status(self, job: str) -> WorkflowStatus | None:
        """The status of a job's workflow; None where it has none."""
        return DBOS.get_workflow_status(job)

    def busy_workers(self) -> set[str]:
        """The names of all workers, dead or alive, with unfinished jobs."""
        pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        return {status.executor_id for status in pending if status.executor_id}

    def recover(self, name: str) -> None:
        """Recover the unfinished jobs of a dead worker."""
        DBOS._recover_pending_workflows([name])

    def hand_over(self, job: str, queue: str) -> None:
        """Leave a job that runs here to the workers of another queue: they go on where it is."""
        DBOS.resume_workflow(job, queue_name=queue)

    def forget(self) -> int:
        """Delete some workflows of jobs and webhooks that ended ``KEPT_SECONDS`` ago; 0 once none is left.

        DBOS has nothing that does this (3.4; ``dbos-enterprise`` is closed). A job that failed starts anew
        when it is tried again, with or without these rows. Cancelled ones keep theirs, to go on where they
        stopped.
        """
        before = datetime.fromtimestamp(time.time() - KEPT_SECONDS, UTC).isoformat()
        found = _ids(status=list(_ENDED), completed_before=before, has_parent=False)
        going = {job.id for job in self._store.jobs.running()}  # asked last: one may just have been resumed
        ended = [id for id in found if id not in going]
        gone = (_ids(parent_workflow_id=ended) if ended else []) or ended  # those of chunks first
        if gone:
            DBOS.delete_workflows(gone)
        return len(gone)

    def close(self) -> None:
        """Stop; running jobs continue when a worker is started again."""
        DBOS.destroy(destroy_registry=True)


def _ids(**chosen: Any) -> list[str]:
    """Some workflows by what they are chosen by."""
    found = DBOS.list_workflows(**chosen, limit=FORGOTTEN_AT_ONCE, load_input=False, load_output=False)
    return [status.workflow_id for status in found]


def system_schema(store: Store) -> str:
    """The schema of DBOS's tables in PostgreSQL, one for each project."""
    return f"{store.database.namespace or 'lapel'}_jobs"


def _is_no_cancelling(record: logging.LogRecord) -> bool:
    """Whether a line of DBOS's log is about something else than a job that a person cancelled."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, DBOSAwaitedWorkflowCancelledError | DBOSWorkflowCancelledError)


def system_url(store: Store) -> str:
    """The address of DBOS's tables: a file beside SQLite's, a schema of their own in PostgreSQL."""
    if not store.database.is_sqlite:
        return store.database.engine.url.render_as_string(hide_password=False)
    path = store.folder / "jobs.db"
    use_write_ahead_log(path)
    return f"sqlite:///{path}"


NICENESS_VARIABLE = "LAPEL_WORKER_NICE"
NICENESS = 15


def lower_priority() -> None:
    """Lower this process's priority to the niceness in ``LAPEL_WORKER_NICE``, by default 15.

    It also leaves cores to a foreground that computes (:mod:`core.threads`).

    Raises StoreError for a value outside 0 to 19.
    """
    work_in_background()
    niceness = os.environ.get(NICENESS_VARIABLE, "").strip() or str(NICENESS)
    if not (niceness.isdecimal() and int(niceness) <= 19):
        raise StoreError(f"expected a whole number from 0 to 19 in {NICENESS_VARIABLE}, got {niceness!r}")
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(int(niceness), os.getpriority(os.PRIO_PROCESS, 0)))


def end_with_parent() -> None:
    """End this process when its parent dies: standard input closes then."""

    def wait() -> None:
        while sys.stdin.buffer.read(1):
            pass
        os._exit(0)  # jobs may be interrupted anywhere

    threading.Thread(target=wait, name="parent", daemon=True).start()
