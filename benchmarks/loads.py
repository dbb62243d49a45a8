"""Many annotators on PostgreSQL: alone, beside workers that label, and while the database is away.

``python -m benchmarks.loads [--people 100] [--workers 8] [--seconds 60] [--outage 20]`` prints a table to
stderr and one line of JSON to stdout. People save every five seconds and submit every sixth save; workers
label with a stand-in that waits (see :mod:`benchmarks.scale`), so that two cores show what the database and
the job engine cost. In the third part the server is stopped once people are at work; what fails meanwhile is
tried again, as the editor does. Counted are versions that were acknowledged and are not there afterwards, and
photos that were labeled once all was well again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.load.many import add_photos
from benchmarks.machine import describe_machine, machine_line
from benchmarks.scale import labeled, workers
from benchmarks.store import people_row, told_by_people
from core.jobs.client import start_labeling
from core.store import Store
from core.store.schema import annotations
from tests import postgres

PACKAGES = ("dbos", "psycopg", "sqlalchemy")
COST = 0.1
"""Seconds that the stand-in waits a photo."""


def at_work(store: Store, options: argparse.Namespace, *more: str) -> tuple[dict[str, float], list[Any]]:
    """A row of people's times, and the versions that were acknowledged to them."""
    told = told_by_people(store, options.people, options.seconds, options.every, *more)
    return people_row(told), [tuple(entry) for one in told for entry in one["acknowledged"]]


def versions(store: Store) -> int:
    """How many versions are saved."""
    return int(store.database.value(sa.select(sa.func.count()).select_from(annotations)))


def lost(store: Store, acknowledged: list[Any]) -> int:
    """How many acknowledged versions are not there, or more than once."""
    with store.database.read() as connection:
        rows = connection.execute(sa.select(annotations.c.photo_id, annotations.c.version)).all()
    there = Counter((row.photo_id, row.version) for row in rows)
    return sum(there[entry] != 1 for entry in acknowledged)


def with_outage(server: str, store: Store, options: argparse.Namespace) -> dict[str, float]:
    """People and workers while the server is stopped for ``--outage`` seconds in the middle."""

    saved = versions(store)

    def stop_and_start() -> None:
        while versions(store) < saved + max(1, options.people // 4):
            time.sleep(0.2)
        with postgres.stopped(server):
            time.sleep(options.outage)

    stopping = threading.Thread(target=stop_and_start)
    stopping.start()
    row, acknowledged = at_work(store, options, "--patient")
    stopping.join()
    row |= {"acknowledged": len(acknowledged), "lost": lost(store, acknowledged)}
    before, until = labeled(store), time.monotonic() + 60
    while labeled(store) == before and time.monotonic() < until:
        time.sleep(0.5)
    return row | {"labeled_after": labeled(store) - before}


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The three parts, one after the other on one store."""
    with postgres.server() as server, postgres.database(server, "lapel_loads") as url:
        store = Store.open(url, folder)
        add_photos(store, options.photos)
        store.models.register_shipped()
        store.queue.fill()
        figures: dict[str, Any] = {"alone": at_work(store, options)[0]}
        start_labeling(store)
        with workers(store, options.workers, cost=COST):
            while labeled(store) < 20 * options.workers:
                time.sleep(0.2)
            began, before = time.monotonic(), labeled(store)
            figures["beside workers"], _ = at_work(store, options)
            rate = (labeled(store) - before) / (time.monotonic() - began)
            figures["beside workers"]["labeled_per_s"] = round(rate, 1)
            figures["with an outage"] = with_outage(server, store, options)
        store.close()
    return figures


def main() -> None:
    """Measure, print the table and the JSON line."""
    from benchmarks.__main__ import figures as flat

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long people work, each time")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between a person's saves")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds that the database is away")
    parser.add_argument("--photos", type=int, default=100_000)
    options = parser.parse_args()
    if postgres.programs() is None:
        raise SystemExit("no PostgreSQL: install Debian's postgresql package")
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), options)
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in flat(measured):
        print(f"{name:44}{value:>12,}", file=sys.stderr)
    line = {
        "benchmark": "loads",
        "people": options.people,
        "workers": options.workers,
        "outage": options.outage,
    }
    print(json.dumps(line | measured | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
