"""A training's curve: the loss raw and smoothed, what validation says, how quick it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

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
"""What validation measures, as the curve names it and as people do."""

COLOURS = ("#0f8f80", "#c2632f", "#5b73c7")
PALE = "#8a939b"
HEIGHT = 260
MEMORY = 0.9
"""Of the smoothed loss: how much of it is what was before."""

MOST_DOTS = 600
RECENT = 30
OVERLAP_STEPS = 50
"""Validation joins a step that was read already, so the last steps are read anew."""


@dataclass
class Curve:
    """A training's points by step, read piece by piece while it grows."""

    points: dict[int, Point] = field(default_factory=dict)

    @property
    def read_from(self) -> int:
        """The step behind which points have to be read anew."""
        return max(0, max(self.points, default=0) - OVERLAP_STEPS)

    def join(self, read: Sequence[Point], behind: int) -> list[Point]:
        """All points by step, once those behind a step are replaced by what was read."""
        kept = {step: point for step, point in self.points.items() if step <= behind}
        self.points = kept | {point.step: point for point in read}
        return [self.points[step] for step in sorted(self.points)]


def series(points: Sequence[Point], name: str) -> tuple[list[int], list[float]]:
    """Steps and values of what a curve holds under a name, without its gaps."""
    found = [(point.step, value) for point in points if (value := point.values.get(name)) is not None]
    return [step for step, _ in found], [float(value) for _, value in found]


def smoothed(values: Sequence[float], memory: float = MEMORY) -> list[float]:
    """The exponential moving average, corrected for its beginning (Kingma and Ba 2015, section 3).

    >>> [round(value, 3) for value in smoothed([2.0, 2.0, 5.0], memory=0.5)]
    [2.0, 2.0, 3.714]
    """
    mean, weight, result = 0.0, 0.0, []
    for value in values:
        mean, weight = memory * mean + (1 - memory) * value, memory * weight + (1 - memory)
        result.append(mean / weight)
    return result


def latest(points: Sequence[Point], name: str) -> float | None:
    """The last value under a name."""
    _, values = series(points, name)
    return values[-1] if values else None


def steps_a_second(points: Sequence[Point]) -> float | None:
    """How quick the latest steps were; None until two points are there."""
    recent = points[-RECENT:]
    if len(recent) < 2 or recent[-1].at <= recent[0].at:
        return None
    return (recent[-1].step - recent[0].step) / (recent[-1].at - recent[0].at)


def loss_chart(points: Sequence[Point], steps: int) -> go.Figure:
    """The loss pale, its moving average in full colour, and validation's loss."""
    figure = go.Figure()
    at, values = series(points, LOSS)
    for name, drawn, line in (
        ("raw", values, {"color": PALE, "width": 1}),
        ("smoothed", smoothed(values), {"color": COLOURS[0], "width": 2.5}),
    ):
        x, y = _thinned(at, drawn)
        _line(figure, name, x, y, line, "lines")
    x, y = series(points, VALIDATION_LOSS)
    if x:
        _line(figure, "validation", list(x), y, {"color": COLOURS[1], "width": 2}, "lines+markers")
    return _framed(figure, steps, {"rangemode": "tozero", "tickformat": ".3~g"})


def validation_chart(points: Sequence[Point], steps: int) -> go.Figure:
    """What validation measures after each epoch, in percent."""
    figure = go.Figure()
    for colour, (name, title) in zip(COLOURS * 2, measured(points).items(), strict=False):
        x, y = series(points, name)
        _line(figure, title, x, [100 * value for value in y], {"color": colour, "width": 2}, "lines+markers")
    return _framed(figure, steps, {"rangemode": "tozero", "ticksuffix": " %", "tickformat": ".3~g"})


def measured(points: Sequence[Point]) -> Mapping[str, str]:
    """The figures of validation that the curve has, with their names for people."""
    there = {name for point in points for name in point.values}
    return {name: title for name, title in FIGURES.items() if name in there}


def _thinned(x: Sequence[int], y: Sequence[float]) -> tuple[list[int], list[float]]:
    """At most ``MOST_DOTS`` of a line's points, the last among them."""
    stride = max(1, -(-len(x) // MOST_DOTS))
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
