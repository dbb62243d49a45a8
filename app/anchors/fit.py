"""Anchors fitted to an uploaded COCO file, and how they compare with Darknet's."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.anchors import darknet_anchors, kmeans_anchors, mean_best_iou
from core.datasets.coco import read_coco
from core.datasets.detection import letterboxed_wh


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
