"""A worker that imports in chunks of eight: ``python -m tests.core.jobs.importing_worker FOLDER LOG``.

It writes what it does with which photo into the file LOG, a line each: ``PID|prepare or bring in|NAME``. All
of it is done in this process, so that one kill ends it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from core.jobs import engine
from core.jobs.client import IMPORT
from core.jobs.context import WorkerContext
from core.jobs.engine import end_with_parent
from core.jobs.worker import work
from core.logs import start_logs
from core.store import Store, importing
from core.store.import_step import ImportStep

SECONDS_A_PHOTO = 0.01


def main() -> None:
    """Import until standard input closes."""
    folder, log = sys.argv[1:]
    start_logs()
    end_with_parent()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    prepare, take = importing.prepare_item, ImportStep.take

    def tell(what: str, name: str) -> None:
        os.write(file, f"{os.getpid()}|{what}|{name}\n".encode())
        time.sleep(SECONDS_A_PHOTO)

    def prepare_and_tell(store: Store, item: Any) -> Any:
        tell("prepare", item.name)
        return prepare(store, item)

    def take_and_tell(step: ImportStep, item: Any, prepared: Any = None) -> None:
        tell("bring in", item.name)
        take(step, item, prepared)

    importing.prepare_item = prepare_and_tell
    ImportStep.take = take_and_tell  # type: ignore[method-assign]
    importing.CHUNK_PHOTOS = 8
    engine.POLL_SECONDS = 0.2
    work(WorkerContext(Store.open(folder=Path(folder))), threading.Event(), kinds={IMPORT})


if __name__ == "__main__":
    main()
