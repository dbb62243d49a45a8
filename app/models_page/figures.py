"""Both models' figures on the frozen holdout, in total and class by class."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.data.charts import CONFIG
from app.models_page import charts
from app.models_page.words import NAMES, between, gained, is_lost, mark, percent
from app.wording import counted
from core.evaluation.paired import ClassPair, Comparison, Paired

LOST_STYLE = "color: #c2452f; font-weight: 600"
MEASURED = {
    "detector": "AP at IoU 0.5",
    "classifier": "share put first",
}


def show(comparison: Comparison, revision: int) -> None:
    """What it was measured on, the totals, then the classes with their chart."""
    boxes = counted(comparison.boxes, "box", "boxes")
    skipped = f" {counted(comparison.skipped, 'box', 'boxes')} were of no use." if comparison.skipped else ""
    st.caption(
        f"Measured on {counted(comparison.photos, 'holdout photo')} with {boxes} of revision {revision}, "
        f"which no model has learned from.{skipped} In brackets: 95 % intervals from "
        f"{comparison.resamples:,} resamples of the photos, the same for both."
    )
    st.table(totals(comparison))
    _classes(comparison)


def totals(comparison: Comparison) -> pd.DataFrame:
    """A row a figure: both models' and the difference, with their intervals."""
    rows = {NAMES.get(name, name): figure for name, figure in comparison.figures.items()}
    return pd.DataFrame(
        {
            "Champion": [
                _bracketed(percent(f.champion), between(f.champion_interval)) for f in rows.values()
            ],
            "Candidate": [
                _bracketed(percent(f.candidate), between(f.candidate_interval)) for f in rows.values()
            ],
            "Difference, points": [_difference(f) for f in rows.values()],
        },
        index=list(rows),
    )


def class_table(classes: Sequence[ClassPair]) -> pd.DataFrame:
    """A row a class that the holdout has, the worst difference first."""
    shown = sorted(classes, key=lambda entry: entry.figure.difference or 0.0)
    return pd.DataFrame(
        {
            "Class": [entry.name for entry in shown],
            "Boxes": [entry.boxes for entry in shown],
            "Champion": [percent(entry.figure.champion) for entry in shown],
            "Candidate": [percent(entry.figure.candidate) for entry in shown],
            "Points": [gained(entry.figure.difference) for entry in shown],
            "": [mark(entry) for entry in shown],
        }
    )


def _classes(comparison: Comparison) -> None:
    there = [entry for entry in comparison.classes if entry.boxes]
    absent = len(comparison.classes) - len(there)
    if not there:
        return
    st.markdown(f"**Class by class: {MEASURED[comparison.kind]}**")
    table_side, chart_side = st.columns(2, gap="large")
    lost = [entry.name for entry in there if is_lost(entry)]
    with table_side:
        rows = class_table(there)
        lost_rows = rows["Class"].isin(lost)
        st.dataframe(
            rows.style.apply(lambda column: [LOST_STYLE if lost else "" for lost in lost_rows]),
            hide_index=True,
            height="content",
            key="class-table",
            alt=f"Figures of {len(there)} classes; lost too much: {', '.join(lost) or 'none'}",
        )
        if absent:
            st.caption(f"{counted(absent, 'class', 'classes')} without a box in the holdout are left out.")
    with chart_side:
        st.plotly_chart(
            charts.class_differences(there),
            key="class-differences",
            config=CONFIG,
            alt="Differences of the classes with 95 % intervals",
        )


def _difference(figure: Paired) -> str:
    return _bracketed(gained(figure.difference), between(figure.difference_interval, signed=True))


def _bracketed(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value
