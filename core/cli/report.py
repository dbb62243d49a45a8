"""``report``: how good a model is on a dataset or a revision, as one HTML file, tables, and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.console import (
    Data,
    ProgressBar,
    is_row_number,
    open_store,
    output_file,
    print_json,
    writable_folder,
)
from core.errors import DatasetError, NotFoundError, WeightsError

if TYPE_CHECKING:
    from core.inference.report_data import ReportData
    from core.inference.reports import ReportModel
    from core.store import Store

KINDS = ("detector", "classifier")
ROLES = ("champion", "candidate")
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 256, 72
MOST_PHOTOS = 200

ModelName = Annotated[
    str,
    typer.Argument(
        help="detector or classifier (as they ship), a weights file, or of the store champion:KIND, "
        "candidate:KIND, a model's name or number.",
        show_default=False,
    ),
]


def report(
    model: ModelName,
    dataset: Annotated[
        str,
        typer.Argument(
            help="A dataset as for evaluate, holdout:N or revision:N of the store (N: a number, or latest).",
            show_default=False,
        ),
    ],
    against: Annotated[str | None, typer.Option(help="A second model, measured on the same photos.")] = None,
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    tables: Annotated[
        Path | None, typer.Option(help="Also the tables as CSV and LaTeX: a folder, or a .zip.")
    ] = None,
    photos: Annotated[
        int,
        typer.Option(
            help="How many photos, the worst first, the file holds in small.", min=0, max=MOST_PHOTOS
        ),
    ] = 0,
    curves: Annotated[
        list[Path] | None,
        typer.Option(help="More training curves: a history.jsonl, or the folder of a training. Repeatable."),
    ] = None,
    all_models: Annotated[
        bool, typer.Option("--all-models", help="List the cost of all models of the store.")
    ] = False,
    time: Annotated[
        bool,
        typer.Option("--time", help="Measure the listed models' milliseconds, in turns, on this machine."),
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--photo-folder", help="Folder of the dataset's photos.")
    ] = None,
    data: Data = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the whole report as JSON; the file is written with --out only."),
    ] = False,
) -> None:
    """Report on a model: PR curves, AP by class and size, kinds of error, confusions, calibration, costs.

    The HTML file opens without a network. Exit status 1 if photos had to be left out.
    """
    from core.evaluation.report.html import report_html
    from core.inference.reports import make_report

    @cache
    def store() -> Store:
        opened = open_store(data)
        opened.models.register_shipped()
        return opened

    first = _model(model, store)
    second = None if against is None else _model(against, store)
    measured_on = _data(dataset, first.card.kind, folder, store)
    with ProgressBar() as bar:
        made = make_report(first, measured_on, second, bar.show)
    chosen = [first, *([second] if second else [])]
    made["training"] = _training(chosen, curves or (), store)
    made["costs"] = _costs(_all_models(store) if all_models else chosen, time)
    is_out_given = out != Path("report.html")
    if not as_json or is_out_given:
        pictures = _thumbnails(made, measured_on, photos)
        with output_file(out) as file:
            file.write(report_html(made, pictures).encode())
    if tables is not None:
        _write_tables(tables, made)
    if as_json:
        print_json(made)
    else:
        _print_figures(made, out, tables)
    if made["data"]["left_out"]:
        raise typer.Exit(1)


OpenStore = Callable[[], "Store"]
"""Opens the store when it is first asked for."""


def _model(said: str, store: OpenStore) -> ReportModel:
    """A model by what the command says. Raises WeightsError, NotFoundError."""
    from core.inference.reports import ReportModel
    from core.models.cards import shipped_weights

    if said in KINDS:
        return ReportModel.of_file(shipped_weights(said))
    if said.endswith(".safetensors"):
        return ReportModel.of_file(Path(said))
    role, _, kind = said.partition(":")
    models = store().models
    if role in ROLES and kind in KINDS:
        row = models.champion(kind)
        if role == "candidate":
            others = [other for other in models.all(kind) if other.id != row.id]
            if not others:
                raise NotFoundError(f"There is no {kind} beside the champion.")
            row = others[0]
    elif is_row_number(said):
        row = models.get(int(said))
    else:
        try:
            row = models.named(said)
        except NotFoundError as error:
            wanted = "detector, classifier, champion:KIND, candidate:KIND, a .safetensors file or a model"
            raise WeightsError(f"expected {wanted} of the store, got {said!r}") from error
    return ReportModel.of_row(row, models.file_of(row))


def _data(said: str, kind: str, photos: Path | None, store: OpenStore) -> ReportData:
    """What to measure on, by what the command says. Raises DatasetError, NotFoundError."""
    from core.inference.report_data import ALL, HOLDOUT, data_of_file, data_of_revision

    part, _, number = said.partition(":")
    parts = {"holdout": HOLDOUT, "revision": ALL}
    if part not in parts or Path(said).exists():
        return data_of_file(Path(said), kind, photos)
    number = number or "latest"
    if number == "latest":
        revisions = store().revisions.all()
        if not revisions:
            raise NotFoundError("There is no revision in this store yet.")
        return data_of_revision(store(), revisions[0].number, parts[part])
    if not is_row_number(number):
        raise DatasetError(f"expected a revision's number or latest, got {number!r}")
    return data_of_revision(store(), int(number), parts[part])


def _training(
    models: Sequence[ReportModel], files: Sequence[Path], store: OpenStore
) -> dict[str, Any] | None:
    from core.evaluation.report.curves import HISTORY, run_of_card, run_of_file, training_curves

    runs = []
    for model in models:
        beside = model.path.with_name(HISTORY)
        run = run_of_file(beside, model.name) if beside.is_file() else run_of_card(model.name, model.card)
        runs += [run] if run else []
    return training_curves([*runs, *(run_of_file(file) for file in files)])


def _all_models(store: OpenStore) -> list[ReportModel]:
    from core.inference.reports import ReportModel

    models = store().models
    return [ReportModel.of_row(row, models.file_of(row)) for row in models.all()]


def _costs(models: Sequence[ReportModel], time: bool) -> dict[str, Any]:
    from core.inference.costs import CostedModel, cost_table

    return cost_table([CostedModel(model.name, model.path, model.card) for model in models], time)


def _thumbnails(made: Mapping[str, Any], data: ReportData, most: int) -> dict[int, bytes]:
    """The first listed photos in small, by their place in the list."""
    from core.images.encode import downscaled, jpeg

    found: dict[int, bytes] = {}
    opener = {item.photo.id: item.open for item in data.photos}
    for place, photo in enumerate(made["photos"][:most]):
        picture = opener[photo["id"]]().image
        found[place] = jpeg(downscaled(picture, THUMBNAIL_SIDE), THUMBNAIL_QUALITY)
    return found


def _write_tables(target: Path, made: Mapping[str, Any]) -> None:
    from core.evaluation.report.tables import table_files, tables_zip

    if target.suffix.lower() == ".zip":
        with output_file(target) as file:
            file.write(tables_zip(made))
        return
    with writable_folder(target):
        for name, text in table_files(made):
            with output_file(target / name) as file:
                file.write(text.encode())


def _print_figures(made: Mapping[str, Any], out: Path, tables: Path | None) -> None:
    from core.evaluation.report.tables import report_tables

    figures = report_tables(made)[0]
    for name, *cells in figures.rows:
        print(f"{name:>14}  {'  '.join(figures.shown(cell) for cell in cells)}")
    print(f"Written: {out}" + (f", {tables}" if tables else ""))
