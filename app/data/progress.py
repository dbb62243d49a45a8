"""Annotation progress on the page Data: charts of what was annotated, by whom, and agreement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.components.charts import CONFIG, plain
from app.data import charts
from app.text import counted
from core.access import Right
from core.csv_cells import escape_formula
from core.inference.predictions import UNAIDED_HOLDOUT_SETTING
from core.store import Store
from core.store.statistics import (
    DailyWork,
    Statistics,
    agreements,
    count_annotations,
    daily_work,
    statistics_state,
)
from core.threads import IMPORTS

DRAWN, IMPORTED, MODEL, MODEL_CORRECTED = (
    "drawn by a person",
    "imported",
    "by the model",
    "by the model, corrected",
)


def show(store: Store, person: str) -> None:
    """The figures, then the charts; an empty store gets a sentence on what to do next."""
    numbers = statistics_of(store)
    _figures(store, person)
    if not numbers.photos:
        st.info(
            "The charts appear with the first annotated photo: annotate one, or import a dataset with boxes.",
            icon=":material/bar_chart:",
        )
        return
    left, right = st.columns(2, gap="large")
    with left:
        _class_balance(store, numbers)
        _box_sizes(numbers)
    with right:
        _work(numbers)
        _origins(numbers)
        _agreement(store)
    _people(store)


def _figures(store: Store, person: str) -> None:
    counts = store.queue.counts(person)
    photos = store.photos.count()
    share = f"{counts.done / photos:.0%}" if photos else "none yet"
    again = f"{counts.second_open:,} for consensus review" if counts.second_open else None
    plain: Mapping[str, Any] = {
        "border": True,
        "height": "stretch",
        "delta_color": "off",
        "delta_arrow": "off",
    }
    with st.grid(4, min_column_width=140):
        st.metric("Photos", f"{photos:,}", **plain)
        st.metric("Done", f"{counts.done:,}", share, **plain)
        st.metric("To do", f"{counts.first_open:,}", again, **plain)
        st.metric("Done by you today", f"{counts.mine_done_today:,}", **plain)
    _switch(
        "Review annotations that came with photos",
        store.queue.reviews_imported(),
        store.queue.review_imported,
        key="review-imported",
        disabled=not store.actor.may(Right.IMPORT),
        help="Photos that were imported with annotations count as done. Switched on, they wait in the queue "
        "as well, behind the others.",
    )
    _switch(
        "Annotate the holdout without proposals",
        bool(store.settings.get(UNAIDED_HOLDOUT_SETTING, False)),
        partial(store.settings.put, UNAIDED_HOLDOUT_SETTING),
        key="unaided-holdout",
        disabled=not store.actor.may(Right.SETTINGS),
        help="On holdout photos annotators draw every box themselves, and see nothing of what the models "
        "find: it takes longer, and models that propose alike gain nothing by it.",
    )


def _switch(title: str, saved: bool, save: Callable[[bool], object], **more: Any) -> None:
    """A setting of the store as a toggle; ``more`` are the toggle's own arguments."""
    chosen = st.toggle(title, saved, **more)
    if chosen != saved:
        save(chosen)
        st.rerun()


def _class_balance(store: Store, numbers: Statistics) -> None:
    rows = [
        (plain(category.name), category.color, numbers.boxes.get(category.id, 0))
        for category in store.categories.all()
    ]
    total = sum(numbers.boxes.values())
    _chart("Class balance", charts.class_balance(rows), f"{counted(total, 'box', 'boxes')} a category")


def _work(numbers: Statistics) -> None:
    if not numbers.days:
        st.markdown("**Annotated per day**")
        st.caption("Nobody has annotated yet; imported annotations do not count here.")
        return
    rows = [(day.day, day.author, day.photos) for day in numbers.days]
    days = len({day for day, _, _ in rows})
    _chart("Annotated per day", charts.work_by_day(rows), f"Annotated photos on {counted(days, 'day')}")


