"""OpenVINO (Apache-2.0) as an engine, where it is installed: the fastest on Intel's CPUs."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from core.threads import SLOTS, cores

MOST_SHAPES, COMPILED_AT_ONCE, COMPILED_FROM = 8, 3, 5
"""Compiled shapes that are kept, the least recently used goes: each holds a copy of the weights."""

_Shapes = tuple[tuple[int, ...], ...]


class OpenVINOEngine:
    """An exported graph, compiled for the shapes of inputs that come often.

    Fixed shapes run twice as fast as free ones, and compiling one takes as long as some ten forward passes.
    The first three shapes are compiled at once, others when they come for the fifth time. A forward pass is
    one thread's, a *stream*. float32 also where the processor has bfloat16: that would differ in the second
    digit.
    """

    name, parallel = "openvino", True

    def __init__(self, path: Path) -> None:
        self._core = openvino.Core()
        self._path, streams = path, cores()
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
        }
        model = self._core.read_model(path)
        self._inputs = [given.any_name for given in model.inputs]
        self.outputs: tuple[str, ...] = tuple(output.any_name for output in model.outputs)
        self._lock = threading.Lock()
        self._compiled: OrderedDict[_Shapes, _Compiled] = OrderedDict()
        self._free_shapes: _Compiled | None = None
        self._seen: Counter[_Shapes] = Counter()

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        given = {name: inputs[name] for name in self._inputs}
        with SLOTS.taken():
            return self._compiled_for(given).run(given, outputs)

    def _compiled_for(self, inputs: Mapping[str, np.ndarray]) -> _Compiled:
        shapes = tuple(values.shape for values in inputs.values())
        with self._lock:
            self._seen[shapes] += 1
            if shapes not in self._compiled:
                if len(self._compiled) >= COMPILED_AT_ONCE and self._seen[shapes] < COMPILED_FROM:
                    self._free_shapes = self._free_shapes or self._compile()
                    return self._free_shapes
                self._compiled[shapes] = self._compile({name: list(a.shape) for name, a in inputs.items()})
            self._compiled.move_to_end(shapes)
            if len(self._compiled) > MOST_SHAPES:
                self._seen[self._compiled.popitem(last=False)[0]] = 0
            return self._compiled[shapes]

    def _compile(self, shapes: dict[str, list[int]] | None = None) -> _Compiled:
        model = self._core.read_model(self._path)
        if shapes:
            model.reshape(shapes)
        return _Compiled(self._core.compile_model(model, "CPU", self._settings))


class _Compiled:
    """A compiled model with its infer requests, one for each forward pass that runs at the same time."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._free: list[Any] = []

    def run(self, inputs: dict[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        try:
            request = self._free.pop()
        except IndexError:
            request = self._model.create_infer_request()
        found = request.infer(inputs)
        result = {name: np.array(found[name]) for name in outputs}  # the request's memory is used again
        self._free.append(request)
        return result
