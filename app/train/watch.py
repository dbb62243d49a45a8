"""The progress of a training: its bar, curves, the tail of its log, and a cancel button."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from app.components.charts import downloadable
from app.navigation import compare_link
from app.text import counted, literal, moment
from app.train import curves, history
from core.errors import LapelError
from core.jobs import client
from core.store import Store
from core.store.models import ModelRow
from core.store.trainings import Line, Point, TrainingRow

TICK_SECONDS = 1.0
LOG_LINES, LOG_PIXELS = 200, 240
COUNTS = {
    "corrected": ("corrected photo", "corrected photos"),
    "replayed": ("replayed photo", "replayed photos"),
    "validation": ("validation photo", "validation photos"),
}
"""Of the photos that a training uses, as its settings name them."""

CURVES_KEY, ERROR_KEY = "training-curves", "training-error"


def show(store: Store, row: TrainingRow, model: ModelRow | None) -> None:
    """The training; while it waits or runs it is redrawn every second, and the page once when it ends."""
    st.fragment(_tick, run_every=TICK_SECONDS if row.is_going else None)(store, row, model)


def _tick(store: Store, shown: TrainingRow, model: ModelRow | None) -> None:
    row = store.trainings.get(shown.id)
    if row.state != shown.state:
        st.rerun()  # the buttons, the history and the links change as well
    points = _points(store, row)
    _head(store, row, points, model)
    _charts(row, points)
    _log(store.trainings.lines(row.id, LOG_LINES))


def _points(store: Store, row: TrainingRow) -> list[Point]:
    """The curve, of which only the last steps and new ones are read again."""
    known: dict[int, curves.Curve] = st.session_state.setdefault(CURVES_KEY, {})
    curve = known.setdefault(row.id, curves.Curve())
    if row.step < max(curve.points, default=0):  # it was resumed from its checkpoint
        curve = known[row.id] = curves.Curve()
    behind = curve.read_from
    return curve.join(store.trainings.points(row.id, after=behind), behind)


def _head(store: Store, row: TrainingRow, points: Sequence[Point], model: ModelRow | None) -> None:
    st.caption(facts(row))
    problem = st.session_state.pop(ERROR_KEY, "")
    if problem:
        st.error(literal(problem), icon=":material/error:")
    if row.is_going:
        _going(store, row, points)
    else:
        _ended(store, row, model)
    _metrics(row, points)


def facts(row: TrainingRow) -> str:
    """Who started it when, on which revision, with how many photos (Markdown)."""
    parts = [f"Started by {literal(row.by)} on {moment(row.at)}", f"revision {row.revision}"]
    counts = row.settings.get("photos", row.settings)
    for name, words_of in COUNTS.items():
        if isinstance(counts, dict) and isinstance(counts.get(name), int):
            parts.append(counted(counts[name], *words_of))
    seconds = history.seconds_of(row)
    return " · ".join(parts + ([f"took {history.duration_text(seconds)}"] if seconds is not None else []))


def _going(store: Store, row: TrainingRow, points: Sequence[Point]) -> None:
    left = history.time_remaining(row, curves.steps_a_second(points))
    done = min(1.0, row.step / row.steps) if row.steps else 0.0
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(done, text=history.progress_text(row, left))
        st.button(
            "Cancel",
            icon=":material/stop:",
            key=f"training-cancel-{row.id}",
            on_click=_attempt,
            args=(client.cancel_training, store, row.id),
            help="It stops within seconds, and makes no model.",
        )
    if row.state == "waiting" and time.time() - row.updated_at > history.WAITING_SECONDS:
        running = {job.kind for job in store.jobs.running() if job.state == "running"}
        running |= {"train" for other in store.trainings.running() if other.state == "running"}
        st.warning(history.waiting_text(running), icon=":material/hourglass_empty:")


def _ended(store: Store, row: TrainingRow, model: ModelRow | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if row.state == "done" and model is not None:
            st.success(f"Candidate: {literal(model.name)}.", icon=":material/check:")
            compare_link(model.kind, model.id)
        elif row.state == "done":
            st.success(f"Done. {literal(row.message)}", icon=":material/check:")
        else:
            stopped = row.state == "cancelled"
            said = row.message or ("It was cancelled." if stopped else "It failed.")
            (st.info if stopped else st.error)(literal(said))
            if row.job is not None:
                st.button(
                    "Go on with it",
                    icon=":material/play_arrow:",
                    key=f"training-again-{row.id}",
                    on_click=_attempt,
                    args=(client.resume, store, row.job),
                )


def _metrics(row: TrainingRow, points: Sequence[Point]) -> None:
    """The latest metrics."""
    losses = curves.smoothed(curves.series(points, curves.LOSS)[1])
    shown = {"Loss, smoothed": f"{losses[-1]:.3g}"} if losses else {}
    for name, title in curves.measured(points).items():
        figure = curves.latest(points, name)
        shown[f"Validation {title}"] = "–" if figure is None else f"{100 * figure:.1f} %"
    rate, steps = curves.latest(points, curves.RATE), curves.steps_a_second(points)
    if rate is not None:
        shown["Photos a second"] = f"{rate:.1f}"
    elif steps is not None:
        shown["Batches a second"] = f"{steps:.2f}"
    if not shown:
        return
    with st.grid(4, min_column_width=140):
        for label, value in shown.items():
            st.metric(label, value, border=True)


def _charts(row: TrainingRow, points: Sequence[Point]) -> None:
    if not points:
        if row.is_going:
            st.info("The curves appear with the first batch.", icon=":material/show_chart:")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Loss**")
        st.plotly_chart(
            curves.loss_chart(points, row.steps),
            key=f"loss-{row.id}",
            config=downloadable("training-loss"),
            alt=f"Loss over {counted(row.step, 'batch', 'batches')}, raw and smoothed",
        )
    with right:
        st.markdown("**Validation**")
        if not curves.measured(points):
            st.caption("The validation photos are evaluated after the first epochs.")
            return
        st.plotly_chart(
            curves.validation_chart(points, row.steps),
            key=f"validation-{row.id}",
            config=downloadable("training-validation"),
            alt="; ".join(
                f"{title} {100 * (curves.latest(points, name) or 0.0):.1f} %"
                for name, title in curves.measured(points).items()
            ),
        )


def _log(lines: Sequence[Line]) -> None:
    if not lines:
        return
    st.markdown("**Log**")
    with st.container(height=LOG_PIXELS, autoscroll=True, key="training-log"):
        st.text("\n".join(f"{datetime.fromtimestamp(line.at):%H:%M:%S}  {line.text}" for line in lines))


def _attempt(action: Callable[..., object], *arguments: object) -> None:
    """Do it in a button's callback, where an error would otherwise end the page."""
    try:
        action(*arguments)
    except LapelError as error:
        st.session_state[ERROR_KEY] = str(error)
