"""Training recipes: frozen, validated settings, saved beside every checkpoint; the named recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import RecipeError
from core.models.registry import CLASSIFIER_PRESETS, CLASSIFIERS, YOLO_PRESETS, ModelConfig, detector_names

ANCHORS = ("own", "darknet", "random")
SIDE_STEP = 32
MOST_EPOCHS, LARGEST_BATCH = 100_000, 65_536
LARGEST_SEED = 2**32 - 1
"""What NumPy's and Lightning's generators take."""


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RecipeError(f"expected {name} to be one of {', '.join(allowed)}, got {value!r}")


_POSITIVE = ("learning_rate", "batch", "epochs")
_MOST = {"epochs": MOST_EPOCHS, "batch": LARGEST_BATCH, "seed": LARGEST_SEED}
_SHARES = (
    "label_smoothing",
    "dropout",
    "mixup",
    "extra_share",
    "mosaic",
    "copy_paste",
    "masking",
    "ema_decay",
)


def _check_numbers(recipe: object) -> None:
    for name in _POSITIVE:
        if not getattr(recipe, name) > 0:
            raise RecipeError(f"expected {name} above 0, got {getattr(recipe, name)}")
    for name, most in _MOST.items():
        if not 0 <= getattr(recipe, name) <= most:
            raise RecipeError(f"expected {name} in 0..{most}, got {str(getattr(recipe, name))[:40]}")
    for name in _SHARES:
        if not 0 <= getattr(recipe, name, 0) < 1.0001:
            raise RecipeError(f"expected {name} in 0..1, got {getattr(recipe, name)}")


@dataclass(frozen=True)
class ClassifierRecipe:
    """The classifier's training.

    ``preset`` is the network's size (``gap`` of VGG-16), ``input_size`` the side of its pictures in pixels.
    ``trainable`` is "poster" (of the network with attention from block 12's pointwise on, all of others),
    "late" (MobileNet from block 6 on, VGG-16 from its third block on) or "all".
    """

    name: str
    model: str = "mobilenet-mha"
    preset: str = "full"
    input_size: int = 224
    optimizer: str = "sgd"
    learning_rate: float = 1e-4
    backbone_rate: float = 1.0  # the backbone's learning rate as a share of the head's
    weight_decay: float = 0.0
    batch: int = 16
    epochs: int = 50
    schedule: str = "plateau"  # times ``plateau_factor`` when validation stalls; or "cosine"
    plateau_factor: float = 0.9
    warmup_epochs: float = 0.0
    trainable: str = "poster"
    augmentation: str = "flip"
    label_smoothing: float = 0.0
    dropout: float = 0.0  # 0 leaves the network's own (VGG-16's 0.5)
    mixup: float = 0.0  # both parameters of the beta distribution that pictures are mixed by; 0: unmixed
    rebalance: float = 0.0  # LVIS's threshold; 0 takes every photo once
    ema_decay: float = 0.0  # 0 turns the moving average off
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("optimizer", self.optimizer, ("sgd", "adamw"))
        _one_of("schedule", self.schedule, ("plateau", "cosine"))
        _one_of("trainable", self.trainable, ("poster", "late", "all"))
        _one_of("augmentation", self.augmentation, ("flip", "rich"))
        _one_of("model", self.model, CLASSIFIERS)
        ModelConfig(self.model, self.preset, 2, self.input_size)
        _check_numbers(self)

    def at_size(self, size: int) -> ClassifierRecipe:
        """The recipe on pictures of ``size`` pixels. RecipeError for one that the network does not take."""
        return replace(self, input_size=size)


@dataclass(frozen=True)
class DetectorRecipe:
    """The detector's training. Loss weights are Darknet's by default: box 0.07, class 1, objectness 1."""

    name: str
    model: str = "yolov4-gs"
    preset: str = "nano"
    input_wh: tuple[int, int] = (416, 416)  # the canvas in training, multiples of 32
    small_wh: tuple[int, int] | None = None  # a smaller canvas for the first ``small_epochs``
    small_epochs: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    batch: int = 16
    epochs: int = 100
    extra_share: float = 1.0  # how much of the extra data an epoch takes
    warmup_epochs: float = 1.0
    box_weight: float = 0.07
    class_weight: float = 1.0
    objectness_weight: float = 1.0
    objectness_target: str = "one"  # or "iou": the box's overlap with its garment
    label_smoothing: float = 0.0
    mosaic: float = 0.5
    clean_epochs: int = 10  # the last epochs, without mosaic and copy-paste
    copy_paste: float = 0.0
    rotation_degrees: float = 5.0
    masking: float = 0.2
    rebalance: float = 0.1
    ema_decay: float = 0.999
    validate_every: int = 1  # epochs
    frozen_stages: int = 0  # the stem and this many stages of the backbone stay as pretrained
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("model", self.model, detector_names())
        _one_of("objectness_target", self.objectness_target, ("one", "iou"))
        for canvas_wh in (self.input_wh, self.small_wh or self.input_wh):
            if any(side % 32 or side <= 0 for side in canvas_wh):
                raise RecipeError(f"the input's sides are multiples of 32, got {canvas_wh}")
        _check_numbers(self)
        if not 0 <= self.frozen_stages <= 5:
            raise RecipeError(f"frozen_stages lies in 0..5, got {self.frozen_stages}")

    def at_size(self, size: int) -> DetectorRecipe:
        """The recipe on canvases whose long side is ``size`` pixels, of nearly the same shape.

        Raises RecipeError for a size that is no multiple of 32.
        """
        if size % SIDE_STEP or size <= 0:
            raise RecipeError(f"expected a size that is a multiple of {SIDE_STEP}, got {size}")
        scale = size / max(self.input_wh)

        def scaled(canvas_wh: tuple[int, int]) -> tuple[int, int]:
            w, h = (max(SIDE_STEP, round(side * scale / SIDE_STEP) * SIDE_STEP) for side in canvas_wh)
            return w, h

        small_wh = scaled(self.small_wh) if self.small_wh else None
        return replace(self, input_wh=scaled(self.input_wh), small_wh=small_wh)

    def in_epochs(self, epochs: int) -> DetectorRecipe:
        """The recipe in so many epochs; those on small canvases and without mosaic keep their share."""

        def share(part: int) -> int:
            return max(1, round(part * epochs / self.epochs)) if part else 0

        small, clean = share(self.small_epochs), share(self.clean_epochs)
        return replace(self, epochs=epochs, small_epochs=small, clean_epochs=clean)

    def canvas_of(self, epoch: int) -> tuple[int, int]:
        """The canvas of an epoch: small ones first, for speed (progressive resizing)."""
        return self.small_wh if self.small_wh and epoch < self.small_epochs else self.input_wh


Recipe = ClassifierRecipe | DetectorRecipe

_FINE = ClassifierRecipe(
    "fine",
    optimizer="adamw",
    learning_rate=8e-4,
    backbone_rate=0.4,
    weight_decay=0.02,
    batch=32,
    epochs=12,
    schedule="cosine",
    warmup_epochs=0.5,
    trainable="late",
    augmentation="rich",
    label_smoothing=0.1,
    dropout=0.2,
    rebalance=0.02,
    ema_decay=0.995,
)
_STREET = DetectorRecipe(
    "street",
    preset="nano",
    input_wh=(288, 416),
    small_wh=(192, 288),
    small_epochs=14,
    learning_rate=1.2e-3,
    weight_decay=0.02,
    batch=8,
    epochs=24,
    clean_epochs=4,
    extra_share=0.08,
    box_weight=1.0,
    class_weight=0.5,
    objectness_target="iou",
    mosaic=0.25,
    copy_paste=0.2,
    rebalance=0.15,
    ema_decay=0.998,
    validate_every=3,
    frozen_stages=2,
)

CLASSIFIER_RECIPES = {
    recipe.name: recipe
    for recipe in (
        ClassifierRecipe("poster"),
        _FINE,
        replace(
            _FINE,
            name="onward",
            learning_rate=4e-4,
            backbone_rate=0.5,
            weight_decay=0.03,
            dropout=0.3,
            mixup=0.2,
            ema_decay=0.998,
        ),
    )
}

DETECTOR_RECIPES = {
    recipe.name: recipe
    for recipe in (
        DetectorRecipe("darknet", preset="full", epochs=100),
        _STREET,
        replace(
            _STREET,
            name="street-onward",
            small_wh=None,
            small_epochs=0,
            learning_rate=6e-4,
            epochs=14,
            clean_epochs=3,
            ema_decay=0.999,
            validate_every=2,
            frozen_stages=1,
        ),
    )
}


def recipe_named(kind: str, name: str) -> Recipe:
    """A named recipe of ``detector`` or ``classifier``; raises RecipeError with the names there are."""
    recipes: Any = {"classifier": CLASSIFIER_RECIPES, "detector": DETECTOR_RECIPES}.get(kind, {})
    if name not in recipes:
        raise RecipeError(f"expected a {kind} recipe of {', '.join(recipes) or 'no such kind'}, got {name!r}")
    return recipes[name]


def with_changes(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with the settings that are not None replaced."""
    return replace(recipe, **{k: v for k, v in changes.items() if v is not None})


def choose_recipe(
    kind: str, preset: str | None, *, size: int | None = None, epochs: int | None = None, **changes: Any
) -> Recipe:
    """The recipe of a kind by its name (default ``fine`` or ``street``), or of a network in a size.

    ``full`` is the full-size detector on its own canvas, by the recipe ``darknet``; the smaller sizes are
    trained by ``street``; ``gap`` is VGG-16 with global average pooling, by ``fine``. ``size`` is the long
    side of the network's input in pixels; in other ``epochs``, a detector's small canvases and its last,
    unmixed epochs keep their share. Raises RecipeError with the names there are.
    """
    recipe = _named_or_sized(kind, preset, **changes)
    if epochs is not None and isinstance(recipe, DetectorRecipe):
        recipe = recipe.in_epochs(epochs)
    elif epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    return recipe if size is None else recipe.at_size(size)


def _named_or_sized(kind: str, preset: str | None, **changes: Any) -> Recipe:
    if kind not in ("detector", "classifier"):
        raise RecipeError(f"expected to train a detector or a classifier, got {kind!r}")
    default = "street" if kind == "detector" else "fine"
    if kind == "detector" and preset == "full":
        return with_changes(recipe_named(kind, "darknet"), **changes)
    if preset in (YOLO_PRESETS if kind == "detector" else CLASSIFIER_PRESETS):
        return with_changes(recipe_named(kind, default), preset=preset, **changes)
    return with_changes(recipe_named(kind, preset or default), **changes)


@dataclass(frozen=True)
class TrainingOptions:
    """Files in and out of a training, and where it runs.

    ``data``, ``extra`` and ``val`` are COCO files (detector) or CSVs (classifier). ``shares`` is how much of
    a file's photos an epoch takes (by default all of ``data``, and of ``extra`` the recipe's share);
    ``unlabeled`` names categories of which a file boxes no garment or not all (detector). ``pretrained`` is
    ImageNet's MobileNet (classifier), a distilled backbone (detector), or whole weights to go on from;
    ``devices`` share each batch;
    ``masks`` a folder of pixel labels for copy-paste (detector). ``model``, ``preset``, ``size``, ``epochs``,
    ``seed`` and ``batch`` are the recipe's where None. ``anchors`` is "own" (fitted to the training boxes by
    K-means++), "random" (by K-means from random seeds), "darknet", or a JSON file of nine in pixels of the
    training's canvas; None: own ones, or those that come with trained heads.

    Raises RecipeError for shares or unlabeled categories of a file that is none of the sets, and for anchors
    that are none of these.
    """

    data: Path
    val: Path
    model: str | None = None
    preset: str | None = None
    size: int | None = None
    anchors: str | None = None
    epochs: int | None = None
    seed: int | None = None
    batch: int | None = None
    pretrained: Path | None = None
    masks: Path | None = None
    extra: tuple[Path, ...] = ()
    device: str = "auto"
    workers: int = 0
    out: Path = Path("runs/latest")
    resume: bool = False
    devices: int = 1
    shares: Mapping[Path, float] = field(default_factory=dict)
    unlabeled: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.anchors is not None and self.anchors not in ANCHORS and not Path(self.anchors).is_file():
            raise RecipeError(
                f"expected anchors of {', '.join(ANCHORS)} or a JSON file, got {self.anchors!r}"
            )
        trained = (self.data, *self.extra)
        for file in self.shares:
            if file not in trained:
                raise RecipeError(f"expected a share of one of {_listed(trained)}, got {file}")
        sets = (*trained, self.val)
        for file in self.unlabeled:
            if file.resolve() not in {path.resolve() for path in sets}:
                raise RecipeError(f"expected unlabeled categories of one of {_listed(sets)}, got {file}")

    def share_of(self, file: Path, default: float) -> float:
        """How much of a training file's photos an epoch takes."""
        return self.shares.get(file, 1.0 if file == self.data else default)

    def unlabeled_of(self, file: Path) -> tuple[str, ...]:
        """The categories that a file does not label, whichever path to it was given with them."""
        named = (names for given, names in self.unlabeled.items() if given.resolve() == file.resolve())
        return tuple(dict.fromkeys(name for names in named for name in names))


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(str(file) for file in dict.fromkeys(files))
