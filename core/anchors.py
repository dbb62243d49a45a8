"""Anchors fitted to a dataset's own boxes: K-means++ under the distance 1 - IoU of width and height.

The distance is YOLOv2's (Redmon and Farhadi 2017), the seeding Arthur and Vassilvitskii's (2007) with several
candidates a step. A cluster's center is the median of its widths and of its heights, not their mean: on the
street photos that lifts the mean best IoU from 0.731 to 0.735, since large boxes pull a mean away from
the many.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DatasetError, RecipeError

DARKNET_ANCHORS_608 = (
    (12, 16),
    (19, 36),
    (40, 28),
    (36, 75),
    (76, 55),
    (72, 146),
    (142, 110),
    (192, 243),
    (459, 401),
)
"""YOLOv4's own nine (yolov4.cfg), made for COCO at 608 px."""

SEEDINGS = ("k-means++", "random")
STRIDES = (8, 16, 32)
"""Of YOLOv4's three scales, each of which has a third of the anchors: the smallest belong to stride 8."""

MAX_CLUSTERS = 1000
LARGEST_FILE = 2**20
RESTARTS = 10
SEEDING_CANDIDATES = 4
SAMPLE = 20_000
CHUNK = 1 << 14
SMALLEST_SIDE, LARGEST_SIDE = 1e-6, 1e9


@dataclass(frozen=True, eq=False)
class AnchorResult:
    """Anchors (K, 2) as width and height by rising area, the boxes' mean best IoU with them, and Lloyd's
    steps.
    """

    anchors: np.ndarray
    mean_iou: float
    iterations: int


@dataclass(frozen=True, eq=False)
class _Sizes:
    """Boxes as three contiguous float32 arrays (N,), which the inner loop reads a cache-sized piece at a
    time.
    """

    widths: np.ndarray
    heights: np.ndarray
    areas: np.ndarray

    @classmethod
    def of(cls, boxes_wh: np.ndarray) -> _Sizes:
        widths, heights = (np.ascontiguousarray(side, dtype=np.float32) for side in boxes_wh.T)
        return cls(widths, heights, widths * heights)

    def take(self, chosen: np.ndarray) -> _Sizes:
        return _Sizes(self.widths[chosen], self.heights[chosen], self.areas[chosen])

    def row(self, index: int) -> tuple[float, float]:
        return float(self.widths[index]), float(self.heights[index])

    def __len__(self) -> int:
        return len(self.widths)


def kmeans_anchors(
    boxes_wh: np.ndarray,
    clusters: int = 9,
    seed: int = 0,
    *,
    seeding: str = "k-means++",
    restarts: int | None = None,
) -> AnchorResult:
    """Fit ``clusters`` anchors to boxes (N, 2) of width and height in any one unit; the same seed, the same
    anchors, in whatever order the boxes come.

    Ten seedings (``restarts``) are run to their end on a sample of at most 20,000 boxes; the best goes on
    over all boxes. With the ``seeding`` "random" there is one, of boxes drawn at random, as in YOLOv2: what
    K-means++ is compared with. Where the boxes have fewer different sizes than clusters, anchors repeat.
    Raises ``DatasetError`` for boxes without area or fewer boxes than clusters, ``RecipeError`` for an
    impossible number of clusters or restarts, seed or seeding.
    """
    if seeding not in SEEDINGS:
        raise RecipeError(f"expected a seeding of {', '.join(SEEDINGS)}, got {seeding!r}")
    boxes_wh = sorted_boxes(boxes_wh)
    if restarts is None:
        restarts = RESTARTS if seeding == "k-means++" else 1
    if restarts < 1:
        raise RecipeError(f"one restart or more is expected, got {restarts}")
    if not 1 <= clusters <= MAX_CLUSTERS:
        raise RecipeError(f"1 to {MAX_CLUSTERS} clusters are possible, got {clusters}")
    if seed < 0:
        raise RecipeError(f"a seed from 0 on is expected, got {seed}")
    if len(boxes_wh) < clusters:
        raise DatasetError(f"{clusters} anchors need at least {clusters} boxes, got {len(boxes_wh)}")
    rng = np.random.default_rng(seed)
    sizes = _Sizes.of(boxes_wh)
    sample = sizes if len(sizes) <= SAMPLE else sizes.take(rng.choice(len(sizes), SAMPLE, replace=False))
    if seeding == "random":
        starts = [boxes_wh[rng.choice(len(boxes_wh), clusters, replace=False)] for _ in range(restarts)]
    else:
        starts = [_seeds(sample, clusters, rng) for _ in range(restarts)]
    runs = [_lloyd(sample, start) for start in starts]
    best = max(runs, key=lambda run: run.mean_iou)
    if sample is not sizes:
        best = _lloyd(sizes, best.anchors, patience=3)  # the sample has brought them nearly there
    return AnchorResult(by_area(best.anchors), best.mean_iou, best.iterations)


