"""A detector's neck and heads trained on frozen features: all tables on the device, no step waits for it.

On a GPU five steps are captured as one CUDA graph and replayed, so that trainings on several threads run side
by side instead of waiting for Python. Where capturing fails, the steps run one by one.
"""

from __future__ import annotations

import sys
import threading
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
STEPS_A_GRAPH = 5
GRAPHS_AT_ONCE = 8  # that are queued on the device before the host waits

_one_at_a_time = threading.Lock()
"""Held where a model gets its first weights, and where steps are captured."""


class TimeUp(Exception):
    """The time for the whole replay is over."""


def new_model(pool: Boxed, labelled: np.ndarray, seed: int) -> YOLOv4:
    """Neck and heads for MobileNet's features, with anchors of the labelled boxes."""
    boxes = np.concatenate([pool.truths[index].boxes_xyxy for index in labelled])
    anchors = kmeans_anchors(boxes[:, 2:] - boxes[:, :2], 9, seed).anchors
    with _one_at_a_time:  # the seed is the whole process's
        torch.manual_seed(seed)
        model = build_detector(RECIPE, len(pool.categories), anchors.tolist())
        model.neck = Neck(PRESETS[RECIPE.preset], CHANNELS, ghost=True)
    model.backbone = nn.Identity()  # type: ignore[assignment]
    return model.to(pool.device, memory_format=torch.channels_last)


def sampled(labelled: np.ndarray, steps: int, batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which photos each step takes (steps, B), in random order time after time, and which are mirrored."""
    rng = np.random.default_rng((seed, 1))
    rounds = -(-steps * batch // len(labelled))
    order = np.concatenate([rng.permutation(labelled) for _ in range(rounds)])
    return order[: steps * batch].reshape(steps, batch), rng.random((steps, batch)) < 0.5


class Training:
    """A training of ``steps`` steps: the street's recipe, each photo mirrored every second time."""

    def __init__(self, pool: Boxed, labelled: np.ndarray, steps: int, seed: int) -> None:
        device = pool.device
        self.pool, self.steps = pool, steps
        self.model = new_model(pool, labelled, seed).train()
        photos, mirrored = sampled(labelled, steps, RECIPE.batch, seed)
        self.photos, self.mirrored = (torch.from_numpy(table).to(device) for table in (photos, mirrored))
        self.targets = padded_truths(pool.truths, device)
        factor = cosine_with_warmup(steps // 20 + 1, steps)
        self.rates = torch.tensor(
            [RECIPE.learning_rate * factor(step) for step in range(steps)], device=device
        )
        self.rate, self.at = self.rates[:1].clone()[0], torch.zeros(1, dtype=torch.long, device=device)
        groups = parameter_groups(self.model, RECIPE.learning_rate, RECIPE.weight_decay, None, 1.0)
        quick = {"fused": True, "capturable": True} if device.type == "cuda" else {}
        self.optimiser = torch.optim.AdamW(groups, lr=self.rate, **quick)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.loss = YoloLoss(RECIPE.box_weight, RECIPE.class_weight, 1.0, RECIPE.objectness_target)

    def step(self) -> None:
        """The next step; what it is, the device knows."""
        self.rate.copy_(self.rates.index_select(0, self.at)[0])
        photos = self.photos.index_select(0, self.at)[0]
        mirrored = self.mirrored.index_select(0, self.at)[0]
        features, targets = batch_of(self.pool, self.targets, photos, mirrored)
        self.optimiser.zero_grad(set_to_none=True)
        raw = self.model.heads_of(self.model.neck(features))
        self.loss(raw, self.model.anchors_wh, targets)["loss"].backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimiser.step()
        self.at += 1

    def run(self, deadline: float | None = None, *, graphs: bool = True) -> YOLOv4:
        """All steps on the current stream; raises TimeUp where the clock passes ``deadline`` meanwhile."""
        warm_up = min(self.steps, STEPS_A_GRAPH + self.steps % STEPS_A_GRAPH)  # whole graphs remain
        if self.pool.device.type == "cuda" and graphs and self.steps > warm_up:
            with _one_at_a_time:
                self._one_by_one(warm_up, deadline)
                graph = self._captured()
        else:
            warm_up, graph = 0, None
        if graph is None:
            self._one_by_one(self.steps - warm_up, deadline)
        else:
            self._replay(graph, (self.steps - warm_up) // STEPS_A_GRAPH, deadline)
        return self.model.eval()

    def _replay(self, graph: torch.cuda.CUDAGraph, times: int, deadline: float | None) -> None:
        for number in range(times):
            graph.replay()
            if number % GRAPHS_AT_ONCE == 0:
                torch.cuda.current_stream().synchronize()
                _check(deadline)
        torch.cuda.current_stream().synchronize()

    def _captured(self) -> torch.cuda.CUDAGraph | None:
        """Five steps as a graph; None where they cannot be captured."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        self.optimiser.zero_grad(set_to_none=True)
        try:
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                for _ in range(STEPS_A_GRAPH):
                    self.step()
        except RuntimeError as error:
            print(f"  no CUDA graph: {error}", file=sys.stderr, flush=True)
            return None
        return graph

    def _one_by_one(self, steps: int, deadline: float | None) -> None:
        for number in range(steps):
            if number % 10 == 0:
                _check(deadline)
            self.step()


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise TimeUp


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
