"""Networks engine by engine: milliseconds of one forward pass on one core, in one run, turn by turn.

Run with ``python -m benchmarks.models``; the table goes to stderr, one line of JSON to stdout. Measured are
YOLOv4 and YOLOv4-GS at full size, ``nano``, and both networks that ship, in PyTorch and in every exported
engine that is installed. ``--beside FILE.onnx`` measures any other detector of fixed input in the same turns,
for example a YOLO11n that its own tool exported. Weights of the full sizes are random: they change no figure.
All take turns, so that what else the machine does falls on each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe_machine, machine_line, named_path
from core.inference.costs import row_of, take_turns
from core.inference.engines.engine import Engine, is_installed, open_export
from core.inference.engines.pytorch import PyTorchEngine
from core.models.cards import WEIGHTS_FOLDER
from core.models.graphs import DetectorGraph, Graph, export_onnx, load_graph, replace_mish
from core.models.loading import fuse_for_inference
from core.models.yolov4 import YOLOv4

PACKAGES = ("torch", "onnxruntime", "openvino")
ENGINES = ("pytorch", "onnxruntime", "openvino")
FULL, NANO = (416, 416), (416, 288)
CROPS = 4
BESIDE = "LAPEL_BENCH_BESIDE"
AIMS = {"full: yolov4-gs / yolov4": 0.70, "nano: yolov4-gs / beside": 1.0}


@dataclass(frozen=True)
class Network:
    """A network to measure: how its graph is made anew (an export changes it), and its input."""

    name: str
    make: Callable[[], Graph]
    inputs: Mapping[str, np.ndarray]


def networks(preset: str) -> list[Network]:
    """The networks, those of the papers at a preset, with inputs of noise."""
    shipped = load_graph(WEIGHTS_FOLDER / "detector.safetensors")[1].input_size
    crops = {"images": _noise(CROPS, 224, 224) * 2 - 1, "targets": np.full(CROPS, -1)}
    return [
        Network(f"yolov4 {preset}", lambda: _random(preset, ghost=False), {"images": _noise(1, *FULL)}),
        Network(f"yolov4-gs {preset}", lambda: _random(preset, ghost=True), {"images": _noise(1, *FULL)}),
        Network("yolov4-gs nano", lambda: _random("nano", ghost=True), {"images": _noise(1, *NANO)}),
        Network("detector that ships", lambda: _shipped("detector"), {"images": _noise(1, shipped, 352)}),
        Network(f"classifier that ships, {CROPS} crops", lambda: _shipped("classifier"), crops),
    ]


def _noise(*shape: int) -> np.ndarray:
    batch, height, width = shape
    return np.random.default_rng(0).random((batch, 3, height, width), dtype=np.float32)


def _random(preset: str, *, ghost: bool) -> Graph:
    torch.manual_seed(0)
    model = YOLOv4(preset, 13, ghost=ghost)
    fuse_for_inference(model)
    return DetectorGraph(model).eval()


def _shipped(kind: str) -> Graph:
    return load_graph(WEIGHTS_FOLDER / f"{kind}.safetensors")[0]


def engine_of(network: Network, name: str, folder: Path) -> Engine:
    """The network in an engine, exported as for use."""
    graph = network.make()
    if name == "pytorch":
        return PyTorchEngine(graph)
    if name == "openvino":
        replace_mish(graph)
    path = folder / f"{network.name}-{name}.onnx".replace(" ", "-").replace(",", "")
    export_onnx(graph, path)
    return open_export(name, path)


Pass = Callable[[], object]


def passes(
    chosen: Sequence[Network], engines: Sequence[str], beside: Path | None, folder: Path
) -> dict[tuple[str, str], Pass]:
    """A forward pass of each network in each engine: what is timed, by both names."""
    found: dict[tuple[str, str], Pass] = {}
    for network in chosen:
        for name in engines:
            engine = engine_of(network, name, folder)
            wanted = ("boxes", "scores") if "boxes" in engine.outputs else ("logits", "embedding")
            found[network.name, name] = lambda e=engine, n=network, w=wanted: e.run(n.inputs, w)  # type: ignore[misc]
    for name in engines if beside else ():
        if name == "pytorch":
            continue
        other = open_export(name, beside)
        inputs = _inputs_of(beside)
        found["beside", name] = lambda e=other, i=inputs: e.run(i, e.outputs)  # type: ignore[misc]
    return found


def _inputs_of(path: Path) -> dict[str, np.ndarray]:
    """Noise for a foreign network's only input, whose sizes are fixed."""
    import onnxruntime

    (given,) = onnxruntime.InferenceSession(str(path)).get_inputs()
    batch, _, height, width = given.shape
    return {given.name: _noise(batch, height, width)}


def ratios(
    taken: Mapping[tuple[str, str], Sequence[float]], engines: Sequence[str], preset: str
) -> dict[str, dict[str, float]]:
    """Medians of the rounds' ratios by engine: the papers' savings, each engine's, and the network beside."""
    pairs = {
        "full: yolov4-gs / yolov4": (f"yolov4-gs {preset}", f"yolov4 {preset}"),
        "nano: yolov4-gs / beside": ("yolov4-gs nano", "beside"),
    }
    found: dict[str, dict[str, float]] = {}
    for name, (ours, theirs) in pairs.items():
        for engine in engines:
            if (ours, engine) in taken and (theirs, engine) in taken:
                share = _ratio(taken[ours, engine], taken[theirs, engine])
                found.setdefault(name, {})[engine] = share
    for network in dict.fromkeys(name for name, _ in taken if name != "beside"):
        for engine in engines[1:]:
            share = _ratio(taken[network, engine], taken[network, engines[0]])
            found.setdefault(f"{network}: engine / {engines[0]}", {})[engine] = share
    return found


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3)


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--preset", default="full", help="of YOLOv4 and YOLOv4-GS in the paper's comparison")
    parser.add_argument(
        "--beside",
        type=Path,
        default=named_path(BESIDE),
        help=f"an ONNX file of another detector, also as {BESIDE}",
    )
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # as many threads as engines take
    engines = [name for name in ENGINES if is_installed(name)]
    with tempfile.TemporaryDirectory() as folder:
        runs = passes(networks(options.preset), engines, options.beside, Path(folder))
        taken = take_turns(runs, max(2, options.repeats))
    rows = {f"{network} · {engine}": row_of(values) for (network, engine), values in taken.items()}
    beside = options.beside.name if options.beside else ""
    report(rows, ratios(taken, engines, options.preset), options.repeats, beside)


def report(
    rows: dict[str, dict[str, float]], shares: dict[str, dict[str, float]], repeats: int, beside: str
) -> None:
    """The table on stderr, the JSON line on stdout."""
    told = f"one forward pass on one core, {repeats} rounds{f', beside: {beside}' if beside else ''}"
    print(f"{told}; {machine_line(PACKAGES)}", file=sys.stderr)
    print(f"{'':52}{'median ms':>10}{'quartiles':>18}", file=sys.stderr)
    for name, row in rows.items():
        quartiles = f"{row['low_ms']:.1f} to {row['high_ms']:.1f}"
        print(f"{name:52}{row['median_ms']:10.1f}{quartiles:>18}", file=sys.stderr)
    for name, by_engine in shares.items():
        aim = f"  (aim {AIMS[name]})" if name in AIMS else ""
        print(f"{name:52}{'  '.join(f'{e} {s:.2f}' for e, s in by_engine.items())}{aim}", file=sys.stderr)
    line = {"benchmark": "models", "repeats": repeats, "beside": beside, "rows": rows, "ratios": shares}
    print(json.dumps(line | {"aims": AIMS, "machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
