"""Weights that may not serve are refused with a sentence, whatever is wrong with them."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from core.errors import WeightsError
from core.models import loading
from core.models.cards import card_path, read_card, write_card
from core.models.loading import QuickMish, check_weights, fuse_batch_norm, fuse_for_inference
from core.models.mobilenet import MobileNetFeatures
from core.models.yolov4 import YOLOv4


@pytest.fixture
def weights(tiny_weights: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Gives a copy of the tiny weights of a kind, with its card, to be spoilt."""

    def copy(kind: str) -> Path:
        path = tmp_path / f"{kind}.safetensors"
        shutil.copy(tiny_weights / path.name, path)
        shutil.copy(card_path(tiny_weights / path.name), card_path(path))
        return path

    return copy


def spoil(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_good_weights_give_their_card(weights, kind):
    path = weights(kind)
    card = check_weights(path, kind)
    assert card == read_card(path) == check_weights(path, kind, card.categories)


def test_a_pickle_is_never_loaded(weights, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    path = weights("classifier")
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match="no safetensors file"):
        check_weights(path, "classifier")
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="no safetensors file"):
        check_weights(path, "classifier")
    assert not (tmp_path / "opened").exists()


def test_a_truncated_file_and_one_with_false_offsets_are_refused(weights):
    path = weights("detector")
    data = path.read_bytes()
    for wrong in (data[: len(data) // 2], data[:-1], data[:4], b"\xff" * 8 + data[8:]):
        path.write_bytes(wrong)
        with pytest.raises(WeightsError, match="no safetensors file"):
            check_weights(path, "detector")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_refused(weights, value):
    path = weights("detector")
    spoil(path, lambda tensors: next(iter(tensors.values())).view(-1)[0].fill_(value))
    with pytest.raises(WeightsError, match="not finite"):
        check_weights(path, "detector")


def test_finite_values_that_compute_no_number_are_refused(weights):
    path = weights("detector")
    name = next(name for name in load_file(path) if name.endswith("running_var"))
    spoil(path, lambda tensors: tensors[name].fill_(-1.0))
    with pytest.raises(WeightsError, match="computes values that are not finite"):
        check_weights(path, "detector")


def test_a_card_with_more_classes_than_the_weights_is_refused(weights):
    path = weights("classifier")
    card = read_card(path)
    write_card(replace(card, categories=(*card.categories, "Poncho")), path)
    with pytest.raises(WeightsError, match="another model"):
        check_weights(path, "classifier")


def test_other_classes_than_were_asked_for_are_refused(weights):
    path = weights("classifier")
    known = read_card(path).categories
    for wanted, word in (((*known[:-1], "Poncho"), "e.g. Poncho"), (known[::-1], "in this order")):
        with pytest.raises(WeightsError, match=word):
            check_weights(path, "classifier", wanted)


def test_the_other_kind_is_refused(weights):
    with pytest.raises(WeightsError, match="expected a detector's weights .* got a classifier's"):
        check_weights(weights("classifier"), "detector")


def test_a_missing_file_or_card_is_refused(weights):
    path = weights("detector")
    path.unlink()
    with pytest.raises(WeightsError, match="found none"):
        check_weights(path, "detector")
    card_path(path).unlink()
    with pytest.raises(WeightsError, match="card"):
        check_weights(path, "detector")


def test_a_file_that_is_too_large_is_not_read(weights, monkeypatch):
    path = weights("detector")
    monkeypatch.setattr(loading, "LARGEST_BYTES", path.stat().st_size - 1)
    with pytest.raises(WeightsError, match="at most"):
        check_weights(path, "detector")


def trained(module):
    """The module in eval mode, with batch norm of all kinds of values."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.2)
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
    return module.eval()


@pytest.mark.parametrize("ghost", [False, True])
def test_a_fused_detector_computes_the_same(ghost):
    model = trained(YOLOv4("pico", classes=2, ghost=ghost))
    x = torch.rand(1, 3, 64, 64)
    before = model(x)
    fuse_batch_norm(model)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
    after = model(x)
    assert all(torch.allclose(a, b, atol=1e-4, rtol=1e-3) for a, b in zip(after, before, strict=True))


def test_a_fused_mobilenet_computes_the_same():
    model = trained(MobileNetFeatures())
    x = torch.rand(1, 3, 64, 64)
    before = model(x)
    fuse_batch_norm(model)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
    assert torch.allclose(model(x), before, atol=1e-4)


def test_batch_norm_that_follows_no_convolution_stays():
    model = trained(
        nn.Sequential(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), nn.Sequential(nn.Conv2d(3, 3, 1)))
    )
    fuse_batch_norm(model)
    assert isinstance(model[0][1], nn.BatchNorm2d) and len(model[1]) == 1


def test_the_quick_mish_is_mish_from_end_to_end():
    x = torch.cat((torch.linspace(-100, 100, 2001), torch.tensor([0.0, 19.99, 20.0, 20.01, 88.0])))
    quick = QuickMish()(x)
    assert torch.allclose(quick, nn.functional.mish(x), atol=1e-5, rtol=1e-5)
    assert QuickMish()(torch.tensor([1.0])).item() == pytest.approx(0.865098, abs=1e-6)


@pytest.mark.parametrize("ghost", [False, True])
def test_a_detector_prepared_for_use_computes_the_same(ghost):
    model = trained(YOLOv4("pico", classes=2, ghost=ghost))
    x = torch.rand(2, 3, 64, 96)
    before = model(x)
    fuse_for_inference(model)
    assert not any(isinstance(part, nn.BatchNorm2d | nn.Mish) for part in model.modules())
    assert all(torch.allclose(a, b, atol=1e-4, rtol=1e-3) for a, b in zip(model(x), before, strict=True))
