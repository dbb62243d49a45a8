"""``import``, ``export``, ``worker``, ``backup``, ``restore``: the store without a browser."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.console import (
    By,
    Data,
    Device,
    ProgressBar,
    account_name,
    is_row_number,
    open_store,
    output_file,
    print_json,
)
from core.errors import LapelError, StoreError
from core.logs import announce, is_json, report_failure

if TYPE_CHECKING:
    from core.jobs.worker import Worker
    from core.store import Store
    from core.store.backup_file import Manifest
    from core.store.imports import ImportRow
    from core.store.revisions import Revision

FORMATS = ("coco", "voc", "yolo", "csv")


def import_photos(path: Path, *, by: str | None, data: Path | None) -> int:
    """Import photos or a dataset now; returns the exit status, 1 where something did not come.

    Reading them has the limits of a worker's imports. The report goes to stdout, progress to stderr. The next
    worker labels what came and orders the queue.
    """
    from core.jobs.client import start_labeling, start_ordering
    from core.jobs.import_steps import import_here, import_limits
    from core.store.importing import all_came
    from core.store.projects import open_chosen

    if not path.exists():
        raise StoreError(f"expected photos, a zip, a folder or a dataset at {path}, got nothing there")
    import_limits()  # said now if they are none
    store = open_chosen(data)
    import_id = store.imports.begin(path.name or str(path), by or account_name(), str(path.absolute()))
    try:
        with ProgressBar() as bar:
            row = import_here(store, import_id, bar.show)
    except KeyboardInterrupt:
        store.imports.cancel(import_id)
        raise
    start_labeling(store)
    start_ordering(store)
    print_json(_report(store, row))
    return 0 if all_came(row.counts) else 1


def export(
    revision: Annotated[
        str, typer.Argument(help="A number, latest, or new for what is annotated now.", show_default=False)
    ],
    format: Annotated[str, typer.Option(help="coco, voc, yolo or csv.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    pictures: Annotated[bool, typer.Option("--pictures", help="With the photos, as a zip.")] = False,
    by: By = None,
    data: Data = None,
) -> None:
    """Write a revision of the annotations to a file, and report what its format does not hold."""
    from core.store.exports import export_revision
    from core.store.projects import open_chosen

    if format not in FORMATS:
        raise StoreError(f"expected a format out of {', '.join(FORMATS)}, got {format!r}")
    store = open_chosen(data)
    chosen = chosen_revision(store, revision, by or account_name())
    with output_file(out) as file:
        exported = export_revision(store, chosen.number, format, file, pictures=pictures)
    figures = {"revision": chosen.number, "digest": chosen.digest, "photos": chosen.photos}
    written = {"format": format, "file": str(out), "bytes": out.stat().st_size}
    print_json(figures | {"boxes": chosen.boxes, **written, "left_out": list(exported.left_out)})


def order(
    method: Annotated[
        str | None, typer.Argument(help="selection or ppal; by default nothing is changed.")
    ] = None,
    by: By = None,
    data: Data = None,
) -> None:
    """Show how the queue is ordered, or have it ordered by another method.

    selection: uncertainty times distance to what is annotated. ppal: PPAL (CVPR 2024), made for detectors.
    """
    from core.active_learning.queue_order import choose_queue_method, queue_method
    from core.jobs.client import start_ordering

    store = open_store(data, by)
    if method is not None:
        choose_queue_method(store, method)
        start_ordering(store)
    print_json({"order": queue_method(store)})


def work(
    data: Data = None,
    device: Device = "auto",
    kinds: Annotated[
        str | None,
        typer.Option(help="Kinds of work, with commas: import,label,order,train,run; else all."),
    ] = None,
    metrics: Annotated[
        int | None,
        typer.Option("--metrics-port", help="Answer /metrics (Prometheus), /health and /ready on this port."),
    ] = None,
    metrics_address: Annotated[str, typer.Option(help="The address to answer them on.")] = "127.0.0.1",
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Run background jobs: imports, labeling, ordering of the queue, trainings, webhooks.

    Several may run, on several machines with PostgreSQL, each on a GPU of its own (--device); they label one
    store together. None opens a port unless --metrics-port names one. SIGTERM and Ctrl-C end one after the
    photos at hand, and other workers take its jobs; a second time ends it at once. LAPEL_LOG=json has it say
    what it does as JSON, one object a line on stderr.
    """
    from core.jobs.engine import end_with_parent, lower_priority

    lower_priority()
    if attached:  # to the process that started it, and ends with it
        end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):  # while modules load, nothing has to be ended
        signal.signal(number, lambda *_: os._exit(0))

    from core.jobs.context import WorkerContext
    from core.jobs.engine import KINDS  # after giving way: loading these takes seconds
    from core.jobs.import_steps import import_limits
    from core.jobs.step_process import steps_of
    from core.jobs.worker import work as serve
    from core.store.projects import open_chosen

    _check_device(device)
    chosen = _kinds(kinds, KINDS)
    store = open_chosen(data)
    if metrics is not None:
        from core.jobs.status import serve_metrics

        serve_metrics(store, metrics, metrics_address)

    def ready(worker: Worker) -> None:
        if not attached or is_json():
            sentence = f"Lapel's {worker.lock.name} is at work (data in {store.folder})"
            announce(sentence, worker=worker.lock.name, kinds=list(chosen))

    try:
        import_limits()  # said now if they are none
        context = WorkerContext(store, device=device, steps=steps_of(store))
        serve(context, _set_by_signals(), ready, kinds=chosen)
    except LapelError as error:
        report_failure(str(error))
        os._exit(2)
    if not attached or is_json():
        announce("Lapel's worker has stopped; its jobs go on elsewhere, or when it is started again")
    os._exit(0)  # threads of libraries may wait for ever


