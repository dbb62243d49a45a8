"""ONNX Runtime (MIT) as an engine: the default on a CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

FATAL_ONLY = 4


class OnnxRuntimeEngine:
    """An exported graph in a session of ONNX Runtime. Its threads sleep between operations."""

    name = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = FATAL_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = [given.name for given in self._session.get_inputs()]
        self.outputs: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        found = self._session.run(list(outputs), {name: inputs[name] for name in self._inputs})
        return dict(zip(outputs, found, strict=True))
