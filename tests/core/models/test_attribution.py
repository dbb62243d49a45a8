"""Attribution against formulas: attention, class activation, rollout, SimAM, boxes, random weights."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from core.errors import RecipeError
from core.models import attribution
from core.models.attention import AttentionAugmentedConv
from core.models.attribution import (
    box_attribution,
    class_activations,
    feature_shares,
    randomized,
    rollout,
    simam_states,
)
from core.models.loading import fuse_for_inference
from core.models.mobilenet import MobileNetMHA
from core.models.yolov4 import YOLOv4
from tests.weights import acquaint, acquainted_classifier, scenes, sharpen


@pytest.fixture(scope="module")
def model() -> MobileNetMHA:
    return acquainted_classifier()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return scenes(224, 1).float() / 127.5 - 1


@pytest.fixture(scope="module")
def detector() -> YOLOv4:
    torch.manual_seed(3)
    model = YOLOv4("pico", 3, ghost=True)
    pictures = scenes(96, 2).float() / 255
    acquaint(model, pictures)
    sharpen(model, pictures)
    fuse_for_inference(model)
    attribution.with_gradients(model)
    return model


def test_content_and_position_sum_to_the_logits_of_the_attention():
    torch.manual_seed(0)
    layer = AttentionAugmentedConv(5, 9, size=3, heads=2, key_depth=6, value_depth=4).double()
    x = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    content, position = layer.logits(x)
    assert content.shape == position.shape == (2, 2, 9, 9)
    assert torch.allclose((content + position).softmax(dim=-1), layer.weights(x).double(), atol=1e-6)
    nn.init.zeros_(layer.relative_height), nn.init.zeros_(layer.relative_width)
    alone, nothing = layer.logits(x)
    assert torch.equal(alone, content) and not nothing.any(), "content knows nothing of the position tables"


def test_a_labels_logit_is_the_mean_of_its_map_and_what_comes_from_no_place(model, picture):
    maps = model.feature_maps(picture)[0]
    found = class_activations(model, maps)
    assert found.maps.shape == (1, 4, 7, 7)
    assert torch.allclose(found.maps.mean(dim=(2, 3)) + found.constants, model(picture), atol=1e-5)
    for label in range(4):
        one = model.class_activation(maps, found.logits, torch.tensor([label]))
        assert torch.allclose(found.maps[:, label], one, atol=1e-5, rtol=1e-4)


def test_rollout_is_abnar_and_zuidemas_on_a_toy():
    """Two layers of two places, by hand: 0.5 A + 0.5 I each, then the later one times the earlier."""
    first = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    second = torch.tensor([[1.0, 0.0], [0.2, 0.8]])
    # first: [[0.5, 0.5], [0.25, 0.75]]; second: [[1, 0], [0.1, 0.9]]
    expected = torch.tensor([[0.5, 0.5], [0.275, 0.725]])
    assert torch.allclose(rollout([first, second]), expected)
    assert torch.allclose(rollout([first, second], residual=0.0), second @ first)
    finer = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert torch.allclose(rollout([finer, second], residual=0.0).sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("layers", [[], [torch.eye(3), torch.eye(2)]])
def test_a_rollout_of_nothing_or_of_layers_that_do_not_follow_is_refused(layers):
    with pytest.raises(RecipeError, match="rollout needs|expected a layer of"):
        rollout(layers)


def test_shares_of_finer_places_sum_to_one_and_lie_where_the_position_looks(model, picture):
    shares = feature_shares(model, picture, 2)
    assert shares.shape == (49, 196) and bool((shares >= 0).all())
    assert torch.allclose(shares.sum(dim=1), torch.ones(49), atol=1e-5)
    for position in (0, 24, 48):
        row, column = divmod(position, 7)
        mine = shares[position].view(14, 14)
        rows, columns = mine.nonzero(as_tuple=True)
        # Two blocks, the first at stride 2: seven of fourteen rows, from 2 r - 2 to 2 r + 4.
        assert rows.min() >= 2 * row - 2 and rows.max() <= 2 * row + 4
        assert columns.min() >= 2 * column - 2 and columns.max() <= 2 * column + 4
    with pytest.raises(RecipeError, match="a map 2 or 4 times as fine, got 9"):
        feature_shares(model, picture, 9)


def test_shares_are_gradient_times_activation_of_one_position(model, picture):
    x = picture
    with torch.no_grad():
        x = model.backbone.stem(x)
        for block in model.backbone.blocks[:11]:
            x = block(x)
    x = x.requires_grad_()
    last = model.backbone.blocks[12](model.backbone.blocks[11](x))
    last[0, :, 3, 4].sum().backward()
    expected = (x.grad * x).sum(dim=1).clamp(min=0).flatten().detach()
    assert torch.allclose(feature_shares(model, picture, 2)[3 * 7 + 4], expected / expected.sum(), atol=1e-6)


def test_simam_of_every_module_is_the_papers(detector):
    states = simam_states(detector, scenes(96, 1).float() / 255)
    assert [state.name for state in states] == [f"stage{stage}_module1" for stage in range(1, 6)]
    for state in states:
        channel = state.before[0].double()
        mean = channel.mean()
        variance = ((channel - mean) ** 2).sum() / (channel.numel() - 1)
        minimal_energy = 4 * (variance + 1e-4) / ((channel - mean) ** 2 + 2 * variance + 2e-4)
        assert torch.allclose(1 / minimal_energy, state.inverse_energy[0].double(), rtol=1e-4, atol=1e-4)
        assert torch.allclose(state.after, state.before * torch.sigmoid(state.inverse_energy))
        assert state.output.shape == state.before.shape
        assert float(state.inverse_energy.min()) >= 0.5
    assert all(not module._forward_hooks for module in detector.modules())


def test_a_detector_without_gs_modules_has_no_simam():
    assert simam_states(YOLOv4("pico", 3, ghost=False).eval(), scenes(64, 1).float() / 255) == []


def test_a_boxs_attribution_is_the_slope_of_its_score(detector):
    """Features a little larger by a factor: the logarithm of the score grows by the sum of the maps."""
    detector, images = copy.deepcopy(detector).double(), scenes(96, 1).double() / 255
    found = box_attribution(detector, images, (10.0, 10.0, 70.0, 90.0), 1)
    assert {stride: values.shape for stride, values in found.maps.items()} == {
        8: (12, 12),
        16: (6, 6),
        32: (3, 3),
    }
    assert 0 < found.score < 1
    step = 1e-6

    def log_score(factor: float) -> float:
        features = [x * factor for x in detector.backbone(images)]
        raw = detector.heads_of(detector.neck(features))
        scores = [level[..., 4].sigmoid() * level[..., 6].sigmoid() for level in raw]
        boxes = [
            attribution.decode_boxes(level, detector.anchors_wh[scale], scale)
            for scale, level in enumerate(plain)
        ]
        same = [(box - torch.tensor(found.box_xyxy)).abs().sum(dim=-1).flatten() for box in boxes]
        best = int(torch.cat(same).argmin())
        return math.log(float(torch.cat([score.flatten() for score in scores])[best]))

    with torch.no_grad():
        plain = detector(images)
        slope = (log_score(1 + step) - log_score(1 - step)) / (2 * step)
    total = sum(float(values.sum()) for values in found.maps.values())
    assert total == pytest.approx(slope, rel=1e-3)
    assert all(parameter.grad is None for parameter in detector.parameters())


def test_random_weights_go_from_the_top_down_and_leave_the_original(model, picture):
    before = model(picture)
    head, attention = randomized(model, "head"), randomized(model, "attention")
    assert torch.equal(model(picture), before)
    assert not torch.allclose(head(picture), before)
    features = model.backbone(picture)
    assert torch.equal(head.attention.weights(features), model.attention.weights(features))
    assert not torch.allclose(attention.attention.weights(features), model.attention.weights(features))
    assert torch.equal(attention.backbone(picture), features)
    assert not torch.equal(randomized(model, "backbone").backbone(picture), features)
    assert torch.equal(randomized(model, "head", 3)(picture), randomized(model, "head", 3)(picture))
    with pytest.raises(RecipeError, match="expected a part of head, attention, backbone, got 'neck'"):
        randomized(model, "neck")
