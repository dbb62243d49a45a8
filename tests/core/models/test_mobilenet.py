import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from core.errors import RecipeError, WeightsError
from core.images.crops import normalize_pixels, to_square, to_tensor
from core.models.graphs import ClassifierGraph
from core.models.mobilenet import (
    MobileNet,
    MobileNetFeatures,
    MobileNetMHA,
    PaddedConv,
    calibrate_batch_norm,
    load_imagenet,
    mobilenet_mha,
)
from tests.core.models.folded import folded_tensors, save_folded

PRETRAINED = "mobilenet_v1_1.0_224_imagenet.safetensors"


@pytest.fixture(scope="module")
def pictures():
    """Two pictures of soft blotches, (2, 3, 224, 224) in -1..1."""
    coarse = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return F.interpolate(coarse, (224, 224), mode="bilinear")


@pytest.fixture(scope="module")
def model(pictures):
    """A classifier of three labels in eval mode, its batch norm fitted to the pictures. Do not change."""
    torch.manual_seed(0)
    model = MobileNetMHA(3, dropout=0.5)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        model(pictures)
    return model.eval()


def same_by_formula(x, weight, stride):
    """TensorFlow's padding "same": ceil(n / stride) places; the smaller half of the zeros goes before."""
    sides = []
    for side in reversed(x.shape[2:]):
        zeros = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
        sides += [zeros // 2, zeros - zeros // 2]
    return F.conv2d(F.pad(x, sides), weight, stride=stride)


@pytest.mark.parametrize("size_hw", [(6, 8), (7, 9), (6, 9), (7, 8), (1, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_are_padded_as_tensorflow_does(size_hw, stride):
    layer = PaddedConv(2, 3, 3, stride).eval()
    x = torch.randn(1, 2, *size_hw)
    expected = same_by_formula(x, layer[0].weight, stride)
    assert torch.allclose(layer(x), layer[2](layer[1](expected)), atol=1e-6)


def test_an_even_side_is_padded_behind_only():
    layer = PaddedConv(1, 1, 3, 2)
    assert layer.pad(torch.ones(1, 1, 4, 4))[0, 0, 0].tolist() == [1, 1, 1, 1, 0]
    assert layer.pad(torch.ones(1, 1, 5, 5))[0, 0, 1].tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_features_are_1024_maps_at_stride_32_and_a_pyramid_on_the_way():
    backbone = MobileNetFeatures().eval()
    x = torch.rand(1, 3, 64, 96)
    pyramid = backbone.pyramid(x)
    assert [tuple(f.shape) for f in pyramid] == [(1, 256, 8, 12), (1, 512, 4, 6), (1, 1024, 2, 3)]
    assert torch.allclose(pyramid[2], backbone(x), atol=1e-6)


def test_the_backbone_has_the_posters_count():
    with torch.device("meta"):
        state = MobileNetFeatures().state_dict()
    assert sum(v.numel() for k, v in state.items() if not k.endswith("num_batches_tracked")) == 3_228_864


def test_mobilenet_without_attention_is_a_dense_layer_on_the_mean():
    model = MobileNet(5).eval()
    x = torch.rand(2, 3, 64, 64)
    assert torch.allclose(model(x), model.classifier(model.backbone(x).mean(dim=(2, 3))))


def test_the_poster_trains_from_the_twelfth_pointwise_convolution_on():
    with torch.device("meta"):
        model = mobilenet_mha(50)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    last = "backbone.blocks.11."
    assert {name for name in frozen if name.startswith(last)} == {
        f"{last}depthwise.0.weight", f"{last}depthwise.1.weight", f"{last}depthwise.1.bias"
    }  # fmt: skip
    assert all(name.startswith("backbone.") for name in frozen)
    assert len(frozen) == 3 * (1 + 2 * 11 + 1)  # stem, eleven blocks, the depthwise: weight, gamma, beta
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 13_061_050


def explained(model, pictures, targets=None):
    targets = torch.full((len(pictures),), -1) if targets is None else targets
    logits, _, activation, attention = ClassifierGraph(model)(pictures, targets)
    return logits, activation, attention


def test_logits_are_the_same_with_and_without_an_explanation(model, pictures):
    logits, activation, attention = explained(model, pictures)
    assert torch.allclose(logits, model(pictures), atol=1e-5)
    assert torch.allclose(model.head(model.embed(pictures)), logits, atol=1e-5)
    assert activation.shape == (2, 7, 7) and attention.shape == (2, 8, 49, 49)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_the_class_activation_is_grad_cams(model, pictures, target):
    """Grad-CAM weighs a map with its mean gradient; on pooled features that is the closed form's over 49."""
    maps = model.feature_maps(pictures)[0].detach().requires_grad_()
    model.head(maps.mean(dim=(2, 3)))[:, target].sum().backward()
    weights = maps.grad.mean(dim=(2, 3), keepdim=True)
    grad_cam = (weights * maps).sum(dim=1)  # before its ReLU
    activation = explained(model, pictures, torch.full((2,), target))[1]
    assert activation.max() > 0 > activation.min()
    assert torch.allclose(activation, 49 * grad_cam, atol=1e-5, rtol=1e-4)


def test_without_a_class_the_likeliest_one_is_explained(model, pictures):
    logits, activation, _ = explained(model, pictures)
    best = logits.argmax(dim=1)
    assert torch.equal(explained(model, pictures, best)[1], activation)
    other = (best + 1) % 3
    mixed = explained(model, pictures, torch.stack((torch.tensor(-1), other[1])))[1]
    assert torch.equal(mixed[0], activation[0])
    assert torch.equal(mixed[1], explained(model, pictures, other)[1][1])


def test_what_a_position_attends_to_adds_up_to_one(model, pictures):
    attention = explained(model, pictures)[2]
    assert torch.allclose(attention.sum(dim=3), torch.ones(2, 8, 49), atol=1e-5)
    assert bool((attention > 0).all())


def test_dropout_is_for_training_only(model, pictures):
    assert torch.equal(model(pictures), model(pictures))
    pooled = model.embed(pictures)
    try:
        assert not torch.equal(model.train().head(pooled), model.head(pooled))
    finally:
        model.eval()


def test_a_classifier_of_one_class_is_refused():
    with pytest.raises(RecipeError, match="two classes or more, got 1"):
        MobileNetMHA(1)


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
