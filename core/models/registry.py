"""Every model by its name, with the papers' number of classes and input size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import nn

from core.errors import RecipeError

SMALLEST_SIZE = 32
LARGEST_SIZE = 4096
MOST_CLASSES = 100_000

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


def _builder(path: str, *passed: str) -> Builder:
    """A builder that imports ``module:function`` when it is called, and passes it the named settings on."""

    def build(preset: str, classes: int, size: int) -> nn.Module:
        module, function = path.split(":")
        settings = {"preset": preset, "classes": classes, "size": size}
        model: nn.Module = getattr(import_module(f"core.models.{module}"), function)(
            **{name: settings[name] for name in passed}
        )
        return model

    return build


MODELS: dict[str, ModelEntry] = {
    "yolov4": ModelEntry(
        _builder("yolov4:yolov4", "preset", "classes"), classes=13, size=416, size_step=32, presets=True
    ),
    "yolov4-gs": ModelEntry(
        _builder("yolov4:yolov4_gs", "preset", "classes"), classes=13, size=416, size_step=32, presets=True
    ),
    "mobilenet": ModelEntry(_builder("mobilenet:mobilenet", "classes"), classes=1000, size=224),
    "mobilenet-mha": ModelEntry(
        _builder("mobilenet:mobilenet_mha", "classes"), classes=50, size=224, size_step=None
    ),
    "vgg16": ModelEntry(_builder("baselines:vgg16", "classes"), classes=1000, size=224),
    "ssd": ModelEntry(_builder("baselines:ssd", "classes"), classes=13, size=300, size_step=None),
    "retinanet": ModelEntry(_builder("baselines:retinanet", "classes", "size"), classes=13, size=416),
    "faster-rcnn": ModelEntry(_builder("baselines:faster_rcnn", "classes", "size"), classes=13, size=416),
    "r-fcn": ModelEntry(_builder("baselines:r_fcn", "classes", "size"), classes=13, size=416),
}


@dataclass(frozen=True)
class ModelConfig:
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
        if self.classes > MOST_CLASSES:
            raise RecipeError(f"expected at most {MOST_CLASSES} classes, got {str(self.classes)[:40]}")
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


def model_config(
    name: str, preset: str = "full", classes: int | None = None, size: int | None = None
) -> ModelConfig:
    """A checked config; ``classes`` and ``size`` default to the papers'. Raises RecipeError."""
    entry = _entry(name)
    return ModelConfig(
        name,
        preset,
        entry.classes if classes is None else classes,
        entry.size if size is None else size,
    )


def build_model(
    name: str, preset: str = "full", classes: int | None = None, size: int | None = None
) -> nn.Module:
    """A model of ``MODELS`` with random weights; ``classes`` and ``size`` as for :func:`model_config`."""
    return model_config(name, preset, classes, size).build()


def _entry(name: str) -> ModelEntry:
    if name not in MODELS:
        raise RecipeError(f"expected a model of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]
