"""VGG-16: the published network, its variant with global average pooling, and what explains both."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.errors import RecipeError, WeightsError
from core.models import vgg
from core.models.vgg import VGG16, vgg16
from core.models.weights import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense layers of 24 in place of 4096, for networks that compute."""
    monkeypatch.setattr(vgg, "HIDDEN", 24)


def test_the_published_network_has_a_logit_a_class_and_the_published_size() -> None:
    with torch.device("meta"):
        model, photos = vgg16(classes=7), torch.zeros(2, 3, 224, 224)
        assert model(photos).shape == (2, 7)
        assert model.embed(photos).shape == (2, 4096)
        assert sum(weight.numel() for weight in vgg16().parameters()) == 138_357_544


def test_with_global_pooling_one_dense_layer_follows_the_convolutions() -> None:
    with torch.device("meta"):
        model = vgg16(classes=7, preset="gap")
        assert model.embed(torch.zeros(2, 3, 64, 96)).shape == (2, 512)
        convolutions = sum(weight.numel() for weight in model.features.parameters())
        total = sum(weight.numel() for weight in model.parameters())
    assert (convolutions, total) == (14_714_688, 14_714_688 + 7 * 513)
    with pytest.raises(RecipeError, match="full, gap for vgg16, got 'tiny'"):
        vgg16(preset="tiny")


def test_names_are_torchvisions_so_that_its_weights_fit() -> None:
    from torchvision.models import vgg16 as theirs

    with torch.device("meta"):
        wanted = {name: value.shape for name, value in theirs(weights=None).state_dict().items()}
        assert {name: value.shape for name, value in vgg16().state_dict().items()} == wanted


def test_inputs_are_normalized_as_imagenets_are(narrow: None) -> None:
    torch.manual_seed(0)
    model, pixels = vgg16(3, "gap").eval(), torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        torch.testing.assert_close(
            model.feature_maps(pixels * 2 - 1)[0], model.features((pixels - mean) / std), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(("preset", "size"), [("full", 224), ("full", 96), ("gap", 96)])
def test_the_class_activation_is_grad_cams(narrow: None, preset: str, size: int) -> None:
    """The gradient of the class's logit, summed over a map, weighs its channel; here by a backward pass."""
    torch.manual_seed(1)
    model = vgg16(3, preset).eval()
    for layer in model.classifier:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=0.2)
    pictures = torch.rand(2, 3, size, size) * 2 - 1
    logits, embedding, activation = model.explained(pictures, torch.tensor([2, -1]))
    maps = model.feature_maps(pictures)[0].detach().requires_grad_()
    found = model.head(model.embed_maps(maps))
    torch.testing.assert_close(found, logits)
    torch.testing.assert_close(model.head(embedding), logits)
    (found[0, 2] + found[1].max()).backward()
    assert maps.grad is not None
    expected = (maps.grad.sum(dim=(2, 3), keepdim=True) * maps).sum(dim=1).detach()
    activation = activation.detach()
    torch.testing.assert_close(activation, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert activation.shape == (2, size // 32, size // 32) and float(activation.abs().max()) > 0


def test_late_training_leaves_two_blocks_and_the_poster_trains_all() -> None:
    with torch.device("meta"):
        model = vgg16(3, "gap")
    model.freeze("late")
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {f"features.{number}.{part}" for number in (0, 2, 5, 7) for part in ("weight", "bias")}
    model.freeze("poster")
    assert all(weight.requires_grad for weight in model.parameters())


def imagenet_file(folder: Path, **changes: torch.Tensor) -> Path:
    """The tensors of a narrow VGG-16 of ten classes, as a published file would hold them."""
    torch.manual_seed(5)
    save_file(VGG16(10).state_dict() | changes, folder / "imagenet.safetensors")
    return folder / "imagenet.safetensors"


@pytest.mark.parametrize("preset", ["full", "gap"])
def test_imagenets_weights_go_into_all_but_the_last_layer(narrow: None, tmp_path: Path, preset: str) -> None:
    file = imagenet_file(tmp_path)
    torch.manual_seed(5)
    theirs = VGG16(10).state_dict()
    model = vgg16(3, preset)
    last = getattr(model.classifier[-1], "weight").clone()  # noqa: B009
    model.load_imagenet(file)
    for name, value in model.state_dict().items():
        if not name.startswith(model.last_layer):
            assert torch.equal(value, theirs[name]), name
    assert torch.equal(model.state_dict()[f"{model.last_layer}.weight"], last)


def test_weights_of_another_network_are_refused(narrow: None, tmp_path: Path) -> None:
    file = imagenet_file(tmp_path, **{"features.28.weight": torch.zeros(3)})
    with pytest.raises(WeightsError, match=r"imagenet\.safetensors holds no VGG-16: features\.28\.weight"):
        vgg16(3, "gap").load_imagenet(file)


def test_dropout_is_the_published_half_until_a_recipe_says_otherwise(narrow: None) -> None:
    model = vgg16(3)
    shares = [layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)]
    assert shares == [0.5, 0.5]
    model.set_dropout(0.2)
    assert [layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)] == [0.2, 0.2]
