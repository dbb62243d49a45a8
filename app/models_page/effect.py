"""What corrections brought: each model's figure on the holdout over the photos that it could learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.data.charts import CONFIG
from app.models_page.charts import Measured, what_corrections_brought
from app.models_page.words import NAMES, percent
from app.wording import counted
from core.evaluation.paired import MAIN
from core.store import Store
from core.store.comparisons import ComparisonRow
from core.store.models import ModelRow


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