def _set_by_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set; the second of them ends the process at once."""
    stop = threading.Event()

    def end(*_: object) -> None:
        if stop.is_set():
            os._exit(0)  # jobs are made to be cut off anywhere
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop


def prune(
    predictions: Annotated[
        float | None,
        typer.Option(
            "--predictions-older-than",
            help="Days after which predictions of models that no longer serve are deleted.",
            min=0,
        ),
    ] = None,
    drafts: Annotated[
        float | None,
        typer.Option("--drafts-older-than", help="Days without a change after which drafts are.", min=0),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    by: By = None,
    data: Data = None,
) -> None:
    """Delete old predictions and drafts; what was submitted stays, and what serves or ranks the queue.

    A photo's old predictions stay until the champions have labeled it. A draft is somebody's unfinished work.
    """
    from core.inference.predictions import queue_models, serving_models

    if predictions is None and drafts is None:
        raise StoreError("expected --predictions-older-than or --drafts-older-than, with a number of days")
    store, deleted = open_store(data, by), {"predictions": 0, "drafts": 0}
    serving, ranking = serving_models(store), queue_models(store)
    if predictions is not None and serving is not None:
        keep = [ranking] if ranking else []
        deleted["predictions"] = store.predictions.prune(predictions, serving, keep, dry_run=dry_run)
    if drafts is not None:
        deleted["drafts"] = store.drafts.prune(drafts, dry_run=dry_run)
    print_json({**deleted, "dry_run": dry_run})


def show_status(data: Data = None) -> None:
    """What goes on: workers, jobs with rates and time left, photos without predictions, open tasks."""
    from core.jobs.status import status

    print_json(status(open_store(data)).as_dict())


def _check_device(device: str) -> None:
    """Raises RecipeError for a GPU that is not there, or what is no device."""
    if device not in ("auto", "cpu"):  # looking for GPUs brings the training's libraries
        from core.training.trainer import pick_device

        pick_device(device)


def _kinds(named: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of work in a list with commas. Raises StoreError for one that is none."""
    chosen = known if named is None else tuple(kind.strip() for kind in named.split(",") if kind.strip())
    if not chosen or set(chosen) - set(known):
        raise StoreError(f"expected kinds of work out of {', '.join(known)}, got {named!r}")
    return chosen


def backup(
    file: Annotated[Path, typer.Argument(help="The zip to write.", show_default=False)], data: Data = None
) -> None:
    """Write all of the store into one file, while others work with it."""
    from core.store.backup import backup as write

    print_json(_held(file, write(open_store(data), file)))


def restore(
    file: Annotated[Path, typer.Argument(help="A zip that backup wrote.", show_default=False)],
    data: Data = None,
) -> None:
    """Fill an empty store from a backup."""
    from core.store.backup import restore as read

    print_json(_held(file, read(file, open_store(data))))


def _report(store: Store, row: ImportRow) -> dict[str, Any]:
    from core.store.search import PhotoQuery

    refusals = [{"photo": r.name, "error": r.reason} for r in store.imports.refusals(row.id)]
    photos = sum(row.counts.get(outcome, 0) for outcome in ("new", "near", "exact", "holdout"))
    fell = store.search.count(PhotoQuery(import_id=row.id, part="holdout"))
    counts = {"photos": photos, **row.counts, "fell_to_holdout": fell}
    return {"import": row.id, "files": row.total, **counts, "message": row.message, "refusals": refusals}


def chosen_revision(store: Store, name: str, by: str) -> Revision:
    """A revision by its number, the latest, or a new one. Raises StoreError or NotFoundError for none."""
    if name == "new":
        return store.revisions.create(by)
    if name == "latest":
        known = store.revisions.all()
        if not known:
            raise StoreError("There is no revision yet: make one with `export new`.")
        return max(known, key=lambda revision: revision.number)
    if not is_row_number(name):
        raise StoreError(f"expected a revision's number, latest or new, got {name!r}")
    return store.revisions.get(int(name))


def _held(file: Path, manifest: Manifest) -> dict[str, Any]:
    rows = {name: part.rows for name, part in manifest.tables.items()}
    return {"file": str(file), "schema": manifest.schema, "pictures": manifest.pictures, "rows": rows}
