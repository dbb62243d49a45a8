"""A detector's neck and heads trained on frozen features, which stay on the device that they were put on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.replay.boxed import CHANNELS, Boxed
from core.anchors import kmeans_anchors
from core.boxes import GroundTruth
from core.models.yolov4 import PRESETS, Neck, YOLOv4
from core.training.detector import build_detector
from core.training.recipes import DETECTOR_RECIPES
from core.training.trainer import cosine_with_warmup, parameter_groups
from core.training.yolo_loss import PaddedTargets, YoloLoss

RECIPE = replace(DETECTOR_RECIPES["street"], name="replay", preset="nano", batch=16)
MAX_GRADIENT_NORM = 10.0


class TimeUp(Exception):
    """The time for the whole replay is over."""


def train(pool: Boxed, labeled: np.ndarray, steps: int, seed: int, deadline: float | None = None) -> YOLOv4:
    """The street's recipe, each photo mirrored every second time.

    Raises TimeUp where the clock passes ``deadline`` meanwhile.
    """
    model, targets = new_model(pool, labeled, seed).train(), padded_truths(pool.truths, pool.device)
    groups = parameter_groups(model, RECIPE.learning_rate, RECIPE.weight_decay, None, 1.0)
    optimizer = torch.optim.AdamW(groups, lr=RECIPE.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine_with_warmup(steps // 20 + 1, steps))
    loss = YoloLoss(RECIPE.box_weight, RECIPE.class_weight, 1.0, RECIPE.objectness_target)
    for rows in zip(*sampled(labeled, steps, RECIPE.batch, seed), strict=True):
        if deadline is not None and time.monotonic() > deadline:
            raise TimeUp
        photos, mirrored = (torch.from_numpy(row).to(pool.device) for row in rows)
        features, wanted = batch_of(pool, targets, photos, mirrored)
        optimizer.zero_grad(set_to_none=True)
        loss(model.heads_of(model.neck(features)), model.anchors_wh, wanted)["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        schedule.step()
    return model.eval()


def new_model(pool: Boxed, labeled: np.ndarray, seed: int) -> YOLOv4:
    """Neck and heads for MobileNet's features, with anchors of the labeled boxes."""
    torch.manual_seed(seed)
    boxes = np.concatenate([pool.truths[index].boxes_xyxy for index in labeled])
    anchors = kmeans_anchors(boxes[:, 2:] - boxes[:, :2], 9, seed).anchors
    model = build_detector(RECIPE, len(pool.categories), anchors.tolist())
    model.neck = Neck(PRESETS[RECIPE.preset], CHANNELS, ghost=True)
    model.backbone = nn.Identity()  # type: ignore[assignment]
    return model.to(pool.device)


def sampled(labeled: np.ndarray, steps: int, batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which photos each step takes (steps, B), in random order time after time, and which are mirrored."""
    rng = np.random.default_rng((seed, 1))
    rounds = -(-steps * batch // len(labeled))
    order = np.concatenate([rng.permutation(labeled) for _ in range(rounds)])
    return order[: steps * batch].reshape(steps, batch), rng.random((steps, batch)) < 0.5


def padded_truths(truths: Sequence[GroundTruth], device: torch.device) -> PaddedTargets:
    """All photos' garments by photo, padded to the fullest photo's count."""
    most = max(1, *(len(truth) for truth in truths))
    classes = torch.zeros(len(truths), most, dtype=torch.long)
    boxes = torch.tensor((0.0, 0.0, 1.0, 1.0)).repeat(len(truths), most, 1)
    valid = torch.zeros(len(truths), most, dtype=torch.bool)
    for row, truth in enumerate(truths):
        count = len(truth)
        classes[row, :count] = torch.as_tensor(truth.category_ids)
        boxes[row, :count] = torch.as_tensor(truth.boxes_xyxy, dtype=torch.float32)
        valid[row, :count] = True
    return PaddedTargets(classes.to(device), boxes.to(device), valid.to(device))


def batch_of(
    pool: Boxed, targets: PaddedTargets, photos: Tensor, mirrored: Tensor
) -> tuple[tuple[Tensor, Tensor, Tensor], PaddedTargets]:
    """Features and garments of some photos (B,), those mirrored that ``mirrored`` (B,) says.

    Mirrored features are nearly those of the mirrored photo.
    """
    first, second, third = (
        torch.where(mirrored[:, None, None, None], level.flip(3), level)
        for level in (level.index_select(0, photos).float() for level in pool.levels)
    )
    boxes = targets.boxes_xyxy.index_select(0, photos)
    x0, y0, x1, y1 = boxes.unbind(-1)
    width = pool.canvas_wh[0]
    flipped = torch.stack((width - x1, y0, width - x0, y1), dim=-1)
    boxes = torch.where(mirrored[:, None, None], flipped, boxes)
    chosen = PaddedTargets(
        targets.classes.index_select(0, photos), boxes, targets.valid.index_select(0, photos)
    )
    return (first, second, third), chosen
