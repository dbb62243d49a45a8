import json
import math
import os
import pickle
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from core.errors import LapelError, WeightsError
from core.images.crops import normalize_pixels, to_square, to_tensor
from core.models.cards import ModelCard, card_path, read_card, write_card
from core.models.mobilenet import MobileNetFeatures, calibrate_batch_norm, load_imagenet
from core.models.weights import digest, load_weights, save_weights
from tests.core.models.folded import folded_tensors, save_folded

PRETRAINED = "mobilenet_v1_1.0_224_imagenet.safetensors"
CARD = ModelCard(
    kind="detector",
    model="yolov4-gs",
    preset="nano",
    categories=("top", "Röcke"),
    input_size=416,
    score_threshold=0.3,
    anchors_wh=((1.5, 2.0), (3.0, 4.25)),
    name="a detector",
    training={"recipe": {"epochs": 3}},
    metrics={"mAP50": 0.5},
)


def small_net(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    net[1].running_mean.normal_()
    return net


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.fixture
def saved(tmp_path):
    """A small net's weights in single precision: the net, and the file."""
    net = small_net()
    save_weights(net, tmp_path / "net.safetensors", half=False)
    return net, tmp_path / "net.safetensors"


def test_weights_come_back_exactly_in_single_precision(saved):
    net, path = saved
    other = small_net(seed=1)
    load_weights(other, path)
    assert all(torch.equal(value, state_of(net)[name]) for name, value in state_of(other).items())


def test_weights_come_back_rounded_in_half_precision_and_half_the_size(saved, tmp_path):
    net, path = saved
    save_weights(net, tmp_path / "deep" / "half.safetensors")
    other = small_net(seed=1)
    load_weights(other, tmp_path / "deep" / "half.safetensors")
    for name, value in other.state_dict().items():
        expected = net.state_dict()[name]
        assert value.dtype == expected.dtype
        assert torch.equal(value, expected.half().to(value.dtype)), name
    tensors = sum(value.numel() for value in net.state_dict().values()) - 1  # no counter
    saving = path.stat().st_size - (tmp_path / "deep" / "half.safetensors").stat().st_size
    assert saving == pytest.approx(2 * tensors, abs=64)


def test_what_was_rounded_once_is_not_rounded_again(tmp_path):
    net = small_net()
    for name in ("first", "second"):
        save_weights(net, tmp_path / f"{name}.safetensors")
        load_weights(net, tmp_path / f"{name}.safetensors")
    assert digest(tmp_path / "first.safetensors") == digest(tmp_path / "second.safetensors")


def wrong_files():
    good = {k: v for k, v in small_net().state_dict().items() if not k.endswith("num_batches_tracked")}
    shape = good | {"2.weight": torch.zeros(2, 4, 3, 3)}
    not_finite = good | {"2.bias": torch.tensor([0.0, float("nan")])}
    infinite = good | {"0.weight": good["0.weight"].clone()}
    infinite["0.weight"].view(-1)[:2] = torch.tensor([math.inf, -math.inf])
    return {
        "missing": (None, "expected weights at net.safetensors, found none"),
        "empty": (b"", "no safetensors file"),
        "pickle": (pickle.dumps({"weights": os.system}), "no safetensors file"),
        "text": (b"<!DOCTYPE html>" * 50, "no safetensors file"),
        "another model": (
            {"backbone.stem": torch.zeros(1)},
            "another model: 8 missing, 1 extra, e.g. 0.bias",
        ),
        "a name too many": (good | {"extra": torch.zeros(1)}, "0 missing, 1 extra, e.g. extra"),
        "wrong shape": (shape, r"2.weight should be \(2, 4, 1, 1\), is \(2, 4, 3, 3\)"),
        "infinite": (infinite, "values that are not finite in 0.weight"),
        "not finite": (not_finite, "values that are not finite in 2.bias"),
    }


@pytest.mark.parametrize("case", list(wrong_files()))
def test_a_wrong_file_is_one_sentence_and_leaves_the_model_as_it_was(case, tmp_path):
    content, sentence = wrong_files()[case]
    path = tmp_path / "net.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_file(content, path)
    net = small_net(seed=1)
    before = state_of(net)
    with pytest.raises(WeightsError, match=sentence) as raised:
        load_weights(net, path)
    assert isinstance(raised.value, LapelError) and "\n" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_truncated_file_is_refused_wherever_it_ends(saved):
    _, path = saved
    whole = path.read_bytes()
    net = small_net(seed=1)
    before = state_of(net)
    for length in (4, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="no safetensors file"):
            load_weights(net, path)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_card_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "detector.safetensors"
    write_card(CARD, path)
    assert card_path(path) == tmp_path / "detector.json"
    assert read_card(path) == CARD
    assert "Röcke" in (tmp_path / "detector.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "expected the model's card net.json beside its weights, found none"),
        ("", "net.json is not a model card"),
        ("[1, 2]", "net.json is not a model card"),
        ("{}", "net.json is not a model card"),
        ('{"categories": 3}', "net.json is not a model card"),
        ('{"categories": ["top"], "kind": "detector", "colour": "red"}', "net.json is not a model card"),
    ],
)
def test_a_missing_or_broken_card_is_one_sentence(text, sentence, tmp_path):
    if text is not None:
        (tmp_path / "net.json").write_text(text)
    with pytest.raises(WeightsError, match=sentence) as raised:
        read_card(tmp_path / "net.safetensors")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "poem"}, "detector or classifier, got 'poem'"),
        ({"categories": ()}, "categories, each once"),
        ({"categories": ("top", "top")}, "categories, each once"),
        ({"score_threshold": 1.5}, "in 0..1, got 1.5"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes, sentence, tmp_path):
    with pytest.raises(WeightsError, match=sentence):
        replace(CARD, **changes)
    raw = json.loads(json.dumps({**CARD.__dict__, **changes}))
    (tmp_path / "net.json").write_text(json.dumps(raw))
    with pytest.raises(WeightsError, match=sentence):
        read_card(tmp_path / "net.safetensors")


