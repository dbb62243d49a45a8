import pytest
import torch
from torch import nn

from core.models.fuse import QuickMish, fuse_batch_norm, fuse_for_inference
from core.models.mobilenet import MobileNetFeatures
from core.models.yolov4 import YOLOv4


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
