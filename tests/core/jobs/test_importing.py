"""Imports in chunks: the report of one go, on both databases; small ones overtake; cancelled ones go on."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from core.errors import StoreFullError
from core.jobs import import_steps, importing, steps
from core.jobs.client import cancel, resume, start_import
from core.jobs.context import WorkerContext
from core.jobs.importing import prepare_pictures
from core.jobs.step_process import StepProcesses
from core.jobs.worker import ELSEWHERE, Worker
from core.store import Store
from core.store import importing as store_importing
from core.store.importing import ImportManifest, import_all, prepare_import
from core.store.imports import UploadFolder
from tests.core.jobs.conftest import settle
from tests.core.jobs.hostile_steps import COMMAND
from tests.core.store.test_import_chunks import dataset_in, whole
from tests.databases import on_postgresql, on_sqlite
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[3]
CHUNK = 4
Shoot = Callable[..., Path]


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four files, of which few are enqueued at a time."""
    monkeypatch.setattr(store_importing, "CHUNK_PHOTOS", CHUNK)
    monkeypatch.setattr(importing, "IN_FLIGHT", 2)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A permitted dataset with all that can become of a photo."""
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path))
    return dataset_in(tmp_path / "source")


def ask(store: Store, folder: Path) -> tuple[int, str]:
    import_id = store.imports.begin("set", "ada", str(folder))
    return import_id, start_import(store, import_id)


def in_one_go(fresh_store: Callable[[str], Store], folder: Path) -> Store:
    calm = fresh_store("sqlite")
    import_all(calm, calm.imports.begin("set", "ada", str(folder)), trusted=True)
    return calm


def test_an_import_in_chunks_ends_as_one_in_one_go(
    carrier: Worker,
    fresh_store: Callable[[str], Store],
    source: Path,
    chunked: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chunks: list[int] = []
    prepare = importing.prepare_chunk

    def noted(steps: steps.Steps, job: str, chunk: int) -> steps.StepResult:
        chunks.append(chunk)
        return prepare(steps, job, chunk)

    monkeypatch.setattr(importing, "prepare_chunk", noted)
    import_id, job = ask(carrier.store, source)
    settle(carrier)
    assert whole(carrier.store, import_id) == whole(in_one_go(fresh_store, source), 1)
    row, done = carrier.store.imports.get(import_id), carrier.store.jobs.get(job)
    assert (done.state, done.done, done.total) == ("done", row.total, row.total)
    assert sorted(chunks) == [*range(1, -(-row.total // CHUNK))], "each once; the first by the import itself"
    assert not UploadFolder.of(carrier.store.folder).import_folder(import_id).joinpath("prepared").exists()


def slow_batches(monkeypatch: pytest.MonkeyPatch, held_after: float = math.inf) -> tuple[Event, Event]:
    """Photos are brought in one by one; after so many the first event is set, and the second waited for."""
    whole_batch, held, may_go_on, batches = steps.import_batch, Event(), Event(), count()

    def import_one(*arguments: Any, most: int) -> steps.StepResult:
        if next(batches) >= held_after:
            held.set()
            assert may_go_on.wait(PATIENCE_SECONDS)
        return whole_batch(*arguments, most=1)

    monkeypatch.setattr(steps, "import_batch", import_one)
    return held, may_go_on


def test_an_import_that_is_cancelled_in_the_middle_says_what_came_and_goes_on(
    carrier: Worker,
    fresh_store: Callable[[str], Store],
    source: Path,
    chunked: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, may_go_on = slow_batches(monkeypatch, CHUNK + 2)
    store = carrier.store
    import_id, job = ask(store, source)
    until(held.is_set, carrier.poll)
    cancel(store, job)
    may_go_on.set()
    until(lambda: not carrier.engine.busy_workers(), carrier.poll)
    stopped = store.imports.get(import_id)
    assert (stopped.state, store.jobs.get(job).state) == ("cancelled", "cancelled")
    came = stopped.counts["new"] + stopped.counts["near"]
    assert 0 < stopped.done < stopped.total and came <= store.photos.count() <= came + 1
    resume(store, job)
    settle(carrier)
    assert whole(store, import_id) == whole(in_one_go(fresh_store, source), 1)


@on_sqlite
def test_a_small_import_overtakes_a_large_one(
    carrier: Worker, shoot: Shoot, chunked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_batches(monkeypatch)
    store = carrier.store
    large, _ = ask(store, shoot(60, "large"))
    until(lambda: store.imports.get(large).done > 1, carrier.poll)
    small, _ = ask(store, shoot(3, "small"))
    until(lambda: store.imports.get(small).state == "done", carrier.poll)
    assert store.imports.get(large).state == "running"
    settle(carrier)
    assert (store.imports.get(large).counts["new"], store.imports.get(small).counts["new"]) == (60, 3)


def fail_for_room(carrier: Worker, source: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """An import and its job, whose pictures find no room."""
    import_id, job = ask(carrier.store, source)
    with monkeypatch.context() as patch:
        patch.setitem(steps.STEPS, "import.pictures", _no_room)
        settle(carrier)
    return import_id, job


@on_sqlite
def test_an_import_whose_pictures_find_no_room_fails_and_can_be_tried_again(
    carrier: Worker,
    fresh_store: Callable[[str], Store],
    source: Path,
    chunked: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = carrier.store
    import_id, job = fail_for_room(carrier, source, monkeypatch)
    stopped = store.imports.get(import_id)
    assert (stopped.state, stopped.message) == ("failed", "There is no room left for pictures.")
    assert stopped.done == CHUNK, "what came before stays"
    resume(store, job)
    settle(carrier)
    assert whole(store, import_id) == whole(in_one_go(fresh_store, source), 1)


def _no_room(*_: object, **__: object) -> steps.StepResult:
    raise StoreFullError("There is no room left for pictures.")


@on_sqlite
def test_a_chunk_of_a_job_that_ended_prepares_nothing(store: Store, source: Path, chunked: None) -> None:
    import_id, job = ask(store, source)
    mark, context = prepare_import(store, import_id), WorkerContext(store)
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    assert prepare_pictures(context, job, 1) == {"prepared": CHUNK} and manifest.has_prepared(1)
    assert prepare_pictures(context, job, 1) == {"prepared": 0}, "it is not done again"
    last = mark.total // CHUNK
    assert prepare_pictures(context, job, last) == {"prepared": mark.total % CHUNK}
    cancel(store, job)
    assert prepare_pictures(context, job, 2) == {"cut": True} and not manifest.has_prepared(2)


@on_sqlite
@pytest.mark.slow
def test_a_photo_of_a_chunk_that_ends_its_process_is_refused_by_name(
    store: Store, shoot: Shoot, chunked: None
) -> None:
    folder = shoot(11)
    for number in (5, 7):
        (folder / f"{number:04d}.jpg").rename(folder / f"crashes {number}.jpg")
    import_id, job = ask(store, folder)
    mark = prepare_import(store, import_id)
    hostile = StepProcesses(store, COMMAND)
    try:
        for chunk in range(3):
            import_steps.prepare_chunk(hostile, job, chunk)
        assert hostile.held() == {job}
    finally:
        hostile.close()
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    prepared = [known for known, _ in zip(manifest.prepared(0, CHUNK), range(mark.total), strict=False)]
    assert [known.error for known in prepared if known and known.error] == [
        "Reading the photo ended the process that worked on it, and was given up."
    ] * 2
    assert sum(bool(known and known.photo) for known in prepared) == 9


PHOTOS = 240


@contextmanager
def importer(store: Store, log: Path, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process that imports, in chunks of eight; ``folder``: of another machine's files."""
    url = store.database.engine.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.core.jobs.importing_worker", str(folder or store.folder), str(log)],
        cwd=ROOT,
        env=os.environ | {"LAPEL_DATABASE_URL": url, "LAPEL_BLOBS_URL": store.blobs.url},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@on_postgresql
