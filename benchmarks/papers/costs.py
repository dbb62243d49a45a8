"""What the networks of both papers cost: parameters, multiply-adds, bytes, and milliseconds in turns."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.machine import describe_machine
from benchmarks.models import ENGINES, Pass, row_of, take_turns
from benchmarks.papers.experiments import TITLES
from core.files import atomic_write, current_commit
from core.inference.engines.engine import Engine, is_installed, open_export
from core.inference.engines.pytorch import PyTorchEngine
from core.models.classifier import ClassifierNetwork
from core.models.cost import summarize_model
from core.models.graphs import (
    CandidateGraph,
    ClassifierGraph,
    DetectorGraph,
    Graph,
    export_onnx,
    replace_mish,
)
from core.models.loading import fuse_for_inference
from core.models.registry import is_exported, model_config
from core.models.yolov4 import YOLOv4

PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino")
CLASSES = {"detector": 13, "classifier": 50}
DETECTORS = ("yolov4", "yolov4-gs", "ssd", "retinanet", "faster-rcnn", "r-fcn")
CLASSIFIERS = ("mobilenet", "mobilenet-mha", "vgg16")
SAVINGS = {"yolov4-gs": "yolov4", "mobilenet": "vgg16", "mobilenet-mha": "vgg16"}
"""Whose cost is set against whose: volume and backbone of the first paper, "32 times smaller, 10 times
faster" of the second."""


def measure_costs(out: Path, repeats: int, quick: bool = False) -> dict[str, Any]:
    """Count and time every network at the papers' size with random weights, and write ``costs.json``."""
    os.environ["OMP_NUM_THREADS"] = "1"  # as many threads as engines take
    engines = [name for name in ENGINES if is_installed(name)][: 1 if quick else None]
    networks = []
    passes: dict[tuple[str, str], Pass] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, names in (("detector", DETECTORS), ("classifier", CLASSIFIERS)):
            for name in names:
                networks.append(counted(name, CLASSES[kind]))
                passes |= timed(name, CLASSES[kind], engines, Path(folder))
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


def timed(name: str, classes: int, engines: Sequence[str], folder: Path) -> dict[tuple[str, str], Pass]:
    """A forward pass of one picture in each engine that runs the network, fused as it is served."""
    config = model_config(name, classes=classes)
    torch.manual_seed(0)
    found: dict[tuple[str, str], Pass] = {}
    for engine_name in engines:
        if engine_name != "pytorch" and not is_exported(name):
            continue
        engine = _opened(_graph(config.build().eval(), config.size), engine_name, folder / name, config.size)
        picture = np.random.default_rng(0).random((1, 3, config.size, config.size), dtype=np.float32)
        inputs: dict[str, np.ndarray] = {"images": picture}
        outputs: tuple[str, ...] = ("boxes", "scores")
        if "boxes" not in engine.outputs:
            inputs["targets"], outputs = np.full(1, -1), ("logits",)
        found[name, engine_name] = lambda e=engine, i=inputs, o=outputs: e.run(i, o)  # type: ignore[misc]
    return found


def _graph(model: nn.Module, size: int) -> Graph:
    fuse_for_inference(model)
    if isinstance(model, YOLOv4):
        return DetectorGraph(model).eval()
    return (
        ClassifierGraph(model, size) if isinstance(model, ClassifierNetwork) else CandidateGraph(model)
    ).eval()


def _opened(graph: Graph, engine: str, stem: Path, size: int) -> Engine:
    if engine == "pytorch":
        return PyTorchEngine(graph)
    if engine == "openvino":
        replace_mish(graph)
    path = stem.with_name(f"{stem.name}-{engine}.onnx")
    export_onnx(graph, path, size)  # type: ignore[arg-type]
    return open_export(engine, path)
