"""Weights in eight bits a number for the way to another machine, where they are trained on.

A matrix or kernel is kept as int8 with one scale for each output channel, vectors in half precision.
``python -m tools.eight_bit_weights PACK`` halves a pack's teachers in place.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.models.weights import read_tensors

SCALE = ".scale"
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7)
"""Shares of a channel's largest weight that may become 127; the one with the least squared error is taken."""


def quantize(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with its matrices and kernels as int8, each beside ``NAME.scale`` (channels,) float32."""
    small: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim < 2 or not value.is_floating_point():
            small[name] = value.half() if value.is_floating_point() else value
            continue
        rows = value.float().flatten(1)
        largest = rows.abs().amax(dim=1).clamp(min=1e-12)
        best, error = largest / 127, torch.full_like(largest, torch.inf)
        for clip in CLIPS:
            scale = clip * largest / 127
            found = (_rounded(rows, scale) * scale[:, None] - rows).square().sum(dim=1)
            best, error = torch.where(found < error, scale, best), torch.minimum(found, error)
        small[name] = _rounded(rows, best).to(torch.int8).view_as(value).contiguous()
        small[name + SCALE] = best
    return small


def _rounded(rows: Tensor, scale: Tensor) -> Tensor:
    return (rows / scale[:, None]).round().clamp(-127, 127)


def restore(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state that :func:`quantize` was given, in float32 and nearly; any other state as it is."""
    whole = {}
    for name, value in state.items():
        if name.endswith(SCALE):
            continue
        scale = state.get(name + SCALE)
        if scale is not None:
            value = value.float() * scale.float().view(-1, *[1] * (value.ndim - 1))
        whole[name] = value
    return whole


def read_carried(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, whether it was quantized or not."""
    return restore(read_tensors(path))


def restored_file(path: Path, folder: Path) -> Path:
    """A file of the restored tensors in ``folder``, for those who want a path."""
    target = folder / path.name
    save_file(read_carried(path), target)
    return target


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Quantise a pack's teachers in place.")
    parser.add_argument("pack", type=Path)
    for path in sorted((parser.parse_args().pack / "weights").glob("*.safetensors")):
        state = load_file(path)
        if not any(name.endswith(SCALE) for name in state):
            before = path.stat().st_size
            save_file(quantize(state), path)
            print(f"{path.name}: {before} bytes, now {path.stat().st_size}")


if __name__ == "__main__":
    main()
