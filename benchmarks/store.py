"""The store under load: saves of many people, the next of 100,000 photos, exports, on SQLite and PostgreSQL.

Run with ``python -m benchmarks.store [--seconds 60] [--photos 100000]``; a table goes to stderr, one line of
JSON to stdout. People are threads of several processes that go through the core, as the workspace does;
"busy" is beside a worker that imports, labels and orders. PostgreSQL runs where the machine has its programs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.load.beside import draw_photos, pretend_labeled, progress, worker
from benchmarks.load.many import add_photos, annotate_all
from benchmarks.machine import describe_machine, machine_line
from core.store import Store, sqlite_url

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sqlalchemy", "psycopg", "dbos")
PROCESSES = 5
ASKED = 200
"""How often the next photo is asked for."""

EXPORTS = ("coco", "csv")
EXPORT = """
import os, sys
from pathlib import Path
from benchmarks.labeling import peak_mib
from core.store import Store, sqlite_url
from core.store.exports import export_revision
folder, format, target = sys.argv[1:]
store = Store.open(sqlite_url(Path(folder)), Path(folder))
number = store.revisions.all()[0].number
with open(target, "wb") as out:
    export_revision(store, number, format, out)
print(peak_mib(os.getpid()))
"""


def people_at_work(store: Store, people: int, seconds: float, every: float) -> dict[str, float]:
    """Milliseconds of people's saves and of their next photos, and how many of either failed."""
    return people_row(told_by_people(store, people, seconds, every))


def told_by_people(
    store: Store, people: int, seconds: float, every: float, *more: str
) -> list[dict[str, Any]]:
    """What each process of :mod:`benchmarks.load.people` prints; ``more`` are arguments of theirs."""
    each = max(1, people // PROCESSES)
    command = [sys.executable, "-m", "benchmarks.load.people", str(store.folder), "--people", str(each)]
    command += ["--seconds", str(seconds), "--every", str(every), *more]
    environment = {**os.environ, "LAPEL_DATABASE_URL": url_of(store)}
    processes = [
        subprocess.Popen(
            [*command, "--name", f"{people}-{number}"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
        )
        for number in range(people // each)
    ]
    return [json.loads(process.communicate()[0]) for process in processes]


def people_row(told: Sequence[dict[str, Any]]) -> dict[str, float]:
    """All processes' times as one row; prints the errors, if there were any."""
    times: dict[str, list[float]] = defaultdict(list)
    for entry in told:
        for name, values in entry["milliseconds"].items():
            times["next" if name == "next" else "save"] += values
    errors = [error for entry in told for error in entry["errors"]]
    for error in sorted(set(errors)):
        print(f"error: {error}", file=sys.stderr)
    row: dict[str, float] = {}
    for name, values in sorted(times.items(), reverse=True):
        row |= {f"{name}s": len(values)} | spread(values, f"{name}_")
    return row | {"errors": len(errors)}


def spread(milliseconds: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Median, 95th percentile and longest."""
    ordered = sorted(milliseconds)
    return {
        f"{prefix}median_ms": round(statistics.median(ordered), 1),
        f"{prefix}p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        f"{prefix}longest_ms": round(ordered[-1], 1),
    }


def next_photos(store: Store, asked: int) -> dict[str, float]:
    """Milliseconds of the next photo, each for another person, who skips it or keeps it."""
    times = []
    for number in range(asked):
        person = f"asks {number % 25}"
        started = time.perf_counter()
        task = store.queue.next(person)
        times.append(1000 * (time.perf_counter() - started))
        if task is not None:
            store.queue.skip(task.id, person)
    return spread(times)


def timed(work: Any) -> float:
    """Seconds that the work takes."""
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def measure_people(store: Store, source: Path, people: int, options: argparse.Namespace) -> dict[str, Any]:
    """People at work alone, and beside a worker; and the next photo for as long as each."""
    row: dict[str, Any] = {}
    for name, beside in (("idle", nullcontext()), ("busy", worker(store, source))):
        with beside:
            before = progress(store)
            row[name] = people_at_work(store, people, options.seconds, options.every)
            row[name]["next photo"] = next_photos(store, options.asked)
            after = progress(store)
            row[name]["meanwhile"] = {what: after[what] - before[what] for what in after}
    return row


def measure_exports(folder: Path, photos: int) -> dict[str, dict[str, float]]:
    """Seconds, the processor's time and peak memory of exports of so many photos, a process for each."""
    store = Store.open(sqlite_url(folder), folder)
    add_photos(store, photos)
    annotate_all(store, photos)
    freezing = timed(lambda: store.revisions.create("benchmark"))
    rows: dict[str, dict[str, float]] = {"revision": {"seconds": freezing}}
    store.close()
    for format in EXPORTS:
        target = folder / f"export.{format}"
        command = [sys.executable, "-c", EXPORT, str(folder), format, str(target)]
        started, used = time.perf_counter(), os.times()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
        now = os.times()
        computed = now.children_user + now.children_system - used.children_user - used.children_system
        rows[format] = {
            "seconds": round(time.perf_counter() - started, 1),
            "processor_s": round(computed, 1),
            "peak_mib": int(done.stdout),
            "file_mib": round(target.stat().st_size / 2**20, 1),
        }
    return rows


def filled(store: Store, photos: int) -> dict[str, float]:
    """Make the store large: photos, their tasks, and nothing left to label; seconds of filling the queue."""
    add_photos(store, photos)
    pretend_labeled(store)
    return {"fill_s": timed(store.queue.fill)}


def url_of(store: Store) -> str:
    """The store's database, as another process opens it."""
    return store.database.engine.url.render_as_string(hide_password=False)


@contextmanager
def postgresql(folder: Path) -> Iterator[Store | None]:
    """A store on a PostgreSQL of its own, where the machine has its programs."""
    from tests import postgres

    if postgres.programs() is None:
        yield None
        return
    with postgres.server() as server, postgres.database(server, "lapel_benchmark") as url:
        store = Store.open(url, folder)
        yield store
        store.close()


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    figures: dict[str, Any] = {"photos": options.photos}
    source = draw_photos(folder / "source", options.imported)
    if "sqlite" in options.parts:
        store = Store.open(sqlite_url(folder / "sqlite"), folder / "sqlite")
        figures["sqlite"] = filled(store, options.photos) | measure_people(
            store, source, options.people, options
        )
        store.close()
    if "export" in options.parts:
        for photos in (options.photos // 10, options.photos):
            (folder / str(photos)).mkdir()
            figures[f"export of {photos:,}"] = measure_exports(folder / str(photos), photos)
    if "postgresql" in options.parts:
        with postgresql(folder / "postgresql") as large:
            if large is not None:
                people = 4 * options.people
                row = filled(large, options.photos) | measure_people(large, source, people, options)
                figures["postgresql"] = {"people": people} | row
    return figures


def main() -> None:
    """Measure, print the table and the JSON line."""
    from benchmarks.__main__ import figures as flat

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long people work, each time")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between a person's saves")
    parser.add_argument("--people", type=int, default=25, help="on PostgreSQL four times as many")
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--imported", type=int, default=3000, help="photos of the import that runs beside")
    parser.add_argument("--asked", type=int, default=ASKED)
    parser.add_argument("--parts", nargs="*", default=["sqlite", "export", "postgresql"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), options)
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in flat(measured):
        print(f"{name:44}{value:>12,}", file=sys.stderr)
    line = {"benchmark": "store", "people": options.people, "seconds": options.seconds}
    print(json.dumps(line | measured | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
