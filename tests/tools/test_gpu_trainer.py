import pytest
import torch
from torch import nn

from tools.gpu_trainer import (
    Clock,
    GpuEMA,
    Schedule,
    fastest_layout,
    fit,
    optimizer_of,
)

CPU_STEPS = {"validate_seconds": 1e9, "watch": lambda state: None}


def test_the_rate_warms_up_and_ends_low():
    schedule = Schedule(1.0, warmup=0.1, last_rate=0.01)
    assert schedule.rate_at(0.0) == 0.02
    assert schedule.rate_at(0.05) == pytest.approx(0.5)
    assert schedule.rate_at(0.1) == pytest.approx(1.0)
    assert schedule.rate_at(0.55) == pytest.approx(0.505)
    assert schedule.rate_at(1.0) == pytest.approx(0.01)


def test_a_clock_without_time_is_at_its_end():
    assert Clock(0.0).progress == 1.0
    hands = [5.0]
    clock = Clock(100.0, lambda: hands[0])
    assert (clock.progress, clock.left) == (0.0, 100.0)
    hands[0] += 25
    assert (clock.passed, clock.progress, clock.left) == (25.0, 0.25, 75.0)
    hands[0] += 100
    assert (clock.progress, clock.left) == (1.0, -25.0)


def test_the_average_follows_weights_and_statistics():
    model = nn.BatchNorm1d(2)
    ema = GpuEMA(model, 0.5)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(4.0)
    ema.update(model)  # the first decay is 2 / 11
    torch.testing.assert_close(ema.model.weight.data, torch.full((2,), 1 + 2 * 9 / 11))
    torch.testing.assert_close(ema.model.running_mean, torch.full((2,), 4 * 9 / 11))
    assert not ema.model.training


def test_norms_and_biases_do_not_decay_and_the_backbone_learns_at_its_share():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    found = optimizer_of(model, [model[2]], Schedule(1.0, backbone_rate=0.25, weight_decay=0.1))
    groups = {(g["peak"], g["weight_decay"]): len(g["params"]) for g in found.param_groups}
    assert groups == {(0.25, 0.1): 1, (0.25, 0.0): 3, (1.0, 0.1): 1, (1.0, 0.0): 1}


def test_fitting_brings_the_loss_down_and_counts():
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    ema = GpuEMA(model, 0.9)

    def loss_of(count):
        x = torch.randn(count, 2)
        return (model(x) - x.sum(dim=1, keepdim=True)).square().mean()

    done = fit(
        model, ema, head=[], schedule=Schedule(0.1, backbone_rate=1.0, weight_decay=0.0, warmup=0.0),
        clock=Clock(1e6), loss_of=loss_of, most_steps=200, **CPU_STEPS,
    )  # fmt: skip
    assert done["steps"] == 200 and done["images"] == 200 * 8
    torch.testing.assert_close(ema.model.weight.data, torch.ones(1, 2), atol=0.05, rtol=0)


def test_a_gradient_that_is_no_number_changes_nothing():
    model = nn.Linear(1, 1)
    before = model.weight.detach().clone()
    ema = GpuEMA(model, 0.9)
    done = fit(
        model, ema, head=[], schedule=Schedule(0.1), clock=Clock(1e6),
        loss_of=lambda count: model(torch.full((count, 1), float("nan"))).mean(), most_steps=25, **CPU_STEPS,
    )  # fmt: skip
    assert done["steps"] == 25
    torch.testing.assert_close(model.weight.data, before)
    assert ema.model.weight.isfinite().all()


def test_a_stage_may_be_told_to_take_less_time_and_ends_by_the_clock():
    model, hands, speeds = nn.Linear(1, 1), [0.0], []
    clock = Clock(1e6, lambda: hands[0])

    def loss_of(count):
        hands[0] += 1 / 64  # seconds that a step takes
        return model(torch.ones(count, 1)).mean()

    done = fit(
        model, GpuEMA(model, 0.9), head=[], schedule=Schedule(0.1), clock=clock, loss_of=loss_of,
        shared=lambda speed: speeds.append(speed) or 0.5, **CPU_STEPS,
    )  # fmt: skip
    assert speeds == [8 * 64]
    assert clock.seconds == 0.5 and clock.progress == 1.0 and done["steps"] == 32


def test_measuring_and_saving_come_when_their_seconds_have_passed():
    model, hands, told = nn.Linear(1, 1), [0.0], []

    def loss_of(count):
        hands[0] += 1.0
        return model(torch.ones(count, 1)).mean()

    fit(
        model, GpuEMA(model, 0.9), head=[], schedule=Schedule(0.1), clock=Clock(1e6, lambda: hands[0]),
        loss_of=loss_of, watch=lambda state: told.append((hands[0], state["saving"])),
        validate_seconds=6.0, save_seconds=4.0, most_steps=13,
    )  # fmt: skip
    assert told == [(4, True), (6, False), (10, True), (12, False)]


def test_what_fails_while_measuring_does_not_end_the_training():
    model = nn.Linear(1, 1)

    def watch(state):
        raise OSError("no space")

    done = fit(
        model, GpuEMA(model, 0.9), head=[], schedule=Schedule(0.1), clock=Clock(1e6), watch=watch,
        loss_of=lambda count: model(torch.ones(count, 1)).mean(), validate_seconds=0.0, most_steps=3,
    )  # fmt: skip
    assert done["steps"] == 3


def test_a_batch_that_does_not_fit_is_halved():
    model = nn.Linear(1, 1)
    asked = []

    def loss_of(count):
        asked.append(count)
        if count > 4:
            raise torch.cuda.OutOfMemoryError("too much")
        return model(torch.ones(count, 1)).mean()

    done = fit(
        model, GpuEMA(model, 0.9), head=[], schedule=Schedule(0.1), clock=Clock(1e6), loss_of=loss_of,
        most_steps=2, **CPU_STEPS,
    )  # fmt: skip
    assert asked == [8, 4, 4]
    assert (done["batch"], done["images"]) == (4, 8)


def test_a_network_on_a_cpu_keeps_the_contiguous_layout():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert fastest_layout(model) == torch.contiguous_format
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name])
