"""OpenVINO's engine compiles the shapes that come often, and answers the same in between."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models.graphs import export_onnx, load_graph
from tests.weights import save_detector

pytest.importorskip("openvino", reason="OpenVINO is an extra: make openvino")

from openvino import Core

from core.inference.engines import openvino
from core.inference.engines.pytorch import PyTorchEngine


def test_many_shapes_are_answered_and_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name, few in (("MOST_SHAPES", 3), ("COMPILED_AT_ONCE", 1), ("COMPILED_FROM", 2)):
        monkeypatch.setattr(openvino, name, few)  # compiling a shape takes most of a second
    weights = save_detector(tmp_path / "d.safetensors")
    graph, _ = load_graph(weights, mish="operator")
    export_onnx(graph, tmp_path / "d.onnx")
    engine, reference = openvino.OpenVINOEngine(tmp_path / "d.onnx"), PyTorchEngine.load(weights)
    compiled = watch_compiling(monkeypatch)
    rng = np.random.default_rng(0)
    for _ in range(openvino.COMPILED_FROM):
        for side in range(1, openvino.MOST_SHAPES + 3):
            pictures = rng.random((1, 3, 64, 32 * side), dtype=np.float32)
            ours, theirs = (each.run({"images": pictures}, ["scores"]) for each in (engine, reference))
            np.testing.assert_allclose(ours["scores"], theirs["scores"], atol=2e-2)
    gc.collect()
    in_memory = [model for model in compiled if model() is not None]
    assert len(in_memory) == openvino.MOST_SHAPES + 1, "and one for all other shapes"
    assert len(compiled) > len(in_memory)


def watch_compiling(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """Weak references to all models that OpenVINO compiles from now on; each holds a copy of the weights."""
    compiled: list[weakref.ref[Any]] = []
    compile_model = Core.compile_model

    def compile_and_watch(*arguments: Any) -> Any:
        model = compile_model(*arguments)
        compiled.append(weakref.ref(model))
        return model

    monkeypatch.setattr(Core, "compile_model", compile_and_watch)
    return compiled
