"""Attribution: which places an answer of the networks comes from. On PyTorch, as most of it needs gradients.

Of the classifier: the terms of its attention, class activation of all labels, and what each of its 7 x 7
positions is made of in earlier, finer feature maps. Of the detector: what SimAM does in each GS module, and
which places of a stage a box's score comes from. And weights that are random, for sanity checks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.anchors import STRIDES
from core.boxes import box_iou
from core.errors import RecipeError
from core.models import fused
from core.models.blocks import GSModule
from core.models.decode import decode_boxes
from core.models.loading import QuickMish
from core.models.mobilenet import MobileNetMHA
from core.models.yolov4 import YOLOv4

FINER = {2: 11, 4: 5}
"""How much finer an earlier feature map is, and the number of backbone blocks before it."""

SHARES_AT_ONCE = 7
"""Backward passes that :func:`feature_shares` runs as one batch: more take memory, not less time."""


@dataclass(frozen=True, eq=False)
class ClassActivations:
    """Class activation of all labels: ``maps`` (B, C, h, w), signed; ``logits`` and ``constants`` (B, C).

    A logit is its map's mean plus its constant: the top is linear in the pooled features as long as the same
    hidden units are active, and the constant holds the biases, which come from no place.
    """

    maps: Tensor
    logits: Tensor
    constants: Tensor


@torch.no_grad()
def class_activations(model: MobileNetMHA, maps: Tensor) -> ClassActivations:
    """Class activation of every label from the last feature maps (B, 1024, h, w).

    :meth:`MobileNetMHA.class_activation` for all labels at once: Grad-CAM (Selvaraju et al. 2017) before its
    ReLU, times h * w.
    """
    pooled = maps.mean(dim=(2, 3))
    active = (model.hidden(pooled) > 0).to(maps.dtype)  # (B, 3072)
    weights = active[:, None, :] * model.classifier.weight  # (B, C, 3072)
    gradients = weights @ model.hidden.weight  # (B, C, 1024)
    constants = weights @ model.hidden.bias + model.classifier.bias
    return ClassActivations(torch.einsum("bck,bkhw->bchw", gradients, maps), model.head(pooled), constants)


@torch.no_grad()
def rollout(layers: Sequence[Tensor], residual: float = 0.5) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020): the product of a network's layers, the first one first.

    ``layers`` are rows of shares (..., n, m), from each place of a layer's output to each of its input;
    heads are averaged before. ``residual`` is the part of a square layer's input that passes it by: 0.5, as
    in the paper, where attention is added to its input, 0 where it is not. Rows of the result sum to one
    where those of all layers do. Raises RecipeError for layers that do not follow one another.
    """
    result: Tensor | None = None
    for layer in reversed(layers):
        rows, columns = layer.shape[-2:]
        if residual and rows == columns:
            layer = residual * torch.eye(rows, dtype=layer.dtype) + (1 - residual) * layer
        if result is not None and result.shape[-1] != rows:
            raise RecipeError(f"expected a layer of {result.shape[-1]} places, got one of {rows}")
        result = layer if result is None else result @ layer
    if result is None:
        raise RecipeError("a rollout needs one layer or more, got none")
    return result


