"""The interface of an engine, and the choice of one by ``LAPEL_ENGINE``. Loads torch only for PyTorch.

``auto`` takes PyTorch where there is a GPU, else OpenVINO where it is installed (an extra), else ONNX
Runtime, else PyTorch. An export that cannot be made, or that does not agree with PyTorch, is not served:
PyTorch is, and the log says why. Some detectors run in PyTorch only (``is_exported`` in
:mod:`core.models.registry`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from core.errors import EngineError, WeightsError
from core.inference.engines.export_cache import exported
from core.models.cards import ModelCard, read_card
from core.models.registry import is_exported
from core.threads import IMPORTS

log = logging.getLogger("lapel.engines")

VARIABLE = "LAPEL_ENGINE"
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "pytorch": "torch"}
"""The engines, each with the package that it needs."""

ENGINES = ("auto", *PACKAGES)
GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
"""One of them is there where CUDA may be: PyTorch is asked only then, for loading it takes seconds."""


class Engine(Protocol):
    """A network ready to run. Safe to share between threads; see ``SLOTS`` for how many run at once."""

    name: str
    parallel: bool
    """Whether forward passes of several threads run at the same time, each on one core."""

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """The named outputs of a forward pass, float32, batch first; see :mod:`core.models.graphs`."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all outputs."""
        ...


def open_engine(
    path: Path, kind: str, device: str = "auto", engine: str | None = None
) -> tuple[Engine, ModelCard]:
    """The engine that runs the weights of a "detector" or "classifier", and their card.

    ``device`` is auto, cpu, cuda, cuda:1, mps: all but auto and cpu are PyTorch's. ``engine`` is one of
    ``ENGINES``, by default what ``LAPEL_ENGINE`` says. Raises WeightsError where the weights cannot serve,
    EngineError where the engine is unknown or not installed, or the device is not there.
    """
    card = read_card(path)
    if card.kind != kind:
        raise WeightsError(f"expected a {kind}'s weights in {path.name}, got a {card.model} {card.kind}")
    name, device = choose_engine(engine or os.environ.get(VARIABLE) or "auto", device)
    if name != "pytorch" and not is_exported(card.model):
        log.warning("PyTorch serves %s: %s runs in PyTorch only", path.name, card.model)
    elif name != "pytorch":
        export = exported(path, card, name)
        try:
            if export is not None:
                return open_export(name, export), card
        except Exception as error:  # what a runtime raises for a graph that it does not take is its own
            log.warning("PyTorch serves %s: %s does not load its export: %s", path.name, name, error)
    require_device(device)
    with IMPORTS:
        from core.inference.engines.pytorch import PyTorchEngine

    return PyTorchEngine.load(path, device), card


def prepare_engine(path: Path) -> None:
    """Export a weights file for the engine that would run it, before anybody waits for it.

    Raises WeightsError where the weights cannot serve, EngineError as ``open_engine`` does.
    """
    name, _ = choose_engine(os.environ.get(VARIABLE) or "auto")
    card = read_card(path)
    if name != "pytorch" and is_exported(card.model):
        exported(path, card, name)


def choose_engine(wanted: str, device: str = "auto") -> tuple[str, str]:
    """The engine and the device: ("onnxruntime", "cpu"), ("pytorch", "cuda"). Raises EngineError."""
    if wanted not in ENGINES:
        raise EngineError(f"expected {VARIABLE} to be one of {', '.join(ENGINES)}, got {wanted!r}")
    if wanted != "auto" and not is_installed(wanted):
        package = PACKAGES[wanted]
        raise EngineError(f"the engine {wanted} needs the package {package}: pip install {package}")
    if device not in ("auto", "cpu"):
        if wanted not in ("auto", "pytorch"):
            raise EngineError(f"the engine {wanted} runs on the CPU, not on {device}: set {VARIABLE}=pytorch")
        return "pytorch", device
    if device == "auto":
        device = "cuda" if wanted in ("auto", "pytorch") and has_gpu() else "cpu"
    if wanted != "auto":
        return wanted, device
    order = ("pytorch",) if device == "cuda" else ("openvino", "onnxruntime", "pytorch")
    return next(name for name in order if is_installed(name)), device


def require_device(device: str) -> None:
    """Raises EngineError for what is no device of PyTorch's, or one that this machine does not have."""
    if device in ("auto", "cpu"):  # PyTorch takes seconds to load
        return
    name, _, number = device.partition(":")
    is_index = number.isascii() and number.isdecimal() and len(number) < 5
    if name not in ("cuda", "mps") or not (is_index or device == name):
        raise EngineError(f"expected a device of auto, cpu, cuda, cuda:N or mps, got {device!r}")
    with IMPORTS:
        import torch
    there = torch.cuda.device_count() if name == "cuda" else int(torch.backends.mps.is_available())
    if not there:
        raise EngineError(f"{device} was asked for, and this machine offers no such GPU to PyTorch")
    if is_index and int(number) >= there:
        raise EngineError(f"expected one of {there} GPUs, counted from 0, got {device}")


def is_installed(engine: str) -> bool:
    """Whether an engine's package is there; it is not loaded."""
    return find_spec(PACKAGES[engine]) is not None


def has_gpu() -> bool:
    """Whether PyTorch can use an NVIDIA GPU."""
    if not any(Path(file).exists() for file in GPU_FILES):
        return False
    with IMPORTS:
        import torch

    return torch.cuda.is_available()


def open_export(name: str, path: Path) -> Engine:
    """The engine of an exported graph, without asking whether it agrees with PyTorch."""
    if name == "openvino":
        with IMPORTS:
            from core.inference.engines.openvino import OpenVINOEngine

        return OpenVINOEngine(path)
    with IMPORTS:
        from core.inference.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path)
