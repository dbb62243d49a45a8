import pytest
import torch

from core.models.baselines import faster_rcnn, retinanet, ssd, vgg16

DETECTORS = {
    "ssd": lambda: ssd(classes=3),
    "retinanet": lambda: retinanet(classes=3, size=96),
    "faster-rcnn": lambda: faster_rcnn(classes=3, size=96),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_trains_and_detects_in_torchvisions_format(name):
    torch.manual_seed(0)
    model = DETECTORS[name]()
    photo = torch.rand(3, 80, 96)
    target = {"boxes": torch.tensor([[10.0, 10.0, 60.0, 70.0]]), "labels": torch.tensor([3])}
    loss = sum(model([photo], [target]).values())
    loss.backward()
    assert torch.isfinite(loss)
    with torch.no_grad():
        (found,) = model.eval()([photo])
    assert found["boxes"].shape == (len(found["scores"]), 4)
    assert set(found["labels"].tolist()) <= {1, 2, 3}


def test_vgg16_gives_a_logit_a_class():
    with torch.device("meta"):
        model, photos = vgg16(classes=7), torch.zeros(2, 3, 224, 224)
    assert model(photos).shape == (2, 7)
