"""TorchCAM's maps beside the closed form of our own, where theory says that they agree."""

from __future__ import annotations

import pytest
import torch

from core.errors import EngineError, RecipeError
from core.models import library_cams
from core.models.attribution import class_activations
from core.models.library_cams import METHODS, library_cam
from core.models.mobilenet import MobileNetMHA
from tests.weights import acquainted_classifier, scenes


@pytest.fixture(scope="module")
def model() -> MobileNetMHA:
    return acquainted_classifier()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return scenes(224, 1).float() / 127.5 - 1


@pytest.fixture(autouse=True)
def library():
    pytest.importorskip("torchcam", reason="TorchCAM is an extra: make torchcam")


@pytest.mark.parametrize("label", range(4))
def test_grad_cam_is_our_closed_form_behind_a_relu(model, picture, label):
    """The dense layers lie on pooled features: each of 49 places has the same gradient, a 49th of ours."""
    closed = class_activations(model, model.feature_maps(picture)[0]).maps[0, label]
    found = library_cam(model, picture, label, "grad_cam")
    assert torch.allclose(49 * found, closed.clamp(min=0), atol=1e-4 * float(closed.abs().max()))


def test_grad_cam_pp_is_its_closed_form(model, picture):
    """With one gradient g a channel, its weights are 49 g^2 / (2 g^2 + g^3 sum(A)) relu(g)."""
    maps = model.feature_maps(picture)[0][0]
    pooled = maps.mean(dim=(1, 2))
    active = (model.hidden(pooled) > 0).float()
    gradient = (active * model.classifier.weight[1]) @ model.hidden.weight / 49
    positive = gradient.clamp(min=0)
    alpha = 1 / (2 + gradient * maps.sum(dim=(1, 2)))
    expected = torch.einsum("k,khw->hw", 49 * alpha * positive, maps)
    found = library_cam(model, picture, 1, "grad_cam_pp")
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.max()))


def test_layer_cam_is_finer(model, picture):
    found = library_cam(model, picture, 0, "layer_cam")
    assert found.shape == (14, 14) and float(found.min()) >= 0


def test_the_library_leaves_no_hooks_and_no_gradients(model, picture):
    for method in ("grad_cam", "grad_cam_pp", "layer_cam"):
        library_cam(model, picture, 0, method)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_another_method_is_refused_and_a_missing_library_is_said(model, picture, monkeypatch):
    with pytest.raises(RecipeError, match=f"expected a method of {', '.join(METHODS)}, got 'ours'"):
        library_cam(model, picture, 0, "ours")
    monkeypatch.setattr(library_cams, "is_installed", lambda: False)
    with pytest.raises(EngineError, match="make torchcam"):
        library_cam(model, picture, 0, "grad_cam")
