"""Charts of the page Models: differences by class, effect of corrections, active learning against random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.components.charts import COLORS, plain
from core.active_learning.effect import Batch
from core.evaluation.bootstrap import Interval
from core.evaluation.comparison import ClassComparison
from core.evaluation.gate import loses_too_much

LOST, GAINED, UNSURE = "#c2452f", "#0f8f80", "#8a939b"
ROW_PIXELS, HEIGHT = 26, 300
ARM_NAMES = {"selected": "active learning", "control": "random"}


def class_differences(classes: Sequence[ClassComparison]) -> go.Figure:
    """Candidate minus champion for each class that was evaluated, in points, with 95 % intervals.

    The worst is on top. Red has lost more than the gate allows; gray is what the interval cannot tell from 0.
    """
    shown = [entry for entry in classes if entry.metric.difference is not None]
    shown.sort(key=lambda entry: entry.metric.difference or 0.0)
    middles = [100 * (entry.metric.difference or 0.0) for entry in shown]
    ends = [
        entry.metric.difference_interval or (m / 100, m / 100)
        for entry, m in zip(shown, middles, strict=True)
    ]
    figure = go.Figure(
        go.Scatter(
            x=middles,
            y=[plain(entry.name) for entry in shown],
            mode="markers",
            marker={"size": 9, "color": [color_of(entry) for entry in shown]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * high - m for (_, high), m in zip(ends, middles, strict=True)],
                "arrayminus": [m - 100 * low for (low, _), m in zip(ends, middles, strict=True)],
                "color": UNSURE,
                "thickness": 1.5,
                "width": 3,
            },
            customdata=[
                [entry.boxes, 100 * low, 100 * high] for entry, (low, high) in zip(shown, ends, strict=True)
            ],
            hovertemplate="%{y}: %{x:+.1f} points (%{customdata[1]:+.1f} to %{customdata[2]:+.1f}), "
            "%{customdata[0]:,} boxes<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"color": UNSURE, "width": 1, "dash": "dot"})
    figure.update_layout(
        height=ROW_PIXELS * max(3, len(shown)) + 60,
        margin={"l": 0, "r": 8, "t": 4, "b": 0},
        showlegend=False,
        xaxis={"title": "candidate minus champion, points", "fixedrange": True, "zeroline": False},
        yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True, "ticksuffix": "  "},
    )
    return figure


def color_of(entry: ClassComparison) -> str:
    """The color of a class: lost too much, changed significantly, or no significant change."""
    interval = entry.metric.difference_interval
    if loses_too_much(entry):
        return LOST
    if interval is None or interval[0] <= 0.0 <= interval[1]:
        return UNSURE
    return GAINED if interval[0] > 0 else "#c2832f"


@dataclass(frozen=True)
class Measured:
    """A model on the holdout: annotated photos that it was trained on, its metric with the 95 % interval."""

    name: str
    photos: int
    figure: float
    interval: Interval | None = None


def correction_gains(models: Sequence[Measured], figure_name: str) -> go.Figure:
    """Each model's holdout metric over the annotated photos that it was trained on, with intervals."""
    ordered = sorted(models, key=lambda model: model.photos)
    middles = [100 * model.figure for model in ordered]
    ends = [model.interval or (model.figure, model.figure) for model in ordered]
    figure = go.Figure(
        go.Scatter(
            x=[model.photos for model in ordered],
            y=middles,
            mode="lines+markers",
            line={"color": COLORS[0], "width": 1.5, "dash": "dot"},
            marker={"size": 9, "color": COLORS[0]},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * high - m for (_, high), m in zip(ends, middles, strict=True)],
                "arrayminus": [m - 100 * low for (low, _), m in zip(ends, middles, strict=True)],
                "color": UNSURE,
                "thickness": 1.5,
            },
            customdata=[
                [plain(model.name), 100 * low, 100 * high]
                for model, (low, high) in zip(ordered, ends, strict=True)
            ],
            hovertemplate="%{customdata[0]}: %{y:.1f} % (%{customdata[1]:.1f} to %{customdata[2]:.1f}), "
            "%{x:,} photos<extra></extra>",
        )
    )
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        showlegend=False,
        xaxis={"title": "annotated photos", "fixedrange": True, "tickformat": ",d", "rangemode": "tozero"},
        yaxis={"title": figure_name, "fixedrange": True, "ticksuffix": " %"},
    )
    return figure


def arms(batches: Sequence[Batch]) -> go.Figure:
    """Corrections per photo in both arms of the queue, by batch, with 95 % intervals."""
    figure = go.Figure()
    names = [f"revision {batch.revision}" if batch.revision else "since" for batch in batches]
    for (arm, title), color in zip(ARM_NAMES.items(), COLORS, strict=False):
        found = [
            (name, batch.arms[arm]) for name, batch in zip(names, batches, strict=True) if arm in batch.arms
        ]
        ends = [entry.interval or (entry.per_photo, entry.per_photo) for _, entry in found]
        figure.add_bar(
            name=title,
            x=[name for name, _ in found],
            y=[entry.per_photo for _, entry in found],
            marker={"color": color},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [high - entry.per_photo for (_, high), (_, entry) in zip(ends, found, strict=True)],
                "arrayminus": [
                    entry.per_photo - low for (low, _), (_, entry) in zip(ends, found, strict=True)
                ],
                "color": UNSURE,
                "thickness": 1.5,
            },
            customdata=[entry.photos for _, entry in found],
            hovertemplate="%{y:.2f} corrections per photo, %{customdata:,} photos<extra></extra>",
        )
    figure.update_layout(
        height=HEIGHT,
        barmode="group",
        margin={"l": 0, "r": 8, "t": 4, "b": 0},
        legend={"orientation": "h", "y": 1.12},
        xaxis={"fixedrange": True, "categoryorder": "array", "categoryarray": names},
        yaxis={"title": "corrections per photo", "fixedrange": True, "rangemode": "tozero"},
    )
    return figure
