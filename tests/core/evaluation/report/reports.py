"""A small report with everything in it, one of whose categories has a name full of special characters."""

from __future__ import annotations

from functools import cache
from typing import Any

from core.evaluation.report.curves import TrainingRun, training_curves
from core.evaluation.report.detection import DetectorOutput, report_detector
from core.evaluation.report.photos import ReportPhoto
from tests.core.evaluation.test_error_analysis import FOUND, TRUTH

HOSTILE = "<b>50%_{a}$#~^\\"
SCRIPT = "</script><img src=x onerror=alert(1)>.jpg"


@cache
def report() -> dict[str, Any]:
    """The report; shared, so do not change it."""
    photo = ReportPhoto(1, SCRIPT, 100, 100)
    made = report_detector([photo], [TRUTH], (HOSTILE, "skirt"), DetectorOutput([FOUND], 0.3), n_bootstrap=5)
    points = [
        {"epoch": n, "train_loss": 2.0 / n, "val_loss": 2.5 / n, "val_map50": 0.1 * n} for n in (1, 2, 3)
    ]
    cost = {"name": HOSTILE, "model": "yolov4-gs small", "input_size": 480, "milliseconds": None}
    cost |= {"parameters": 9_270_000, "macs": 5_400_000_000, "bytes": 18_600_000}
    return made | {
        "model": {"name": HOSTILE, "digest": "d" * 64},
        "against": None,
        "data": {"name": "street/val.json", "digest": None, "left_out": 1},
        "made": {"at": "2026-01-01", "engine": "pytorch", "machine": "a machine", "lapel": "1", "seed": 0},
        "unknown_categories": [HOSTILE],
        "training": training_curves([TrainingRun(HOSTILE, points)]),
        "costs": {"models": [cost], "measured": None},
    }
