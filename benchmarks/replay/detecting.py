"""The replay for detectors: photos boxed batch by batch in an arm's order, a short training after each.

YOLOv4-GS's neck and heads learn on the frozen features of MobileNet as ImageNet left it: whole detectors
would take hours on one core, and those that ship have seen these boxes. Augmentation is a horizontal flip.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from benchmarks.replay.boxed import CANVAS_WH, CHANNELS, Boxed
from benchmarks.replay.places import kept_folder
from core.active_learning.ranking import WEIGHTS, Candidate, rank_photos
from core.active_learning.uncertainty import photo_uncertainty
from core.anchors import kmeans_anchors
from core.boxes import Detections
from core.evaluation.detection import evaluate_detection
from core.garments import Garment
from core.models.decode import cross_class_suppression, decode, nms
from core.models.yolov4 import PRESETS, Neck, YOLOv4
from core.training.detector import build_detector
from core.training.recipes import DETECTOR_RECIPES
from core.training.trainer import cosine_with_warmup, parameter_groups
from core.training.yolo_loss import Targets, YoloLoss

RECIPE = replace(DETECTOR_RECIPES["street"], name="replay", preset="nano")
ARMS = ("random", "selection")
LOWEST = 0.01


@dataclass(frozen=True)
class Rounds:
    """How many photos there are to begin with and in each batch, how often, and how long a training is.

    All trainings take as many steps: an arm must not win by having been trained longer.
    """

    start: int = 100
    batch: int = 100
    rounds: int = 2
    steps: int = 200

    @property
    def points(self) -> list[int]:
        """The numbers of boxed photos at which a detector is trained and measured."""
        return [self.start + number * self.batch for number in range(self.rounds + 1)]


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves: mAP at IoU 0.5 on the validation photos, and what it finds on the pool."""

    map50: float
    found: list[Detections]


