"""The networks as graphs: named outputs, maps of the same forward pass, ONNX that computes the same."""

from __future__ import annotations

import pytest
import torch

from core.models.graphs import (
    captured_simam,
)
from core.models.yolov4 import YOLOv4


@pytest.mark.parametrize("ghost", [True, False])
def test_simam_maps_are_sigmoids_and_nothing_is_captured_afterwards(ghost: bool) -> None:
    backbone = YOLOv4("pico", 2, ghost=ghost).eval().backbone
    with captured_simam(backbone) as maps, torch.inference_mode():
        backbone(torch.rand(1, 3, 64, 96))
    assert {stride: tuple(values.shape) for stride, values in maps.items()} == {
        8: (1, 8, 12), 16: (1, 4, 6), 32: (1, 2, 3),
    }  # fmt: skip
    # The energy is at least a half, so that its sigmoid is above that of a half.
    assert all(0.6224 < float(values.min()) <= float(values.max()) <= 1 for values in maps.values())
    maps.clear()
    with torch.inference_mode():
        backbone(torch.rand(1, 3, 64, 96))
    assert maps == {}


def test_nothing_is_captured_after_an_error_either() -> None:
    backbone = YOLOv4("pico", 2, ghost=True).eval().backbone
    with pytest.raises(RuntimeError, match="in the middle"), captured_simam(backbone) as maps:
        raise RuntimeError("in the middle")
    with torch.inference_mode():
        backbone(torch.rand(1, 3, 64, 96))
    assert maps == {}
