"""The replay for detectors: photos boxed batch by batch in an arm's order, a training after each.

YOLOv4-GS's neck and heads learn on the frozen features of MobileNet as ImageNet left it: whole detectors
would take hours, and those that ship have seen these boxes. Augmentation is a horizontal flip.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.replay.boxed import Boxed
from benchmarks.replay.places import kept_folder
from benchmarks.replay.training import RECIPE, train
from core.active_learning import ppal
from core.active_learning.ppal_order import (
    Difficulties,
    StoredPrediction,
    calibrated_uncertainty_of,
    ppal_order,
)
from core.active_learning.ranking import WEIGHTS, PoolPhoto, rank_photos
from core.active_learning.uncertainty import Uncertainty, photo_uncertainty
from core.boxes import Detections
from core.evaluation.detection import evaluate_detection
from core.garments import Garment
from core.models.decode import decode
from core.models.nms import cross_class_suppression, nms
from core.models.yolov4 import YOLOv4

ARMS = ("random", "selection", "ppal")
MORE_ARMS = ("ppal-stored",)
"""PPAL as the queue has it, with the whole photo's embedding in place of a garment's."""

LOWEST = 0.01
FEATURE_STRIDE = 16  # the neck's level that a detection's feature is taken from
DETECT_AT_ONCE = 32


@dataclass(frozen=True)
class Rounds:
    """How many photos there are to begin with and in each batch, how often, and how long a training is.

    All trainings take as many steps: an arm must not win by having been trained longer.
    """

    start: int = 60
    batch: int = 60
    rounds: int = 2
    steps: int = 300

    @property
    def points(self) -> list[int]:
        """The numbers of boxed photos at which a detector is trained and measured."""
        return [self.start + number * self.batch for number in range(self.rounds + 1)]


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves: mAP at IoU 0.5 on the validation photos, and what it finds on the pool.

    ``features`` holds a photo's (N, D), a detection a row; both lists are empty where nobody looked.
    """

    map50: float
    found: list[Detections] = field(default_factory=list)
    features: list[np.ndarray] = field(default_factory=list)


def choose(arm: str, pool: Boxed, trained: Trained, labeled: np.ndarray, seed: int, count: int) -> np.ndarray:
    """The next ``count`` of the pool's open photos in an arm's order, by the code of the queue."""
    open_ = np.setdiff1d(np.arange(len(pool)), labeled)
    if arm == "random":
        return np.random.default_rng((seed, len(labeled))).permutation(open_)[:count]
    if arm == "ppal":
        return by_ppal(pool, trained, labeled, open_, count)
    if arm == "ppal-stored":
        return by_stored_ppal(pool, trained, labeled, open_, count)
    threshold = matching_threshold(trained.found, pool, labeled)
    candidates = [
        PoolPhoto(
            int(index),
            photo_uncertainty(garments_of(trained.found[index], pool), threshold),
            pool.embeddings[index],
        )
        for index in open_
    ]
    ranked = rank_photos(
        candidates,
        labeled_embeddings=pool.embeddings[labeled],
        control_share=0.0,
        seed=seed * 1000 + len(labeled),
        weights=WEIGHTS,
    )
    return np.array([entry.photo_id for entry in ranked[:count]])


def by_ppal(pool: Boxed, trained: Trained, labeled: np.ndarray, open_: np.ndarray, count: int) -> np.ndarray:
    """PPAL's choice, with the detections' features from the neck as in the paper."""
    pairs = ((pool.truths[index], trained.found[index]) for index in labeled)
    weights = ppal.category_weights(ppal.category_difficulties(pairs, len(pool.categories)))
    found = [trained.found[index] for index in open_]
    uncertainty = np.array(
        [ppal.calibrated_uncertainty(photo.category_ids, photo.scores, weights) for photo in found]
    )
    candidates = ppal.most_uncertain(uncertainty, count)
    photos = []
    for number in candidates:
        counts = found[number].scores >= ppal.DEFAULT.score_threshold
        one = found[number][counts]
        photos.append(ppal.Instances(one.category_ids, one.scores, trained.features[open_[number]][counts]))
    return open_[candidates[ppal.representatives(photos, count)]]


def by_stored_ppal(
    pool: Boxed, trained: Trained, labeled: np.ndarray, open_: np.ndarray, count: int
) -> np.ndarray:
    """The choice of the queue's order by PPAL; labels are left out, as there is no classifier."""
    pairs = ((pool.truths[index], trained.found[index]) for index in labeled)
    measured = ppal.category_difficulties(pairs, len(pool.categories))
    difficulties = Difficulties(dict(zip(pool.categories, measured.tolist(), strict=True)))
    photos = {
        int(index): StoredPrediction(garments_of(trained.found[index], pool), pool.embeddings[index])
        for index in open_
    }
    candidates = [
        PoolPhoto(index, Uncertainty(), calibrated=calibrated_uncertainty_of(photo.garments, difficulties))
        for index, photo in photos.items()
    ]
    places = ppal_order(candidates, difficulties, lambda ids: {id: photos[id] for id in ids}, count)
    return np.array([place.photo_id for place in places[:count]])


