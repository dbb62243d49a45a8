"""The trainings that were: who had what trained on which revision, how long it took, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app.training import words
from core.store.models import ModelRow
from core.store.trainings import TrainingRow


def show(rows: Sequence[TrainingRow], models: Mapping[int, ModelRow]) -> None:
    """A table, the newest training first; ``models`` are by the training that they came of."""
    st.subheader("All trainings")
    st.dataframe(
        table(rows, models),
        hide_index=True,
        column_config={
            "Begun": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Compare": st.column_config.LinkColumn(display_text="with the champion"),
        },
        key="trainings",
        alt=f"{len(rows)} trainings, the newest first",
    )


def table(rows: Sequence[TrainingRow], models: Mapping[int, ModelRow]) -> pd.DataFrame:
    """A row a training."""
    made = [models.get(row.id) for row in rows]
    spans = [words.seconds_of(row) for row in rows]
    links = [f"models?kind={model.kind}&candidate={model.id}" if model else "" for model in made]
    return pd.DataFrame(
        {
            "No.": [row.id for row in rows],
            "Model": [f"{words.KINDS[row.kind]}, {row.mode}" for row in rows],
            "State": [words.STATES.get(row.state, row.state) for row in rows],
            "By": [row.by for row in rows],
            "Begun": [datetime.fromtimestamp(row.at).astimezone() for row in rows],
            "Took": ["" if seconds is None else words.lasting(seconds) for seconds in spans],
            "Revision": [row.revision for row in rows],
            "Result": [model.name if model else "" for model in made],
            "Compare": links,
        }
    )
