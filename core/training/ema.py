"""The exponential moving average (EMA) of the weights under training, on Lightning's WeightAveraging."""

from __future__ import annotations

import math

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class EMA(WeightAveraging):
    """Validates, exports and saves the average of the weights; training goes on with the weights themselves.

    The decay warms up as ``decay * (1 - exp(-step / warmup_steps))``, so that the first weights fade quickly;
    the first step copies. Batch norm's statistics are averaged too, its counters are copied. A checkpoint
    holds the average under ``state_dict``.
    """

    def __init__(self, decay: float, warmup_steps: int = 300) -> None:
        def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
            if not current.is_floating_point():
                return current
            now = decay * (1 - math.exp(-(int(updates) + 1) / warmup_steps))
            return torch.lerp(averaged, current, 1 - now)

        super().__init__(avg_fn=average)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the average in place: callbacks come before the module, which logs its metrics here."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_epoch_end(trainer, pl_module)