def test_the_digest_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"lapel")
    assert digest(tmp_path / "file") == sha256(b"lapel").hexdigest()


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """Folded weights of MobileNet V1: the tensors, and their file."""
    return folded_tensors(), save_folded(tmp_path_factory.mktemp("folded") / "folded.safetensors")


@pytest.fixture(scope="module")
def blotches():
    coarse = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return F.interpolate(coarse, (96, 96), mode="bilinear")


@torch.no_grad()
def folded_forward(tensors, x):
    """MobileNet by its folded weights alone: convolution with a bias, ReLU6, TensorFlow's padding."""
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    x = F.relu6(F.conv2d(F.pad(x, (0, 1, 0, 1)), tensors["stem.weight"], tensors["stem.bias"], stride=2))
    for index, stride in enumerate(strides, start=1):
        weight, bias = (tensors[f"block{index}.depthwise.{part}"] for part in ("weight", "bias"))
        padded = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        x = F.relu6(F.conv2d(padded, weight, bias, stride=stride, groups=len(weight)))
        weight, bias = (tensors[f"block{index}.pointwise.{part}"] for part in ("weight", "bias"))
        x = F.relu6(F.conv2d(x, weight, bias))
    return x


def check_loading_and_calibrating(tensors, path, pictures):
    """Loading gives the folded function, calibrating keeps it and makes it training's as well."""
    backbone = MobileNetFeatures().eval()
    load_imagenet(backbone, path)
    expected = folded_forward(tensors, pictures)
    assert expected.std() > 0.05
    with torch.no_grad():
        assert torch.allclose(backbone(pictures), expected, atol=1e-4)
        untrained = backbone.train()(pictures)
        assert (untrained - expected).abs().mean() > 0.1 * expected.abs().mean()
        load_imagenet(backbone, path)
        calibrate_batch_norm(backbone, pictures)
        assert torch.allclose(backbone.eval()(pictures), expected, atol=1e-4, rtol=1e-4)
        assert torch.allclose(backbone.train()(pictures), expected, atol=1e-2, rtol=1e-2)


def test_calibrating_keeps_the_function_and_makes_it_that_of_training(folded, blotches):
    check_loading_and_calibrating(*folded, blotches)


def test_calibrated_statistics_are_those_of_the_pictures(folded, blotches):
    backbone = MobileNetFeatures().eval()
    load_imagenet(backbone, folded[1])
    calibrate_batch_norm(backbone, blotches)
    conv, norm = backbone.stem[0], backbone.stem[1]
    raw = conv(backbone.stem.pad(blotches)).detach()
    assert torch.allclose(norm.running_mean, raw.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, raw.var(dim=(0, 2, 3), unbiased=False), atol=1e-5)


@pytest.mark.photos
def test_the_real_imagenet_weights_load_and_calibrate(test_data):
    path = test_data.parent / "pretrained" / PRETRAINED
    if not path.is_file():
        pytest.skip(f"no {PRETRAINED} in pretrained/ beside the photos")
    from safetensors.torch import load_file

    photos = sorted((test_data / "street" / "photos").glob("*.jpg"))[:4]
    pictures = normalize_pixels(torch.stack([to_tensor(to_square(Image.open(photo))) for photo in photos]))
    check_loading_and_calibrating(load_file(path), path, pictures)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("block7.depthwise.bias"),
        lambda tensors: tensors.update({"block13.pointwise.weight": torch.zeros(2, 2, 1, 1)}),
        lambda tensors: tensors.update({"block13.pointwise.bias": torch.zeros(2)}),
    ],
)
def test_a_file_without_all_of_mobilenet_is_refused_and_changes_nothing(change, folded, tmp_path):
    tensors = dict(folded[0])
    change(tensors)
    save_file(tensors, tmp_path / "part.safetensors")
    backbone = MobileNetFeatures()
    before = backbone.stem[0].weight.clone()
    with pytest.raises(WeightsError, match=r"part.safetensors holds no MobileNet V1: block(7|13)"):
        load_imagenet(backbone, tmp_path / "part.safetensors")
    assert torch.equal(backbone.stem[0].weight, before)
