"""Both models' figures on the frozen holdout, in total and class by class.

What was corrected between the champion's revision and the candidate's.

What corrections brought: each model's figure on the holdout over the photos that it could learn from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import streamlit as st

from app.data.charts import CONFIG
from app.models import charts
from app.models.cards import NAMES, between, gained, mark, percent
from app.models.charts import Measured, arms, what_corrections_brought
from app.text import counted
from core.access import Right
from core.active_learning.effect import Batch, Step, Worth, model_history, selection_effect
from core.evaluation.comparison import MAIN_METRIC, ClassComparison, Comparison, PairedMetric
from core.evaluation.gate import loses_too_much
from core.store import Store
from core.store.corrections import ADDED, MOVED, REMOVED, RENAMED, RevisionChanges, changes_between
from core.store.models import ModelRow

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
    """A row a class that the holdout has, the worst difference first."""
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
    st.markdown(f"**Class by class: {MEASURED[comparison.kind]}**")
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
            config=CONFIG,
            alt="Differences of the classes with 95 % intervals",
        )


def _difference(figure: PairedMetric) -> str:
    return _bracketed(gained(figure.difference), between(figure.difference_interval, signed=True))


def _bracketed(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value


def show_corrections(store: Store, champion: ModelRow, candidate: ModelRow) -> None:
    """A sentence or two; nothing for a candidate that learned from no revision."""
    if candidate.revision is None:
        return
    st.markdown("**What the candidate learned that the champion did not**")
    if champion.revision == candidate.revision:
        st.caption(f"Both learned from revision {candidate.revision}.")
        return
    earlier = champion.revision
    if earlier is not None and earlier > candidate.revision:
        st.caption(
            f"The champion learned from revision {earlier}, which is newer than the candidate's, "
            f"revision {candidate.revision}."
        )
        return
    since = f"From revision {earlier}" if earlier is not None else "The champion came with Lapel. From it"
    found = _counted(store, str(store.database.engine.url), earlier, candidate.revision)
    st.caption(f"{since} to revision {candidate.revision}: {sentence(found)}")


def sentence(found: RevisionChanges) -> str:
    """The changes in words."""
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
    if found.gone_photos:
        parts.append(f"{counted(found.gone_photos, 'photo')} taken out")
    return f"{'; '.join(parts)}." if parts else "nothing was changed."


@st.cache_data(max_entries=50, show_spinner="Counting corrections…")
def _counted(_store: Store, url: str, earlier: int | None, later: int) -> RevisionChanges:
    """Revisions never change: what was counted once holds."""
    return changes_between(_store, earlier, later)


COUNTED_SECONDS = 60


def show_effect(store: Store, kind: str) -> None:
    """The chart, once a model that learned from corrections was measured."""
    st.subheader("What corrections brought")
    found = measured(model_history(store, kind), MAIN_METRIC[kind])
    if len(found) < 2:
        st.caption(
            "Once a training has made a candidate and it was compared, its figure stands here beside that of "
            "the models before, over the number of annotated photos."
        )
        return
    name = NAMES[MAIN_METRIC[kind]]
    st.plotly_chart(
        what_corrections_brought(found, name),
        key="corrections-brought",
        config=CONFIG,
        alt="; ".join(f"{m.name}: {counted(m.photos, 'photo')}, {name} {percent(m.figure)}" for m in found),
    )
    st.caption(
        "Each model on the holdout of the newest revision that it was compared on, with 95 % intervals. "
        "Those of different revisions were measured on different photos."
    )


def show_order(store: Store) -> None:
    """What the queue's order spares people: corrections a photo in its picks, and in the control arm."""
    st.subheader("What the queue's order brought")
    store.actor.require(Right.EXPLAIN)
    batches, worth = _counted_effect(store, str(store.database.engine.url))
    if worth is None:
        st.caption(
            "Once photos of both kinds are annotated, those that the order picked and the 15 % picked at "
            "random, their corrections a photo stand here side by side."
        )
        return
    st.plotly_chart(arms(batches), key="both-arms", config=CONFIG, alt="Corrections a photo in both arms")
    spread = f" ({worth.interval[0]:,.0f} to {worth.interval[1]:,.0f})" if worth.interval else ""
    st.caption(
        f"{counted(worth.photos, 'photo')} picked by the order brought as many corrections as "
        f"{worth.random_photos:,.0f}{spread} picked at random would have. That counts what people put right, "
        "not what models made of it."
    )


@st.cache_data(ttl=COUNTED_SECONDS, show_spinner="Counting corrections…")
def _counted_effect(_store: Store, place: str) -> tuple[tuple[Batch, ...], Worth | None]:
    """The arms of the store at a place: reading every annotation at each run would be slow."""
    return selection_effect(_store)


def measured(steps: Iterable[Step], figure: str) -> list[Measured]:
    """The models that have this figure on a holdout, by the photos that they learned from."""
    found = (
        Measured(step.name, step.photos, *step.figures[figure]) for step in steps if figure in step.figures
    )
    return sorted(found, key=lambda model: model.photos)
