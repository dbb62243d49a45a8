import math
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

from core.training.ema import EMA


class Weight(LightningModule):
    """A module under training with one weight, and a counter as batch norm has."""

    def __init__(self, weight):
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)
        self.model.register_buffer("steps", torch.tensor(0))
        nn.init.constant_(self.model.weight, weight)


class Run:
    """The calls that Lightning makes, one weight a step."""

    def __init__(self, weight=0.0, **settings):
        self.ema, self.module = EMA(**settings), Weight(weight)
        self.trainer = SimpleNamespace(global_step=0, current_epoch=0)
        self.ema.setup(self.trainer, self.module, "fit")

    def step(self, weight):
        nn.init.constant_(self.module.model.weight, weight)
        self.module.model.steps += 1
        self.trainer.global_step += 1
        self.ema.on_train_batch_end(self.trainer, self.module, None, None, 0)

    def averaged(self):
        """The average of the weight, and the counter, as a checkpoint holds them."""
        checkpoint = {"state_dict": self.module.state_dict()}
        self.ema.on_save_checkpoint(self.trainer, self.module, checkpoint)
        state = checkpoint["state_dict"]
        return state["model.weight"].item(), state["model.steps"].item()


def test_a_step_moves_the_average_by_what_the_decay_leaves():
    run = Run(decay=0.9, warmup_steps=2)
    run.step(1.0)
    assert run.averaged() == (1.0, 1)  # the first step copies
    run.step(2.0)
    decay = 0.9 * (1 - math.exp(-1))  # 0.569
    assert run.averaged() == (pytest.approx(decay * 1 + (1 - decay) * 2), 2)


def test_the_decay_ends_at_its_full_value():
    run = Run(decay=0.9, warmup_steps=1)
    for _ in range(30):
        run.step(0.0)
    run.step(1.0)
    assert run.averaged()[0] == pytest.approx(0.1, rel=1e-5)


def test_an_average_of_equal_weights_is_these_weights():
    run = Run(0.25, decay=0.99)
    for _ in range(20):
        run.step(0.25)
    assert run.averaged() == (0.25, 20)


def test_validation_and_export_see_the_average_and_training_goes_on_with_its_own_weights():
    run = Run(decay=0.9, warmup_steps=1)
    run.step(1.0)
    run.step(3.0)
    averaged = run.averaged()[0]
    run.ema.on_validation_epoch_start(run.trainer, run.module)
    run.ema.on_validation_epoch_end(run.trainer, run.module)
    assert run.module.model.weight.item() == averaged != 3.0
    run.ema.on_validation_end(run.trainer, run.module)
    assert run.module.model.weight.item() == 3.0
    assert run.averaged()[0] == averaged
