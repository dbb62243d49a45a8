"""Weights in and out of safetensors files, checked against the module that they are for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from core.errors import WeightsError
from core.files import atomic_write
from core.models.cards import LARGEST_BYTES

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in 0..1, by which inputs of torchvision's networks for ImageNet are normalized."""


def save_weights(module: nn.Module, path: Path, *, half: bool = True) -> None:
    """Write a module's state as safetensors without batch norm's counters, by default in half precision."""
    state = {}
    for name, value in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        value = value.detach().cpu().contiguous()
        state[name] = value.half() if half and value.is_floating_point() else value
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(state, path)


def write_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write contiguous tensors as safetensors: the whole file, or what was there before. Raises OSError."""
    with atomic_write(path) as file:
        file.write(save(dict(state)))


def load_weights(module: nn.Module, path: Path) -> None:
    """Load safetensors into a module, in float32, after checking names, shapes and finite values.

    Raises WeightsError when the file is missing, no safetensors file, of another model, or not finite.
    """
    check_state(read_tensors(path), module, path.name)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, floats as float32."""
    if not path.is_file():
        raise WeightsError(f"expected weights at {path.name}, found none")
    if path.stat().st_size > LARGEST_BYTES:
        raise WeightsError(f"expected weights of at most {LARGEST_BYTES // 2**20} MB in {path.name}")
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