def _people(store: Store) -> None:
    """Everybody's work by day as a table, and as CSV."""
    rows = _work_rows(store, str(store.database.engine.url), statistics_state(store))
    if not rows:
        return
    with IMPORTS:
        import pandas as pd

    st.markdown("**Work by person and day**")
    st.caption(
        "A photo saved twice on a day counts once, with all of its time. Agreement: on photos that two "
        "people annotated, the share of both people's boxes that lie and are named alike."
    )
    table = pd.DataFrame(
        {
            "Day": [row.day for row in rows],
            "Person": [escape_formula(row.person) for row in rows],
            "Photos": [row.photos for row in rows],
            "Boxes": [row.boxes for row in rows],
            "Seconds a photo": [row.seconds_a_photo for row in rows],
            "Agreement, %": [None if row.agreement is None else 100 * row.agreement for row in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Seconds a photo": st.column_config.NumberColumn(format="%.1f"),
            "Agreement, %": st.column_config.NumberColumn(format="%.0f"),
        },
        alt=f"Work of {counted(len(set(table['Person'])), 'person', 'people')} by day",
    )
    st.download_button(
        "Download as CSV",
        table.to_csv(index=False).encode("utf-8-sig"),
        "lapel-work.csv",
        "text/csv",
        icon=":material/download:",
        key="work-csv",
        on_click="ignore",
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def _work_rows(_store: Store, url: str, state: tuple[int, int, int]) -> list[DailyWork]:
    return daily_work(_store)


def _origins(numbers: Statistics) -> None:
    counts = {
        DRAWN: numbers.origins.get("person", 0),
        MODEL: numbers.origins.get("model", 0),
        MODEL_CORRECTED: numbers.origins.get("model, changed", 0),
        IMPORTED: numbers.origins.get("import", 0),
    }
    counts = {name: count for name, count in counts.items() if count}
    words = ", ".join(f"{name}: {count:,}" for name, count in counts.items())
    _chart("Origin of the boxes", charts.origin_bar(counts), words)


def _box_sizes(numbers: Statistics) -> None:
    _chart("Box sizes", charts.box_size_histogram(numbers.sizes), "Boxes by size")


def _agreement(store: Store) -> None:
    found = agreements(store)
    st.markdown("**Inter-annotator agreement**")
    if not found:
        st.caption(
            "A tenth of the photos is annotated by a second person, who does not see the first annotation. "
            "How far both agree is shown here."
        )
        return
    same = sum(agreement.same_category for agreement in found)
    matched = sum(agreement.matched for agreement in found)
    drawn = matched + sum(agreement.only_first + agreement.only_second for agreement in found)
    shares = (matched / drawn if drawn else 1.0), (same / matched if matched else 1.0)
    st.caption(
        f"{counted(len(found), 'photo')} annotated twice: {shares[0]:.0%} of the garments have a box from "
        f"both annotators, and {shares[1]:.0%} of those the same category."
    )
    figure = charts.agreement_histogram([agreement.mean_iou for agreement in found])
    st.plotly_chart(figure, key="chart-agreement", config=CONFIG, alt="Photos annotated twice, by mean IoU")


def _chart(title: str, figure: go.Figure, words: str) -> None:
    """A chart under its title; ``text`` is its alternative text."""
    st.markdown(f"**{title}**")
    key = f"chart-{title.lower().replace(' ', '-')}"
    st.plotly_chart(figure, key=key, config=CONFIG, alt=f"{title}: {words}")


def statistics_of(store: Store) -> Statistics:
    """The counts of all annotations, cached for all sessions until something changes."""
    return _statistics(store, str(store.database.engine.url), statistics_state(store))


@st.cache_resource(max_entries=2, show_spinner="Counting…")
def _statistics(_store: Store, url: str, state: tuple[int, int, int]) -> Statistics:
    return count_annotations(_store)
