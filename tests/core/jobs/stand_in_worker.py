"""A worker that labels by a stand-in: ``python -m tests.core.jobs.stand_in_worker FOLDER LOG MODEL MODEL``.

It writes each photo's number into the file LOG when it begins with it, and takes a few milliseconds for each.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from core.garments import Garment
from core.inference import predictions
from core.jobs.client import LABEL
from core.jobs.context import WorkerContext
from core.jobs.engine import end_with_parent
from core.jobs.worker import work
from core.store import Store
from core.store.predictions import ModelPair

SECONDS_A_PHOTO = 0.01
FOUND = Garment((1.0, 1.0, 9.0, 9.0), "top", 0.9)


def main() -> None:
    """Label until standard input closes, or SIGTERM comes."""
    folder, log, detector, classifier = sys.argv[1:]
    end_with_parent()
    store, pair = Store.open(folder=Path(folder)), ModelPair(int(detector), int(classifier))
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def predict(store: Store, labeler: Any, photo_id: int) -> None:
        os.write(file, f"{photo_id}\n".encode())
        time.sleep(SECONDS_A_PHOTO)
        store.predictions.save(photo_id, pair, [FOUND], None)

    predictions.predict = predict  # type: ignore[assignment]
    predictions.model_pair = lambda store, labeler: pair  # type: ignore[assignment]
    stand_in, stop = cast(Any, SimpleNamespace(names={})), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    work(WorkerContext(store, lambda: stand_in), stop, kinds={LABEL})
    os._exit(0)


if __name__ == "__main__":
    main()
