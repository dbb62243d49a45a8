"""How anchors come to fit: how many there are, how they are seeded, genetic refinement, and their scales.

Studies run on a sample of the boxes that depends on the seed alone. Recall is the share of boxes whose best
IoU with an anchor is above 0.5. Rows are plain dictionaries, for JSON, tables and charts alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from core.anchors import (
    SEEDINGS,
    STRIDES,
    best_ious,
    by_area,
    darknet_anchors,
    kmeans_anchors,
    mean_best_iou,
    sorted_boxes,
)
from core.errors import RecipeError
from core.progress import Progress, ignore_progress

RECALL_IOU, ROUNDING = 0.5, 1e-6
MOST_CLUSTERS = 15
SEEDS = 20
SAMPLE = 4000

GENERATIONS = 1000
MUTATION = 0.1
"""The largest standard deviation of a side's logarithm in one mutation."""

KMEANS, DARKNET = "K-means++", "Darknet's nine"
REFINED = "{}, refined"

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Refinement:
    """Anchors (K, 2) by rising area, the boxes' mean best IoU with them, and how many mutations were kept."""

    anchors: np.ndarray
    mean_iou: float
    kept: int


def measure_fit(boxes_wh: np.ndarray, anchors_wh: np.ndarray) -> Row:
    """The mean best IoU of boxes (N, 2) with anchors (K, 2), and the recall."""
    ious = best_ious(boxes_wh, anchors_wh)[1]
    return {
        "mean_iou": round(float(ious.mean(dtype=np.float64)), 4),
        "recall": round(float(is_recalled(ious).mean()), 4),
    }


def is_recalled(ious: np.ndarray) -> np.ndarray:
    """Which best IoUs (N,) are above 0.5, by more than float32 rounds."""
    return ious > RECALL_IOU + ROUNDING


def sample_boxes(boxes_wh: np.ndarray, seed: int = 0, most: int = SAMPLE) -> np.ndarray:
    """At most so many boxes (N, 2), drawn alike in whatever order they come."""
    boxes_wh = sorted_boxes(boxes_wh)
    if len(boxes_wh) <= most:
        return boxes_wh
    return boxes_wh[np.random.default_rng(seed).choice(len(boxes_wh), most, replace=False)]


def refine_anchors(
    boxes_wh: np.ndarray,
    anchors_wh: np.ndarray,
    seed: int = 0,
    generations: int = GENERATIONS,
    progress: Progress = ignore_progress,
) -> Refinement:
    """Evolve anchors (K, 2): a mutation multiplies some sides by random factors, and stays where boxes (N, 2)
    fit better.

    A reconstruction from the idea that YOLOv5's users know as auto-anchor. The fitness is the mean best IoU
    here, which all anchors of Lapel are measured by; YOLOv5's counts ratios of sides. It is taken on a sample
    of at most 4000 boxes; anchors that turn out worse over all boxes are given up for those that came.
    """
    sample, rng = sample_boxes(boxes_wh, seed), np.random.default_rng(seed)
    best, best_iou, kept = anchors_wh, mean_best_iou(sample, anchors_wh), 0
    for generation in range(1, generations + 1):
        is_mutated = rng.random(best.shape) < 0.5
        deviation = MUTATION * rng.random()
        mutant = best * np.exp(rng.normal(0.0, deviation, best.shape) * is_mutated)
        mean_iou = mean_best_iou(sample, mutant)
        if mean_iou > best_iou:
            best, best_iou, kept = mutant, mean_iou, kept + 1
        if generation % 50 == 0 or generation == generations:
            progress(generation, generations)
    before, after = mean_best_iou(boxes_wh, anchors_wh), mean_best_iou(boxes_wh, best)
    if after < before:
        return Refinement(by_area(anchors_wh), before, 0)
    return Refinement(by_area(best), after, kept)


def scale_rows(boxes_wh: np.ndarray, anchors_wh: np.ndarray) -> list[Row]:
    """Which boxes (N, 2) fall to which stride, by their best anchor, and how well they fit.

    YOLOv4's loss gives a box other anchors above an IoU of 0.213 as well. Raises RecipeError where the
    anchors (K, 2) do not divide into three scales.
    """
    if len(anchors_wh) % len(STRIDES):
        raise RecipeError(
            f"three scales have as many anchors each: expected a multiple of 3, got {len(anchors_wh)}"
        )
    anchors_wh = by_area(anchors_wh)
    ids, ious = best_ious(boxes_wh, anchors_wh)
    rows = []
    for scale, (stride, own) in enumerate(zip(STRIDES, np.split(anchors_wh, len(STRIDES)), strict=True)):
        mine = ids // len(own) == scale
        median = np.median(boxes_wh[mine], axis=0) if mine.any() else None
        rows.append(
            {
                "stride": stride,
                "anchors": [[round(float(w), 2), round(float(h), 2)] for w, h in own],
                "boxes": int(mine.sum()),
                "share": round(float(mine.mean()), 4),
                "median": None if median is None else [round(float(side), 1) for side in median],
                "mean_iou": round(float(ious[mine].mean(dtype=np.float64)), 4) if mine.any() else None,
                "recall": round(float(is_recalled(ious[mine]).mean()), 4) if mine.any() else None,
            }
        )
    return rows


