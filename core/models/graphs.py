"""The two networks as graphs with named inputs and outputs: what an engine runs, and what is exported.

An engine (:mod:`core.inference.engines`) gives a graph's inputs as arrays and reads its outputs by name, so
PyTorch, ONNX Runtime and OpenVINO answer alike. Maps that explain a prediction are outputs of the same graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.anchors import STRIDES
from core.models.blocks import GSModule, SimAM
from core.models.cards import ModelCard, read_card
from core.models.classifier import ClassifierNetwork
from core.models.decode import decode
from core.models.loading import QuickMish, load_classifier_network, load_detector_network
from core.models.yolov4 import Backbone, YOLOv4

OPSET = 18
"""Of exported ONNX: the first with Mish as an operator."""

SIMAM_OUTPUTS = {stride: f"simam_stride{stride}" for stride in STRIDES}


class DetectorGraph(nn.Module):
    """``images`` (B, 3, H, W) in 0..1 to ``boxes`` (B, N, 4), ``scores`` (B, N, C) and SimAM's weights.

    Boxes are xyxy in pixels of the input, scores objectness times class, before calibration and NMS.
    ``simam_stride8``, ``16``, ``32`` (B, h, w) are a stage's SimAM weights, mean over channels.
    """

    inputs = ("images",)
    outputs = ("boxes", "scores", *SIMAM_OUTPUTS.values())

    def __init__(self, model: YOLOv4) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        with captured_simam(self.model.backbone) as maps:
            raw = self.model(images)
        return *decode(raw, self.model.anchors_wh), *(maps[stride] for stride in STRIDES)


class CandidateGraph(nn.Module):
    """``images`` (B, 3, H, W) in 0..1 to ``boxes`` (B, N, 4) and ``scores`` (B, N, C) of other detectors.

    N depends on the picture; they have no maps that explain them. See
    :class:`core.models.detection.DetectionNetwork`.
    """

    inputs = ("images",)
    outputs = ("boxes", "scores")

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        boxes, scores = self.model.candidates(self.model.encode(images))
        return boxes, scores


class ClassifierGraph(nn.Module):
    """``images`` (B, 3, S, S) in -1..1 and ``targets`` (B,) to ``logits`` (B, C), ``embedding`` and maps.

    The embedding (B, F) is the head's input. ``class_activation`` (B, h, w), signed, is of each row's target
    (-1: its best class); with multi-head attention there is also ``attention`` (B, heads, h*w, h*w), of each
    position (rows) to each position (columns). ``size`` is S, the side of trial pictures.
    """

    inputs = ("images", "targets")

    def __init__(self, model: ClassifierNetwork, size: int = 224) -> None:
        super().__init__()
        self.model, self.size = model, size
        self.outputs: tuple[str, ...] = ("logits", "embedding", *model.maps)

    def forward(self, images: Tensor, targets: Tensor | None = None) -> tuple[Tensor, ...]:
        return self.model.explained(images, targets)


Graph = DetectorGraph | CandidateGraph | ClassifierGraph


class ServingGraph(nn.Module):
    """What is exported for people: ``images`` alone to what a program wants, calibrated.

    A detector's ``boxes`` (B, N, 4) and ``scores`` (B, N, C) after Platt scaling; a classifier's
    ``probabilities`` (B, C) at its temperature and ``embedding`` (B, F). NMS is the program's.
    """

    inputs = ("images",)

    def __init__(self, graph: Graph, card: ModelCard) -> None:
        super().__init__()
        self.model, self.calibration = graph.model, dict(card.calibration)
        self.size = card.input_size
        self.detects = isinstance(graph, DetectorGraph)
        self.outputs = ("boxes", "scores") if self.detects else ("probabilities", "embedding")

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if not isinstance(self.model, YOLOv4):
            pooled = self.model.embed(images)
            temperature = self.calibration.get("temperature", 1.0)
            return (self.model.head(pooled) / temperature).softmax(dim=1), pooled
        boxes, scores = decode(self.model(images), self.model.anchors_wh)
        slope, intercept = self.calibration.get("slope", 1.0), self.calibration.get("intercept", 0.0)
        if slope != 1.0 or intercept != 0.0:
            scores = torch.sigmoid(slope * torch.logit(scores, eps=1e-6) + intercept)
        return boxes, scores


def load_graph(path: Path, *, mish: str = "exponential") -> tuple[Graph, ModelCard]:
    """The graph of a weights file, fused for inference, and its card. Raises WeightsError.

    ``mish`` "exponential" computes Mish with one exponential, "operator" exports ONNX's own operator.
    """
    if read_card(path).kind == "detector":
        model, card = load_detector_network(path)
        graph: Graph = DetectorGraph(model) if isinstance(model, YOLOv4) else CandidateGraph(model)
    else:
        classifier, card = load_classifier_network(path)
        graph = ClassifierGraph(classifier, card.input_size)
    if mish == "operator":
        replace_mish(graph)
    return graph.eval(), card


def trial_inputs(graph: Graph | ServingGraph, side: int, batch: int = 1) -> dict[str, Tensor]:
    """Inputs of noise for a graph, always the same; ``side`` is the longer one of a detector's picture.

    A classifier's pictures have the size that it takes.
    """
    generator = torch.Generator().manual_seed(0)
    if isinstance(graph.model, YOLOv4):
        shape = (batch, 3, side, max(32, side * 3 // 4 // 32 * 32))
        return {"images": torch.rand(shape, generator=generator)}
    assert isinstance(graph, ClassifierGraph | ServingGraph)
    pictures = torch.rand((batch, 3, graph.size, graph.size), generator=generator) * 2 - 1
    given = {"images": pictures, "targets": torch.full((batch,), -1)}
    return {name: given[name] for name in graph.inputs}


@torch.no_grad()
def export_onnx(graph: Graph | ServingGraph, path: Path, side: int = 416) -> None:
    """Write a graph as ONNX with free batch and, for a detector, free height and width.

    PyTorch's tracing exporter: it takes seconds, the one by ``torch.export`` a minute.
    """
    graph.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    inputs = trial_inputs(graph, side)
    axes: dict[str, dict[int, str]] = {name: {0: "batch"} for name in (*graph.inputs, *graph.outputs)}
    if isinstance(graph.model, YOLOv4):
        axes["images"] |= {2: "height", 3: "width"}
        for name in graph.outputs:
            axes[name] |= (
                {1: f"{name}_1"} if name in ("boxes", "scores") else {1: f"{name}_h", 2: f"{name}_w"}
            )
    with warnings.catch_warnings():
        # They say that this exporter is the older one, and that some sizes stay as they are.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph, tuple(inputs.values()), str(path), dynamo=False, opset_version=OPSET,
            input_names=list(graph.inputs), output_names=list(graph.outputs), dynamic_axes=axes,
        )  # fmt: skip


@contextmanager
def captured_simam(backbone: Backbone) -> Iterator[dict[int, Tensor]]:
    """While open, a forward pass leaves each stage's SimAM weights (B, h, w), mean over channels, by stride.

    A stage's last GS module answers for it; where a backbone has none (YOLOv4), the same formula is applied
    to the stage's output. Hooks are removed on leaving, also after an error.
    """
    maps: dict[int, Tensor] = {}
    handles = []
    for stage, stride in zip(list(backbone.stages)[-3:], STRIDES, strict=True):
        modules = [module for module in stage.modules() if isinstance(module, GSModule)]
        # What enters a SimAM: a fused kernel calls the SimAM itself past its hooks.
        target: nn.Module = modules[-1].body if modules else stage
        simam = modules[-1].attention if modules else SimAM()

        def keep(
            _: nn.Module,
            inputs: tuple[Tensor, ...],
            output: Tensor,
            stride: int = stride,
            simam: SimAM = simam,
        ) -> None:
            maps[stride] = torch.sigmoid(simam.energy(output)).mean(dim=1)

        handles.append(target.register_forward_hook(keep))
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


class _MishOperator(torch.autograd.Function):
    """Mish that exports as ONNX's operator, which OpenVINO fuses into the convolution before it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.mish(x)

    @staticmethod
    def symbolic(graph: Any, x: Any) -> Any:
        return graph.op("Mish", x).setType(x.type())


class _ExportedMish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _MishOperator.apply(x)
        return result


def replace_mish(module: nn.Module) -> None:
    """Have every Mish of a module export as ONNX's operator, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Mish | QuickMish):
            setattr(module, name, _ExportedMish())
        else:
            replace_mish(child)
