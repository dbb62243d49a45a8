import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.models.blocks import (
    ConvBlock,
    CrossStage,
    GhostConv,
    GSModule,
    Residual,
    SimAM,
    SpatialPyramidPooling,
)


def parameters_of(module):
    return sum(p.numel() for p in module.parameters())


def simam_by_loops(x, regularizer=1e-4):
    """The paper's formula neuron by neuron."""
    out = np.empty_like(x)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane = x[b, c]
            mean = sum(plane.flat) / plane.size
            variance = sum((value - mean) ** 2 for value in plane.flat) / (plane.size - 1)
            for place, value in np.ndenumerate(plane):
                inverse_energy = (value - mean) ** 2 / (4 * (variance + regularizer)) + 0.5
                out[(b, c, *place)] = value / (1 + math.exp(-inverse_energy))
    return out


def test_simam_is_the_papers_formula():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert np.allclose(SimAM()(x).numpy(), simam_by_loops(x.numpy()), atol=1e-12)


def test_simam_of_four_neurons_by_hand():
    # mean 2.5, squares 2.25 0.25 0.25 2.25, variance 5 / 3; 2.25 / (4 * 1.66677) + 0.5 = 0.83748
    energy = SimAM().energy(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert energy.flatten().tolist() == pytest.approx([0.83748, 0.53750, 0.53750, 0.83748], abs=1e-5)
    out = SimAM()(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert out[0, 0, 1, 1].item() == pytest.approx(4 * 0.697932, abs=1e-5)


def test_simam_has_no_parameters_and_takes_a_single_neuron():
    assert parameters_of(SimAM()) == 0
    assert SimAM()(torch.full((1, 1, 1, 1), 3.0)).item() == pytest.approx(3 / (1 + math.exp(-0.5)))


def test_ghost_convolution_has_the_counts_worked_out_by_hand():
    # 16 of the 32 channels by 3x3 on 16: 2304 weights; the rest by a depthwise 3x3: 144; two batch norms.
    assert parameters_of(GhostConv(16, 32, 3)) == 16 * 16 * 9 + 16 * 9 + 2 * 32
    assert parameters_of(ConvBlock(16, 32, 3)) == 16 * 32 * 9 + 2 * 32


def test_the_second_half_of_a_ghost_convolution_is_cheap_work_on_the_first():
    ghost = GhostConv(4, 6, 1).eval()
    x = torch.randn(2, 4, 5, 5)
    out = ghost(x)
    assert torch.equal(out[:, :3], ghost.primary(x))
    by_hand = F.mish(ghost.cheap[1](F.conv2d(ghost.primary(x), ghost.cheap[0].weight, padding=1, groups=3)))
    assert torch.allclose(out[:, 3:], by_hand, atol=1e-6)


@pytest.mark.parametrize("block", [ConvBlock, GhostConv])
@pytest.mark.parametrize(("kernel", "stride", "expected"), [(1, 1, (7, 9)), (3, 1, (7, 9)), (3, 2, (4, 5))])
def test_convolutions_keep_the_map_or_halve_it(block, kernel, stride, expected):
    assert block(4, 8, kernel, stride)(torch.zeros(2, 4, 7, 9)).shape == (2, 8, *expected)


def test_activations_are_those_asked_for():
    x = torch.tensor([-2.0, 0.0, 3.0])
    mish, leaky, linear = (ConvBlock(1, 1, act=name)[2] for name in ("mish", "leaky", "linear"))
    assert mish(x.clone()).tolist() == pytest.approx(
        [v * math.tanh(math.log1p(math.exp(v))) for v in x.tolist()]
    )
    assert leaky(x.clone()).tolist() == pytest.approx([-0.2, 0.0, 3.0])
    assert linear(x).tolist() == x.tolist()


def test_a_residual_unit_adds_its_input():
    unit, x = Residual(6, 4).eval(), torch.randn(1, 6, 5, 5)
    assert torch.allclose(unit(x) - x, unit.body(x), atol=1e-6)


def test_a_gs_module_adds_its_input_to_the_attended_ghost_maps():
    module, x = GSModule(6, 4).eval(), torch.randn(1, 6, 5, 5)
    assert [type(part) for part in module.body] == [GhostConv, GhostConv]
    attended = torch.from_numpy(simam_by_loops(module.body(x).detach().numpy()))
    assert torch.allclose(module(x), x + attended, atol=1e-5)


@pytest.mark.parametrize(("conv", "unit"), [(ConvBlock, Residual), (GhostConv, GSModule)])
def test_a_cross_stage_keeps_the_shape_and_both_branches_reach_the_output(conv, unit):
    stage = CrossStage(16, 2, branch=8, hidden=8, conv=conv, unit=unit).eval()
    x = torch.randn(2, 16, 6, 4)
    out = stage(x)
    assert out.shape == x.shape and len(stage.units) == 2
    both = torch.cat((stage.leave(stage.units(stage.enter(x))), stage.shortcut(x)), dim=1)
    assert torch.allclose(out, stage.merge(both), atol=1e-6)


def test_chained_poolings_equal_single_ones_of_nine_and_thirteen():
    x = torch.randn(2, 3, 13, 17, generator=torch.Generator().manual_seed(1))
    pools = [F.max_pool2d(x, size, stride=1, padding=size // 2) for size in (13, 9, 5)]
    assert torch.equal(SpatialPyramidPooling()(x), torch.cat((*pools, x), dim=1))
