"""An arm from training to its entry: metrics on the validation photos, their resamples, the curve."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.papers.experiments import Arm, Protocol
from benchmarks.papers.photos import Files
from benchmarks.replay.places import imagenet_weights
from core.boxes import Detections, GroundTruth
from core.datasets.classification import read_classification
from core.datasets.reading import read_fitted
from core.evaluation.bootstrap import bootstrap_weights
from core.evaluation.detection import average_precisions, evaluate_detection, mean_over_categories
from core.evaluation.matching import match_photos
from core.files import current_commit
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.measure import measure_classifier, predictions_on
from core.training.recipes import DetectorRecipe, TrainingOptions
from core.training.run import train_classifier, train_detector

PACKAGES = ("torch", "torchvision", "lightning", "numpy")
SEED = 0  # of the resamples: the same for all arms, so that their differences are paired
ROWS_AT_ONCE = 50
CLOCK = "seconds.json"


def run_arm(
    arm: Arm, seed: int, protocol: Protocol, files: Files, folder: Path, device: str
) -> dict[str, Any]:
    """Train an arm, or go on with it from ``folder``, and measure its weights after the last epoch."""
    recipe = protocol.recipe_of(arm, seed)
    folder.mkdir(parents=True, exist_ok=True)
    started, before = time.monotonic(), _seconds_before(folder)
    options = TrainingOptions(
        files.train,
        files.val,
        anchors=arm.anchors or None,
        pretrained=imagenet_weights() if arm.from_imagenet else None,
        device=device,
        out=folder,
        resume=True,
    )
    if not (folder / "trained").exists():
        try:
            if isinstance(recipe, DetectorRecipe):
                train_detector(recipe, options)
            else:
                train_classifier(recipe, options)
        finally:
            seconds = before + time.monotonic() - started
            (folder / CLOCK).write_text(json.dumps({"seconds": seconds}))
        (folder / "trained").touch()
    weights = folder / "final.safetensors"
    measure = _measured_detector if arm.kind == "detector" else _measured_classifier
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {
        "arm": arm.name,
        "title": arm.title,
        "model": arm.model,
        "anchors": arm.anchors,
        "seed": seed,
        "recipe": asdict(recipe),
        "commit": current_commit(),
        "machine": describe_machine(PACKAGES) | {"device": device},
        "hours": round(_seconds_before(folder) / 3600, 3),
        **measure(weights, files.val, protocol),
        "curve": history,
    }


def _seconds_before(folder: Path) -> float:
    """What the training has taken so far, over all its starts."""
    path = folder / CLOCK
    return float(json.loads(path.read_text())["seconds"]) if path.is_file() else 0.0


def _measured_detector(weights: Path, val: Path, protocol: Protocol) -> dict[str, Any]:
    detector = Detector.load(weights, "cpu")
    dataset = read_fitted(val).dataset
    found, truths = predictions_on(detector, dataset)
    sets = np.array([photo.file_name.split("/")[0] for photo in dataset.photos])
    categories = detector.card.categories
    threshold = best_f1_threshold(found, truths, len(categories))
    report = evaluate_detection(
        found, truths, categories, threshold, n_bootstrap=protocol.resamples, seed=SEED
    )
    by_set = {}
    for name in dict.fromkeys(sets.tolist()):
        chosen = np.flatnonzero(sets == name)
        part = evaluate_detection(
            [found[i] for i in chosen], [truths[i] for i in chosen], categories, threshold, 0
        )
        by_set[name] = {"photos": part.photos, "mAP50": _rounded(part.map50), "mAP": _rounded(part.map)}
    return {
        "metrics": report.as_dict(),
        "by_set": by_set,
        "resamples": detector_resamples(found, truths, len(categories), protocol.resamples),
    }


def best_f1_threshold(found: Sequence[Detections], truths: Sequence[GroundTruth], categories: int) -> float:
    """The score from which on all boxes together have the best F1 at IoU 0.5.

    Networks calibrate their scores differently; one threshold for all would compare that. It is chosen on the
    photos that it is used on, for every arm alike.
    """
    matches = match_photos(found, truths, categories)
    scores = np.concatenate([entry.scores[~entry.ignored[0]] for entry in matches])
    hits = np.concatenate([entry.hits[0][~entry.ignored[0]] for entry in matches])
    if not len(scores):
        return 0.5
    order = np.argsort(-scores, kind="stable")
    true = np.cumsum(hits[order])
    boxes = sum(entry.boxes for entry in matches)
    f1 = 2 * true / (np.arange(1, len(order) + 1) + boxes)
    return float(scores[order][int(f1.argmax())])


def detector_resamples(
    found: Sequence[Detections], truths: Sequence[GroundTruth], categories: int, count: int
) -> dict[str, list[float]]:
    """mAP@0.5 and mAP@0.5:0.95 on each of ``count`` resamples of the photos, the same for every arm."""
    matches = match_photos(found, truths, categories)
    values: dict[str, list[float]] = {"mAP50": [], "mAP": []}
    for weights in bootstrap_weights(len(truths), count, SEED, ROWS_AT_ONCE):
        aps = average_precisions(matches, weights)  # (C, T, B)
        values["mAP50"] += np.round(mean_over_categories(aps[:, 0]), 5).tolist()
        values["mAP"] += np.round(mean_over_categories(aps.mean(axis=1)), 5).tolist()
    return values


def _measured_classifier(weights: Path, val: Path, protocol: Protocol) -> dict[str, Any]:
    classifier = Classifier.load(weights, "cpu")
    report = measure_classifier(classifier, read_classification(val))
    return {"metrics": report.as_dict()}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
