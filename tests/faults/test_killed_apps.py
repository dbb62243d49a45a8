"""Two workspaces with a worker each, on one store: either is killed at any moment, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from core.jobs.client import start_import
from core.store import Store
from core.store.jobs import GOING
from tests.faults.counts import times
from tests.faults.wholeness import faults_of
from tests.faults.writer import make_photos
from tests.ports import free_port
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PHOTOS_EACH = 40
"""Photos for each kill, so that there is work left at the next."""


@contextmanager
def an_app(store: Store) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m app`` on the store, with its worker, for as long as it is wanted."""
    url = store.database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "app", "--no-browser", "--port", str(free_port())]
    environment = os.environ | {"LAPEL_DATABASE_URL": url, "LAPEL_DATA": str(store.folder)}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {"LAPEL_IMPORT_FOLDERS": str(store.folder), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_two_apps_with_their_workers_either_may_be_killed_at_any_moment(
    kind: str, fresh_store: Callable[[str], Store]
) -> None:
    store, kills, moments = fresh_store(kind), times(1), Random(kind)
    count = PHOTOS_EACH * (kills + 1)
    source = make_photos(store.folder / "source", moments, count)
    import_id = store.imports.begin("source", "Anna", str(source))
    job = start_import(store, import_id)

    def is_over() -> bool:
        return store.jobs.get(job).state not in GOING

    with ExitStack() as stack:
        apps = [stack.enter_context(an_app(store)) for _ in range(2)]
        for _ in range(kills):
            done = store.imports.get(import_id).done
            until(lambda done=done: is_over() or store.imports.get(import_id).done > done)
            apps.pop(moments.randrange(2)).kill()
            apps.append(stack.enter_context(an_app(store)))
        until(is_over)
    row = store.imports.get(import_id)
    assert (row.state, row.done, row.counts["refused"]) == ("done", count + 2, 1)
    assert store.photos.count() == count and [*faults_of(store)] == []
