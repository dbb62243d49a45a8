"""The trainings: which one the page shows, a table of all, and their state and duration as text.

The URL names the training that is shown, so that a link and a reload lead back to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app.components.choices import KIND_TITLES
from app.text import literal, time_left
from core.store.models import ModelRow
from core.store.trainings import TrainingRow

KEY = "training"


def show_training(id: int) -> None:
    """Show this training; for use in a callback."""
    st.session_state[KEY] = id


def choose(rows: Sequence[TrainingRow]) -> TrainingRow | None:
    """A menu of the trainings; by default the running one, else the latest."""
    if not rows:
        return None
    by_id = {row.id: row for row in rows}
    first = next((row.id for row in rows if row.is_going), rows[0].id)
    if KEY not in st.session_state or st.session_state[KEY] not in by_id:
        asked = st.query_params.get(KEY, "")
        st.session_state[KEY] = int(asked) if asked.isdecimal() and int(asked) in by_id else first
    chosen = st.selectbox(
        "Training",
        list(by_id),
        format_func=lambda id: f"{title(by_id[id])}, {STATES[by_id[id].state]}",
        key=KEY,
        label_visibility="collapsed",
        width=360,
    )
    if st.query_params.get(KEY) != str(chosen):
        st.query_params[KEY] = str(chosen)
    return by_id[chosen]


def show(rows: Sequence[TrainingRow], models: Mapping[int, ModelRow]) -> None:
    """A table, the newest training first; ``models`` are by training id."""
    st.subheader("All trainings")
    st.dataframe(
        table(rows, models),
        hide_index=True,
        column_config={
            "Started": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Compare": st.column_config.LinkColumn(display_text="with the champion"),
        },
        key="trainings",
        alt=f"{len(rows)} trainings, the newest first",
    )


def table(rows: Sequence[TrainingRow], models: Mapping[int, ModelRow]) -> pd.DataFrame:
    """A row for each training."""
    made = [models.get(row.id) for row in rows]
    spans = [seconds_of(row) for row in rows]
    links = [f"models?kind={model.kind}&candidate={model.id}" if model else "" for model in made]
    return pd.DataFrame(
        {
            "No.": [row.id for row in rows],
            "Model": [f"{KIND_TITLES[row.kind]}, {row.mode}" for row in rows],
            "State": [STATES.get(row.state, row.state) for row in rows],
            "By": [row.by for row in rows],
            "Started": [datetime.fromtimestamp(row.at).astimezone() for row in rows],
            "Took": ["" if seconds is None else duration_text(seconds) for seconds in spans],
            "Revision": [row.revision for row in rows],
            "Result": [model.name if model else "" for model in made],
            "Compare": links,
        }
    )


STATES = {
    "waiting": "waiting",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}
MODES = {"quick": "Quick", "full": "Full"}
DESCRIPTIONS = {
    ("detector", "quick"): (
        "Fine-tunes the champion's later layers on the photos corrected since, with replay of older ones and "
        "distillation from the champion."
    ),
    ("detector", "full"): "Fine-tunes all layers of the champion on all photos of the revision.",
    ("classifier", "quick"): (
        "Fine-tunes attention and last layer of the champion on the garments labeled since, with a frozen "
        "backbone, replay of older ones and distillation from the champion."
    ),
    ("classifier", "full"): (
        "Fine-tunes all layers of the champion on all labeled garments of the revision."
    ),
}
USUAL_DURATIONS = {
    "quick": "With 50 corrected photos it takes a few minutes on two cores.",
    "full": "On two cores it takes hours, with a GPU minutes.",
}
WAITING_SECONDS = 20.0
NO_WORKER = (
    "No worker has taken it yet. `python -m app` starts one; where it is missing, "
    "`python -m core worker` starts another."
)


def waiting_text(running: Collection[str]) -> str:
    """Why a training waits, by the kinds of jobs that run."""
    if "train" in running:
        return "A worker trains one model at a time, and another one is being trained."
    if running:
        return "It waits while the worker is busy with other work."
    return NO_WORKER


def title(row: TrainingRow) -> str:
    """A training by number, kind and mode: "No. 3: detector, quick"."""
    return f"No. {row.id}: {row.kind}, {row.mode}"


def progress_text(row: TrainingRow, left: float | None) -> str:
    """The state of a waiting or running training, for its progress bar (Markdown)."""
    said = f" · {literal(row.message)}" if row.message else ""
    if row.state == "waiting":
        return f"Waiting for a worker{said}"
    if not row.steps or not row.step:
        return f"Preparing{said}"
    return f"{row.step:,} of {row.steps:,} batches · {time_left(left)}{said}"


def time_remaining(row: TrainingRow, steps_a_second: float | None) -> float | None:
    """Seconds until the last batch at the pace of the latest ones."""
    if not steps_a_second or not row.steps:
        return None
    return max(0, row.steps - row.step) / steps_a_second


def description(kind: str, mode: str, earlier: Sequence[TrainingRow]) -> str:
    """What a training does, and how long the last one of its kind and mode took."""
    last = next((row for row in earlier if (row.kind, row.mode, row.state) == (kind, mode, "done")), None)
    took = seconds_of(last) if last else None
    usual = USUAL_DURATIONS[mode] if took is None else f"The last one took {duration_text(took)}."
    return f"{DESCRIPTIONS[kind, mode]} {usual}"


def seconds_of(row: TrainingRow) -> float | None:
    """How long a training ran; None while it runs, and where it never ran."""
    if row.started_at is None or row.ended_at is None:
        return None
    return max(0.0, row.ended_at - row.started_at)


def duration_text(seconds: float) -> str:
    """A duration in seconds, minutes and seconds, or hours and minutes.

    >>> duration_text(42.4), duration_text(200), duration_text(7500)
    ('42 s', '3 min 20 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
