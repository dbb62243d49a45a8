import torch

from core.models.baselines import vgg16


def test_vgg16_gives_a_logit_a_class():
    with torch.device("meta"):
        model, photos = vgg16(classes=7), torch.zeros(2, 3, 224, 224)
    assert model(photos).shape == (2, 7)
