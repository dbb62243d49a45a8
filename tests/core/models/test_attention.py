import numpy as np
import pytest
import torch

from core.errors import RecipeError
from core.models.attention import AttentionAugmentedConv

SIZE, HEADS, KEY, VALUE = 3, 2, 6, 4


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(0)
    return AttentionAugmentedConv(5, 9, size=SIZE, heads=HEADS, key_depth=KEY, value_depth=VALUE).double()


@pytest.fixture(scope="module")
def maps():
    return torch.randn(2, 5, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def weights_by_loops(layer, x):
    """Bello et al. 2019, eq. 3 and 4, place by place: softmax of q (k + r_width + r_height) / sqrt(depth)."""
    depth = KEY // HEADS
    qkv = layer.qkv(x).detach().numpy()
    height, width = (t.detach().numpy() for t in (layer.relative_height, layer.relative_width))
    weights = np.empty((len(x), HEADS, SIZE**2, SIZE**2))
    for b, head in np.ndindex(len(x), HEADS):
        queries = qkv[b, head * depth : (head + 1) * depth]
        keys = qkv[b, KEY + head * depth : KEY + (head + 1) * depth]
        for i, (iy, ix) in enumerate(np.ndindex(SIZE, SIZE)):
            query = queries[:, iy, ix]
            for j, (jy, jx) in enumerate(np.ndindex(SIZE, SIZE)):
                position = width[jx - ix + SIZE - 1] + height[jy - iy + SIZE - 1]
                weights[b, head, i, j] = np.exp(query @ (keys[:, jy, jx] + position) / depth**0.5)
    return weights / weights.sum(axis=3, keepdims=True)


def test_the_weights_are_those_of_the_papers_double_loop(layer, maps):
    assert np.allclose(layer.weights(maps).detach().numpy(), weights_by_loops(layer, maps), atol=1e-6)


def test_the_output_is_the_convolution_beside_the_projected_heads(layer, maps):
    weights, values = weights_by_loops(layer, maps), layer.qkv(maps).detach().numpy()[:, 2 * KEY :]
    depth = VALUE // HEADS
    attended = np.zeros((2, VALUE, SIZE, SIZE))
    for b, channel in np.ndindex(2, VALUE):
        seen = values[b, channel].reshape(-1)
        attended[b, channel] = (weights[b, channel // depth] @ seen).reshape(SIZE, SIZE)
    expected = torch.cat((layer.conv(maps), layer.project(torch.from_numpy(attended))), dim=1)
    assert torch.allclose(layer(maps), expected, atol=1e-6)
    assert layer(maps).shape == (2, 9, SIZE, SIZE)


def test_every_place_shares_out_one_attention(layer, maps):
    weights = layer.weights(maps)
    assert weights.shape == (2, HEADS, 9, 9) and bool((weights > 0).all())
    assert torch.allclose(weights.sum(dim=3), torch.ones(2, HEADS, 9, dtype=weights.dtype), atol=1e-6)


def test_without_position_tables_equal_places_are_seen_alike(maps):
    layer = AttentionAugmentedConv(5, 9, size=SIZE, heads=HEADS, key_depth=KEY, value_depth=VALUE)
    flat = torch.ones(1, 5, SIZE, SIZE)
    assert layer.weights(flat).std() > 1e-3  # the tables tell the places apart
    torch.nn.init.zeros_(layer.relative_height)
    torch.nn.init.zeros_(layer.relative_width)
    assert torch.allclose(layer.weights(flat), torch.full((1, HEADS, 9, 9), 1 / 9))


def test_the_poster_layer_has_the_counts_worked_out_by_hand():
    with torch.device("meta"):
        layer = AttentionAugmentedConv(1024, 1024)
    counts = {name: part.numel() for name, part in layer.named_parameters()}
    assert counts["conv.weight"] == 824 * 1024 * 9 and counts["conv.bias"] == 824
    assert counts["qkv.weight"] == 520 * 1024 and counts["qkv.bias"] == 520
    assert counts["project.weight"] == 200 * 200
    assert counts["relative_height"] == counts["relative_width"] == 13 * 20
    assert len(counts) == 7


def test_a_map_of_another_size_is_refused(layer):
    with pytest.raises(RecipeError, match=r"fit a map of 3 x 3, got \(3, 4\)"):
        layer(torch.zeros(1, 5, 3, 4, dtype=torch.float64))


def test_depths_that_heads_cannot_share_are_refused():
    with pytest.raises(RecipeError, match="must divide by 3 heads"):
        AttentionAugmentedConv(5, 9, heads=3, key_depth=4, value_depth=3)
