"""PyTorch as an engine: the reference that exports are checked against, and the one that runs on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from core.models.graphs import Graph, load_graph
from core.threads import torch_computes


class PyTorchEngine:
    """A graph on a device, in eval mode. One forward pass at a time: on the CPU of all engines, as each takes
    all cores that are free, on a GPU of this one."""

    name, parallel = "pytorch", False

    def __init__(self, graph: Graph, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.graph = graph.to(self.device).eval()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> PyTorchEngine:
        """The graph of a weights file. Raises WeightsError."""
        return cls(load_graph(path)[0], device)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.graph.outputs

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        given = [self._tensor(inputs[name]) for name in self.graph.inputs]  # in the network's own precision
        with torch_computes() if self.device.type == "cpu" else self._lock:
            found = dict(zip(self.graph.outputs, self.graph(*given), strict=True))
        return {name: found[name].float().cpu().numpy() for name in outputs}

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(values).to(self.device)
        if tensor.is_floating_point():
            tensor = tensor.to(next(self.graph.parameters()).dtype)
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
