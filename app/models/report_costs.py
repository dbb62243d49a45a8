"""Parameters, multiply-adds, file size and milliseconds of all models of the store, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from app.components.background import Task, task_runner
from app.text import literal
from core.evaluation.report.tables import costs_table
from core.inference.costs import CostedModel, cost_table
from core.progress import Progress
from core.store import Store
from core.store.models import KINDS, ModelRow

POLL_SECONDS = 0.5


def show(store: Store) -> None:
    """The table; counting takes seconds once, and milliseconds are measured when somebody asks for them."""
    for kind in KINDS:
        store.models.champion(kind)  # in a new store, what ships is registered now
    rows = store.models.all()
    counted, timed = (task_runner().get(_key(rows, kind)) for kind in (False, True))
    if counted is None and timed is None:
        counted = task_runner().start(_key(rows, False), partial(_measure, store, rows, False))
    going = next((task for task in (timed, counted) if task is not None and task.is_going), None)
    for task in (counted, timed):
        if task is not None and task.error:
            st.error(literal(task.error), icon=":material/error:")
    result: dict[str, Any] | None = next(
        (task.result for task in (timed, counted) if task is not None and task.result), None
    )
    if result is not None:
        table = costs_table(result)
        st.caption(literal(table.caption))
        st.dataframe(
            [dict(zip(table.columns, map(table.shown, row), strict=True)) for row in table.rows],
            hide_index=True,
            key="report-costs",
            alt=f"Cost of {len(rows)} models",
        )
    if going is not None:
        st.fragment(_tick, run_every=POLL_SECONDS)(going)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Measure milliseconds",
            icon=":material/timer:",
            key="report-time",
            on_click=_start_timing,
            args=(store, rows),
        )
        st.caption("One forward pass of each model on this machine, in turns.")


def _key(rows: Sequence[ModelRow], timed: bool) -> str:
    models = " ".join(f"{row.id}:{row.name}:{row.digest[:12]}" for row in rows)
    return f"{'time' if timed else 'count'} {models}"


def _start_timing(store: Store, rows: Sequence[ModelRow]) -> None:
    task_runner().start(_key(rows, True), partial(_measure, store, rows, True))


def _measure(store: Store, rows: Sequence[ModelRow], timed: bool, progress: Progress) -> dict[str, Any]:
    progress(0, 0)
    return cost_table([CostedModel(row.name, store.models.file_of(row), row.card) for row in rows], timed)


def _tick(task: Task) -> None:
    if not task.is_going:
        st.rerun()
    st.progress(0.0, text="Measuring, model by model")
