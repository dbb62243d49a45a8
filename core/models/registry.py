"""Every model by its name, with the papers' number of classes and input size. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import RecipeError

if TYPE_CHECKING:  # recipes and engines read the names without loading torch
    from torch import nn

SMALLEST_SIZE = 32
LARGEST_SIZE = 4096
MOST_CLASSES = 100_000
YOLO_PRESETS = ("full", "medium", "small", "tiny", "nano", "pico")
DETECTOR, CLASSIFIER = "detector", "classifier"


@dataclass(frozen=True)
class ModelEntry:
    """How to build a model, and what the papers give it: classes and the input's side in pixels.

    ``builder`` is ``module:function`` of core.models, imported when a model is built; ``settings`` are what
    it takes of preset, classes, size and anchors_wh. ``size_step`` is what the side must be a multiple of;
    None means that the full model takes ``size`` only. ``is_exported`` says whether engines other than
    PyTorch run it, ``is_finetuned`` whether a store's champion of it is fine-tuned.
    """

    kind: str
    builder: str
    settings: tuple[str, ...]
    classes: int
    size: int
    size_step: int | None = 1
    presets: tuple[str, ...] = ("full",)
    is_exported: bool = True
    is_finetuned: bool = True

    def build(self, **settings: Any) -> nn.Module:
        """The model, with random weights, of those settings that it takes."""
        module, function = self.builder.split(":")
        build: Callable[..., nn.Module] = getattr(import_module(f"core.models.{module}"), function)
        return build(**{name: settings[name] for name in self.settings if name in settings})

    @property
    def takes_anchors(self) -> bool:
        """Whether its anchors are the data's: one that does not has its own."""
        return "anchors_wh" in self.settings


_YOLO: dict[str, Any] = {
    "settings": ("preset", "classes", "anchors_wh"),
    "classes": 13,
    "size": 416,
    "size_step": 32,
    "presets": YOLO_PRESETS,
}
_DETECTOR: dict[str, Any] = {
    "settings": ("preset", "classes", "size"),
    "classes": 13,
    "presets": YOLO_PRESETS,
    "is_exported": False,
    "is_finetuned": False,
}

MODELS: dict[str, ModelEntry] = {
    "yolov4": ModelEntry(DETECTOR, "yolov4:yolov4", **_YOLO),
    "yolov4-gs": ModelEntry(DETECTOR, "yolov4:yolov4_gs", **_YOLO),
    "mobilenet": ModelEntry(CLASSIFIER, "mobilenet:mobilenet", ("classes",), 1000, 224),
    "mobilenet-mha": ModelEntry(
        CLASSIFIER, "mobilenet:mobilenet_mha", ("classes", "size"), 50, 224, size_step=32
    ),
    "vgg16": ModelEntry(CLASSIFIER, "vgg:vgg16", ("classes", "preset"), 1000, 224, presets=("full", "gap")),
    "ssd": ModelEntry(DETECTOR, "ssd:ssd", size=300, size_step=None, **_DETECTOR),
    "retinanet": ModelEntry(DETECTOR, "retinanet:retinanet", size=416, **_DETECTOR),
    "faster-rcnn": ModelEntry(DETECTOR, "faster_rcnn:faster_rcnn", size=416, **_DETECTOR),
    "r-fcn": ModelEntry(DETECTOR, "r_fcn:r_fcn", size=416, **_DETECTOR),
}

CLASSIFIERS = tuple(name for name, entry in MODELS.items() if entry.kind == CLASSIFIER)
CLASSIFIER_PRESETS = tuple(dict.fromkeys(preset for name in CLASSIFIERS for preset in MODELS[name].presets))


def detector_names() -> tuple[str, ...]:
    """The names of the detectors."""
    return tuple(name for name, entry in MODELS.items() if entry.kind == DETECTOR)


def has_anchors(name: str) -> bool:
    """Whether a model's anchors are chosen or fitted; False for unknown names."""
    return name in MODELS and MODELS[name].takes_anchors


def is_exported(name: str) -> bool:
    """Whether engines other than PyTorch run a model; True for unknown names."""
    return name not in MODELS or MODELS[name].is_exported


def finetuning_refusal(name: str) -> str | None:
    """Why a champion of this model is not fine-tuned, in a sentence; None where it is."""
    if name not in MODELS or MODELS[name].is_finetuned:
        return None
    kind = MODELS[name].kind
    able = ", ".join(other for other, entry in MODELS.items() if entry.kind == kind and entry.is_finetuned)
    return (
        f"The {kind} that serves is a {name}, which is not fine-tuned on revisions: promote one of {able}, "
        f"or train a {name} on files and promote that."
    )


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
        if entry.size_step is None and self.preset == "full":
            if self.size != entry.size:
                raise RecipeError(f"{self.name} takes pictures of {entry.size} pixels, got {self.size}")
            return
        size_step = entry.size_step or 1
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE or self.size % size_step:
            step = f", a multiple of {size_step}" if size_step > 1 else ""
            wanted = f"{SMALLEST_SIZE} to {LARGEST_SIZE} pixels{step}"
            raise RecipeError(f"expected a size of {wanted}, got {self.size}")

    def build(self) -> nn.Module:
        """The model, with random weights."""
        return _entry(self.name).build(preset=self.preset, classes=self.classes, size=self.size)


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


def build_detector_network(
    name: str, preset: str, classes: int, size: int, anchors_wh: Sequence[Sequence[float]] = ()
) -> nn.Module:
    """A detector as it is trained and served, on a canvas of ``size``; ``anchors_wh`` where it takes some.

    Its interface is :class:`core.models.detection.DetectionNetwork`, or YOLOv4's. Raises RecipeError.
    """
    entry = _entry(name)
    if entry.kind != DETECTOR:
        raise RecipeError(f"expected a detector of {', '.join(detector_names())}, got {name!r}")
    fixed = entry.size_step is None and preset == "full"
    ModelConfig(name, preset, classes, entry.size if fixed else size)
    return entry.build(preset=preset, classes=classes, size=size, anchors_wh=anchors_wh)


def _entry(name: str) -> ModelEntry:
    if name not in MODELS:
        raise RecipeError(f"expected a model of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]
