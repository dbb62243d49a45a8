"""The catalog measure: photos that show one garment each, and whether it was found, whatever its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import DatasetError
from core.evaluation.matching import BoxedTruth, Detections, check_pairs, pairwise_iou
from core.evaluation.resampling import Interval, as_json, draw_weights, interval_as_json, percentile_interval


@dataclass(frozen=True)
class FoundRate:
    """Share of photos whose garment was found, and the mean number of other boxes a photo."""

    found: float
    others: float
    photos: int
    score_threshold: float
    iou: float
    found_interval: Interval | None
    others_interval: Interval | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {
            "found": as_json(self.found),
            "others": as_json(self.others),
            "photos": self.photos,
            "score_threshold": self.score_threshold,
            "iou": self.iou,
            "intervals": {
                "found": interval_as_json(self.found_interval),
                "others": interval_as_json(self.others_interval),
            },
        }


def found_rate(
    predictions: Sequence[Detections],
    truths: Sequence[BoxedTruth],
    score_threshold: float,
    iou: float = 0.5,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> FoundRate:
    """How often the one garment of a photo was found by a box of any category, IoU ``iou`` at least.

    Other boxes are those from the threshold on without the one that found it, so a photo whose garment was
    missed counts all of them. Intervals are 95 % bootstrap percentiles over photos. Raises DatasetError where
    a photo has no box or several.
    """
    check_pairs(predictions, truths)
    for truth in truths:
        if len(truth.boxes_xyxy) != 1:
            raise DatasetError(f"expected one box a photo, got {len(truth.boxes_xyxy)}")
    pairs = zip(predictions, truths, strict=True)
    found = np.array([_is_found(*pair, score_threshold, iou) for pair in pairs], dtype=np.float64)
    boxes = np.array([np.count_nonzero(detections.scores >= score_threshold) for detections in predictions])
    counts = np.stack([found, boxes - found], axis=1)  # (P, 2)
    blocks = [weights @ counts for weights in draw_weights(len(truths), n_bootstrap, seed, 256)]
    draws = np.concatenate([np.empty((0, 2)), *blocks]) / len(truths)  # (B, 2)
    return FoundRate(
        found=float(found.mean()),
        others=float(counts[:, 1].mean()),
        photos=len(truths),
        score_threshold=score_threshold,
        iou=iou,
        found_interval=percentile_interval(draws[:, 0]),
        others_interval=percentile_interval(draws[:, 1]),
    )


def _is_found(detections: Detections, truth: BoxedTruth, score_threshold: float, iou: float) -> bool:
    confident = detections.scores >= score_threshold
    return bool((pairwise_iou(detections.boxes_xyxy[confident], truth.boxes_xyxy) >= iou).any())
