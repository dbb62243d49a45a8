"""The queue of a store with very many photos: next task, order, statistics, search, export, bulk actions
on all photos, and their memory.

Run with ``python -m benchmarks.queue_scale [--photos 100000 1000000] [--databases sqlite postgresql]``; a
line for each action goes to stderr, one line of JSON to stdout. Every photo is predicted (six garments, an
embedding of 1,024 numbers), a tenth is annotated; there are rows only, without pictures. Each action is a
process of its own, so that its peak memory can be told. ``--actions`` chooses some; ``--actions "first order"
counts`` says what the counts cost, which need the tasks that the first order makes.

A million photos on PostgreSQL alone: ``python -m benchmarks.queue_scale --photos 1000000 --databases
postgresql``. It needs PostgreSQL's programs, no server. On two cores it takes about 50 minutes (100,000 took
5; a million on SQLite 47) and 20 GiB in the folder for temporary files (TMPDIR), by the 0.38 GiB of 20,000;
SQLite takes 11 GiB. The last figures of a store are its seconds in all and what it takes on the disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.finding import PAGE, add_models, prediction_row
from benchmarks.load.many import add_photos, annotate_all, insert
from benchmarks.machine import describe_machine, machine_line
from benchmarks.store import next_photos, postgresql, spread, timed, url_of
from core.inference.predictions import set_queue_models
from core.store import Store, sqlite_url
from core.store.box_index import fill_index
from core.store.predictions import ModelPair
from core.store.schema import predictions

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sqlalchemy", "psycopg")
DATABASES = ("sqlite", "postgresql")
EMBEDDING, ANNOTATED = 1024, 0.1
RELABELED_AT_ONCE = 500
COUNTED = 100
"""Times that the counts are asked for."""
SAVED = 20
"""Annotations after which the queue is ordered anew, as the worker does."""


def fill(store: Store, photos: int) -> None:
    """So many photos with predictions, a tenth of them annotated, none of them with a task yet."""
    add_photos(store, photos)
    annotate_all(store, int(ANNOTATED * photos))
    pair = add_models(store)
    names = {category.id: category.name for category in store.categories.all()}
    insert(store, predictions, (_with_embedding(number + 1, pair, names) for number in range(photos)))
    with store.database.write() as connection:
        fill_index(connection)
    set_queue_models(store, pair)


def _with_embedding(photo_id: int, pair: ModelPair, names: dict[int, str]) -> dict[str, Any]:
    numbers = np.random.default_rng(photo_id).random(EMBEDDING, dtype=np.float32)
    return prediction_row(photo_id, pair, names) | {"embedding": numbers.astype("<f2").tobytes()}


def order_first(store: Store) -> dict[str, float]:
    """The first order of all photos."""
    from core.active_learning.queue_order import reorder

    return {"tasks_s": timed(store.queue.fill), "s": timed(lambda: reorder(store))}


def order_again(store: Store) -> dict[str, float]:
    """The order after ``SAVED`` annotations more."""
    from core.active_learning.queue_order import reorder
    from core.store.boxes import AnnotatedBox

    category = store.categories.all()[0].id
    for number, photo_id in enumerate(store.queue.head(SAVED)):
        boxes = [AnnotatedBox((10.0, 10.0, 200.0, 300.0), category)]
        request = f"queue scale {time.time()} {number}"
        store.annotations.submit(photo_id, boxes, author="benchmark", base_version=0, request=request)
    return {"s": timed(lambda: reorder(store))}


def ask_next(store: Store) -> dict[str, float]:
    """The next task, of two hundred."""
    return next_photos(store, 200)


def count(store: Store) -> dict[str, float]:
    """The queue's counts, which are asked for at each photo, and what Data shows of all annotations."""
    from core.store.statistics import count_annotations

    times = []
    for number in range(COUNTED):
        started = time.perf_counter()
        store.queue.counts(f"asks {number % 25}")
        times.append(1000 * (time.perf_counter() - started))
    return spread(times, "queue_") | {"statistics_s": timed(lambda: count_annotations(store))}


def search(store: Store) -> dict[str, float]:
    """A page of photos by category, and how many there are."""
    from core.store.search import PhotoQuery

    query = PhotoQuery(category_id=store.categories.all()[0].id)
    page = partial(store.search.photos, query, 0, PAGE)
    page()
    return {"page_s": timed(page), "count_s": timed(lambda: store.search.count(query))}


