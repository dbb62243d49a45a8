"""The report on a model: what it is about, the computation in the background, its parts, and downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app.components.background import Task, task_runner
from app.components.choices import choose_model, choose_segment, origin, remember
from app.models import report_costs, report_papers, report_photos, report_source
from app.models.report_source import Pictures, Source
from app.text import counted, literal
from core.access import Right
from core.errors import LapelError
from core.evaluation.report.curves import TrainingRun, run_of_card, training_curves
from core.evaluation.report.html import asset, report_html
from core.evaluation.report.parts import PARTS, facts, report_parts, training_part
from core.evaluation.report.tables import tables_zip
from core.inference.reports import ReportModel, keep_report, kept_report, make_report, report_key
from core.progress import Progress
from core.store import Store
from core.store.models import ModelRow

MODEL_KEY, AGAINST_KEY, PART_KEY = "report-model", "report-against", "report-part"
MODEL, AGAINST, PART = "model", "against", "part"
RUNS_KEY, PHOTOS_KEY = "report-runs", "report-photos"
PARTS_OF = {
    "detector": ("summary", "curves", "errors", "confusion", "calibration", "training", "costs"),
    "classifier": ("summary", "confusion", "calibration", "training", "costs"),
}
PAPERS = "papers"
POLL_SECONDS = 0.5
FILE_PHOTOS = 24

_component = st.components.v2.component(
    "lapel_report",
    html='<div class="lapel-report"></div>',
    css=asset("report.css"),
    js=asset("report.js")
    + """
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-report");
  if (!root || !data) return;
  if (root.dataset.shown !== data.id) {
    root.innerHTML = data.html;
    root.dataset.shown = data.id;
    mountReport(root, (cell) => setTriggerValue("cell", cell));
  }
  for (const button of root.querySelectorAll("button[data-cell]"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.cell) === data.cell));
}
""",
)


def show(store: Store, kind: str) -> None:
    """The choices, and the report that they ask for, or the way to it."""
    with st.spinner("Loading the model list…"):
        champion = store.models.champion(kind)
    others = [model for model in store.models.all(kind) if model.id != champion.id]
    left, middle, right = st.columns(3)
    with left:
        said = partial(_said_model, champion)
        model = choose_model("Model", [champion, *others], MODEL_KEY, MODEL, said)
    with middle:
        against = _choose_against([row for row in (champion, *others) if row.id != model.id], said)
    with right:
        chosen = report_source.choose(store, kind)
    if chosen is None:
        st.info(
            "A report needs annotated photos: create a revision on the page Train or Data.",
            icon=":material/bookmark_add:",
        )
        return
    source = chosen()
    named = {name: PARTS[name] for name in PARTS_OF[kind]}
    named |= {PAPERS: "Papers"} if report_papers.has_tables() else {}
    part = choose_segment("Part", named, PART_KEY, PART)
    if part == PAPERS:
        report_papers.show()
        return
    if part == "costs":
        report_costs.show(store)
        return
    if part == "training":
        _training(store, [model, *(row for row in (champion, *others) if row.id != model.id)], against)
        return
    if source is None:
        st.info(
            "A report needs annotated photos: name a dataset here, or create a revision on the page Train or "
            "Data.",
            icon=":material/folder_open:",
        )
        return
    first = ReportModel.of_row(model)  # its weights are fetched once they are needed
    second = ReportModel.of_row(against) if against else None
    key = report_key(first, source.digest, second)
    report = kept_report(key)
    if report is None:
        _way_to_it(store, key, model, against, source)
        return
    report |= {"model": first.as_dict(), "against": second.as_dict() if second else None}
    rows = [row for row in (model, against) if row is not None]
    report["training"] = training_curves([run for row in rows if (run := curve_of(store, row)) is not None])
    _report(store, source, key, report, part)


def _said_model(champion: ModelRow, model: ModelRow) -> str:
    return f"{model.name} · {'champion' if model.id == champion.id else origin(model)}"


def _choose_against(models: Sequence[ModelRow], said: Callable[[ModelRow], str]) -> ModelRow | None:
    by_id = {model.id: model for model in models}
    if st.session_state.get(AGAINST_KEY) not in by_id:
        asked = st.query_params.get(AGAINST, "")
        st.session_state[AGAINST_KEY] = int(asked) if asked.isdecimal() and int(asked) in by_id else None
    chosen = st.selectbox(
        "Second model",
        list(by_id),
        format_func=lambda id: said(by_id[id]),
        key=AGAINST_KEY,
        placeholder="none",
        disabled=not by_id,
    )
    remember(AGAINST, None if chosen is None else str(chosen))
    return by_id.get(chosen) if chosen is not None else None


def _way_to_it(store: Store, key: str, model: ModelRow, against: ModelRow | None, source: Source) -> None:
    """The button that starts the computation, or its progress."""
    task = task_runner().get(key)
    if task is not None and task.is_going:
        st.fragment(_tick, run_every=POLL_SECONDS)(key)
        return
    if task is not None and task.error:
        st.error(literal(task.error), icon=":material/error:")
    models = "both models" if against else literal(model.name)
    st.info(
        f"This report is not there yet. It takes a pass of {models} over {counted(source.photos, 'photo')}, "
        "and is then kept on this machine.",
        icon=":material/assessment:",
    )
    st.button(
        "Make the report",
        icon=":material/play_arrow:",
        type="primary",
        key="report-make",
        on_click=_start,
        args=(store, key, model, against, source),
    )


def _start(store: Store, key: str, model: ModelRow, against: ModelRow | None, source: Source) -> None:
    task_runner().start(key, partial(_make, store, key, model, against, source))


def _make(
    store: Store,
    key: str,
    model: ModelRow,
    against: ModelRow | None,
    source: Source,
    progress: Progress,
) -> None:
    """Compute a report and keep it. Raises LapelError with a sentence."""
    rows = [row for row in (model, against) if row is not None]
    models = [ReportModel.of_row(row, store.models.file_of(row)) for row in rows]
    report = make_report(models[0], source.load(), models[1] if against else None, progress)
    try:
        keep_report(key, report)
    except OSError as error:
        raise LapelError(f"The report could not be kept: {error.strerror or error}.") from error


def _tick(key: str) -> None:
    task = task_runner().get(key)
    if task is None or not task.is_going:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(task.share, text=_said(task))
        st.button("Cancel", icon=":material/stop:", key="report-cancel", on_click=task.cancel)


def _said(task: Task) -> str:
    if task.state == "waiting":
        return "Waiting for another report"
    if not task.total:
        return "Loading the models"
    if task.done == task.total:
        return "Computing intervals"
    return f"{task.done:,} of {counted(task.total, 'photo')}"


def _report(store: Store, source: Source, key: str, report: Mapping[str, Any], part: str) -> None:
    """One part of the report, the photos of the confusion matrix's open cell, and the downloads."""
    cell = report_photos.open_cell(report) if part == "confusion" else None
    html = facts(report) + _parts(key, report)[part]
    show_part(f"{key}-{part}", html, cell, partial(report_photos.toggle_cell, report))
    if part == "confusion":
        report_photos.show(store, source.pictures, report, cell)
    _downloads(source.pictures, report)