def replay_detectors(pool: Boxed, val: Boxed, rounds: Rounds, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """mAP at IoU 0.5 by arm, (seeds, points). Finished trainings are kept, and not done again."""
    embeddings = pool.embeddings
    curves: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
    for seed in seeds:
        for arm in ARMS:
            curves[arm].append(replay_one(arm, pool, val, embeddings, rounds, seed))
    return {arm: np.array(rows) for arm, rows in curves.items()}


def replay_one(
    arm: str, pool: Boxed, val: Boxed, embeddings: np.ndarray, rounds: Rounds, seed: int
) -> list[float]:
    """mAP at each point; all arms of a seed begin with the same photos, and so with the same detector."""
    labeled = np.random.default_rng(seed).permutation(len(pool))[: rounds.start]
    trained = train_once(pool, val, np.sort(labeled), rounds.steps, seed)
    scores = [trained.map50]
    for count in rounds.points[1:]:
        more = choose(arm, pool, embeddings, trained, labeled, seed)[: count - len(labeled)]
        labeled = np.concatenate((labeled, more))
        trained = train_once(pool, val, np.sort(labeled), rounds.steps, seed)
        scores.append(trained.map50)
    told = " ".join(f"{score:.4f}" for score in scores)
    print(f"seed {seed}  {arm:10} mAP50 {told}", file=sys.stderr, flush=True)
    return scores


def choose(
    arm: str, pool: Boxed, embeddings: np.ndarray, trained: Trained, labeled: np.ndarray, seed: int
) -> np.ndarray:
    """The pool's open photos in an arm's order, by the code of the workspace's queue."""
    open_ = np.setdiff1d(np.arange(len(pool)), labeled)
    if arm == "random":
        return np.random.default_rng((seed, len(labeled))).permutation(open_)
    threshold = matching_threshold(trained.found, pool, labeled)
    candidates = [
        Candidate(
            int(index),
            photo_uncertainty(garments_of(trained.found[index], pool), threshold),
            embeddings[index],
        )
        for index in open_
    ]
    ranked = rank_photos(
        candidates,
        labeled_embeddings=embeddings[labeled],
        control_share=0.0,
        seed=seed * 1000 + len(labeled),
        weights=WEIGHTS,
    )
    return np.array([entry.photo_id for entry in ranked])


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


def train_once(pool: Boxed, val: Boxed, labeled: np.ndarray, steps: int, seed: int) -> Trained:
    """Train on the labeled photos, measure, and look at the pool; or read what an earlier run kept."""
    name = hashlib.sha256(json.dumps([labeled.tolist(), steps, seed, len(val), RECIPE.preset]).encode())
    kept = kept_folder() / f"detector-{name.hexdigest()[:16]}.pt"
    if kept.is_file():
        saved = torch.load(kept, weights_only=True)
        found = [Detections(*(part.numpy() for part in photo)) for photo in saved["found"]]
        return Trained(saved["map50"], found)
    started = time.monotonic()
    model = train(pool, labeled, steps, seed)
    report = evaluate_detection(detect(model, val), val.truths, val.categories, 0.25, n_bootstrap=0)
    found = detect(model, pool)
    saved = {
        "map50": report.map50,
        "found": [
            tuple(torch.from_numpy(part) for part in (f.boxes_xyxy, f.scores, f.category_ids)) for f in found
        ],
    }
    torch.save(saved, kept.with_suffix(".unfinished"))
    kept.with_suffix(".unfinished").replace(kept)
    print(f"  trained on {len(labeled)} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return Trained(report.map50, found)


def new_model(pool: Boxed, labeled: np.ndarray, seed: int) -> YOLOv4:
    """Neck and heads for MobileNet's features, with anchors of the labeled boxes."""
    torch.manual_seed(seed)
    boxes = np.concatenate([pool.truths[index].boxes_xyxy for index in labeled])
    anchors = kmeans_anchors(boxes[:, 2:] - boxes[:, :2], 9, seed).anchors
    model = build_detector(RECIPE, len(pool.categories), anchors.tolist())
    model.neck = Neck(PRESETS[RECIPE.preset], CHANNELS, ghost=True)
    model.backbone = nn.Identity()  # type: ignore[assignment]
    return model


def train(pool: Boxed, labeled: np.ndarray, steps: int, seed: int) -> YOLOv4:
    """The street's recipe on frozen features, photos in random order, every second one mirrored."""
    model, rng = new_model(pool, labeled, seed).train(), np.random.default_rng((seed, 1))
    groups = parameter_groups(model, RECIPE.learning_rate, RECIPE.weight_decay, None, 1.0)
    optimiser = torch.optim.AdamW(groups, lr=RECIPE.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, cosine_with_warmup(steps // 20 + 1, steps))
    loss = YoloLoss(RECIPE.box_weight, RECIPE.class_weight, 1.0, RECIPE.objectness_target)
    order: list[int] = []
    for _ in range(steps):
        if len(order) < RECIPE.batch:
            order += rng.permutation(labeled).tolist()
        indices, order = np.array(order[: RECIPE.batch]), order[RECIPE.batch :]
        features, targets = batch_of(pool, indices, mirrored=bool(rng.random() < 0.5))
        raw = model.heads_of(model.neck(features))
        optimiser.zero_grad(set_to_none=True)
        loss(raw, model.anchors_wh, targets)["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()
    return model.eval()


def batch_of(pool: Boxed, indices: np.ndarray, *, mirrored: bool) -> tuple[tuple[torch.Tensor, ...], Targets]:
    """Features and targets of some photos; mirrored features are nearly those of the mirrored photo."""
    features, truths = pool.batch(indices), [pool.truths[index] for index in indices]
    boxes = np.concatenate([truth.boxes_xyxy for truth in truths]).astype(np.float32)
    if mirrored:
        features = tuple(level.flip(3) for level in features)
        boxes = np.stack(
            (CANVAS_WH[0] - boxes[:, 2], boxes[:, 1], CANVAS_WH[0] - boxes[:, 0], boxes[:, 3]), 1
        )
    images = np.repeat(np.arange(len(truths)), [len(truth.category_ids) for truth in truths])
    classes = np.concatenate([truth.category_ids for truth in truths])
    return features, Targets(torch.from_numpy(images), torch.from_numpy(classes), torch.from_numpy(boxes))


@torch.inference_mode()
def detect(model: YOLOv4, photos: Boxed) -> list[Detections]:
    """What the detector finds on every photo, in pixels of the canvas."""
    found = []
    for start in range(0, len(photos), 32):
        indices = np.arange(start, min(start + 32, len(photos)))
        boxes, scores = decode(model.heads_of(model.neck(photos.batch(indices))), model.anchors_wh)
        found += [
            cross_class_suppression(nms(*photo, score_threshold=LOWEST))
            for photo in zip(boxes, scores, strict=True)
        ]
    return found
