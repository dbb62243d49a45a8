"""Anchors fitted to the boxes of an uploaded COCO file, compared with Darknet's, and their chart."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.anchors import darknet_anchors, kmeans_anchors, mean_best_iou
from core.datasets.coco import read_coco
from core.datasets.detection import letterboxed_wh

MOST_DOTS = 4000


@dataclass(frozen=True, eq=False)
class AnchorFit:
    """Boxes (N, 2) and anchors (K, 2) as width and height in pixels of the letterboxed photo."""

    boxes_wh: np.ndarray
    anchors_wh: np.ndarray
    darknet_wh: np.ndarray
    mean_iou: float
    darknet_mean_iou: float
    iterations: int

    def as_dict(self) -> dict[str, Any]:
        """The same as ``python -m core anchors --json`` prints."""
        return {
            "anchors": [[round(float(side), 1) for side in anchor] for anchor in self.anchors_wh],
            "mean_iou": round(self.mean_iou, 4),
            "darknet_mean_iou": round(self.darknet_mean_iou, 4),
            "boxes": len(self.boxes_wh),
            "iterations": self.iterations,
        }

    def as_json(self) -> str:
        """``as_dict`` as a file's text."""
        return json.dumps(self.as_dict(), indent=2) + "\n"


@st.cache_resource(max_entries=8, show_spinner="Fitting the anchors…")
def fit_anchors(data: bytes, clusters: int, size: int, seed: int) -> AnchorFit:
    """Fit anchors to the boxes of a COCO file; raises DatasetError or RecipeError with one sentence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.json"
        path.write_bytes(data)
        boxes_wh = letterboxed_wh(read_coco(path), size)
    ours = kmeans_anchors(boxes_wh, clusters, seed)
    theirs = darknet_anchors(size)
    return AnchorFit(
        boxes_wh, ours.anchors, theirs, ours.mean_iou, mean_best_iou(boxes_wh, theirs), ours.iterations
    )


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