def show_part(
    id: str, html: str, cell: int | None = None, on_cell: Callable[[], None] = lambda: None
) -> None:
    """A part of a report; within ``on_cell``, the component's state says which cell was clicked."""
    data = {"id": id, "html": html, "cell": cell}
    _component(key=report_photos.COMPONENT_KEY, data=data, on_cell_change=on_cell)


@st.cache_data(max_entries=20, show_spinner=False)
def _parts(key: str, _report: Mapping[str, Any]) -> dict[str, str]:
    """Cached by what the report is known by, and cached reports never change."""
    return report_parts(_report)


def _training(store: Store, models: Sequence[ModelRow], against: ModelRow | None) -> None:
    """The curves of several runs in one chart: those of the chosen models, until others are chosen."""
    runs = {row.id: run for row in models if (run := curve_of(store, row)) is not None}
    if not runs:
        st.caption("No model of this kind has a training curve.")
        return
    first = [row.id for row in (models[0], against) if row is not None and row.id in runs]
    names = {row.id: row.name for row in models}
    chosen = st.multiselect("Runs", list(runs), default=first, format_func=names.__getitem__, key=RUNS_KEY)
    curves = training_curves([runs[id] for id in chosen])
    if curves is None:
        st.caption("Choose a run.")
        return
    show_part(f"training-{chosen}", training_part(curves))


def curve_of(store: Store, row: ModelRow) -> TrainingRun | None:
    """A model's training curve: that of its training in the store, else what its card holds."""
    if row.training_id is not None and store.actor.may(Right.TRAIN):
        points = store.trainings.points(row.training_id)
        if points:
            return TrainingRun(row.name, [{"step": point.step, **point.values} for point in points])
    return run_of_card(row.name, row.card)


def _downloads(pictures: Pictures, report: Mapping[str, Any]) -> None:
    name = "".join(c if c.isalnum() else "-" for c in report["model"]["name"]).strip("-") or "model"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Report (HTML)",
            partial(_file, pictures, report, FILE_PHOTOS if st.session_state.get(PHOTOS_KEY) else 0),
            f"report-{name}.html",
            "text/html",
            icon=":material/download:",
            key="report-html",
            on_click="ignore",
        )
        st.download_button(
            "Tables (CSV, LaTeX)",
            partial(tables_zip, report),
            f"tables-{name}.zip",
            "application/zip",
            icon=":material/download:",
            key="report-tables",
            on_click="ignore",
        )
        st.checkbox(
            f"with {FILE_PHOTOS} photos",
            key=PHOTOS_KEY,
            help="The worst ones, small, inside of the HTML file.",
        )


def _file(pictures: Pictures, report: Mapping[str, Any], photos: int) -> bytes:
    """The HTML file of a report, with so many of its photos."""
    return report_html(report, report_photos.thumbnails(pictures, report, photos)).encode()
