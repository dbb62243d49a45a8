"""Many workers label one store: photos a second and efficiency, with stand-in models of a fixed cost.

``python -m benchmarks.scale`` prints a table to stderr and one line of JSON to stdout. A PostgreSQL of its
own gets ``--photos`` rows, and 1, 2, 4 and 8 workers (processes of ``core.jobs.worker``) label them. The
stand-in waits ``--cost`` seconds a photo, as a GPU would work, so that two cores show what the job engine
itself costs; what it saves is a garment and an embedding. Measured are ``--seconds`` of the clock, once all
are at work. Efficiency is the rate divided by as many times one worker's.

``--real`` takes the models that ship in the place of the stand-in, and the drawn samples as photos, over and
over: ``python -m benchmarks.scale --real --workers 1 2``. Each worker then has a core of its own and computes
in one thread, so that 1 and 2 workers are 1 and 2 cores; PostgreSQL runs on the same cores.

``--imports`` has the workers import instead: preparing a photo waits ``--cost`` seconds beside the work on a
small picture. Chunks have 32 photos there, a quarter of the usual, so that what came is told more finely.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.load.many import add_photos
from benchmarks.machine import describe_machine, machine_line
from benchmarks.store import postgresql, url_of
from core.garments import Garment
from core.jobs.client import start_import, start_labeling
from core.store import DATABASE_VARIABLE, Store
from core.store.imports import FOLDERS_VARIABLE

PACKAGES = ("dbos", "psycopg", "sqlalchemy")
CHUNK_PHOTOS = 32
ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))
FOUND = Garment((10.0, 10.0, 60.0, 90.0), "skirt", 0.8, (("Skirt", 0.9),))


def serve(folder: Path, cost: float, core: int | None, imports: bool) -> None:
    """A worker that only labels, with the stand-in, or on a core by the real models; or that only imports.

    Until its standard input ends.
    """
    from core.inference import predictions
    from core.jobs.client import IMPORT, LABEL
    from core.jobs.context import WorkerContext
    from core.jobs.engine import end_with_parent
    from core.jobs.worker import work

    end_with_parent()
    store, embedding = Store.open(folder=folder), np.zeros(1024, np.float32)
    if imports:
        wait_for_each(cost)
        work(WorkerContext(store), threading.Event(), kinds={IMPORT})
        return
    store.models.register_shipped()
    if core is not None:
        if hasattr(os, "sched_setaffinity"):
            allowed = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {allowed[core % len(allowed)]})
        work(WorkerContext(store), threading.Event(), kinds={LABEL})
        return
    names = {kind: store.models.champion(kind).name for kind in ("detector", "classifier")}

    def predict(store: Store, labeler: Any, photo_id: int) -> tuple[Garment, ...]:
        time.sleep(cost)
        store.predictions.save(photo_id, predictions.model_pair(store, labeler), [FOUND], embedding)
        return (FOUND,)

    predictions.predict = predict  # type: ignore[assignment]
    stand_in: Any = SimpleNamespace(names=names)
    work(WorkerContext(store, lambda: stand_in), threading.Event(), kinds={LABEL})


def wait_for_each(cost: float) -> None:
    """Have this process take so many seconds more for each photo of an import that it prepares."""
    from core.store import importing

    importing.CHUNK_PHOTOS = CHUNK_PHOTOS
    prepare = importing.prepare_item

    def prepare_slowly(store: Store, item: Any) -> Any:
        time.sleep(cost)
        return prepare(store, item)

    importing.prepare_item = prepare_slowly


@contextmanager
def workers(
    store: Store, count: int, *, cost: float, imports: bool = False, real: bool = False
) -> Iterator[None]:
    """So many worker processes on a store, as ``serve`` has them; one that ends is started again."""
    environment = os.environ | {DATABASE_VARIABLE: url_of(store), "OMP_NUM_THREADS": "1"}
    environment[FOLDERS_VARIABLE] = str(store.folder)
    command = [sys.executable, "-m", "benchmarks.scale", "--serve", str(store.folder)]
    command += ["--cost", str(cost), *(["--imports"] if imports else [])]
    ended = threading.Event()

    def supervise(number: int) -> None:
        alone = ["--core", str(number)] if real else []
        while not ended.is_set():
            process = subprocess.Popen(
                [*command, *alone],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and not ended.wait(0.2):
                pass
            process.kill()
            process.wait()
            ended.wait(1.0)

    supervisors = [threading.Thread(target=supervise, args=[number]) for number in range(count)]
    for one in supervisors:
        one.start()
    try:
        yield
    finally:
        ended.set()
        for one in supervisors:
            one.join()


def put_pictures(store: Store) -> None:
    """Give the photos of rows alone the drawn samples as pictures, in turns."""
    import sqlalchemy as sa

    from core.images.decode import open_photo
    from core.store.ingest import HashedPhoto, PictureBlobs
    from core.store.schema import photos

    for number, path in enumerate(SAMPLES):
        photo = open_photo(path)
        kept = PictureBlobs(store.database, store.blobs).put(HashedPhoto.of(photo))
        values = {
            "blob": kept.blob,
            "thumbnail": kept.thumbnail,
            "width": photo.width,
            "height": photo.height,
        }
        turn = photos.c.id % len(SAMPLES) == number
        store.database.change(sa.update(photos).where(turn).values(**values))


def labeled(store: Store) -> int:
    """How many predictions there are."""
    import sqlalchemy as sa

    from core.store.schema import predictions

    return int(store.database.value(sa.select(sa.func.count()).select_from(predictions)))


def draw_small(folder: Path, count: int) -> Path:
    """A folder of so many small photos, all different."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        patches = random.integers(0, 256, (16, 17, 3), dtype=np.uint8)
        picture = Image.fromarray(patches).resize((96, 128), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:06d}.jpg", quality=90)
    return folder