def matching_threshold(found: Sequence[Detections], pool: Boxed, labeled: np.ndarray) -> float:
    """The score from which as many garments a photo are found as people drew on the labeled ones.

    A detector after a short training is unsure of everything; a fixed threshold would find nothing.
    """
    wanted = np.mean([len(pool.truths[index].category_ids) for index in labeled]) * len(found)
    scores = np.sort(np.concatenate([photo.scores for photo in found]))[::-1]
    return float(np.clip(scores[min(int(wanted), len(scores) - 1)], 0.02, 0.9)) if len(scores) else 0.1


def garments_of(found: Detections, pool: Boxed) -> list[Garment]:
    """Detections as the workspace keeps them; the classifier's labels are left out."""
    rows = zip(found.boxes_xyxy.tolist(), found.category_ids.tolist(), found.scores.tolist(), strict=True)
    return [
        Garment(tuple(box), pool.categories[category], min(1.0, score))
        for box, category, score in rows
        if box[2] > box[0] and box[3] > box[1]
    ]


def train_once(
    pool: Boxed,
    val: Boxed,
    labeled: np.ndarray,
    steps: int,
    seed: int,
    *,
    look: bool = True,
    deadline: float | None = None,
) -> Trained:
    """Train on the labeled photos, measure, and ``look`` at the pool; or read what an earlier run kept.

    Raises TimeUp where the clock passes ``deadline`` before that.
    """
    told = [labeled.tolist(), steps, seed, len(val), RECIPE.preset, RECIPE.batch, pool.canvas_wh]
    name = hashlib.sha256(json.dumps([*told, pool.device.type]).encode()).hexdigest()[:16]
    kept = kept_folder() / f"detector-{name}.pt"
    earlier = _read(kept) if kept.is_file() else None
    if earlier is not None and (earlier.found or not look):
        return earlier
    started = time.monotonic()
    model = train(pool, labeled, steps, seed, deadline)
    trained_at = time.monotonic()
    found, _ = detect(model, val)
    report = evaluate_detection(found, val.truths, val.categories, 0.25, n_bootstrap=0)
    trained = Trained(report.map50, *(detect(model, pool) if look else ([], [])))
    _write(trained, kept)
    print(
        f"  seed {seed}: {len(labeled)} photos, mAP50 {report.map50:.4f}, trained in "
        f"{trained_at - started:.1f} s, measured in {time.monotonic() - trained_at:.1f} s",
        file=sys.stderr,
        flush=True,
    )
    return trained


def _write(trained: Trained, kept: Path) -> None:
    saved = {
        "map50": trained.map50,
        "found": [
            tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in vars(photo).values())
            for photo in trained.found
        ],
        "features": [torch.from_numpy(rows) for rows in trained.features],
    }
    unfinished = kept.with_suffix(f".{os.getpid()}")
    torch.save(saved, unfinished)
    unfinished.replace(kept)


def _read(kept: Path) -> Trained:
    saved = torch.load(kept, weights_only=True)
    found = [Detections(*(part.numpy() for part in photo)) for photo in saved["found"]]
    return Trained(saved["map50"], found, [rows.numpy() for rows in saved["features"]])


@torch.inference_mode()
def detect(model: YOLOv4, photos: Boxed) -> tuple[list[Detections], list[np.ndarray]]:
    """What the detector finds on every photo, in pixels of the canvas, with the features (N, D) of each."""
    found: list[Detections] = []
    features: list[np.ndarray] = []
    for start in range(0, len(photos), DETECT_AT_ONCE):
        levels = [level[start : start + DETECT_AT_ONCE].float() for level in photos.levels]
        maps = model.neck((levels[0], levels[1], levels[2]))
        boxes, scores = (part.cpu() for part in decode(model.heads_of(maps), model.anchors_wh))
        middle = maps[1].float().cpu()
        for number in range(len(boxes)):
            kept = cross_class_suppression(nms(boxes[number], scores[number], score_threshold=LOWEST))
            found.append(kept)
            features.append(features_at(middle[number], kept.boxes_xyxy))
    return found, features


def features_at(feature_map: Tensor, boxes_xyxy: np.ndarray) -> np.ndarray:
    """A map's (C, h, w) features at the centers of boxes (N, 4), bilinear: (N, C) float16."""
    channels, height, width = feature_map.shape
    centers = torch.from_numpy((boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2).float()
    size = torch.tensor([width, height]) * FEATURE_STRIDE
    grid = (2 * centers / size - 1).view(1, 1, -1, 2)
    rows = F.grid_sample(feature_map[None], grid, padding_mode="border", align_corners=False)
    return rows.view(channels, -1).T.half().contiguous().numpy()
