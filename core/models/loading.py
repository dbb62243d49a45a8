"""Networks ready for inference from a weights file and its card, and the check that weights may serve.

A network is built without random initialization, loaded, and fused: batch norm is folded into convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from core.errors import RecipeError, WeightsError
from core.models.cards import LARGEST_BYTES, ModelCard, read_card
from core.models.classifier import ClassifierNetwork, build_classifier
from core.models.registry import CLASSIFIERS, build_detector_network, detector_names, has_anchors
from core.models.weights import load_weights
from core.models.yolov4 import PRESETS, YOLOv4

GHOST_OF = {"yolov4": False, "yolov4-gs": True}

TRIAL_SIDE = 64
"""Pixels of the picture that a detector is tried on: the smallest whose every scale has several cells."""

MISH_IS_LINEAR_FROM = 20.0  # tanh(softplus(20)) is 1 in float32


class SkipInit(TorchFunctionMode):
    """Within it modules skip their random initialization, which a file's weights would replace at once."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def load_detector_network(path: Path) -> tuple[Any, ModelCard]:
    """The network that a detector's card describes, with its weights, fused for inference; and the card.

    It is a YOLOv4 or a :class:`core.models.detection.DetectionNetwork`. Raises WeightsError with what was
    expected and what came.
    """
    card = read_card(path)
    if card.kind != "detector" or card.model not in detector_names() or card.preset not in PRESETS:
        raise WeightsError(f"expected a detector's weights in {path.name}, got a {card.model} {card.kind}")
    expected = 9 if has_anchors(card.model) else 0
    if len(card.anchors_wh) != expected:
        wanted = "nine anchors" if expected else f"no anchors, as {card.model} has its own,"
        raise WeightsError(f"expected {wanted} in the card of {path.name}, got {len(card.anchors_wh)}")
    with SkipInit():
        model = build_detector_network(
            card.model, card.preset, len(card.categories), card.input_size, card.anchors_wh
        )
    load_weights(model, path)
    fuse_for_inference(model)
    return model, card


def load_classifier_network(path: Path) -> tuple[ClassifierNetwork, ModelCard]:
    """The network that a classifier's card describes, with its weights, fused for inference; and the card.

    Raises WeightsError with what was expected and what came.
    """
    card = read_card(path)
    if card.kind != "classifier" or card.model not in CLASSIFIERS:
        raise WeightsError(f"expected a classifier's weights in {path.name}, got a {card.model} {card.kind}")
    try:
        with SkipInit():
            model = build_classifier(
                card.model, len(card.categories), preset=card.preset, size=card.input_size
            )
    except RecipeError as error:
        raise WeightsError(f"the card of {path.name}: {error}") from error
    load_weights(model, path)
    fuse_for_inference(model)
    return model, card


def network_of_card(card: ModelCard) -> nn.Module:
    """The network that a card describes, without weights and not fused. Raises WeightsError."""
    classes = len(card.categories)
    try:
        with SkipInit():
            if card.kind == "classifier":
                return build_classifier(card.model, classes, preset=card.preset, size=card.input_size)
            return build_detector_network(card.model, card.preset, classes, card.input_size, card.anchors_wh)
    except RecipeError as error:
        raise WeightsError(f"expected a model that Lapel can build: {error}") from error


def check_weights(path: Path, kind: str, categories: Sequence[str] | None = None) -> ModelCard:
    """The card of weights that can serve as the labeler's ``kind``, "detector" or "classifier".

    They are safetensors of a bearable size, their names and shapes are those of the model that the card
    describes, all values are finite, and so is what they compute of a trial picture (a negative variance is
    finite, its root is not). ``categories`` are the classes that they must have, in this order; None: those
    of their card. Raises WeightsError with what was expected and what came.
    """
    if path.is_file() and path.stat().st_size > LARGEST_BYTES:
        raise WeightsError(f"expected weights of at most {LARGEST_BYTES // 2**20} MB in {path.name}")
    card = read_card(path)
    if card.kind != kind:
        raise WeightsError(f"expected a {kind}'s weights in {path.name}, got a {card.kind}'s")
    if categories is not None and card.categories != tuple(categories):
        raise WeightsError(_other_classes(path, card.categories, categories))
    outputs = _detector_outputs(path) if kind == "detector" else _classifier_outputs(path)
    if not all(bool(torch.isfinite(values).all()) for values in outputs):
        raise WeightsError(f"{path.name} computes values that are not finite")
    return card


def _other_classes(path: Path, found: Sequence[str], wanted: Sequence[str]) -> str:
    odd = sorted(set(found) ^ set(wanted))
    which = f", e.g. {odd[0]}" if odd else " in this order"
    return f"expected {len(wanted)} classes in {path.name}, got {len(found)}: they are not the same{which}"


@torch.inference_mode()
def _detector_outputs(path: Path) -> list[Tensor]:
    model, _ = load_detector_network(path)
    pictures = _trial_pixels().float() / 255
    return list(model(pictures) if isinstance(model, YOLOv4) else model.candidates(model.encode(pictures)))


@torch.inference_mode()
def _classifier_outputs(path: Path) -> list[Tensor]:
    model, card = load_classifier_network(path)
    side = (card.input_size, card.input_size)
    pictures = F.interpolate(_trial_pixels().float(), size=side, mode="bilinear")
    pooled = model.embed(pictures / 127.5 - 1.0)
    return [pooled, model.head(pooled)]


def _trial_pixels() -> Tensor:
    """A picture of noise, always the same: (1, 3, 64, 64) uint8."""
    pixels = np.random.default_rng(0).integers(0, 256, (TRIAL_SIDE, TRIAL_SIDE, 3), np.uint8)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


class QuickMish(nn.Module):
    """Mish with one exponential: x * n / (n + 2), n = e^x (e^x + 2).

    tanh(softplus(x)) = ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1). On a CPU this form takes a fraction of the time
    of tanh and log, which were a third of the whole detector's.
    """

    def forward(self, x: Tensor) -> Tensor:
        exponential = x.clamp(max=MISH_IS_LINEAR_FROM).exp_()
        n = exponential.mul_(exponential + 2)
        return n.div_(n + 2).mul_(x)


def fuse_for_inference(module: nn.Module) -> None:
    """Fold batch norm into convolutions, replace Mish by the quick form, and use channels last, in place."""
    fuse_batch_norm(module.eval())
    _quicken_mish(module)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def fuse_batch_norm(module: nn.Module) -> None:
    """Fold every batch norm that opens a Sequential with its convolution, in place. For eval mode only."""
    for child in module.modules():
        if isinstance(child, nn.Sequential) and len(child) >= 2:
            first, second = child[0], child[1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                assert second.running_mean is not None and second.running_var is not None
                first.weight, first.bias = fuse_conv_bn_weights(
                    first.weight, first.bias, second.running_mean, second.running_var, second.eps,
                    second.weight, second.bias,
                )  # fmt: skip
                child[1] = nn.Identity()


def _quicken_mish(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Mish):
            setattr(module, name, QuickMish())
        else:
            _quicken_mish(child)