def cluster_rows(
    boxes_wh: np.ndarray, size: float, clusters: int, seed: int, progress: Progress
) -> list[Row]:
    """Mean best IoU and recall with 1 to 15 anchors, and with Darknet's nine on the same boxes."""
    sample = sample_boxes(boxes_wh, seed)
    most = min(MOST_CLUSTERS, len(sample))
    rows: list[Row] = []
    for number in range(1, most + 1):
        fitted = kmeans_anchors(sample, number, seed)
        rows.append({"anchors": KMEANS, "clusters": number} | measure_fit(sample, fitted.anchors))
        progress(number, most)
    darknet = darknet_anchors(size)
    return [*rows, {"anchors": DARKNET, "clusters": len(darknet)} | measure_fit(sample, darknet)]


def seeding_rows(
    boxes_wh: np.ndarray, size: float, clusters: int, seed: int, progress: Progress
) -> list[Row]:
    """A run of each of 20 seeds from K-means++ and from random boxes: steps, mean best IoU, recall.

    Each run has one seeding, so that the seedings are compared and not the best of several.
    """
    sample = sample_boxes(boxes_wh, seed)
    rows: list[Row] = []
    for seeding in SEEDINGS:
        for drawn in range(SEEDS):
            fitted = kmeans_anchors(sample, clusters, drawn, seeding=seeding, restarts=1)
            row = {"seeding": seeding, "seed": drawn, "iterations": fitted.iterations}
            rows.append(row | measure_fit(sample, fitted.anchors))
            progress(len(rows), len(SEEDINGS) * SEEDS)
    return rows


def refinement_rows(
    boxes_wh: np.ndarray, size: float, clusters: int, seed: int, progress: Progress
) -> list[Row]:
    """Darknet's anchors and K-means++'s, each before and after genetic refinement, over all boxes."""
    starts = {DARKNET: darknet_anchors(size), KMEANS: kmeans_anchors(boxes_wh, clusters, seed).anchors}
    total, rows = GENERATIONS * len(starts), []
    for place, (name, anchors_wh) in enumerate(starts.items()):
        report = partial(_report_from, progress, GENERATIONS * place, total)
        refined = refine_anchors(boxes_wh, anchors_wh, seed, progress=report)
        rows += [
            _refinement_row(boxes_wh, name, anchors_wh, None),
            _refinement_row(boxes_wh, REFINED.format(name), refined.anchors, refined.kept),
        ]
    return rows


def _report_from(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _refinement_row(boxes_wh: np.ndarray, name: str, anchors_wh: np.ndarray, kept: int | None) -> Row:
    pairs = [[float(w), float(h)] for w, h in anchors_wh]
    return {"anchors": name, "anchors_wh": pairs, "kept": kept} | measure_fit(boxes_wh, anchors_wh)


STUDIES: dict[str, Callable[[np.ndarray, float, int, int, Progress], list[Row]]] = {
    "clusters": cluster_rows,
    "seedings": seeding_rows,
    "refinement": refinement_rows,
}
"""The studies that take seconds, by name: of boxes (N, 2) in an input of ``size`` px."""


@dataclass(frozen=True)
class Spread:
    """Of several values the mean, their standard deviation, the least and the most."""

    mean: float
    deviation: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of one value or more."""
        found = np.array(values, dtype=np.float64)
        deviation = float(found.std(ddof=1)) if len(found) > 1 else 0.0
        return cls(float(found.mean()), deviation, float(found.min()), float(found.max()))


def seeding_spreads(rows: list[Row]) -> list[Row]:
    """Of ``seeding_rows`` a row for each seeding: the spreads of iterations, mean best IoU and recall."""
    return [
        {"seeding": seeding}
        | {
            name: Spread.of([float(row[name]) for row in rows if row["seeding"] == seeding])
            for name in ("iterations", "mean_iou", "recall")
        }
        for seeding in dict.fromkeys(row["seeding"] for row in rows)
    ]
