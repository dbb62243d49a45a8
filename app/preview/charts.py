"""Charts of the workspace, drawn with Plotly."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from core.garments import Garment
from core.taxonomy import colour_of

BAR_PIXELS = 34
MOST_DOTS = 4000


def top5_bars(garment: Garment) -> go.Figure:
    """The garment's best labels as bars with their probability; the chosen one is full in colour."""
    labels = [label for label, _ in garment.top5]
    probabilities = [probability for _, probability in garment.top5]
    colour = colour_of(garment.category)
    figure = go.Figure(
        go.Bar(
            x=probabilities,
            y=labels,
            orientation="h",
            marker={
                "color": colour,
                "opacity": [1.0 if label == garment.best_label else 0.45 for label in labels],
            },
            text=[f"{probability:.0%}" if probability >= 0.005 else "<1%" for probability in probabilities],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_layout(
        height=BAR_PIXELS * max(1, len(labels)) + 16,
        margin={"l": 0, "r": 44, "t": 4, "b": 4},
        bargap=0.3,
        showlegend=False,
        xaxis={"range": [0, 1], "visible": False, "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True, "ticksuffix": "  "},
    )
    return figure


def box_sizes(boxes_wh: np.ndarray, anchors_wh: np.ndarray, darknet_wh: np.ndarray) -> go.Figure:
    """The boxes' widths and heights (N, 2) with both sets of anchors; a sample where boxes are many."""
    rng = np.random.default_rng(0)
    kept = rng.choice(len(boxes_wh), MOST_DOTS, replace=False) if len(boxes_wh) > MOST_DOTS else slice(None)
    figure = go.Figure()
    for name, sizes_wh, marker in (
        ("Boxes", boxes_wh[kept], {"size": 4, "opacity": 0.45, "color": "#8a939b"}),
        ("Darknet's anchors", darknet_wh, {"size": 13, "symbol": "x", "color": "#c2632f"}),
        ("Our anchors", anchors_wh, {"size": 14, "symbol": "diamond", "color": "#0f8f80"}),
    ):
        template = "%{x:.0f} × %{y:.0f}<extra>" + name + "</extra>"
        figure.add_scatter(
            x=sizes_wh[:, 0],
            y=sizes_wh[:, 1],
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate=template,
        )
    figure.update_layout(
        height=480,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={"title": "width in pixels of the letterboxed photo", "rangemode": "tozero"},
        yaxis={"title": "height", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.08},
    )
    return figure
