"""The cost of a model: parameters, multiply-adds (MAC) and the size of its file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.ssd import SSD

from core.models.registry import model_config

COUNTED = {torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm}
"""Convolutions and linear layers; attention's products of activations are bmm."""

COMPARED = ("parameters", "trainable", "backbone_parameters", "macs", "backbone_macs", "bytes")
"""The figures that savings are told of."""

TORCHVISION_DETECTORS = (GeneralizedRCNN, RetinaNet, SSD)


def summarize_model(
    name: str, preset: str = "full", classes: int | None = None, size: int | None = None
) -> dict[str, Any]:
    """The contract's summary of a model of the registry, defaults being the papers'. Raises RecipeError.

    ``name`` may be ``NAME:PRESET``, whatever ``preset`` says.
    """
    name, _, own = name.partition(":")
    config = model_config(name, own or preset, classes, size)
    with torch.device("meta"):  # shapes without numbers, which take seconds to draw
        module = config.build()
    if isinstance(module, TORCHVISION_DETECTORS):  # values decide what these compute
        module = config.build()
    figures = summarize(module, (config.size, config.size))
    return {"model": config.name, "preset": config.preset, **figures}


def savings(summaries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each summary after the first saves against it, by figure.

    ``percent`` is how much less it is (100 * (1 - own / first), below 0 where it is more), ``factor`` how
    many times smaller (first / own); None where one of them has no such figure.
    """
    first, *others = summaries
    return [
        {
            "model": other["model"],
            "preset": other["preset"],
            "against": first["model"],
            "percent": {name: _percent_less(first[name], other[name]) for name in COMPARED},
            "factor": {name: _ratio(first[name], other[name]) for name in COMPARED},
        }
        for other in others
    ]


def _ratio(first: int | None, own: int | None) -> float | None:
    return round(first / own, 2) if first and own else None


def _percent_less(first: int | None, own: int | None) -> float | None:
    return round(100 * (1 - own / first), 2) if first and own is not None else None


def summarize(module: nn.Module, input_size_hw: tuple[int, int]) -> dict[str, int | None]:
    """Parameters, multiply-adds for one picture (3, H, W), and bytes of a model.

    - ``parameters``: all parameters and batch norm's running means and variances, as Keras counts.
    - ``trainable``: parameters that a training changes, so without those statistics and what is frozen.
    - ``statistics``: the running means and variances alone, for counts that leave them out.
    - ``backbone_parameters`` and ``backbone_macs``: of ``module.backbone``, without its statistics, as papers
      on detectors count; None where a model has no such part. torchvision's backbones hold their pyramids.
    - ``macs``: multiply-adds of convolutions and linear layers.
    - ``bytes``: the safetensors file of the state in float32.

    A two-stage detector's second stage is counted for the most proposals that it takes from the first.
    """
    backbone = getattr(module, "backbone", None)
    macs = count_macs(module, input_size_hw)
    statistics = _statistics(module)
    return {
        "parameters": _parameters(module) + statistics,
        "trainable": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "statistics": statistics,
        "backbone_parameters": _parameters(backbone) if isinstance(backbone, nn.Module) else None,
        "macs": macs[""],
        "backbone_macs": macs.get("backbone"),
        "bytes": safetensors_bytes(module.state_dict()),
    }


def count_macs(module: nn.Module, input_size_hw: tuple[int, int]) -> dict[str, int]:
    """Multiply-adds of convolutions and linear layers for one picture: of the model ("") and of each child.

    torch's flop counter counts two for a multiply-add. Biases, normalization, activations and the products of
    attention are not counted. A child that is only a list of modules is never called itself and has 0. Hooks
    are always removed.
    """
    counter = FlopCounterMode(display=False)
    with ExitStack() as stack:
        if isinstance(module, GeneralizedRCNN):
            stack.callback(module.rpn.register_forward_hook(_most_proposals).remove)
        stack.enter_context(_evaluating(module))
        stack.enter_context(counter)
        _run_once(module, input_size_hw)
    counts, root = counter.get_flop_counts(), type(module).__name__
    paths = {"": "Global", **{name: f"{root}.{name}" for name, _ in module.named_children()}}
    return {
        name: sum(flops for operator, flops in counts.get(path, {}).items() if operator in COUNTED) // 2
        for name, path in paths.items()
    }


def _most_proposals(rpn: Any, inputs: Any, output: tuple[list[Tensor], Any]) -> tuple[list[Tensor], Any]:
    """A hook that makes every count of proposals the largest: how many pass depends on the random weights."""
    proposals, losses = output
    region = torch.tensor([0.0, 0.0, 64.0, 64.0])
    return [region.to(found).expand(rpn.post_nms_top_n(), 4) for found in proposals], losses


@torch.no_grad()
def _run_once(module: nn.Module, input_size_hw: tuple[int, int]) -> None:
    """One forward pass of a black picture: shapes alone (meta tensors), or in earnest where values decide."""
    if isinstance(module, TORCHVISION_DETECTORS):
        device = next(module.parameters()).device
        module([torch.zeros(3, *input_size_hw, device=device)])
        return
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    shapes = {name: value.to("meta") for name, value in state.items()}
    torch.func.functional_call(module, shapes, torch.zeros(1, 3, *input_size_hw, device="meta"))


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, each part's own mode again afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _statistics(module: nn.Module) -> int:
    """Running means and variances; the counter of batches is not a weight."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    kept = [value for norm in norms for value in (norm.running_mean, norm.running_var) if value is not None]
    return sum(value.numel() for value in kept)


def safetensors_bytes(state: Mapping[str, Tensor]) -> int:
    """The size in bytes of the safetensors file of a state with its floats as float32, without writing it.

    The format: 8 bytes of header length, a JSON header padded with spaces to a multiple of 8, then the data.
    """
    header, offset = {}, 0
    sizes = {name: _dtype_and_width(tensor) for name, tensor in state.items()}
    # Widest numbers first, then by name: the order in which the library writes.
    for name in sorted(state, key=lambda name: (-sizes[name][1], name)):
        dtype, width = sizes[name]
        end = offset + state[name].numel() * width
        header[name] = {"dtype": dtype, "shape": list(state[name].shape), "data_offsets": [offset, end]}
        offset = end
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8 + offset


def _dtype_and_width(tensor: Tensor) -> tuple[str, int]:
    if tensor.is_floating_point():
        return "F32", 4
    kind = {torch.bool: "BOOL", torch.uint8: "U8"}.get(tensor.dtype, f"I{8 * tensor.element_size()}")
    return kind, tensor.element_size()
