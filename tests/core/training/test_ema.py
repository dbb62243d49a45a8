import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from core.errors import WeightsError
from core.training.ema import MovingAverage, average_of


def module_with(weight):
    """A module under training with one weight, and a counter as batch norm has."""
    model = nn.Linear(1, 1, bias=False)
    model.register_buffer("steps", torch.tensor(0))
    nn.init.constant_(model.weight, weight)
    return SimpleNamespace(model=model)


TRAINER = SimpleNamespace(sanity_checking=False)


def started(weight=0.0, **settings):
    average, module = MovingAverage(**settings), module_with(weight)
    average.on_fit_start(TRAINER, module)
    return average, module


def step(average, module, weight):
    nn.init.constant_(module.model.weight, weight)
    module.model.steps += 1
    average.on_train_batch_end(TRAINER, module)


def test_a_step_moves_the_average_by_what_the_decay_leaves():
    average, module = started(0.0, decay=0.9, warmup_steps=2)
    step(average, module, 1.0)
    first = 0.9 * (1 - math.exp(-0.5))  # 0.354
    assert average.average.weight.item() == pytest.approx(1 - first)
    step(average, module, 2.0)
    second = 0.9 * (1 - math.exp(-1))  # 0.569
    assert average.average.weight.item() == pytest.approx(second * (1 - first) + (1 - second) * 2)


def test_the_decay_ends_at_its_full_value():
    average, module = started(0.0, decay=0.9, warmup_steps=1)
    average.steps = 1000
    step(average, module, 1.0)
    assert average.average.weight.item() == pytest.approx(0.1, rel=1e-5)


def test_an_average_of_equal_weights_is_these_weights():
    average, module = started(0.25, decay=0.99)
    for _ in range(20):
        step(average, module, 0.25)
    assert average.average.weight.item() == 0.25


def test_counters_are_copied_not_averaged():
    average, module = started(decay=0.9)
    step(average, module, 1.0)
    step(average, module, 1.0)
    assert average.average.steps.item() == 2


def test_validation_sees_the_average_and_training_goes_on_with_its_own_weights():
    average, module = started(0.0, decay=0.9, warmup_steps=1)
    step(average, module, 1.0)
    averaged = average.average.weight.item()
    average.on_validation_start(TRAINER, module)
    assert module.model.weight.item() == averaged
    average.on_validation_end(TRAINER, module)
    assert module.model.weight.item() == 1.0
    assert average.average.weight.item() == averaged


def test_a_sanity_check_sees_the_weights_themselves():
    average, module = started(0.0, decay=0.9)
    step(average, module, 1.0)
    average.on_validation_start(SimpleNamespace(sanity_checking=True), module)
    assert module.model.weight.item() == 1.0


def test_a_saved_average_goes_on_as_if_never_saved():
    average, module = started(0.0, decay=0.9, warmup_steps=5)
    step(average, module, 1.0)
    other = MovingAverage(0.9, warmup_steps=5)
    other.load_state_dict(average.state_dict())
    other.on_fit_start(TRAINER, module)
    for weight in (2.0, 3.0):
        step(average, module, weight)
        step(other, module, weight)
    assert other.average.weight.item() == average.average.weight.item()


def test_without_a_running_trainer_there_is_no_average():
    with pytest.raises(RuntimeError, match="only while a trainer runs"):
        MovingAverage(0.9).on_train_batch_end(TRAINER, module_with(0.0))
    assert MovingAverage(0.9).state_dict() == {"steps": 0, "average": None}


def test_the_mean_of_models_is_that_of_each_tensor_and_needs_one_shape():
    one, two = {"a": torch.tensor([1.0, 3.0])}, {"a": torch.tensor([2.0, 5.0])}
    assert average_of([one, two])["a"].tolist() == [1.5, 4.0]
    assert average_of([one])["a"].tolist() == [1.0, 3.0]
    for other in ({"b": one["a"]}, {"a": torch.zeros(3)}):
        with pytest.raises(WeightsError, match="weights of one model to average"):
            average_of([one, other])
