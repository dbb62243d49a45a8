"""Folded weights of MobileNet V1 with random values, in the shape that the pretrained ones have."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from core.models.mobilenet import MobileNetFeatures, imagenet_layers


def folded_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Weights and biases of every layer, scaled so that activations neither fade nor grow."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, layer in imagenet_layers(MobileNetFeatures()).items():
        shape = layer.get_parameter("0.weight").shape
        scale = (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        tensors[f"{name}.weight"] = torch.randn(shape, generator=generator) * scale
        tensors[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
    return tensors


def save_folded(path: Path, seed: int = 0) -> Path:
    """Write them as safetensors; returns the path."""
    save_file(folded_tensors(seed), path)
    return path
