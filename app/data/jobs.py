"""Background jobs on the page Data: their progress, to be cancelled, and what one left undone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.text import begin_flashes, counted, literal, repeat_flashes, time_left
from core.access import Right
from core.errors import LapelError
from core.inference.predictions import serving_models
from core.jobs import client
from core.store import Store
from core.store.jobs import JobRow

TICK_SECONDS = 1.0
WAITING_SECONDS = 20.0
SEEN_KEY = "jobs-seen"
KINDS = {
    "import": "Import",
    "label": "Labeling photos",
    "order": "Ranking the queue",
    "train": "Training a model",
    "run": "Labeling files elsewhere",
}


@dataclass(frozen=True)
class FirstProgress:
    """A job's progress when this page saw it first, and when, on this process's monotonic clock."""

    done: int
    at: float


def show(store: Store) -> None:
    """Progress bars of all waiting and running jobs, polled; the page runs again once one begins or ends."""
    begin_flashes()
    going = store.jobs.running()
    if going:
        st.fragment(_tick, run_every=TICK_SECONDS)(store, tuple(job.id for job in going))
    if client.LABEL not in {job.kind for job in going}:
        _show_stopped(store)


def _show_stopped(store: Store) -> None:
    """What a labeling that was cancelled or failed has left, with a way to go on: it does not by itself."""
    last, models = store.jobs.latest(client.LABEL), serving_models(store)
    if last is None or last.state not in ("cancelled", "failed") or models is None:
        return
    missing = store.predictions.missing_count(models)
    if not missing:
        return
    was = "was cancelled" if last.state == "cancelled" else f"failed ({literal(last.message)})"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Labeling {was}: {counted(missing, 'photo')} without proposals.", width="content")
        if store.actor.may(Right.IMPORT):
            st.button(
                "Label them", icon=":material/play_arrow:", key="label-rest", on_click=_label, args=(store,)
            )


def _label(store: Store) -> None:
    try:
        client.start_labeling(store, store.actor.name)
    except LapelError as error:
        st.error(literal(str(error)), icon=":material/error:")


def seconds_left(job: JobRow, seen: dict[str, FirstProgress], now: float) -> float | None:
    """The time left at the pace since this page saw the job first; None until it has progressed."""
    first = seen.setdefault(job.id, FirstProgress(job.done, now))
    moved = job.done - first.done
    if moved <= 0 or job.total <= 0:
        return None
    return (job.total - job.done) * (now - first.at) / moved


def _tick(store: Store, shown: tuple[str, ...]) -> None:
    going = store.jobs.running()
    if tuple(job.id for job in going) != shown:
        repeat_flashes()
        st.rerun()
    seen: dict[str, FirstProgress] = st.session_state.setdefault(SEEN_KEY, {})
    for job in going:
        with st.container(horizontal=True, vertical_alignment="center", key=f"job-{job.id}"):
            st.progress(min(1.0, job.done / job.total) if job.total else 0.0, text=_text(job, seen, going))
            st.button(
                "Cancel",
                icon=":material/stop:",
                key=f"cancel-{job.id}",
                on_click=_cancel,
                args=(store, job.id),
            )


def _text(job: JobRow, seen: dict[str, FirstProgress], going: Sequence[JobRow] = ()) -> str:
    name = KINDS.get(job.kind, job.kind)
    now = time.monotonic()
    left = seconds_left(job, seen, now)
    if job.state == "waiting":
        busy = [KINDS.get(other.kind, other.kind) for other in going if other.state == "running"]
        if busy:
            return f"{name}: waits while the worker is busy ({', '.join(dict.fromkeys(busy)).lower()})"
        if now - seen[job.id].at > WAITING_SECONDS:
            return f"{name}: no worker has taken it yet. `python -m core worker` starts one."
        return f"{name}: waiting for a worker"
    said = f" · {literal(job.message)}" if job.message else ""
    if not job.total:
        return f"{name}: counting{said}"
    if job.total == 1:  # one step, which says nothing before it ends
        return f"{name}…{said}"
    return f"{name}: {job.done:,} of {job.total:,} · {time_left(left)}{said}"


def _cancel(store: Store, job_id: str) -> None:
    try:
        client.cancel(store, job_id)
    except LapelError as error:
        st.error(literal(str(error)), icon=":material/error:")
