"""Weights on disk: safetensors only, each with a JSON card that says what it is and where it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.errors import WeightsError
from core.models.cards import WEIGHTS_FOLDER, ModelCard, card_path, read_card, write_card
from core.models.mobilenet import MobileNetFeatures, PaddedConv

__all__ = [
    "WEIGHTS_FOLDER",
    "ModelCard",
    "SkipInit",
    "calibrate_batch_norm",
    "card_path",
    "check_state",
    "digest",
    "folded_layers",
    "load_imagenet",
    "load_weights",
    "read_card",
    "read_tensors",
    "save_weights",
    "write_card",
]


class SkipInit(TorchFunctionMode):
    """Within it modules are made without their random beginnings, which a file's weights replace at once."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def save_weights(module: nn.Module, path: Path, *, half: bool = True) -> None:
    """Write a module's state as safetensors, in half precision unless told otherwise; no counters."""
    state = {}
    for name, value in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        value = value.detach().cpu().contiguous()
        state[name] = value.half() if half and value.is_floating_point() else value
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Load safetensors into a module, in float32, after checking names, shapes and finite values.

    Raises WeightsError when the file is missing, no safetensors file, of another model, or not finite.
    """
    check_state(read_tensors(path), module, path.name)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, floats as float32."""
    if not path.is_file():
        raise WeightsError(f"expected weights at {path.name}, found none")
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise WeightsError(f"{path.name} is no safetensors file: {error}") from error
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def check_state(state: Mapping[str, Tensor], module: nn.Module, name: str) -> None:
    """Put a state into a module if it fits whole; else raise WeightsError and leave the module as it was."""
    wanted = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or extra:
        odd = (missing + extra)[0]
        raise WeightsError(
            f"{name} belongs to another model: {len(missing)} missing, {len(extra)} extra, e.g. {odd}"
        )
    for key, value in wanted.items():
        if state[key].shape != value.shape:
            found, expected = tuple(state[key].shape), tuple(value.shape)
            raise WeightsError(f"{name} belongs to another model: {key} should be {expected}, is {found}")
        if state[key].is_floating_point() and not _is_finite(state[key]):
            raise WeightsError(f"{name} holds values that are not finite in {key}")
    module.load_state_dict(dict(state), strict=False)


def _is_finite(values: Tensor) -> bool:
    """Whether all are: finite float32 cannot add up to infinity in float64, and what is not finite stays."""
    return math.isfinite(values.sum(dtype=torch.float64).item())


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return sha256(path.read_bytes()).hexdigest()


def folded_layers(backbone: MobileNetFeatures) -> dict[str, PaddedConv]:
    """MobileNet's layers in order, by their names in folded weights: ``stem`` to ``block13.pointwise``."""
    parts = ("depthwise", "pointwise")
    names = ["stem", *(f"block{i}.{part}" for i in range(1, len(backbone.blocks) + 1) for part in parts)]
    layers = (module for module in backbone.modules() if isinstance(module, PaddedConv))
    return dict(zip(names, layers, strict=True))


@torch.no_grad()
def load_imagenet(backbone: MobileNetFeatures, path: Path) -> None:
    """Put folded ImageNet weights into MobileNet's layers: batch norm becomes the identity plus the bias.

    Gamma 1, beta the bias, running mean 0, running variance 1 - eps. The function is exact in eval mode;
    before training with batch statistics call :func:`calibrate_batch_norm`. Raises WeightsError, and leaves
    the backbone as it was, when the file holds something else.
    """
    tensors = read_tensors(path)
    layers = folded_layers(backbone)
    for name, layer in layers.items():
        shape = cast(Tensor, layer[0].weight).shape
        wanted = {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        if any(key not in tensors or tensors[key].shape != size for key, size in wanted.items()):
            raise WeightsError(f"{path.name} holds no MobileNet V1: {name} is missing or of another shape")
    for name, layer in layers.items():
        conv: Any = layer[0]
        norm: Any = layer[1]
        conv.weight.copy_(tensors[f"{name}.weight"])
        norm.weight.fill_(1.0)
        norm.bias.copy_(tensors[f"{name}.bias"])
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)


@torch.no_grad()
def calibrate_batch_norm(backbone: MobileNetFeatures, pictures: Tensor) -> None:
    """Give batch norm the statistics of ``pictures`` (B, 3, H, W); what the network computes stays.

    Folded weights leave mean 0 and variance 1 behind, so that training with batch statistics would start from
    another function. Mean and variance are measured layer by layer; gamma and beta absorb them.
    """
    x = pictures
    for layer in folded_layers(backbone).values():
        norm: Any = layer[1]
        raw = layer[0](layer.pad(x))
        variance, mean = torch.var_mean(raw, dim=(0, 2, 3), unbiased=False)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias - scale * norm.running_mean
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + scale * mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        x = layer[2](raw * scale[:, None, None] + shift[:, None, None])