def best_ious(boxes_wh: np.ndarray, anchors_wh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of boxes (N, 2) the best of anchors (K, 2), its number (N,), and the IoU with it (N,), in 0..1.

    Box and anchor are centered on one point.
    """
    return _nearest(_Sizes.of(_checked(boxes_wh)), _checked(anchors_wh))


def mean_best_iou(boxes_wh: np.ndarray, anchors_wh: np.ndarray) -> float:
    """The mean over boxes (N, 2) of the best IoU with any anchor (K, 2); 0..1."""
    return float(best_ious(boxes_wh, anchors_wh)[1].mean(dtype=np.float64))


def by_area(anchors_wh: np.ndarray) -> np.ndarray:
    """Anchors (K, 2) by rising area, equal ones by width."""
    return anchors_wh[np.lexsort((anchors_wh[:, 0], anchors_wh.prod(axis=1)))]


def sorted_boxes(boxes_wh: np.ndarray) -> np.ndarray:
    """Boxes (N, 2) by height, then width, float64. Raises ``DatasetError`` for boxes without area."""
    boxes_wh = _checked(boxes_wh)
    return boxes_wh[np.lexsort(boxes_wh.T)]


def darknet_anchors(size: float) -> np.ndarray:
    """YOLOv4's nine anchors (9, 2), scaled from 608 px to an input of ``size`` px."""
    if not size > 0:
        raise RecipeError(f"an input size above 0 px is expected, got {size}")
    return np.array(DARKNET_ANCHORS_608, dtype=np.float64) * (size / 608)


def read_anchors(path: Path, count: int = 9) -> np.ndarray:
    """Anchors (count, 2) by rising area from a JSON file: pairs of width and height, or what
    ``core anchors --json`` prints. Raises ``RecipeError`` for another file.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("the file is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        anchors = np.array(found["anchors"] if isinstance(found, dict) else found, dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecipeError(f"expected a JSON file of {count} anchors at {path}, got none: {error}") from error
    if anchors.shape != (count, 2) or not ((anchors >= SMALLEST_SIDE) & (anchors <= LARGEST_SIDE)).all():
        raise RecipeError(
            f"expected {count} pairs of width and height above 0 in {path.name}, got shape {anchors.shape}"
        )
    return by_area(anchors)


def read_size(path: Path) -> float:
    """The input's long side in pixels that a JSON file of anchors names. Raises ``RecipeError``."""
    found = json.loads(path.read_text(encoding="utf-8"))
    size = found.get("size") if isinstance(found, dict) else None
    if not isinstance(size, int | float) or not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise RecipeError(
            f'expected the input size of its anchors in pixels ("size": 416) in {path.name}, as '
            f"`anchors --format json` writes it, got {size!r}"
        )
    return float(size)


def anchors_json(boxes_wh: np.ndarray, fitted: AnchorResult, size: float) -> dict[str, Any]:
    """Anchors fitted to boxes (N, 2) of an input of ``size`` px with their measure, as JSON holds them."""
    return {
        "anchors": [[round(float(w), 2), round(float(h), 2)] for w, h in fitted.anchors],
        "mean_iou": round(fitted.mean_iou, 4),
        "darknet_mean_iou": round(mean_best_iou(boxes_wh, darknet_anchors(size)), 4),
        "boxes": len(boxes_wh),
        "iterations": fitted.iterations,
    }


def darknet_line(anchors_wh: np.ndarray) -> str:
    """Anchors (K, 2) as a line of Darknet's cfg, in whole pixels.

    >>> darknet_line(np.array([[12.4, 16.0], [0.2, 36.6]]))
    'anchors = 12,16, 1,37'
    """
    return "anchors = " + ", ".join(f"{max(1, round(w))},{max(1, round(h))}" for w, h in anchors_wh.tolist())


def anchors_yaml(anchors_wh: np.ndarray) -> str:
    """Anchors (K, 2) as YOLOv5's YAML has them: a row for each stride; one row where they are no three
    thirds.
    """
    is_even = len(anchors_wh) % len(STRIDES) == 0
    rows = np.split(anchors_wh, len(STRIDES)) if is_even else [anchors_wh]
    notes = [f"  # stride {stride}" for stride in STRIDES] if is_even else [""]
    lines = [
        f"  - [{', '.join(f'{w:.1f},{h:.1f}' for w, h in row.tolist())}]{note}"
        for row, note in zip(rows, notes, strict=True)
    ]
    return "\n".join(["anchors:", *lines, ""])


def _checked(boxes_wh: np.ndarray) -> np.ndarray:
    boxes_wh = np.asarray(boxes_wh, dtype=np.float64)
    if boxes_wh.ndim != 2 or boxes_wh.shape[1] != 2 or not len(boxes_wh):
        raise DatasetError(f"boxes of shape (N, 2), at least one, are expected, got shape {boxes_wh.shape}")
    usable = np.all((boxes_wh >= SMALLEST_SIDE) & (boxes_wh <= LARGEST_SIDE), axis=1)  # NaN is not
    if not usable.all():
        lacking, first = int((~usable).sum()), tuple(boxes_wh[~usable][0].tolist())
        raise DatasetError(
            f"boxes need a width and a height above 0: {lacking} of {len(usable)} lack it, such as {first}"
        )
    return boxes_wh


def _nearest(sizes: _Sizes, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each box's best anchor (N,) and its IoU with it (N,) float32.

    The loop maximizes intersection / (area + anchor's area), which rises with IoU and spares a subtraction.
    """
    ids = np.empty(len(sizes), dtype=np.uint16)
    ratios = np.empty(len(sizes), dtype=np.float32)
    for start in range(0, len(sizes), CHUNK):
        piece = slice(start, start + CHUNK)
        widths, heights, areas = sizes.widths[piece], sizes.heights[piece], sizes.areas[piece]
        best, best_ids = np.full_like(widths, -1.0), ids[piece]
        shared, other = np.empty_like(widths), np.empty_like(widths)
        for number, (width, height) in enumerate(anchors.astype(np.float32)):
            np.minimum(widths, width, out=shared)
            shared *= np.minimum(heights, height, out=other)
            shared /= np.add(areas, width * height, out=other)
            np.copyto(best_ids, number, where=shared > best)
            np.maximum(best, shared, out=best)
        ratios[piece] = best
    return ids, ratios / (1 - ratios)


def _seeds(sizes: _Sizes, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """K-means++: each next seed is drawn with a weight of its squared distance; of a few draws the best is
    kept.
    """
    chosen = [sizes.row(int(rng.integers(len(sizes))))]
    distances = 1 - _nearest(sizes, np.array(chosen))[1]
    while len(chosen) < clusters:
        weights = np.cumsum(distances.astype(np.float64) ** 2)
        draws = np.searchsorted(weights, rng.random(SEEDING_CANDIDATES) * weights[-1], side="right")
        candidates = [sizes.row(int(draw)) for draw in draws.clip(max=len(sizes) - 1)]
        left = [np.minimum(distances, 1 - _nearest(sizes, np.array([row]))[1]) for row in candidates]
        best = int(np.argmin([rest.sum(dtype=np.float64) for rest in left]))
        chosen.append(candidates[best])
        distances = left[best]
    return np.array(chosen, dtype=np.float64)


def _lloyd(sizes: _Sizes, anchors: np.ndarray, max_steps: int = 300, patience: int = 10) -> AnchorResult:
    """Assign and move in turn until nothing moves, or ``patience`` steps brought nothing; keeps the best
    step.

    Medians do not minimize 1 - IoU exactly, so the mean IoU may dip late: hence the best step, not the last.
    """
    best, best_iou, stale, steps = anchors, -1.0, 0, 0
    while steps < max_steps and stale < patience:
        ids, ious = _nearest(sizes, anchors)
        steps += 1
        mean_iou = float(ious.mean(dtype=np.float64))
        stale = 0 if mean_iou > best_iou + 1e-6 else stale + 1
        if mean_iou > best_iou:
            best, best_iou = anchors, mean_iou
        moved = _centers(sizes, ids, ious, anchors)
        if np.allclose(moved, anchors, rtol=1e-6, atol=0):
            break
        anchors = moved
    return AnchorResult(best, best_iou, steps)


def _centers(sizes: _Sizes, ids: np.ndarray, ious: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The clusters' medians; a cluster that lost all its boxes moves to the box that is served worst."""
    order = np.argsort(ids, kind="stable")  # radix sort: cheaper than a mask for each cluster
    ends = np.cumsum(np.bincount(ids, minlength=len(anchors)))
    moved, unserved = anchors.copy(), ious.copy()
    for number, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        if end > start:
            members = order[start:end]
            moved[number] = np.median(sizes.widths[members]), np.median(sizes.heights[members])
        else:
            worst = int(unserved.argmin())
            moved[number], unserved[worst] = sizes.row(worst), 1.0
    return moved
