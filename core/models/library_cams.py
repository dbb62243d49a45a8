"""Class activation by TorchCAM (Apache-2.0), an extra: other methods beside the closed form of our own.

Raises EngineError where the library is not installed. Hooks are removed on leaving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import EngineError, RecipeError
from core.models.attribution import FINER
from core.models.mobilenet import MobileNetMHA

LIBRARY = "torchcam"


@dataclass(frozen=True)
class LibraryCam:
    """A method of the library: its class there with arguments, and the feature map that it weighs."""

    title: str
    cls: str
    layer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


LAST = "features"
METHODS = {
    "grad_cam": LibraryCam("Grad-CAM", "GradCAM", LAST),
    # Version 0.5's own GradCAMpp leaves out the division in its weights (it divides a copy): this is the same
    # method without noise. Gradients of 1e-4 have squares of 1e-8, the library's own eps.
    "grad_cam_pp": LibraryCam(
        "Grad-CAM++", "SmoothGradCAMpp", LAST, {"num_samples": 1, "std": 1e-12}, {"eps": 1e-20}
    ),
    "layer_cam": LibraryCam("Layer-CAM, twice as fine", "LayerCAM", f"model.backbone.blocks.{FINER[2] - 1}"),
    "score_cam": LibraryCam("Score-CAM", "ScoreCAM", LAST, {"batch_size": 32}),
}
"""Grad-CAM (Selvaraju et al. 2017), Grad-CAM++ (Chattopadhyay et al. 2018), Layer-CAM (Jiang et al. 2021),
Score-CAM (Wang et al. 2020)."""

SLOW = "score_cam"
"""A forward pass for each of the 1,024 channels."""


class _Features(nn.Module):
    """The classifier with its last feature maps as a module's output, after their ReLU: what hooks need."""

    def __init__(self, model: MobileNetMHA) -> None:
        super().__init__()
        self.model, self.features = model, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.model.head(self.features(self.model.feature_maps(x)[0]).mean(dim=(2, 3)))


def is_installed() -> bool:
    """Whether the library is there."""
    return find_spec(LIBRARY) is not None


def library_cam(model: MobileNetMHA, images: Tensor, target: int, method: str) -> Tensor:
    """A label's class activation by one of ``METHODS``, behind its ReLU and not scaled: (h, w), 0 or more.

    ``images`` (1, 3, S, S). Raises EngineError without the library, RecipeError for another method.
    """
    if method not in METHODS:
        raise RecipeError(f"expected a method of {', '.join(METHODS)}, got {method!r}")
    if not is_installed():
        raise EngineError("Expected the package torchcam for this map, found none: make torchcam.")
    from torchcam import methods as library

    chosen, wrapped = METHODS[method], _Features(model).eval()
    with (
        torch.enable_grad(),
        getattr(library, chosen.cls)(wrapped, target_layer=chosen.layer, **chosen.arguments) as extractor,
    ):
        scores = wrapped(images.detach().clone().requires_grad_())
        (cam,) = extractor(target, scores, normalized=False, **chosen.options)
    found: Tensor = cam[0].detach().clamp(min=0)
    return found