@pytest.mark.slow
@pytest.mark.parametrize("brings_in", [True, False], ids=["that brings in", "that prepares"])
def test_of_two_workers_that_import_one_set_one_is_killed_and_the_report_is_the_same(
    store: Store,
    fresh_store: Callable[[str], Store],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    brings_in: bool,
) -> None:
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path))
    source, log = dataset_in(tmp_path / "source", PHOTOS), tmp_path / "log"
    import_id, _ = ask(store, source)

    def done() -> int:
        return store.imports.get(import_id).done

    def busy() -> Counter[tuple[str, str]]:
        return Counter((pid, what) for pid, what, _ in (line.split("|") for line in lines()))

    def lines() -> list[str]:
        return log.read_text().splitlines() if log.exists() else []

    with importer(store, log) as first, importer(store, log) as second:
        both = {str(first.pid), str(second.pid)}
        until(lambda: {pid for pid, what in busy() if what == "prepare"} == both and done() > 16)
        carrying = next(pid for pid, what in busy() if what == "bring in")
        (first if (str(first.pid) == carrying) is brings_in else second).kill()
        assert done() < PHOTOS
        until(lambda: store.imports.get(import_id).state == "done")
    assert whole(store, import_id) == whole(in_one_go(fresh_store, source), 1)
    prepared = Counter(name for _, what, name in (line.split("|") for line in lines()) if what == "prepare")
    again = sum(prepared.values()) - len(prepared)
    assert again <= 8, "no more than the chunk at hand was prepared again"


@on_postgresql
@pytest.mark.slow
def test_an_import_that_is_recovered_where_its_files_are_not_goes_on_where_they_are(
    store: Store, fresh_store: Callable[[str], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_IMPORT_FOLDERS", str(tmp_path))
    source, log = dataset_in(tmp_path / "source", PHOTOS // 3), tmp_path / "log"
    import_id, job = ask(store, source)
    with importer(store, log):
        until(lambda: store.imports.get(import_id).done > 8)
    assert store.imports.get(import_id).state == "running"
    with importer(store, log, tmp_path / "elsewhere") as elsewhere:
        until(lambda: store.jobs.get(job).message == ELSEWHERE)
        with importer(store, log):
            until(lambda: store.imports.get(import_id).state == "done")
            until(lambda: store.jobs.get(job).state == "done")
    assert whole(store, import_id) == whole(in_one_go(fresh_store, source), 1)
    done = [line.split("|") for line in log.read_text().splitlines()]
    assert all(int(pid) != elsewhere.pid for pid, _, _ in done)
    brought = Counter(name for _, what, name in done if what == "bring in")
    assert sum(brought.values()) - len(brought) <= 8, "no more than the step at hand was repeated"
