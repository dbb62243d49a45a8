"""A worker that labels by a stand-in: ``python -m tests.core.jobs.stand_in_worker FOLDER LOG MODEL MODEL``.

It writes each photo's number, or its name in a run, into the file LOG when it begins with it, and takes some
milliseconds for each.
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

from core.garments import Garment, LabeledPhoto
from core.images.decode import Photo
from core.inference import predictions
from core.jobs.client import LABEL, RUN
from core.jobs.context import WorkerContext
from core.jobs.engine import end_with_parent
from core.jobs.worker import work
from core.logs import start_logs
from core.store import Store
from core.store.predictions import ModelPair

SECONDS_A_PHOTO = 0.01
FOUND = Garment((1.0, 1.0, 9.0, 9.0), "top", 0.9)


def main() -> None:
    """Label until standard input closes, or SIGTERM comes."""
    folder, log, detector, classifier = sys.argv[1:]
    start_logs()
    end_with_parent()
    store, pair = Store.open(folder=Path(folder)), ModelPair(int(detector), int(classifier))
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def predict(store: Store, labeler: Any, photo_id: int) -> None:
        os.write(file, f"{photo_id}\n".encode())
        time.sleep(SECONDS_A_PHOTO)
        store.predictions.save(photo_id, pair, [FOUND], None)

    predictions.predict = predict  # type: ignore[assignment]
    predictions.model_pair = lambda store, labeler: pair  # type: ignore[assignment]

    def label(photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        os.write(file, f"{photo.name}\n".encode())
        time.sleep(SECONDS_A_PHOTO)
        return LabeledPhoto(photo.name, photo.width, photo.height, SECONDS_A_PHOTO, {}, (FOUND,))

    stand_in, stop = cast(Any, SimpleNamespace(names={}, label=label)), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    work(WorkerContext(store, lambda: stand_in), stop, kinds={LABEL, RUN})
    os._exit(0)


if __name__ == "__main__":
    main()
