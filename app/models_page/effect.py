"""What corrections brought: each model's figure on the holdout over the photos that it could learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.data.charts import CONFIG
from app.models_page.charts import Measured, arms, what_corrections_brought
from app.models_page.words import NAMES, percent
from app.wording import counted
from core.access import Right
from core.evaluation.paired import MAIN
from core.learning.effect import Batch, Worth, batches_of, photos_done, worth_of
from core.store import Store
from core.store.comparisons import ComparisonRow
from core.store.models import ModelRow

COUNTED_SECONDS = 60


def show(store: Store, kind: str, models: Sequence[ModelRow]) -> None:
    """The chart, once a model that learned from corrections was measured."""
    st.subheader("What corrections brought")
    photos = {revision.number: revision.photos for revision in store.revisions.all()}
    found = measured(models, [row for model in models for row in store.comparisons.of(model.id)], photos)
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
    done = tuple(photos_done(_store))
    return batches_of(done), worth_of(done)


def measured(
    models: Sequence[ModelRow], comparisons: Sequence[ComparisonRow], photos: Mapping[int, int]
) -> list[Measured]:
    """Each model's figure on the newest revision it was measured on; ``photos`` are revisions' numbers.

    A model that came with Lapel has learned from none of this store's photos.
    """
    found: dict[int, Measured] = {}
    names = {model.id: model for model in models}
    for row in sorted(comparisons, key=lambda row: -row.revision):
        main = row.comparison.main
        sides = (
            (row.candidate_id, main.candidate, main.candidate_interval),
            (row.champion_id, main.champion, main.champion_interval),
        )
        for id, figure, interval in sides:
            if figure is None or id in found or id not in names:
                continue
            learned = photos.get(names[id].revision or 0, 0)
            found[id] = Measured(names[id].name, learned, figure, interval)
    return sorted(found.values(), key=lambda model: model.photos)
