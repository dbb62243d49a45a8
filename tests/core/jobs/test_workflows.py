"""Work that was asked for is done, goes on where it stopped, and says why where it cannot be done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import StoreBusyError, StoreError
from core.inference.predictions import model_pair
from core.jobs import steps
from core.jobs.client import cancel, resume, start_import, start_labeling
from core.jobs.context import WorkerContext
from core.jobs.import_steps import list_photos, next_photos
from core.jobs.step_process import StepProcesses
from core.jobs.steps import Steps, WorkerClosed, run_step
from core.jobs.worker import Worker
from core.jobs.workflows import ORDER_EVERY
from core.store import Store
from tests.core.jobs.conftest import settle
from tests.databases import on_sqlite
from tests.waiting import until

Shoot = Callable[..., Path]


def ask_for_import(store: Store, folder: Path) -> tuple[int, str]:
    import_id = store.imports.begin(folder.name, "ada", str(folder))
    return import_id, start_import(store, import_id)


def ended(store: Store) -> list[tuple[str, str]]:
    return sorted((job.kind, job.state) for job in store.jobs.recent())


def test_an_import_ends_with_labeled_photos_in_order(
    worker: Worker, context: WorkerContext, shoot: Shoot
) -> None:
    store = worker.store
    import_id, job = ask_for_import(store, shoot(3))
    settle(worker)
    assert {state for _, state in ended(store)} == {"done"}
    assert {"import", "label", "order"} == {kind for kind, _ in ended(store)}
    row = store.imports.get(import_id)
    assert (row.state, row.counts["new"], store.jobs.get(job).done) == ("done", 3, 3)
    assert store.predictions.missing(model_pair(worker.store, context.labeler), 9) == []
    task = store.queue.next("ada")
    assert task is not None and task.arm in ("selected", "control")


@on_sqlite
def test_what_is_asked_for_while_a_job_runs_is_done_too(
    worker: Worker, context: WorkerContext, shoot: Shoot
) -> None:
    ask_for_import(worker.store, shoot(2, "one"))
    ask_for_import(worker.store, shoot(2, "two"))
    settle(worker)
    assert worker.store.photos.count() == 4
    assert worker.store.predictions.missing(model_pair(worker.store, context.labeler), 9) == []


def test_a_cancelled_import_stops_and_goes_on_when_resumed(
    carrier: Worker, shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.importing.STEP_SECONDS", 0.0)
    small = steps.import_batch
    monkeypatch.setattr(steps, "import_batch", lambda *arguments, most: small(*arguments, most=1))
    store = carrier.store
    import_id, job = ask_for_import(store, shoot(30))
    until(lambda: store.imports.get(import_id).done > 1, carrier.poll)
    cancel(store, job)
    carrier.poll()
    until(lambda: not carrier.engine.busy_workers())
    stopped = store.imports.get(import_id)
    assert (stopped.state, store.jobs.get(job).state) == ("cancelled", "cancelled")
    assert 0 < store.photos.count() < 30
    resume(store, job)
    settle(carrier)
    row = store.imports.get(import_id)
    assert (row.state, row.done, row.counts["new"], store.photos.count()) == ("done", 30, 30, 30)


@on_sqlite
def test_an_import_that_cannot_be_done_says_why_and_can_be_tried_again(
    carrier: Worker, shoot: Shoot, tmp_path: Path
) -> None:
    store, folder = carrier.store, shoot(2)
    shutil.move(folder, tmp_path / "elsewhere")
    import_id, job = ask_for_import(store, folder)
    settle(carrier)
    assert "There is no" in store.imports.get(import_id).message
    assert (store.jobs.get(job).state, store.imports.get(import_id).state) == ("failed", "failed")
    shutil.move(tmp_path / "elsewhere", folder)
    resume(store, job)
    settle(carrier)
    assert (store.jobs.get(job).state, store.imports.get(import_id).counts["new"]) == ("done", 2)


@on_sqlite
def test_a_photo_whose_picture_is_damaged_does_not_stop_the_others(
    worker: Worker, make_photo: Callable, context: WorkerContext
) -> None:
    store = worker.store
    rows = [store.photos.add(make_photo(seed), by="ada").row for seed in range(3)]
    blob = next(Path(store.blobs.url).rglob(rows[1].blob))
    blob.write_bytes(b"damaged")
    job = start_labeling(store)
    settle(worker)
    assert (store.jobs.get(job).state, store.jobs.get(job).message) == (
        "done",
        "1 photos could not be opened.",
    )
    assert store.predictions.missing(model_pair(worker.store, context.labeler), 9) == [rows[1].id]


@on_sqlite
def test_the_queue_is_ordered_anew_after_so_many_submits(worker: Worker, make_photo: Callable) -> None:
    store = worker.store
    worker.maintain()
    assert store.jobs.running() == ()
    photo = store.photos.add(make_photo(1), by="ada").row
    for version in range(ORDER_EVERY):
        store.annotations.submit(photo.id, [], author="ada", base_version=version, request=str(version))
    worker.maintain()
    assert "order" in [job.kind for job in store.jobs.running()]
    settle(worker)
    worker.maintain()
    assert store.jobs.running() == ()


@on_sqlite
def test_an_ordering_that_was_cancelled_comes_back_only_after_as_many_submits_again(
    worker: Worker, make_photo: Callable
) -> None:
    store = worker.store
    photo = store.photos.add(make_photo(1), by="ada").row

    def submit(count: int) -> None:
        for _ in range(count):
            latest = store.annotations.latest(photo.id)
            base = latest.version if latest else 0
            store.annotations.submit(photo.id, [], author="ada", base_version=base, request=f"r{base}")

    submit(ORDER_EVERY)
    worker.maintain()
    (job,) = [job for job in store.jobs.running() if job.kind == "order"]
    cancel(store, job.id)
    worker.maintain()
    assert "order" not in [job.kind for job in store.jobs.running()]
    submit(ORDER_EVERY)
    worker.maintain()
    assert "order" in [job.kind for job in store.jobs.running()]


@on_sqlite
def test_work_that_was_lost_with_its_tables_is_begun_again(carrier: Worker, shoot: Shoot) -> None:
    store = carrier.store
    import_id, job = ask_for_import(store, shoot(2))
    store.jobs.progress(job, 1, 2)
    settle(carrier)
    assert store.imports.get(import_id).state == "done"


def test_a_busy_database_is_waited_for_and_a_fault_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(steps.time, "sleep", waited.append)
    answers = iter([StoreBusyError("busy"), StoreBusyError("busy"), {"done": 1}])

    def act() -> dict:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert run_step(act) == {"done": 1}
    assert len(waited) == 2

    def always_busy() -> dict:
        raise StoreBusyError("The database is busy.")

    assert run_step(always_busy) == {"failed": "The database is busy."}

    def wrong() -> dict:
        raise KeyError("oops")

    assert "worker's log" in run_step(wrong)["failed"]


def test_the_engine_keeps_no_pickles(carrier: Worker, shoot: Shoot) -> None:
    import sqlalchemy as sa

    from core.jobs.engine import system_schema, system_url

    ask_for_import(carrier.store, shoot(1))
    settle(carrier)
    engine = sa.create_engine(system_url(carrier.store).replace("postgresql://", "postgresql+psycopg://"))
    prefix = "" if carrier.store.database.is_sqlite else f"{system_schema(carrier.store)}."
    with engine.connect() as connection:
        for table in ("workflow_status", "operation_outputs"):
            kinds = connection.execute(
                sa.text(f"SELECT DISTINCT serialization FROM {prefix}{table}")
            ).scalars()
            assert set(kinds) <= {"portable_json", None}
    engine.dispose()


@on_sqlite
def test_a_worker_ends_where_a_newer_lapel_has_migrated_the_database(worker: Worker) -> None:
    worker.maintain()
    with worker.store.database.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StoreError, match="A newer Lapel has migrated the database"):
        worker.maintain()


def migrate_as_a_newer_lapel(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(sa.text("alter table photos rename column perceptual_hash to renamed"))
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))


@pytest.mark.parametrize("in_process", [True, False])
def test_a_step_that_fails_on_a_newer_schema_is_left_to_a_newer_worker(
    store: Store, shoot: Shoot, in_process: bool
) -> None:
    import_id, job = ask_for_import(store, shoot(1))
    done = Steps(store) if in_process else StepProcesses(store)
    try:
        mark = list_photos(done, job)
        assert mark["total"] == 1
        migrate_as_a_newer_lapel(store)
        with pytest.raises(WorkerClosed):
            next_photos(done, job, mark)
    finally:
        done.close()
    assert store.imports.get(import_id).state != "failed"


@on_sqlite
def test_an_import_on_a_newer_schema_stays_to_be_done(
    carrier: Worker, shoot: Shoot, caplog: pytest.LogCaptureFixture
) -> None:
    store = carrier.store
    import_id, job = ask_for_import(store, shoot(2))
    migrate_as_a_newer_lapel(store)
    until(lambda: "left to a newer worker" in caplog.text, carrier.poll)
    with pytest.raises(StoreError, match="update this one"):
        carrier.maintain()
    assert job in [row.id for row in store.jobs.running()]
    assert store.imports.get(import_id).state == "running"
