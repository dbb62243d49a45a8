"""How far the work is, on the page Data: charts of what was annotated, by whom, and how well people agree."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from app.data import charts
from app.data.counts import statistics_of
from app.text import counted
from core.store import Store
from core.store.statistics import Statistics, agreements

DRAWN, BROUGHT_IN, KEPT, PUT_RIGHT = (
    "drawn by a person",
    "brought in",
    "the model's",
    "the model's, put right",
)


def show(store: Store, person: str) -> None:
    """The figures, then the charts; an empty store gets a sentence on what to do next."""
    numbers = statistics_of(store)
    _figures(store, person)
    if not numbers.photos:
        st.info(
            "The charts appear with the first annotated photo: correct one in Annotate, or bring in a data "
            "set with boxes.",
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


def _figures(store: Store, person: str) -> None:
    counts = store.queue.counts(person)
    photos, annotated = store.photos.count(), store.annotations.annotated_count()
    share = f"{annotated / photos:.0%}" if photos else "none yet"
    with st.grid(4, min_column_width=140):
        st.metric("Photos", f"{photos:,}", border=True, height="stretch")
        st.metric("Annotated", f"{annotated:,}", share, delta_color="off", delta_arrow="off", border=True)
        st.metric("In the queue", f"{counts.open:,}", border=True, height="stretch")
        st.metric("Done by you today", f"{counts.mine_done_today:,}", border=True, height="stretch")


def _class_balance(store: Store, numbers: Statistics) -> None:
    rows = [
        (charts.plain(category.name), category.colour, numbers.boxes.get(category.id, 0))
        for category in store.categories.all()
    ]
    total = sum(numbers.boxes.values())
    _chart("Class balance", charts.class_balance(rows), f"{counted(total, 'box', 'boxes')} a category")


def _work(numbers: Statistics) -> None:
    if not numbers.days:
        st.markdown("**Annotated a day**")
        st.caption("Nobody has annotated yet; what was brought in does not count here.")
        return
    rows = [(day.day, day.author, day.photos) for day in numbers.days]
    days = len({day for day, _, _ in rows})
    _chart("Annotated a day", charts.work_by_day(rows), f"Annotated photos on {counted(days, 'day')}")


def _origins(numbers: Statistics) -> None:
    counts = {
        DRAWN: numbers.origins.get("person", 0),
        KEPT: numbers.origins.get("model", 0),
        PUT_RIGHT: numbers.origins.get("model, changed", 0),
        BROUGHT_IN: numbers.origins.get("import", 0),
    }
    counts = {name: count for name, count in counts.items() if count}
    words = ", ".join(f"{name}: {count:,}" for name, count in counts.items())
    _chart("Where the boxes come from", charts.origin_bar(counts), words)


def _box_sizes(numbers: Statistics) -> None:
    _chart("Box sizes", charts.box_size_histogram(numbers.sizes), "Boxes by size")


def _agreement(store: Store) -> None:
    found = agreements(store)
    st.markdown("**Second looks**")
    if not found:
        st.caption(
            "A tenth of the photos goes to a second person, who does not see what the first did. How far "
            "both agree is shown here."
        )
        return
    same = sum(agreement.same_category for agreement in found)
    matched = sum(agreement.matched for agreement in found)
    drawn = matched + sum(agreement.only_first + agreement.only_second for agreement in found)
    shares = (matched / drawn if drawn else 1.0), (same / matched if matched else 1.0)
    st.caption(
        f"{counted(len(found), 'photo')} done twice: {shares[0]:.0%} of the garments were boxed by both "
        f"people, and {shares[1]:.0%} of those have the same category from both."
    )
    figure = charts.agreement_histogram([agreement.mean_iou for agreement in found])
    st.plotly_chart(figure, key="chart-agreement", config=charts.CONFIG, alt="Second looks by mean IoU")


def _chart(title: str, figure: go.Figure, words: str) -> None:
    """A chart under its title; ``words`` are for those who cannot see it."""
    st.markdown(f"**{title}**")
    key = f"chart-{title.lower().replace(' ', '-')}"
    st.plotly_chart(figure, key=key, config=charts.CONFIG, alt=f"{title}: {words}")
