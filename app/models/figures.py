"""Metrics on the frozen holdout: both models in total and by class, and what annotations have gained.

Beside the comparison: what was annotated between both models' revisions, every model's metric over the number
of photos that it was trained on, and corrections per photo with active learning and at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import streamlit as st

from app.components.charts import downloadable
from app.models import charts
from app.models.cards import NAMES, between, gained, mark, percent
from app.models.charts import Measured, arms, correction_gains
from app.text import counted
from core.access import Right
from core.active_learning.effect import Batch, ModelResult, SelectionGain, model_history, selection_effect
from core.evaluation.comparison import MAIN_METRIC, ClassComparison, Comparison, PairedMetric
from core.evaluation.gate import loses_too_much
from core.store import Store
from core.store.corrections import ADDED, MOVED, REMOVED, RENAMED, RevisionChanges, changes_between
from core.store.models import ModelRow
from core.store.statistics import proposed_holdout

LOST_STYLE = "color: #c2452f; font-weight: 600"
MEASURED = {
    "detector": "AP at IoU 0.5",
    "classifier": "top-1 accuracy",
}


def show(store: Store, comparison: Comparison, revision: int) -> None:
    """The evaluated photos, the totals, then the classes with their chart."""
    boxes = counted(comparison.boxes, "box", "boxes")
    skipped = f" {counted(comparison.skipped, 'box', 'boxes')} were skipped." if comparison.skipped else ""
    st.caption(
        f"Measured on {counted(comparison.photos, 'holdout photo')} with {boxes} of revision {revision}, "
        "which no training of this workspace has learned from; what weights from elsewhere learned from is "
        f"on their cards.{skipped} In brackets: 95 % bootstrap intervals from "
        f"{comparison.resamples:,} resamples of the photos, the same for both models."
    )
    proposed, total = _proposed(store, str(store.database.engine.url), revision)
    if proposed:
        st.caption(
            f"On {proposed:,} of {counted(total, 'holdout photo')} the annotator began with models' "
            "proposals: models that propose alike gain by that. Data has a switch against it, under Progress."
        )
    st.table(totals(comparison))
    _classes(comparison)


@st.cache_data(max_entries=20, show_spinner=False)
def _proposed(_store: Store, url: str, revision: int) -> tuple[int, int]:
    """Counted once: a revision stays as it is."""
    return proposed_holdout(_store, revision)


def totals(comparison: Comparison) -> pd.DataFrame:
    """A row for each metric: both models' and the difference, with intervals."""
    rows = {NAMES.get(name, name): figure for name, figure in comparison.metrics.items()}
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


def class_table(classes: Sequence[ClassComparison]) -> pd.DataFrame:
    """A row for each class of the holdout, the worst difference first."""
    shown = sorted(classes, key=lambda entry: entry.metric.difference or 0.0)
    return pd.DataFrame(
        {
            "Class": [entry.name for entry in shown],
            "Boxes": [entry.boxes for entry in shown],
            "Champion": [percent(entry.metric.champion) for entry in shown],
            "Candidate": [percent(entry.metric.candidate) for entry in shown],
            "Points": [gained(entry.metric.difference) for entry in shown],
            "": [mark(entry) for entry in shown],
        }
    )


def _classes(comparison: Comparison) -> None:
    there = [entry for entry in comparison.classes if entry.boxes]
    absent = len(comparison.classes) - len(there)
    if not there:
        return
    st.markdown(f"**By class: {MEASURED[comparison.kind]}**")
    table_side, chart_side = st.columns(2, gap="large")
    lost = [entry.name for entry in there if loses_too_much(entry)]
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
            config=downloadable("class-differences"),
            alt="Differences of the classes with 95 % intervals",
        )


def _difference(figure: PairedMetric) -> str:
    return _bracketed(gained(figure.difference), between(figure.difference_interval, signed=True))


