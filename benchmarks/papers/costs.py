"""What the networks of both papers cost: parameters, multiply-adds, bytes, and milliseconds in turns."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import describe_machine
from benchmarks.models import ENGINES, Pass, row_of, take_turns
from benchmarks.papers.experiments import BASELINES, TITLES
from core.files import atomic_write
from core.inference.engines.engine import is_installed, open_export
from core.inference.engines.pytorch import PyTorchEngine
from core.models.checkpoints import fuse_for_inference
from core.models.cost import summarize_model
from core.models.graphs import ClassifierGraph, DetectorGraph, export_onnx, replace_mish
from core.models.registry import model_config
from core.models.yolov4 import YOLOv4
from core.training.run import current_commit

PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino")
CLASSES = {"detector": 13, "classifier": 50}
DETECTORS = ("yolov4", "yolov4-gs", "ssd", "retinanet", "faster-rcnn", "r-fcn")
CLASSIFIERS = ("mobilenet", "mobilenet-mha", "vgg16")
SAVINGS = {"yolov4-gs": "yolov4", "mobilenet": "vgg16", "mobilenet-mha": "vgg16"}
"""Whose cost is set against whose: volume and backbone of the first paper, "32 times smaller, 10 times
faster" of the second."""


def measure_costs(out: Path, repeats: int, quick: bool = False) -> dict[str, Any]:
    """Count and time every network at the papers' size with random weights, and write ``costs.json``."""
    torch.set_num_threads(1)
    engines = [name for name in ENGINES if is_installed(name)]
    networks = []
    passes: dict[tuple[str, str], Pass] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, names in (("detector", DETECTORS), ("classifier", CLASSIFIERS)):
            for name in names:
                networks.append(counted(name, CLASSES[kind]))
                passes |= timed(name, CLASSES[kind], engines[:1] if quick else engines, Path(folder), quick)
        taken = take_turns(passes, max(2, repeats))
    for row in networks:
        row["milliseconds"] = {
            engine: row_of(values) for (name, engine), values in taken.items() if name == row["model"]
        }
    document = {
        "commit": current_commit(),
        "machine": describe_machine(PACKAGES),
        "repeats": repeats,
        "engines": engines,
        "networks": networks,
        "savings": savings(networks),
    }
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "costs.json") as handle:
        handle.write((json.dumps(document, indent=1) + "\n").encode())
    return document


def counted(name: str, classes: int) -> dict[str, Any]:
    """A network's summary at the papers' size."""
    return {"title": TITLES[name], "classes": classes, **summarize_model(name, classes=classes)}


def savings(networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How much less each network of ``SAVINGS`` costs than the other, as shares of the other's cost."""
    by_name = {row["model"]: row for row in networks}
    found = []
    for ours, theirs in SAVINGS.items():
        row: dict[str, Any] = {"model": ours, "than": theirs}
        for figure in ("parameters", "backbone_parameters", "macs", "backbone_macs", "bytes"):
            mine, other = by_name[ours][figure], by_name[theirs][figure]
            if mine is not None and other:
                row[figure] = round(1 - mine / other, 4)
        for engine, times in by_name[ours]["milliseconds"].items():
            other_times = by_name[theirs]["milliseconds"].get(engine)
            if other_times:
                row[f"{engine} ms"] = round(1 - times["median_ms"] / other_times["median_ms"], 4)
        found.append(row)
    return found


def timed(name: str, classes: int, engines: list[str], folder: Path) -> dict[tuple[str, str], Pass]:
    """A forward pass of one picture by engine: those that can run the network, fused as it is served.

    torchvision's detectors run in PyTorch, with their own resizing and suppression of boxes.
    """
    config = model_config(name, classes=classes)
    torch.manual_seed(0)
    model = config.build().eval()
    picture = np.random.default_rng(0).random((1, 3, config.size, config.size), dtype=np.float32)
    if name in BASELINES:
        return {(name, "pytorch"): lambda: _run(model, torch.from_numpy(picture[0]))}
    found: dict[tuple[str, str], Pass] = {}
    for engine_name in engines:
        graph = _graph(config.build().eval())
        if engine_name == "pytorch":
            engine = PyTorchEngine(graph)
        else:
            if engine_name == "openvino":
                replace_mish(graph)
            path = folder / f"{name}-{engine_name}.onnx"
            export_onnx(graph, path, config.size)
            engine = open_export(engine_name, path)
        inputs = {"images": picture}
        outputs = ("boxes", "scores")
        if "boxes" not in engine.outputs:
            inputs["targets"], outputs = np.full(1, -1), ("logits",)
        found[name, engine_name] = lambda e=engine, i=inputs, o=outputs: e.run(i, o)  # type: ignore[misc]
    return found


def _graph(model: nn.Module) -> DetectorGraph | ClassifierGraph:
    fuse_for_inference(model)
    return DetectorGraph(model) if isinstance(model, YOLOv4) else ClassifierGraph(model)


@torch.inference_mode()
def _run(model: nn.Module, picture: Tensor) -> object:
    return model([picture])
