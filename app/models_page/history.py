"""Who let which model serve, when, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from core.store.promotions import Promotion

ACTIONS = {
    "first": "served first",
    "promote": "promoted",
    "overrule": "promoted against the gate",
    "rollback": "rolled back",
}


def show(changes: Sequence[Promotion], names: Mapping[int, str]) -> None:
    """A table, the latest change first."""
    st.subheader("Who served")
    st.dataframe(
        table(changes, names),
        hide_index=True,
        column_config={"When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm")},
        key="promotions",
        alt=f"{len(changes)} changes of the champion, the latest first",
    )


def table(changes: Sequence[Promotion], names: Mapping[int, str]) -> pd.DataFrame:
    """A row a change."""
    return pd.DataFrame(
        {
            "When": [datetime.fromtimestamp(change.at).astimezone() for change in changes],
            "What": [ACTIONS.get(change.action, change.action) for change in changes],
            "Model": [names.get(change.model_id, "") for change in changes],
            "In place of": [names.get(change.previous_id or 0, "") for change in changes],
            "By": [change.by for change in changes],
            "Reason": [change.reason for change in changes],
        }
    )
