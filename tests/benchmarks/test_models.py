"""The benchmark of networks: every engine takes its turn, and ratios are those of the rounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import models as benchmark
from core.inference.engines.engine import is_installed


def test_networks_run_in_every_engine_that_is_installed(tmp_path: Path) -> None:
    chosen = benchmark.networks("pico")[:2]  # those of the paper's comparison
    pictures = np.random.default_rng(0).random((1, 3, 64, 96), dtype=np.float32)
    small = [replace(network, inputs={"images": pictures}) for network in chosen]
    engines = [name for name in benchmark.ENGINES if is_installed(name)]
    runs = benchmark.passes(small, engines, None, tmp_path)
    assert list(runs) == [(network.name, engine) for network in chosen for engine in engines]
    taken = benchmark.take_turns(runs, 2)
    assert all(len(values) == 2 and min(values) > 0 for values in taken.values())
    shares = benchmark.ratios(taken, engines, "pico")
    assert set(shares["full: yolov4-gs / yolov4"]) == set(engines)


def test_another_detector_is_measured_beside(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    import onnx
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [1, 3, 32, 64])
    result = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 32, 64])
    graph = helper.make_graph([helper.make_node("Relu", ["pictures"], ["out"])], "other", [given], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "other.onnx")
    runs = benchmark.passes([], ["pytorch", "onnxruntime"], tmp_path / "other.onnx", tmp_path)
    assert list(runs) == [("beside", "onnxruntime")]
    assert runs["beside", "onnxruntime"]()["out"].shape == (1, 3, 32, 64)  # type: ignore[index]


def test_ratios_are_medians_over_the_rounds() -> None:
    taken = {
        ("yolov4 full", "pytorch"): [10.0, 20.0, 10.0],
        ("yolov4-gs full", "pytorch"): [5.0, 16.0, 9.0],
        ("yolov4 full", "onnxruntime"): [5.0, 5.0, 5.0],
        ("yolov4-gs full", "onnxruntime"): [4.0, 4.0, 4.0],
    }
    shares = benchmark.ratios(taken, ["pytorch", "onnxruntime"], "full")
    assert shares["full: yolov4-gs / yolov4"] == {"pytorch": 0.8, "onnxruntime": 0.8}
    assert shares["yolov4 full: engine / pytorch"] == {"onnxruntime": 0.5}
    assert "nano: yolov4-gs / beside" not in shares
