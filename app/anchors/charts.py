"""Charts of the page Anchors: boxes in their clusters' colors, and the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.components.charts import COLORS
from core.anchor_studies import DARKNET, KMEANS
from core.anchors import STRIDES, best_ious

MOST_DOTS = 4000
OURS, THEIRS = COLORS[0], COLORS[1]
HEIGHT = 340
BINS = 30
CLUSTER_COLORS = (
    *("#4e9bd1", "#d9a441", "#7fb069", "#c06c9c", "#8d7bd1", "#d1735a", "#4fb3a5", "#a3a847", "#b08968"),
)
"""Readable on light and dark pages; neighbors by area differ."""


def box_sizes(boxes_wh: np.ndarray, anchors_wh: np.ndarray, darknet_wh: np.ndarray) -> go.Figure:
    """Widths and heights (N, 2) in the colors of the boxes' clusters, with both sets of anchors.

    A sample where boxes are many. Figure 1 of the paper on YOLOv4-GS.
    """
    rng = np.random.default_rng(0)
    if len(boxes_wh) > MOST_DOTS:
        boxes_wh = boxes_wh[rng.choice(len(boxes_wh), MOST_DOTS, replace=False)]
    ids, ious = best_ious(boxes_wh, anchors_wh)
    figure = go.Figure()
    for number, (color, (width, height)) in enumerate(zip(cycle(CLUSTER_COLORS), anchors_wh, strict=False)):
        mine = ids == number
        figure.add_scatter(
            x=boxes_wh[mine, 0],
            y=boxes_wh[mine, 1],
            mode="markers",
            name="boxes, in their cluster's color",
            legendgroup="boxes",
            showlegend=number == 0,
            marker={"size": 4, "opacity": 0.55, "color": color},
            customdata=ious[mine],
            hovertemplate="%{x:.0f} × %{y:.0f}, IoU %{customdata:.2f} with "
            f"{width:.0f} × {height:.0f}<extra>cluster {number + 1}</extra>",
        )
    colors = [color for color, _ in zip(cycle(CLUSTER_COLORS), anchors_wh, strict=False)]
    for name, sizes_wh, marker in (
        ("Darknet's nine", darknet_wh, {"size": 12, "symbol": "x", "color": THEIRS}),
        (
            "these anchors",
            anchors_wh,
            {"size": 15, "symbol": "diamond", "color": colors, "line": {"color": "#1c1f22", "width": 2}},
        ),
    ):
        figure.add_scatter(
            x=sizes_wh[:, 0],
            y=sizes_wh[:, 1],
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate="%{x:.0f} × %{y:.0f}<extra>" + name + "</extra>",
        )
    ends = [
        1.05
        * float(
            max(np.quantile(boxes_wh[:, side], 0.999), anchors_wh[:, side].max(), darknet_wh[:, side].max())
        )
        for side in (0, 1)
    ]
    figure.update_layout(
        height=480,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "width in pixels", "range": [0, ends[0]], "fixedrange": True},
        yaxis={"title": "height", "range": [0, ends[1]], "fixedrange": True},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def by_clusters(rows: Sequence[Mapping[str, Any]], shown: int) -> go.Figure:
    """Mean best IoU and recall against the number of anchors, with Darknet's nine as crosses."""
    figure = go.Figure()
    ours = [row for row in rows if row["anchors"] == KMEANS]
    darknet = next(row for row in rows if row["anchors"] == DARKNET)
    for (key, name), color in zip(FIGURES.items(), (OURS, COLORS[2]), strict=True):
        figure.add_scatter(
            x=[row["clusters"] for row in ours],
            y=[row[key] for row in ours],
            mode="lines+markers",
            name=name,
            line={"color": color, "width": 2},
            marker={"size": [11 if row["clusters"] == shown else 6 for row in ours]},
            hovertemplate="%{x} anchors: %{y:.3f}<extra>" + name + "</extra>",
        )
        figure.add_scatter(
            x=[darknet["clusters"]],
            y=[darknet[key]],
            mode="markers",
            name=DARKNET,
            showlegend=key == "mean_iou",
            marker={"size": 12, "symbol": "x", "color": color},
            hovertemplate="%{y:.3f}<extra>" + f"{name}, {DARKNET}</extra>",
        )
    ticks = {"title": "number of anchors", "dtick": 1, "fixedrange": True}
    return _framed(figure, ticks, {"title": "share", "range": [0, 1.02]})


FIGURES = {"mean_iou": "mean best IoU", "recall": "recall"}
SEEDING_NAMES = {"k-means++": "K-means++", "random": "random"}


def seedings(rows: Sequence[Mapping[str, Any]], key: str, title: str) -> go.Figure:
    """A box plot of a figure for each seeding, with a dot for each seed."""
    figure = go.Figure()
    for (seeding, name), color in zip(SEEDING_NAMES.items(), (OURS, THEIRS), strict=True):
        mine = [row for row in rows if row["seeding"] == seeding]
        figure.add_box(
            x=[row[key] for row in mine],
            name=name,
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"size": 5, "color": color},
            line={"color": color, "width": 1.5},
            customdata=[row["seed"] for row in mine],
            hovertemplate="%{x:.4g}<extra>seed %{customdata}</extra>",
        )
    figure.update_layout(showlegend=False)
    figure = _framed(
        figure, {"title": title, "fixedrange": True}, {"automargin": True, "autorange": "reversed"}
    )
    return figure.update_layout(height=210)


def scale_sizes(boxes_wh: np.ndarray, anchors_wh: np.ndarray) -> go.Figure:
    """Boxes by the root of their area in pixels, stacked by the stride they fall to."""
    ids, _ = best_ious(boxes_wh, anchors_wh)
    scale_of = ids // (len(anchors_wh) // len(STRIDES))
    sides = np.sqrt(boxes_wh.prod(axis=1))
    edges = np.linspace(0, float(np.quantile(sides, 0.999)) * 1.02, BINS + 1)
    figure = go.Figure()
    for scale, stride in enumerate(STRIDES):
        counts, _ = np.histogram(sides[scale_of == scale].clip(max=edges[-1]), bins=edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            name=f"stride {stride}",
            marker={"color": COLORS[scale]},
            hovertemplate="about %{x:.0f} px: %{y:,} boxes<extra>" + f"stride {stride}</extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.05)
    side = {"title": "root of the box's area in pixels", "fixedrange": True}
    return _framed(figure, side, {"title": "boxes", "tickformat": ",d"})


def _framed(figure: go.Figure, x: Mapping[str, object], y: Mapping[str, object]) -> go.Figure:
    return figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis=dict(x),
        yaxis={"fixedrange": True, **y},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