def _bracketed(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value


def show_corrections(store: Store, champion: ModelRow, candidate: ModelRow) -> None:
    """What was annotated between both models' revisions; nothing for a candidate without a revision."""
    if candidate.revision is None:
        return
    st.markdown("**Training data that is new to the candidate**")
    if champion.revision == candidate.revision:
        st.caption(f"Both were trained on revision {candidate.revision}.")
        return
    earlier = champion.revision
    if earlier is not None and earlier > candidate.revision:
        st.caption(
            f"The champion was trained on revision {earlier}, which is newer than the candidate's, "
            f"revision {candidate.revision}."
        )
        return
    since = f"From revision {earlier}" if earlier is not None else "The champion ships with Lapel. From it"
    found = _counted(store, str(store.database.engine.url), earlier, candidate.revision)
    st.caption(f"{since} to revision {candidate.revision}: {sentence(found)}")


def sentence(found: RevisionChanges) -> str:
    """The changes as a sentence."""
    parts = []
    if found.new_photos:
        parts.append(
            f"{counted(found.new_photos, 'photo')} annotated for the first time, "
            f"with {counted(found.new_boxes, 'box', 'boxes')}"
        )
    if found.changed_photos:
        deeds = [
            f"{found.boxes[deed]:,} {deed}"
            for deed in (ADDED, REMOVED, MOVED, RENAMED)
            if deed in found.boxes
        ]
        what = f": boxes {', '.join(deeds)}" if deeds else ""
        parts.append(f"{counted(found.changed_photos, 'photo')} corrected again{what}")
    if found.removed_photos:
        parts.append(f"{counted(found.removed_photos, 'photo')} taken out")
    return f"{'; '.join(parts)}." if parts else "nothing was changed."


@st.cache_data(max_entries=50, show_spinner="Counting corrections…")
def _counted(_store: Store, url: str, earlier: int | None, later: int) -> RevisionChanges:
    """Cached for good: revisions never change."""
    return changes_between(_store, earlier, later)


COUNTED_SECONDS = 60


def show_effect(store: Store, kind: str) -> None:
    """The chart of metrics over annotated photos, once two models have been evaluated."""
    st.subheader("Effect of corrections")
    found = measured(model_history(store, kind), MAIN_METRIC[kind])
    if len(found) < 2:
        st.caption(
            "Once a candidate was trained and compared, its metric is plotted here beside those of earlier "
            "models, over the number of annotated photos."
        )
        return
    name = NAMES[MAIN_METRIC[kind]]
    st.plotly_chart(
        correction_gains(found, name),
        key="corrections-brought",
        config=downloadable("corrections-brought"),
        alt="; ".join(f"{m.name}: {counted(m.photos, 'photo')}, {name} {percent(m.figure)}" for m in found),
    )
    st.caption(
        "Each model on the holdout of the newest revision that it was compared on, with 95 % intervals. "
        "Different revisions have different holdout photos."
    )


def show_order(store: Store) -> None:
    """Corrections per photo among those chosen by active learning and in the random control arm."""
    st.subheader("Effect of active learning")
    store.actor.require(Right.EXPLAIN)
    batches, gain = _counted_effect(store, str(store.database.engine.url))
    if gain is None:
        st.caption(
            "Once photos chosen by active learning and of the 15 % chosen at random are annotated, their "
            "corrections per photo are compared here."
        )
        return
    st.plotly_chart(
        arms(batches),
        key="both-arms",
        config=downloadable("active-learning"),
        alt="Corrections per photo, active learning and random",
    )
    spread = f" ({gain.interval[0]:,.0f} to {gain.interval[1]:,.0f})" if gain.interval else ""
    st.caption(
        f"{counted(gain.photos, 'photo')} chosen by active learning got as many corrections as "
        f"{gain.random_photos:,.0f}{spread} chosen at random would have. That counts corrections, not what "
        "the models learned from them."
    )


@st.cache_data(ttl=COUNTED_SECONDS, show_spinner="Counting corrections…")
def _counted_effect(_store: Store, place: str) -> tuple[tuple[Batch, ...], SelectionGain | None]:
    """Cached, as reading every annotation at each run would be slow."""
    return selection_effect(_store)


def measured(models: Iterable[ModelResult], figure: str) -> list[Measured]:
    """The models with this metric on a holdout, by the number of photos that they were trained on."""
    found = (
        Measured(model.name, model.photos, *model.figures[figure])
        for model in models
        if figure in model.figures
    )
    return sorted(found, key=lambda model: model.photos)
