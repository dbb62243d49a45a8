"""Averages of weights: a training's moving one (Polyak averaging, as in YOLOv4), and several models' mean."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from core.errors import WeightsError


class MovingAverage(Callback):
    """Keeps an exponential moving average of ``module.model`` and validates with it; saved with checkpoints.

    The decay warms up as ``decay * (1 - exp(-step / warmup))``, so that the first weights fade quickly.
    """

    def __init__(self, decay: float, warmup_steps: int = 300) -> None:
        self.decay, self.warmup_steps, self.steps = decay, warmup_steps, 0
        self.average: nn.Module | None = None
        self._pending: dict[str, Any] | None = None
        self._live: dict[str, torch.Tensor] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.average = copy.deepcopy(model_of(pl_module)).requires_grad_(False).eval()
        if self._pending is not None:
            self.average.load_state_dict(self._pending)
            self._pending = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        average = self._ready()
        self.steps += 1
        decay = self.decay * (1 - torch.exp(torch.tensor(-self.steps / self.warmup_steps)).item())
        live = model_of(pl_module).state_dict()
        with torch.no_grad():
            for name, value in average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(live[name].to(value.dtype), 1 - decay)
                else:
                    value.copy_(live[name])

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.average is None or trainer.sanity_checking:
            return
        model = model_of(pl_module)
        self._live = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.average.state_dict())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._live is not None:
            model_of(pl_module).load_state_dict(self._live)
            self._live = None

    def _ready(self) -> nn.Module:
        if self.average is None:
            raise RuntimeError("the moving average exists only while a trainer runs")
        return self.average

    def state_dict(self) -> dict[str, Any]:
        average = None if self.average is None else self.average.state_dict()
        return {"steps": self.steps, "average": average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps = state_dict["steps"]
        self._pending = state_dict["average"]


def model_of(pl_module: LightningModule) -> nn.Module:
    """The network under training: ``module.model``, without the loss beside it."""
    return cast(nn.Module, pl_module.model)


def average_of(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several models that went on from one another (model soups, Wortsman et al. 2022).

    It only means something for weights of one basin: one start, alike recipes. Raises WeightsError where
    names or shapes differ.
    """
    first = states[0]
    for other in states[1:]:
        if other.keys() != first.keys() or any(other[name].shape != first[name].shape for name in first):
            raise WeightsError("expected weights of one model to average, got different ones")
    return {name: torch.stack([state[name].float() for state in states]).mean(dim=0) for name in first}
