"""The process that exports weights for an engine and compares the export with PyTorch.

Run by :mod:`core.inference.engines.export_cache` as ``python -m core.inference.engines.export_process
WEIGHTS ENGINE FOLDER``. It writes ``model.onnx`` and ``agreement.json``; the last line on stderr is the
reason where it fails.
"""

from __future__ import annotations

import copy
import json
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import LapelError
from core.files import atomic_write
from core.inference.engines.engine import Engine, open_export
from core.inference.engines.export_cache import (
    AGREEMENT_FILE,
    MODEL_FILE,
    REFUSED_WEIGHTS,
    TOLERANCE,
    engine_version,
)
from core.inference.engines.pytorch import PyTorchEngine
from core.models.graphs import ClassifierGraph, Graph, export_onnx, load_graph

ROUNDING_FACTOR = 3.0
"""Weights that make more than ``TOLERANCE`` of rounding may differ by this times PyTorch's own error,
which is its distance from float64, and by no more than ``LARGEST_TOLERANCE``."""

LARGEST_TOLERANCE = 1e-2

TRIAL_SIDES = ((160, 128), (96, 192))
"""Heights and widths of a detector's trial pictures: an export has to take both orientations."""


def export_for(path: Path, engine: str, folder: Path) -> dict[str, Any]:
    """Write the export of a weights file for an engine into a folder, with what its agreement is."""
    exported, _ = load_graph(path, mish="operator" if engine == "openvino" else "exponential")
    export_onnx(exported, folder / MODEL_FILE)
    graph, _ = load_graph(path)
    reference = PyTorchEngine(graph)
    differences = compare(reference, open_export(engine, folder / MODEL_FILE), graph)
    tolerances = dict.fromkeys(differences, TOLERANCE)
    if any(differences[name] > TOLERANCE for name in differences):
        rounding = compare(reference, PyTorchEngine(copy.deepcopy(graph).double()), graph)
        tolerances = {name: tolerance_of(rounding[name]) for name in differences}
    agreement = {
        "weights": path.name,
        "sha256": sha256((folder / MODEL_FILE).read_bytes()).hexdigest(),
        "engine": f"{engine} {engine_version(engine)}",
        "reference": f"torch {version('torch')}",
        "differences": differences,
        "tolerances": tolerances,
        "agrees": all(value <= tolerances[name] for name, value in differences.items()),
    }
    with atomic_write(folder / AGREEMENT_FILE) as file:
        file.write(json.dumps(agreement, indent=1).encode())
    return agreement


def tolerance_of(rounding: float) -> float:
    """How far an output may differ where PyTorch rounds so much, both in the units of :func:`compare`."""
    return min(LARGEST_TOLERANCE, max(TOLERANCE, ROUNDING_FACTOR * rounding))


def compare(reference: Engine, other: Engine, graph: Graph) -> dict[str, float]:
    """The greatest difference of each output on trial pictures, in the units of ``TOLERANCE``.

    Not-a-number in one of them is a difference of infinity.
    """
    worst: dict[str, float] = {}
    for inputs in _trials(graph):
        ours, theirs = (engine.run(inputs, graph.outputs) for engine in (reference, other))
        for name in graph.outputs:
            scale = float(np.abs(ours[name]).max()) or 1.0
            shape = inputs["images"].shape
            a, b = (_comparable(name, found[name], shape, scale) for found in (ours, theirs))
            difference = float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")
            worst[name] = max(worst.get(name, 0.0), difference if difference == difference else float("inf"))
    return worst


def _comparable(name: str, values: np.ndarray, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """An output in units that a person can judge: boxes as shares of the picture, logits as probabilities.

    Those without a unit are shares of ``scale``, the reference's greatest value.
    """
    values = values.astype(np.float64)
    if name == "boxes":
        sides = np.array([shape[3], shape[2]] * 2, dtype=np.float64)
        return np.clip(values / sides, 0, 1)
    if name == "logits":
        exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)
    if name in ("embedding", "class_activation"):
        return values / scale
    return values


def _trials(graph: Graph) -> list[dict[str, np.ndarray]]:
    """Pictures of noise and of soft shapes, always the same, two a batch."""
    rng = np.random.default_rng(0)
    if isinstance(graph, ClassifierGraph):
        return [
            {"images": picture * 2 - 1, "targets": np.array([-1, 0])}
            for picture in _pictures(rng, graph.size, graph.size)
        ]
    return [{"images": picture} for sides in TRIAL_SIDES for picture in _pictures(rng, *sides)]


def _pictures(rng: np.random.Generator, height: int, width: int) -> list[np.ndarray]:
    noise = rng.random((2, 3, height, width), dtype=np.float32)
    coarse = rng.random((2, 3, -(-height // 32), -(-width // 32)), dtype=np.float32)
    return [noise, coarse.repeat(32, axis=2).repeat(32, axis=3)[:, :, :height, :width]]


def main() -> int:
    """Export what the command line names; returns the exit status."""
    path, engine, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    try:
        export_for(path, engine, folder)
    except LapelError as error:
        print(error, file=sys.stderr)
        return REFUSED_WEIGHTS
    return 0


if __name__ == "__main__":
    sys.exit(main())
