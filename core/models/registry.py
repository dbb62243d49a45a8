"""Every model by its name, with the papers' number of classes and input size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from core.errors import RecipeError

SMALLEST_SIZE = 32
LARGEST_SIZE = 4096

Builder = Callable[[str, int, int], nn.Module]  # preset, classes, size


@dataclass(frozen=True)
class ModelEntry:
    """How to build a model, and what the papers give it: classes and the input's side in pixels.

    ``size_step`` is what the side must be a multiple of; None means that the model takes ``size`` only.
    ``presets`` says whether there is more than ``full``.
    """

    build: Builder
    classes: int
    size: int
    size_step: int | None = 1
    presets: bool = False


def _yolov4(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.yolov4 import yolov4

    return yolov4(preset=preset, classes=classes)


def _yolov4_gs(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.yolov4 import yolov4_gs

    return yolov4_gs(preset=preset, classes=classes)


def _mobilenet(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.mobilenet import mobilenet

    return mobilenet(classes=classes)


def _mobilenet_mha(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.mobilenet import mobilenet_mha

    return mobilenet_mha(classes=classes)


def _vgg16(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.baselines import vgg16

    return vgg16(classes=classes)


def _ssd(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.baselines import ssd

    return ssd(classes=classes)


def _retinanet(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.baselines import retinanet

    return retinanet(classes=classes, size=size)


def _faster_rcnn(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.baselines import faster_rcnn

    return faster_rcnn(classes=classes, size=size)


def _r_fcn(preset: str, classes: int, size: int) -> nn.Module:
    from core.models.rfcn import r_fcn

    return r_fcn(classes=classes, size=size)


MODELS: dict[str, ModelEntry] = {
    "yolov4": ModelEntry(_yolov4, classes=13, size=416, size_step=32, presets=True),
    "yolov4-gs": ModelEntry(_yolov4_gs, classes=13, size=416, size_step=32, presets=True),
    "mobilenet": ModelEntry(_mobilenet, classes=1000, size=224),
    "mobilenet-mha": ModelEntry(_mobilenet_mha, classes=50, size=224, size_step=None),
    "vgg16": ModelEntry(_vgg16, classes=1000, size=224),
    "ssd": ModelEntry(_ssd, classes=13, size=300, size_step=None),
    "retinanet": ModelEntry(_retinanet, classes=13, size=416),
    "faster-rcnn": ModelEntry(_faster_rcnn, classes=13, size=416),
    "r-fcn": ModelEntry(_r_fcn, classes=13, size=416),
}


@dataclass(frozen=True)
class ModelRecipe:
    """What a model of ``MODELS`` is built from; ``size`` is its input's side in pixels.

    Raises RecipeError for a name, preset, number of classes or size that the model does not have.
    """

    name: str
    preset: str
    classes: int
    size: int

    def __post_init__(self) -> None:
        entry = _entry(self.name)
        if not entry.presets and self.preset != "full":
            raise RecipeError(f"{self.name} has the preset full only, got {self.preset!r}")
        if self.classes < 1:
            raise RecipeError(f"expected one class or more, got {self.classes}")
        if entry.size_step is None:
            if self.size != entry.size:
                raise RecipeError(f"{self.name} takes pictures of {entry.size} pixels, got {self.size}")
        elif not SMALLEST_SIZE <= self.size <= LARGEST_SIZE or self.size % entry.size_step:
            step = f", a multiple of {entry.size_step}" if entry.size_step > 1 else ""
            wanted = f"{SMALLEST_SIZE} to {LARGEST_SIZE} pixels{step}"
            raise RecipeError(f"expected a size of {wanted}, got {self.size}")

    def build(self) -> nn.Module:
        """The model, with random weights."""
        return _entry(self.name).build(self.preset, self.classes, self.size)


def model_recipe(
    name: str, preset: str = "full", classes: int | None = None, size: int | None = None
) -> ModelRecipe:
    """A checked recipe; ``classes`` and ``size`` default to the papers'. Raises RecipeError."""
    entry = _entry(name)
    return ModelRecipe(
        name,
        preset,
        entry.classes if classes is None else classes,
        entry.size if size is None else size,
    )


def build_model(
    name: str, preset: str = "full", classes: int | None = None, size: int | None = None
) -> nn.Module:
    """A model of ``MODELS`` with random weights; ``classes`` and ``size`` as for :func:`model_recipe`."""
    return model_recipe(name, preset, classes, size).build()


def _entry(name: str) -> ModelEntry:
    if name not in MODELS:
        raise RecipeError(f"expected a model of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]
