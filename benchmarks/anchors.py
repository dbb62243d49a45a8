"""Anchors on 800,000 boxes: ours beside scikit-learn's Euclidean KMeans, on the same boxes in one run.

Run with ``python -m benchmarks.anchors``; the table goes to stderr, one line of JSON to stdout.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from sklearn.cluster import KMeans

from benchmarks.machine import describe_machine, machine_line
from core.anchors import RESTARTS, kmeans_anchors, mean_best_iou

CLUSTERS = 9
PACKAGES = ("numpy", "scikit-learn")
GARMENTS = ((0.35, (3.2, 3.0), 0.5), (0.40, (4.2, 4.8), 0.5), (0.25, (4.7, 5.5), 0.3))
"""Small, middling, large garments: share, mean logarithms of width and height in pixels, their deviation."""


def synthetic_boxes(count: int, seed: int) -> np.ndarray:
    """Boxes (count, 2) of width and height in pixels from a mixture of log-normals."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(len(GARMENTS), size=count, p=[share for share, _, _ in GARMENTS])
    means = np.array([mean for _, mean, _ in GARMENTS])[kinds]
    deviations = np.array([deviation for _, _, deviation in GARMENTS])[kinds]
    return np.asarray(np.exp(rng.normal(means, deviations[:, None])))


def ours(boxes_wh: np.ndarray, seed: int) -> np.ndarray:
    """Our anchors (9, 2)."""
    return kmeans_anchors(boxes_wh, CLUSTERS, seed).anchors


def euclidean(boxes_wh: np.ndarray, seed: int, restarts: int) -> np.ndarray:
    """scikit-learn's centers (9, 2)."""
    model = KMeans(CLUSTERS, init="k-means++", n_init=restarts, random_state=seed)
    return np.asarray(model.fit(boxes_wh).cluster_centers_)


def measure(fit: Callable[[int], np.ndarray], boxes_wh: np.ndarray, repeats: int) -> dict[str, float]:
    """Median seconds on the clock and of all cores, and mean best IoU, over ``repeats`` seeds."""
    measured = []
    for seed in range(repeats):
        started = time.perf_counter(), time.process_time()
        anchors = fit(seed)
        ended = time.perf_counter(), time.process_time()
        measured.append((ended[0] - started[0], ended[1] - started[1], mean_best_iou(boxes_wh, anchors)))
    medians = [round(statistics.median(column), 4) for column in zip(*measured, strict=True)]
    return dict(zip(("seconds", "cpu_seconds", "mean_iou"), medians, strict=True))


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=800_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    boxes_wh = synthetic_boxes(options.boxes, seed=0)
    rows = {
        "ours": measure(lambda seed: ours(boxes_wh, seed), boxes_wh, options.repeats),
        f"scikit-learn, {RESTARTS} seedings": measure(
            lambda seed: euclidean(boxes_wh, seed, RESTARTS), boxes_wh, options.repeats
        ),
        "scikit-learn, 1 seeding": measure(
            lambda seed: euclidean(boxes_wh, seed, 1), boxes_wh, options.repeats
        ),
    }
    report(rows, options.boxes, options.repeats)


def report(rows: dict[str, dict[str, float]], boxes: int, repeats: int) -> None:
    """The table on stderr, the JSON line on stdout; the ratio is a row's time over ours."""
    print(
        f"{boxes:,} boxes, {CLUSTERS} anchors, median of {repeats}; {machine_line(PACKAGES)}", file=sys.stderr
    )
    print(f"{'':28}{'seconds':>10}{'ratio':>8}{'CPU s':>8}{'mean IoU':>10}", file=sys.stderr)
    for name, row in rows.items():
        row["ratio"] = round(row["seconds"] / rows["ours"]["seconds"], 2)
        figures = f"{row['seconds']:10.2f}{row['ratio']:8.2f}{row['cpu_seconds']:8.2f}{row['mean_iou']:10.4f}"
        print(f"{name:28}{figures}", file=sys.stderr)
    line = {"benchmark": "anchors", "boxes": boxes, "clusters": CLUSTERS, "repeats": repeats, "rows": rows}
    print(json.dumps(line | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
