"""Charts of annotation: class balance, box sizes, progress over time, origin of boxes, agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from app.components.charts import COLORS, plain

BAR_PIXELS = 26
HEIGHT = 300
AGREEMENT_BINS = 20


def class_balance(rows: Sequence[tuple[str, str, int]]) -> go.Figure:
    """Bars of (category, color, boxes), the category with most boxes on top."""
    ordered = sorted(rows, key=lambda row: -row[2])
    figure = go.Figure(
        go.Bar(
            x=[count for _, _, count in ordered],
            y=[name for name, _, _ in ordered],
            orientation="h",
            marker={"color": [color for _, color, _ in ordered]},
            text=[f"{count:,}" for _, _, count in ordered],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,} boxes<extra></extra>",
        )
    )
    figure.update_layout(
        height=BAR_PIXELS * max(1, len(ordered)) + 16,
        margin={"l": 0, "r": 56, "t": 4, "b": 4},
        bargap=0.3,
        showlegend=False,
        xaxis={"visible": False, "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True, "ticksuffix": "  "},
    )
    return figure


def box_size_histogram(counts: Sequence[int]) -> go.Figure:
    """Boxes in equal bins over 0..1 of their size: the root of the part of the photo that a box covers."""
    edges = np.linspace(0, 100, len(counts) + 1)
    names = [f"{low:.0f}–{high:.0f} %" for low, high in pairwise(edges)]
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=list(counts),
            width=float(edges[1]) * 0.94,
            marker={"color": COLORS[0]},
            customdata=names,
            hovertemplate="%{customdata}: %{y:,} boxes<extra></extra>",
        )
    )
    most = max(counts, default=0)
    return _framed(figure, "size of the box, in percent of the photo's", "boxes", most, {"range": [0, 100]})


def work_by_day(rows: Sequence[tuple[str, str, int]]) -> go.Figure:
    """Annotated photos a day, stacked by person; rows are (day as YYYY-MM-DD, person, photos)."""
    people = list(dict.fromkeys(person for _, person, _ in sorted(rows)))
    figure = go.Figure()
    for place, person in enumerate(people):
        mine = [(day, count) for day, who, count in sorted(rows) if who == person]
        figure.add_bar(
            x=[day for day, _ in mine],
            y=[count for _, count in mine],
            name=plain(person),
            marker={"color": COLORS[place % len(COLORS)]},
            hovertemplate="%{x|%-d %b %Y}: %{y:,} photos<extra>" + plain(person) + "</extra>",
        )
    days = sorted({day for day, _, _ in rows})
    axis: dict[str, object] = {"type": "date"}
    if days and np.datetime64(days[-1]) - np.datetime64(days[0]) < np.timedelta64(10, "D"):
        axis |= {"dtick": 86_400_000, "tickformat": "%-d %b"}  # few days would show their hours
    if len(days) == 1:  # and one alone would fill the chart
        day = np.datetime64(days[0])
        axis["range"] = [str(day - np.timedelta64(4, "D")), str(day + np.timedelta64(4, "D"))]
    figure.update_layout(barmode="stack", showlegend=len(people) > 1)
    most = max((sum(count for day, _, count in rows if day == this) for this in days), default=0)
    return _framed(figure, "", "photos annotated", most, axis)


def origin_bar(counts: Mapping[str, int]) -> go.Figure:
    """One bar of where boxes come from, in the order of ``counts``: its parts add up to all boxes."""
    total = max(1, sum(counts.values()))
    figure = go.Figure()
    for place, (name, count) in enumerate(counts.items()):
        figure.add_bar(
            x=[count],
            y=[""],
            orientation="h",
            name=name,
            text=f"{count / total:.0%}" if count / total >= 0.06 else "",
            insidetextanchor="middle",
            textfont={"color": "#ffffff"},
            marker={"color": COLORS[place % len(COLORS)]},
            hovertemplate=f"{name}: {count:,} boxes ({count / total:.1%})<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=110,
        showlegend=True,  # a single part has to be named as well
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"visible": False, "fixedrange": True, "range": [0, total]},
        yaxis={"visible": False, "fixedrange": True},
        legend={"orientation": "h", "y": -0.1, "traceorder": "normal"},
    )
    return figure


def agreement_histogram(mean_ious: Sequence[float]) -> go.Figure:
    """Photos annotated twice by the mean IoU (0..1) of both annotators' boxes."""
    counts, edges = np.histogram(np.clip(mean_ious, 0, 1), bins=AGREEMENT_BINS, range=(0, 1))
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=0.94 / AGREEMENT_BINS,
            marker={"color": COLORS[0]},
            hovertemplate="IoU about %{x:.2f}: %{y:,} photos<extra></extra>",
        )
    )
    return _framed(
        figure, "mean IoU of both annotators' boxes", "photos", int(counts.max()), {"range": [0, 1]}
    )


def whole_step(most: int, lines: int = 5) -> int:
    """The step between grid lines of a count: 1, 2 or 5 times a power of ten, at most ``lines`` of them.

    >>> whole_step(3), whole_step(42)
    (1, 10)
    """
    scale = 1
    while True:
        for step in (scale, 2 * scale, 5 * scale):
            if step * lines >= most:
                return step
        scale *= 10


def _framed(figure: go.Figure, x: str, y: str, most: int, axis: Mapping[str, object]) -> go.Figure:
    """Axes and margins; ``most`` is the highest count."""
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": x, "fixedrange": True, **axis},
        yaxis={
            "title": y,
            "fixedrange": True,
            "rangemode": "tozero",
            "dtick": whole_step(most),
            "tickformat": ",d",
        },
        legend={"orientation": "h", "y": 1.12},
        bargap=0.1,
    )
    return figure
