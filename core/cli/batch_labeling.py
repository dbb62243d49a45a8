"""``label`` as a run: a folder or prefix to Parquet and JSON lines, here or by all workers of a store."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.addresses import Address, is_address
from core.cli.console import ProgressBar, account_name, open_store, print_json
from core.cli.label import chosen_weights
from core.errors import LapelError
from core.files import current_commit

if TYPE_CHECKING:
    from core.inference.batch_labeling import BatchRun
    from core.store import Store

FOLLOW_SECONDS = 1.0
"""How often the progress of the workers is asked for."""

SAY_SECONDS = 30.0
"""Between two lines of progress, where stderr is no terminal."""

NO_WORKER = "No worker of this store is alive: the run waits until one is started (python -m core worker)."

Formats = Annotated[
    list[str] | None,
    typer.Option(help="Of a run: parquet (the default) or jsonl; twice for both.", show_default=False),
]
Shard = Annotated[
    int | None,
    typer.Option(help="Of a run: photos a shard, 1000 by default; a stopped run loses one.", min=1),
]
ByWorkers = Annotated[
    bool,
    typer.Option("--by-workers", help="A run by all workers of the store (--data, LAPEL_DATABASE_URL)."),
]


def is_batch(photos: Sequence[str], out: str | None, formats: Sequence[str] | None, by_workers: bool) -> bool:
    """Whether a command asks for tables rather than for lines and annotated pictures.

    A folder that is given by its path as PHOTO and as --out asks for pictures, as it always has.
    """
    return bool(formats) or by_workers or any(map(is_address, [*photos, *([out] if out else [])]))


def label_batch(
    photos: Sequence[str],
    out: str | None,
    *,
    threshold: float | None,
    weights: Sequence[Path],
    formats: Sequence[str],
    shard_photos: int | None,
    device: str,
    by_workers: bool,
    data: Path | None,
) -> int:
    """Begin a run or go on with it; returns the exit status, 1 where a photo could not be read."""
    from core.inference.batch_labeling import FORMATS, SHARD_PHOTOS

    if len(photos) != 1:
        raise LapelError(f"expected one folder or address to label as a run, got {len(photos)}")
    if out is None:
        raise LapelError("expected --out with a folder or an address for the results of a run")
    if by_workers and weights:
        raise LapelError("expected no --weights with --by-workers: the store's champions label")
    if by_workers and device != "auto":
        raise LapelError("expected no --device with --by-workers: each worker has its own (worker --device)")
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise LapelError(f"expected --format {' or '.join(FORMATS)}, got {unknown[0]!r}")
    chosen: dict[str, Any] = {
        "source": Address.of(photos[0]).url,
        "formats": tuple(name for name in FORMATS if name in (formats or FORMATS[:1])),
        "shard_photos": shard_photos or SHARD_PHOTOS,
    }
    if by_workers:
        manifest = _by_workers(open_store(data), chosen, Address.of(out), threshold)
    else:
        manifest = _here(chosen, Address.of(out), threshold, weights, device)
    print_json({name: value for name, value in manifest.items() if name != "shards"})
    return 1 if manifest["failed"] else 0


def _here(
    chosen: dict[str, Any], out: Address, threshold: float | None, weights: Sequence[Path], device: str
) -> dict[str, Any]:
    from core.inference.batch_labeling import BatchPlan, BatchRun
    from core.inference.engines.engine import require_device
    from core.inference.labeler import Labeler
    from core.models.cards import KINDS, read_card, shipped_weights
    from core.models.weights import digest

    require_device(device)  # before the run is planned and written
    own = chosen_weights(weights)
    files = {kind: own.get(kind) or shipped_weights(kind) for kind in KINDS}
    cards = {kind: read_card(file) for kind, file in files.items()}
    plan = BatchPlan(
        threshold=cards["detector"].score_threshold if threshold is None else threshold,
        models={kind: {"name": cards[kind].name, "digest": digest(files[kind])} for kind in KINDS},
        commit=current_commit(),
        **chosen,
    )
    run = BatchRun.begin(plan, out)
    done = run.records()
    progress = _BatchProgress(run, _photos_of(done))
    pending = [shard for shard in range(run.plan.shards) if shard not in done]
    if pending:
        labeler = Labeler.load(own.get("detector"), own.get("classifier"), device)
        with progress:
            for shard in pending:
                run.label_shard(shard, labeler, progress.add)
    return run.finish()


def _by_workers(
    store: Store, chosen: dict[str, Any], out: Address, threshold: float | None
) -> dict[str, Any]:
    """Have the store's workers label, and follow them; Ctrl-C cancels their job.

    Where no worker is alive, a line says so: the job waits for one.
    """
    from core.inference.batch_labeling import BatchRun
    from core.jobs.batch_labeling import start_batch
    from core.jobs.client import cancel
    from core.jobs.worker_lock import held_locks

    run, job = start_batch(store, chosen, out, threshold, account_name())
    row, is_told = store.jobs.get(job), False
    try:
        with _BatchProgress(run, _photos_of(run.records())) as progress:
            while row.state in ("waiting", "running"):
                progress.show(row.done, row.message)
                if not is_told and not held_locks(store):
                    print(NO_WORKER, file=sys.stderr, flush=True)
                    is_told = True
                time.sleep(FOLLOW_SECONDS)
                row = store.jobs.get(job)
    except KeyboardInterrupt:
        cancel(store, job)
        raise
    if row.state != "done":
        raise LapelError(row.message or f"the job {job} was cancelled; the same command goes on with it")
    return BatchRun.at(out).finish()


def _photos_of(records: Mapping[int, Mapping[str, Any]]) -> int:
    """How many photos the shards of these records have."""
    return sum(record["photos"] for record in records.values())


class _BatchProgress:
    """A run's progress on stderr, with rate and time left: a bar, or lines where that is no terminal."""

    def __init__(self, run: BatchRun, done: int) -> None:
        self._run, self._done, self._first = run, done, done
        self._bar: ProgressBar | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> _BatchProgress:
        if sys.stderr.isatty():
            self._bar = ProgressBar(total=self._run.plan.photos)
            self._bar.show(self._done, self._run.plan.photos)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__()
        elif self._done > self._first and kind is None:
            self._say()
        if kind is not None:
            print("The run stopped; the same command goes on with it.", file=sys.stderr)

    def add(self) -> None:
        """One photo more is labeled."""
        self.show(self._done + 1)

    def show(self, done: int, message: str = "") -> None:
        """So many photos are labeled; a job that has just begun may not know of those before."""
        self._done = max(self._done, done)
        if self._bar is not None:
            self._bar.show(self._done, self._run.plan.photos, message)
        elif time.monotonic() - self._said >= SAY_SECONDS:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        rate = (self._done - self._first) / max(self._said - self._began, 1e-3)
        left = (self._run.plan.photos - self._done) / rate if rate > 0 else 0.0
        counted = f"{self._done:,} of {self._run.plan.photos:,} photos"
        print(f"{counted}, {rate:.1f} a second, {left / 60:.0f} minutes left", file=sys.stderr, flush=True)
