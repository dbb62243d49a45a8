"""Small models with random weights, saved as those that ship are: with them the suite needs no trained ones.

Each passes one batch of drawn scenes in training mode first. Batch norm then knows what pictures are like,
so that what comes out depends on the picture, and scores spread over most of 0..1.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from core.anchors import darknet_anchors
from core.images.crops import normalize_pixels, to_square, to_tensor
from core.images.decode import Photo
from core.models.cards import DIGEST, ModelCard, write_card
from core.models.mobilenet import MobileNet, MobileNetMHA
from core.models.weights import digest, save_weights
from core.models.yolov4 import YOLOv4
from core.taxonomy import load_taxonomy
from tools.synthetic import draw_scene

LABELS = ("Dress", "Hat", "Pants", "Shirt", "Shoes", "T-Shirt")
INPUT_SIZE = 160
THRESHOLD = 0.3
FEW, MANY, NONE = 97, 35, 6
"""Seeds of drawn scenes in which the tiny detector sees two garments, dozens, and none at its threshold."""


def drawn_photo(seed: int = FEW, name: str = "scene.png") -> Photo:
    """A drawn scene of 180 x 240 pixels as a photo."""
    return Photo(name, draw_scene(seed, (180, 240)).image, "0" * 64)


def scenes(size: int, count: int = 4) -> Tensor:
    """Drawn scenes as squares, uint8 (count, 3, size, size)."""
    return torch.stack([to_tensor(to_square(draw_scene(n, (96, 128)).image, size)) for n in range(count)])


@torch.no_grad()
def acquaint(model: nn.Module, pictures: Tensor) -> None:
    """Give every batch norm the statistics of these pictures, and leave the model in evaluation mode."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(pictures)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    model.eval()


def acquainted_classifier() -> MobileNetMHA:
    """A classifier with attention of four labels, which knows what scenes are like; without gradients."""
    torch.manual_seed(2)
    model = MobileNetMHA(4)
    acquaint(model, scenes(224, 2).float() / 127.5 - 1)
    return model.requires_grad_(False)


@torch.no_grad()
def sharpen(model: YOLOv4, pictures: Tensor) -> None:
    """Scale and shift the heads so that busy pictures have many boxes with scores of all heights."""
    for head, raw in zip(model.heads, model(pictures), strict=True):
        assert isinstance(head, nn.Sequential) and isinstance(head[1], nn.Conv2d)
        weight, bias = head[1].weight.view(3, -1, head[1].in_channels), head[1].bias.view(3, -1)
        for part, spread, highest in ((slice(4, 5), 1.0, -1.0), (slice(5, None), 1.5, 3.0)):
            factor = spread / raw[..., part].std()
            weight[:, part] *= factor
            bias[:, part] = bias[:, part] * factor - factor * raw[..., part].max() + highest


@torch.no_grad()
def save_detector(
    path: Path,
    *,
    ghost: bool = True,
    seed: int = 1,
    preset: str = "pico",
    categories: tuple[str, ...] = (),
    input_size: int = INPUT_SIZE,
) -> Path:
    """A detector, by default a pico one of the street's thirteen categories."""
    torch.manual_seed(seed)
    categories = categories or load_taxonomy("street13").categories
    anchors = tuple((float(w), float(h)) for w, h in darknet_anchors(input_size))
    model = YOLOv4(preset, len(categories), ghost=ghost, anchors_wh=anchors)
    pictures = scenes(input_size).float() / 255
    acquaint(model, pictures)
    sharpen(model, pictures)
    save_weights(model, path)
    name = "yolov4-gs" if ghost else "yolov4"
    card = ModelCard(
        "detector", name, preset, categories, input_size, THRESHOLD, anchors, "tiny detector",
        data={DIGEST: digest(path)},
    )  # fmt: skip
    write_card(card, path)
    return path


def save_classifier(path: Path, *, attention: bool = True, seed: int = 1) -> Path:
    """A classifier of six labels."""
    torch.manual_seed(seed)
    model = MobileNetMHA(len(LABELS)) if attention else MobileNet(len(LABELS))
    acquaint(model, normalize_pixels(scenes(224)))
    save_weights(model, path)
    name = "mobilenet-mha" if attention else "mobilenet"
    data = {DIGEST: digest(path)}
    write_card(ModelCard("classifier", name, "tiny", LABELS, 224, name="tiny classifier", data=data), path)
    return path


def save_both(folder: Path, *, attention: bool = True) -> Path:
    """``detector.safetensors`` and ``classifier.safetensors`` with their cards; gives the folder."""
    save_detector(folder / "detector.safetensors")
    save_classifier(folder / "classifier.safetensors", attention=attention)
    return folder
