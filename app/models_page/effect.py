"""What corrections brought: each model's figure on the holdout over the photos that it could learn from."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from app.data.charts import CONFIG
from app.models_page.charts import Measured, arms, what_corrections_brought
from app.models_page.words import NAMES, percent
from app.wording import counted
from core.access import Right
from core.evaluation.paired import MAIN
from core.learning.effect import Batch, Step, Worth, models_so_far, order_so_far
from core.store import Store

COUNTED_SECONDS = 60


def show(store: Store, kind: str) -> None:
    """The chart, once a model that learned from corrections was measured."""
    st.subheader("What corrections brought")
    found = measured(models_so_far(store, kind), MAIN[kind])
    if len(found) < 2:
        st.caption(
            "Once a training has made a candidate and it was compared, its figure stands here beside that of "
            "the models before, over the number of annotated photos."
        )
        return
    name = NAMES[MAIN[kind]]
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
    batches, worth = _counted(store, str(store.database.engine.url))
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
def _counted(_store: Store, place: str) -> tuple[tuple[Batch, ...], Worth | None]:
    """The arms of the store at a place: reading every annotation at each run would be slow."""
    return order_so_far(_store)


def measured(steps: Iterable[Step], figure: str) -> list[Measured]:
    """The models that have this figure on a holdout, by the photos that they learned from."""
    found = (
        Measured(step.name, step.photos, *step.figures[figure]) for step in steps if figure in step.figures
    )
    return sorted(found, key=lambda model: model.photos)