def feature_shares(model: MobileNetMHA, images: Tensor, factor: int) -> Tensor:
    """Of what each of attention's positions is made in those of a feature map ``factor`` times as fine.

    (n, n * factor^2), rows sum to one: how much of the sum of a position's 1024 features comes from each
    position of an earlier feature map, by gradient times activation summed over channels (Ancona et al.
    2018), negative parts left out. This is the effective receptive field (Luo et al. 2016) of one picture,
    weighted by what is there. As the backbone below attention has no attention, it is how a rollout reaches
    finer places: a reconstruction, not something that the network computes. ``images`` (1, 3, S, S).
    Raises RecipeError for another factor than those of ``FINER``.
    """
    if factor not in FINER:
        raise RecipeError(f"expected a map {' or '.join(map(str, FINER))} times as fine, got {factor}")
    backbone = model.backbone
    with torch.no_grad():
        finer = backbone.stem(images)
        for block in backbone.blocks[: FINER[factor]]:
            finer = block(finer)
    rest = backbone.blocks[FINER[factor] :]
    positions = model.attention.size**2
    shares = [
        _contributions(rest, finer, range(start, min(start + SHARES_AT_ONCE, positions)))
        for start in range(0, positions, SHARES_AT_ONCE)
    ]
    found = torch.cat(shares).clamp(min=0).flatten(1)  # (n, n * factor^2)
    total = found.sum(dim=1, keepdim=True)
    return torch.where(total > 0, found / total.clamp(min=1e-12), torch.full_like(found, 1 / found.shape[1]))


def _contributions(rest: nn.ModuleList, finer: Tensor, positions: range) -> Tensor:
    """Gradient times activation of the features at some positions, by place of the finer map: (n, h, w)."""
    with torch.enable_grad():
        given = finer.detach().expand(len(positions), -1, -1, -1).clone().requires_grad_()
        x = given
        for block in rest:
            x = block(x)
        chosen = x.flatten(2).sum(dim=1)[torch.arange(len(positions)), list(positions)]
        (gradient,) = torch.autograd.grad(chosen.sum(), given)
    return (gradient * given).sum(dim=1).detach()


@dataclass(frozen=True, eq=False)
class SimAMState:
    """What SimAM does in one GS module, numbered within its stage from 1; maps (C, h, w).

    ``before`` is its input, ``inverse_energy`` 1 / e* of each neuron, ``after`` its output, before times the
    sigmoid of the inverse energy, and ``output`` the GS module's own: ``after`` plus the module's input.
    """

    stage: int
    module: int
    before: Tensor
    inverse_energy: Tensor
    after: Tensor
    output: Tensor

    @property
    def name(self) -> str:
        """``stage3_module1``."""
        return f"stage{self.stage}_module{self.module}"


@torch.no_grad()
def simam_states(model: YOLOv4, images: Tensor) -> list[SimAMState]:
    """SimAM in every GS module of the backbone, from the first stage to the last; none in a YOLOv4.

    ``images`` (1, 3, H, W) in 0..1. Hooks are removed on leaving, also after an error.
    """
    modules = [
        (stage, number, module)
        for stage, part in enumerate(model.backbone.stages, start=1)
        for number, module in enumerate((m for m in part.modules() if isinstance(m, GSModule)), start=1)
    ]
    entered: dict[nn.Module, Tensor] = {}
    left: dict[nn.Module, Tensor] = {}
    handles = []
    for _, _, module in modules:
        # The body's output: a fused kernel calls the SimAM itself past its hooks.
        handles.append(module.body.register_forward_hook(_capture_hook(entered, module)))
        handles.append(module.register_forward_hook(_capture_hook(left, module)))
    try:
        model.backbone(images)
    finally:
        for handle in handles:
            handle.remove()
    states = []
    for stage, number, module in modules:
        before, output = entered[module], left[module]
        energy = module.attention.energy(before)
        after = before * torch.sigmoid(energy)
        states.append(SimAMState(stage, number, *(x[0].float() for x in (before, energy, after, output))))
    return states


def _capture_hook(found: dict[nn.Module, Tensor], module: nn.Module) -> Callable[..., None]:
    def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[module] = output.clone()  # what follows may work in place

    return keep


@dataclass(frozen=True, eq=False)
class BoxAttribution:
    """Why a detector sees a box: ``maps`` by stride, signed (h, w), and the prediction that they are of.

    ``box_xyxy`` in pixels of the input, ``score`` objectness times class before calibration.
    """

    maps: dict[int, Tensor]
    box_xyxy: tuple[float, float, float, float]
    score: float


