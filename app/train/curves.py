"""A training's curves: loss, raw and smoothed, validation metrics, and speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from core.evaluation.report.curves import smoothed as smoothed  # the page Train shows it
from core.store.trainings import Point

LOSS, VALIDATION_LOSS = "loss", "val_loss"
RATE = "photos_a_second"
FIGURES = {
    "val_map50": "mAP50",
    "val_map": "mAP",
    "val_top1": "top-1",
    "val_top3": "top-3",
    "val_top5": "top-5",
}
"""Validation metrics: their names in the curve and on the page."""

COLORS = ("#0f8f80", "#c2632f", "#5b73c7")
RAW_COLOR = "#8a939b"
HEIGHT = 260
MAX_POINTS = 600
RECENT_POINTS = 30
OVERLAP_STEPS = 50
"""Validation adds values to steps that were read already, so the last steps are read again."""


@dataclass
class Curve:
    """A training's points by step, read piece by piece while it grows."""

    points: dict[int, Point] = field(default_factory=dict)

    @property
    def read_from(self) -> int:
        """The step after which points have to be read again."""
        return max(0, max(self.points, default=0) - OVERLAP_STEPS)

    def join(self, read: Sequence[Point], behind: int) -> list[Point]:
        """All points by step, with those after a step replaced by what was read."""
        kept = {step: point for step, point in self.points.items() if step <= behind}
        self.points = kept | {point.step: point for point in read}
        return [self.points[step] for step in sorted(self.points)]


def series(points: Sequence[Point], name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one series of the curve, without gaps."""
    found = [(point.step, value) for point in points if (value := point.values.get(name)) is not None]
    return [step for step, _ in found], [float(value) for _, value in found]


def latest(points: Sequence[Point], name: str) -> float | None:
    """The last value under a name."""
    _, values = series(points, name)
    return values[-1] if values else None


def steps_a_second(points: Sequence[Point]) -> float | None:
    """Speed of the latest steps; None until there are two points."""
    recent = points[-RECENT_POINTS:]
    if len(recent) < 2 or recent[-1].at <= recent[0].at:
        return None
    return (recent[-1].step - recent[0].step) / (recent[-1].at - recent[0].at)


def loss_chart(points: Sequence[Point], steps: int) -> go.Figure:
    """The raw loss, its moving average, and the validation loss."""
    figure = go.Figure()
    at, values = series(points, LOSS)
    for name, drawn, line in (
        ("raw", values, {"color": RAW_COLOR, "width": 1}),
        ("smoothed", smoothed(values), {"color": COLORS[0], "width": 2.5}),
    ):
        x, y = _downsampled(at, drawn)
        _line(figure, name, x, y, line, "lines")
    x, y = series(points, VALIDATION_LOSS)
    if x:
        _line(figure, "validation", list(x), y, {"color": COLORS[1], "width": 2}, "lines+markers")
    return _framed(figure, steps, {"rangemode": "tozero", "tickformat": ".3~g"})


def validation_chart(points: Sequence[Point], steps: int) -> go.Figure:
    """The validation metrics after each epoch, in percent."""
    figure = go.Figure()
    for color, (name, title) in zip(COLORS * 2, measured(points).items(), strict=False):
        x, y = series(points, name)
        _line(figure, title, x, [100 * value for value in y], {"color": color, "width": 2}, "lines+markers")
    return _framed(figure, steps, {"rangemode": "tozero", "ticksuffix": " %", "tickformat": ".3~g"})


def measured(points: Sequence[Point]) -> Mapping[str, str]:
    """The validation metrics that the curve has, with their names on the page."""
    there = {name for point in points for name in point.values}
    return {name: title for name, title in FIGURES.items() if name in there}


def _downsampled(x: Sequence[int], y: Sequence[float]) -> tuple[list[int], list[float]]:
    """At most ``MAX_POINTS`` of a line's points, the last among them."""
    stride = max(1, -(-len(x) // MAX_POINTS))
    places = range((len(x) - 1) % stride, len(x), stride) if x else range(0)
    return [x[place] for place in places], [y[place] for place in places]


def _line(
    figure: go.Figure, name: str, x: list[int], y: list[float], line: dict[str, object], mode: str
) -> None:
    template = "step %{x:,}: %{y:.4g}<extra>" + name + "</extra>"
    figure.add_scatter(x=x, y=y, name=name, mode=mode, line=line, hovertemplate=template)


def _framed(figure: go.Figure, steps: int, y_axis: dict[str, object]) -> go.Figure:
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        showlegend=True,
        legend={"orientation": "h", "y": 1.16},
        xaxis={"title": "batches", "fixedrange": True, "range": [0, max(steps, 1)], "tickformat": ",d"},
        yaxis={"fixedrange": True, **y_axis},
        uirevision="same",
    )
    return figure