def export(store: Store) -> dict[str, float]:
    """A revision of what is annotated, and its export as COCO."""
    from core.store.exports import export_revision

    made = timed(lambda: store.revisions.create("benchmark"))
    number = store.revisions.all()[0].number
    with tempfile.TemporaryFile() as out:
        return {"revision_s": made, "s": timed(lambda: export_revision(store, number, "coco", out))}


def bulk_actions(store: Store) -> dict[str, float]:
    """All photos found, put first, given away, tagged; all boxes of a category relabeled, and undone."""
    from core.store import bulk
    from core.store.search import PhotoQuery

    started = time.perf_counter()
    photo_ids = store.search.ids(PhotoQuery())
    row = {"find_s": time.perf_counter() - started}
    row["first_s"] = timed(lambda: bulk.put_first(store, photo_ids, "benchmark"))
    row["give_s"] = timed(lambda: bulk.assign(store, photo_ids, "ben", by="benchmark"))
    row["tag_s"] = timed(lambda: bulk.tag(store, photo_ids, author="benchmark", add="spring"))
    one, other = (category.id for category in store.categories.all()[:2])
    query, name = PhotoQuery(category_id=one), bulk.new_name()
    done, started = bulk.Relabeled(name, 0, 0), time.perf_counter()
    found = store.search.ids(query, with_boxes=True)
    for start in range(0, len(found), RELABELED_AT_ONCE):
        boxes = store.search.box_names(query, found[start : start + RELABELED_AT_ONCE].tolist())
        done += bulk.relabel(store, boxes, author="benchmark", category_id=other, name=name)
    row |= {"relabeled": done.photos, "relabel_s": time.perf_counter() - started}
    return row | {"undo_s": timed(lambda: bulk.undo_relabel(store, name, author="benchmark"))}


ACTIONS: Mapping[str, Callable[[Store], dict[str, float]]] = {
    "first order": order_first,
    "next task": ask_next,
    "order again": order_again,
    "counts": count,
    "search": search,
    "export": export,
    "all at once": bulk_actions,
}


def run_action(name: str, url: str, folder: Path) -> dict[str, float]:
    """An action in this process, with its memory before it and at most."""
    store = Store.open(url, folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = ACTIONS[name](store)
    store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return row | {"open_mib": round(before / 1024), "peak_mib": round(peak / 1024)}


def analyze(store: Store) -> None:
    """Let PostgreSQL count what is there now, as its autovacuum does within minutes."""
    if not store.database.is_sqlite:
        with store.database.write() as connection:
            connection.exec_driver_sql("ANALYZE")


def disk_gib(store: Store) -> float:
    """What the database takes on the disk, its log too."""
    if store.database.is_sqlite:
        taken = sum(file.stat().st_size for file in store.folder.glob("lapel.db*"))
    else:
        sizes = "SELECT pg_database_size(current_database()) + (SELECT sum(size) FROM pg_ls_waldir())"
        with store.database.read() as connection:
            taken = int(connection.exec_driver_sql(sizes).scalar_one())
    return round(taken / 2**30, 2)


@contextmanager
def opened(database: str, folder: Path) -> Iterator[Store | None]:
    """An empty store; None where the machine has no PostgreSQL."""
    if database == "sqlite":
        store = Store.open(sqlite_url(folder), folder)
        yield store
        store.close()
    else:
        with postgresql(folder) as large:
            yield large


def measure(database: str, photos: int, only: list[str]) -> dict[str, Any]:
    """All actions on a store of so many photos."""
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary, opened(database, Path(temporary)) as store:
        if store is None:
            return rows
        began = time.perf_counter()
        rows["fill"] = {"s": timed(lambda: fill(store, photos))}
        for name in only:
            analyze(store)
            command = [sys.executable, "-m", "benchmarks.queue_scale", "--action", name]
            command += ["--url", url_of(store), "--folder", temporary]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
            rows[name] = json.loads(done.stdout)
            print(f"{database}, {photos:,} photos: {name} {rows[name]}", file=sys.stderr, flush=True)
        rows["all"] = {"s": round(time.perf_counter() - began), "disk_gib": disk_gib(store)}
    return rows


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    parser.add_argument("--actions", nargs="+", choices=[*ACTIONS], default=[*ACTIONS])
    parser.add_argument("--action", choices=[*ACTIONS], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.action:
        print(json.dumps(run_action(options.action, options.url, options.folder)))
        return
    figures = {
        database: {f"{photos:,}": measure(database, photos, options.actions) for photos in options.photos}
        for database in options.databases
    }
    print(machine_line(PACKAGES), file=sys.stderr)
    line = {"benchmark": "queue_scale", "embedding": EMBEDDING, "annotated": ANNOTATED}
    print(json.dumps(line | figures | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