def box_attribution(
    model: YOLOv4, images: Tensor, box_xyxy: Sequence[float], category: int
) -> BoxAttribution:
    """Which places of the backbone's stages the score of a box comes from. ``images`` (1, 3, H, W) in 0..1.

    The prediction is that of the category whose IoU with ``box_xyxy`` times its score is highest. Its
    attribution is the gradient of the score's logarithm by a stage's output times that output, summed over
    channels, signed: HiResCAM (Draelos and Carin 2020), which for detectors is ODAM (Zhao et al. 2024)
    without its ReLU and smoothing. Grad-CAM's mean of the gradient would forget where the box is. A stage's
    part is what enters the neck from it, not what later stages make of it.
    """
    with fused.disabled(), torch.enable_grad():
        features = [x.detach().requires_grad_() for x in _features(model, images)]
        raw = model.heads_of(model.neck((features[0], features[1], features[2])))
        boxes, logs = [], []
        for scale, level in enumerate(raw):
            boxes.append(decode_boxes(level.detach(), model.anchors_wh[scale], scale).flatten(0, 3))
            log = F.logsigmoid(level[..., 4]) + F.logsigmoid(level[..., 5 + category])
            logs.append(log.flatten())
        found, log_scores = torch.cat(boxes), torch.cat(logs)
        scores = log_scores.detach().exp()
        overlap = box_iou(found.numpy(), np.array([box_xyxy], dtype=np.float64))[:, 0]
        best = int((overlap * scores.numpy()).argmax())
        gradients = torch.autograd.grad(log_scores[best], features, allow_unused=True)
    maps = {
        stride: torch.zeros(x.shape[2:]) if gradient is None else (gradient * x).sum(dim=1)[0].detach()
        for stride, x, gradient in zip(STRIDES, features, gradients, strict=True)
    }
    x0, y0, x1, y1 = (float(value) for value in found[best])
    return BoxAttribution(maps, (x0, y0, x1, y1), float(scores[best]))


@torch.no_grad()
def _features(model: YOLOv4, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    features: tuple[Tensor, Tensor, Tensor] = model.backbone(images)
    return features


def with_gradients(model: nn.Module) -> nn.Module:
    """A network that was fused for inference, made fit for gradients by its inputs, in place.

    The quick Mish works in place on what its gradient needs; parameters need no gradients.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, QuickMish):
                setattr(module, name, nn.Mish())
    return model.requires_grad_(False)


RANDOMIZED = ("head", "attention", "backbone")
"""What :func:`randomized` draws anew, from the top down."""


def randomized(model: MobileNetMHA, down_to: str, seed: int = 0) -> MobileNetMHA:
    """A copy with random weights from the top down to a part: "head", "attention" or "backbone".

    Cascading randomization (Adebayo et al. 2018): a map that stays the same when weights are random shows
    the picture and not what the network has learned. Weights and biases are drawn normal with the deviation
    that they had (so that activations keep their size); statistics of batch norm are as they were. Raises
    RecipeError for another part.
    """
    if down_to not in RANDOMIZED:
        raise RecipeError(f"expected a part of {', '.join(RANDOMIZED)}, got {down_to!r}")
    model = copy.deepcopy(model)
    parts: dict[str, tuple[nn.Module, ...]] = {
        "head": (model.classifier, model.hidden),
        "attention": (model.norm, model.attention),
        "backbone": (model.backbone,),
    }
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in RANDOMIZED[: RANDOMIZED.index(down_to) + 1]:
            for part in parts[name]:
                for parameter in part.parameters():
                    _draw_anew(parameter, generator)
    return model


def _draw_anew(parameter: Tensor, generator: torch.Generator) -> None:
    deviation = float(parameter.std(unbiased=False)) if parameter.numel() > 1 else 0.0
    noise = torch.randn(parameter.shape, generator=generator)
    parameter.copy_(noise * deviation + (float(parameter.mean()) if parameter.dim() == 1 else 0.0))
