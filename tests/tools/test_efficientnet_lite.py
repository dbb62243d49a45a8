import pytest
import torch

from core.errors import RecipeError, WeightsError
from core.models.weights import save_weights
from tools.efficientnet_lite import (
    EfficientNetLite,
    InvertedResidual,
    from_published,
    load_lite,
    scaled_channels,
)


def published_names(model):
    """A state under the names of the published package."""
    parts = {
        "expand.0": "_expand_conv", "expand.1": "_bn0", "depthwise.0": "_depthwise_conv",
        "depthwise.1": "_bn1", "project.0": "_project_conv", "project.1": "_bn2",
    }  # fmt: skip
    tops = {"stem.0": "_conv_stem", "stem.1": "_bn0", "head.0": "_conv_head", "head.1": "_bn1"}
    renamed = {}
    for name, value in model.state_dict().items():
        words = name.split(".")
        if words[0] == "blocks":
            renamed[f"_blocks.{words[1]}.{parts['.'.join(words[2:4])]}.{words[4]}"] = value
        elif words[0] == "classifier":
            renamed[f"_fc.{words[1]}"] = value
        else:
            renamed[f"{tops['.'.join(words[:2])]}.{words[2]}"] = value
    return renamed


def test_widths_are_rounded_to_eight_and_never_lose_more_than_a_tenth():
    assert [scaled_channels(c, 1.1) for c in (16, 24, 40, 80, 112, 192, 320)] == [
        16, 24, 48, 88, 120, 208, 352,
    ]  # fmt: skip
    assert scaled_channels(12, 0.8) == 16  # 8 would be less than nine tenths of 9.6


@pytest.mark.parametrize(
    ("size", "parameters"), [("lite0", 4_652_008), ("lite1", 5_416_680), ("lite2", 6_092_072)]
)
def test_the_sizes_have_the_published_parameters(size, parameters):
    assert sum(p.numel() for p in EfficientNetLite(size).parameters()) == parameters


def test_the_pyramid_has_strides_8_16_32_also_for_odd_sides():
    model = EfficientNetLite("lite2").eval()
    with torch.no_grad():
        shapes = [tuple(f.shape) for f in model.pyramid(torch.zeros(1, 3, 96, 72))]
    assert shapes == [(1, 48, 12, 9), (1, 120, 6, 5), (1, 352, 3, 3)]


def test_an_unknown_size_is_refused():
    with pytest.raises(RecipeError, match="lite0"):
        EfficientNetLite("lite9")


@pytest.mark.parametrize("published", [True, False])
def test_weights_load_under_published_and_own_names_and_a_new_top_keeps_the_features(tmp_path, published):
    torch.manual_seed(0)
    model = EfficientNetLite("lite0").eval()
    if published:
        from safetensors.torch import save_file

        save_file(published_names(model), tmp_path / "lite.safetensors")
    else:
        save_weights(model, tmp_path / "lite.safetensors", half=False)
    x = torch.rand(1, 3, 64, 64)
    whole = load_lite(tmp_path / "lite.safetensors", "lite0").eval()
    topped = load_lite(tmp_path / "lite.safetensors", "lite0", 5, dropout=0.1).eval()
    with torch.no_grad():
        torch.testing.assert_close(whole(x), model(x))
        torch.testing.assert_close(topped.embed(x), model.embed(x))
        assert topped(x).shape == (1, 5)


def test_a_foreign_state_is_refused():
    with pytest.raises(WeightsError, match="layer1"):
        from_published({"layer1.0.weight": torch.zeros(1)})


def test_stochastic_depth_skips_a_block_in_training_alone():
    block = InvertedResidual(8, 8, 3, 1, 6)
    block.drop_path = 1.0 - 1e-9
    x = torch.rand(2, 8, 5, 5)
    torch.testing.assert_close(block.train()(x), x)
    assert not torch.allclose(block.eval()(x), x)