def ask_for_work(store: Store, options: argparse.Namespace) -> Callable[[], int]:
    """Request what the workers are to do; gives how many photos are done."""
    if options.imports:
        source = draw_small(store.folder / "source", options.photos)
        start_import(store, store.imports.begin("small photos", "benchmark", str(source)))
        return store.photos.count
    add_photos(store, options.photos)
    if options.real:
        put_pictures(store)
    store.models.register_shipped()
    start_labeling(store)
    return partial(labeled, store)


def measure_workers(folder: Path, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Photos a second of so many workers, from when all are at work on."""
    with postgresql(folder) as store:
        if store is None:
            raise SystemExit("no PostgreSQL: install Debian's postgresql package")
        count_done = ask_for_work(store, options)
        with workers(store, count, cost=options.cost, imports=options.imports, real=options.real):
            least = 3 * CHUNK_PHOTOS if options.imports else 20
            while (
                count_done() < least * count
            ):  # models registered, first chunks planned by the others' speed
                time.sleep(0.1)
            time.sleep(options.warm)
            began, before = time.perf_counter(), count_done()
            while time.perf_counter() - began < options.seconds and count_done() < options.photos:
                time.sleep(0.1)
            done, passed = count_done() - before, time.perf_counter() - began
    return {"workers": count, "photos": done, "seconds": round(passed, 1), "rate": round(done / passed, 1)}


def with_efficiency(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with its rate as a share of as many times the first one's a worker."""
    one = rows[0]["rate"] / rows[0]["workers"]
    return [row | {"efficiency": round(row["rate"] / row["workers"] / one, 3)} for row in rows]


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--cost", type=float, default=0.1, help="seconds that the stand-in waits a photo")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=40.0, help="measured for each number of workers")
    parser.add_argument("--warm", type=float, default=10.0, help="seconds before, when all are at work")
    parser.add_argument("--real", action="store_true", help="the models that ship, a core for each worker")
    parser.add_argument("--imports", action="store_true", help="measure imports, by as many small photos")
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.cost, options.core, options.imports)
        return
    rows = []
    for count in options.workers:
        with tempfile.TemporaryDirectory() as name:
            rows.append(measure_workers(Path(name), count, options))
    rows = with_efficiency(rows)
    models = "the real models" if options.real else f"{options.cost * 1000:g} ms each"
    what = "imported" if options.imports else "labeled"
    print(f"{options.photos:,} photos, {what}, {models}; {machine_line(PACKAGES)}", file=sys.stderr)
    for row in rows:
        line = f"{row['workers']:3} workers {row['rate']:8.1f} photos/s, efficiency {row['efficiency']:.2f}"
        print(line, file=sys.stderr)
    cost_ms = None if options.real else options.cost * 1000
    result = {"benchmark": "scale", "what": what, "cost_ms": cost_ms, "workers": rows}
    print(json.dumps(result | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
