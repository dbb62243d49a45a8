"""Imports by a worker whose steps have processes of their own: hostile files harm nothing but themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import StoreError
from core.jobs.client import cancel, resume, start_import
from core.jobs.context import WorkerContext
from core.jobs.import_steps import import_limits
from core.jobs.step_process import StepProcesses
from core.jobs.worker import Worker
from core.store import Store
from tests.core.jobs.hostile_steps import COMMAND, STARTED
from tests.databases import on_sqlite
from tests.waiting import until

Shoot = Callable[..., Path]


@pytest.fixture
def importer(store: Store) -> Iterator[Worker]:
    """A worker that imports and nothing else."""
    hired = Worker(WorkerContext(store, steps=StepProcesses(store, COMMAND)), kinds=("import",))
    yield hired
    hired.close()


def ask_for_import(store: Store, folder: Path) -> tuple[int, str]:
    import_id = store.imports.begin(folder.name, "ada", str(folder))
    return import_id, start_import(store, import_id)


@on_sqlite
@pytest.mark.slow
def test_an_import_that_hangs_is_cancelled_and_the_next_one_runs(
    importer: Worker, store: Store, shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_TEST_PREPARE", "compute")
    hostile, job = ask_for_import(store, shoot(1, "hostile"))
    until((store.folder / STARTED).exists, importer.poll)
    monkeypatch.delenv("LAPEL_TEST_PREPARE")
    sound, _ = ask_for_import(store, shoot(2, "sound"))
    cancel(store, job)
    until(lambda: store.imports.get(sound).state == "done", importer.poll)
    assert (store.imports.get(hostile).state, store.jobs.get(job).state) == ("cancelled", "cancelled")
    resume(store, job)
    until(lambda: store.imports.get(hostile).state == "done", importer.poll)
    assert store.photos.count() == 3


@on_sqlite
@pytest.mark.slow
def test_an_import_that_takes_too_long_fails_with_a_sentence(
    importer: Worker, store: Store, shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_TEST_PREPARE", "compute")
    monkeypatch.setenv("LAPEL_IMPORT_MINUTES", "0.01")
    import_id, job = ask_for_import(store, shoot(1))
    until(lambda: store.jobs.get(job).state == "failed", importer.poll)
    said = store.imports.get(import_id).message  # by either clock
    assert re.fullmatch(r"Reading the files of this import took .* minutes.*, and was given up\.", said)


@on_sqlite
@pytest.mark.slow
def test_a_photo_that_ends_its_process_is_refused_by_name_and_the_others_are_imported(
    importer: Worker, store: Store, shoot: Shoot
) -> None:
    folder = shoot(6)
    (folder / "0003.jpg").rename(folder / "crashes 1.jpg")
    (folder / "0001.jpg").rename(folder / "0002 and then.jpg")
    (folder / "0004.jpg").rename(folder / "crashes 2.jpg")
    import_id, _ = ask_for_import(store, folder)
    until(lambda: store.imports.get(import_id).state == "done", importer.poll)
    row = store.imports.get(import_id)
    assert (row.done, row.counts["new"], row.counts["refused"]) == (6, 4, 2)
    assert [(refused.name, refused.reason) for refused in store.imports.refusals(import_id)] == [
        (name, "Reading the photo ended the process that worked on it, and was given up.")
        for name in ("crashes 1.jpg", "crashes 2.jpg")
    ]


@pytest.mark.parametrize("said", ["0", "-1", "soon", "inf"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("LAPEL_IMPORT_MINUTES", said)
    with pytest.raises(StoreError, match="expected a number above 0 in LAPEL_IMPORT_MINUTES"):
        import_limits()


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_IMPORT_MINUTES", "2")
    monkeypatch.setenv("LAPEL_IMPORT_GIB", "1.5")
    limits = import_limits()
    assert (limits.cpu_seconds, limits.wall_seconds) == (120, 720)
    assert limits.memory_bytes == 3 * 2**29
