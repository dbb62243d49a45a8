"""Every model by its name, with the papers' number of classes and input size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from core.errors import RecipeError

if TYPE_CHECKING:
    from torch import nn

SMALLEST_SIZE = 32
LARGEST_SIZE = 4096
MOST_CLASSES = 100_000

Builder: TypeAlias = "Callable[[str, int, int], nn.Module]"  # preset, classes, size
YOLO_PRESETS = ("full", "medium", "small", "tiny", "nano", "pico")


@dataclass(frozen=True)
class ModelEntry:
    """How to build a model, and what the papers give it: classes and the input's side in pixels.

    ``size_step`` is what the side must be a multiple of; None means that the model takes ``size`` only.
    ``is_classifier`` is off for detectors.
    """

    build: Builder
    classes: int
    size: int
    size_step: int | None = 1
    presets: tuple[str, ...] = ("full",)
    is_classifier: bool = False


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
        _builder("yolov4:yolov4", "preset", "classes"), 13, 416, size_step=32, presets=YOLO_PRESETS
    ),
    "yolov4-gs": ModelEntry(
        _builder("yolov4:yolov4_gs", "preset", "classes"), 13, 416, size_step=32, presets=YOLO_PRESETS
    ),
    "mobilenet": ModelEntry(_builder("mobilenet:mobilenet", "classes"), 1000, 224, is_classifier=True),
    "mobilenet-mha": ModelEntry(
        _builder("mobilenet:mobilenet_mha", "classes", "size"), 50, 224, size_step=32, is_classifier=True
    ),
    "vgg16": ModelEntry(
        _builder("vgg:vgg16", "classes", "preset"), 1000, 224, presets=("full", "gap"), is_classifier=True
    ),
    "ssd": ModelEntry(_builder("baselines:ssd", "classes"), 13, 300, size_step=None),
    "retinanet": ModelEntry(_builder("baselines:retinanet", "classes", "size"), 13, 416),
    "faster-rcnn": ModelEntry(_builder("baselines:faster_rcnn", "classes", "size"), 13, 416),
    "r-fcn": ModelEntry(_builder("baselines:r_fcn", "classes", "size"), 13, 416),
}

CLASSIFIERS = tuple(name for name, entry in MODELS.items() if entry.is_classifier)
CLASSIFIER_PRESETS = tuple(dict.fromkeys(preset for name in CLASSIFIERS for preset in MODELS[name].presets))


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
        if self.preset not in entry.presets:
            only = "preset full only" if len(entry.presets) == 1 else f"presets {', '.join(entry.presets)}"
            raise RecipeError(f"{self.name} has the {only}, got {self.preset!r}")
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


def classifier_config(name: str, classes: int, preset: str, size: int) -> ModelConfig:
    """A classifier's checked config. Raises RecipeError.

    Of a network with one preset any name is taken: cards may have the recipe's there.
    """
    if name not in CLASSIFIERS:
        raise RecipeError(f"expected a classifier of {', '.join(CLASSIFIERS)}, got {name!r}")
    presets = MODELS[name].presets
    return ModelConfig(name, preset if len(presets) > 1 else presets[0], classes, size)


def build_model(
    name: str, preset: str = "full", classes: int | None = None, size: int | None = None
) -> nn.Module:
    """A model of ``MODELS`` with random weights; ``classes`` and ``size`` as for :func:`model_config`."""
    return model_config(name, preset, classes, size).build()


def _entry(name: str) -> ModelEntry:
    if name not in MODELS:
        raise RecipeError(f"expected a model of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]
