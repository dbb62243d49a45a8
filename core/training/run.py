"""Trains on files from a recipe to weights: what ``python -m core train`` and ``distill`` call."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import seed_everything

from core.anchors import darknet_anchors, kmeans_anchors, mean_best_iou, read_anchors
from core.datasets.classification import read_labeled, with_known_labels
from core.datasets.detection import DetectionDataset, letterboxed_wh
from core.datasets.reading import read_fitted
from core.errors import DatasetError, RecipeError, WeightsError
from core.files import atomic_write, current_commit
from core.models.loading import GHOST_OF
from core.models.registry import detector_names, has_anchors
from core.models.weights import read_tensors
from core.models.yolov4 import PRESETS
from core.taxonomy import category_key
from core.training.classifier import ClassifierData, ClassifierTraining, export_classifier
from core.training.datasets import DetectionTrainingDataset
from core.training.detector import DetectorData, DetectorTraining, export_detector
from core.training.distillation import Distillation, DistillationData, export_backbone
from core.training.recipes import ClassifierRecipe, DetectorRecipe, TrainingOptions
from core.training.starting_weights import Start, start_classifier, start_detector
from core.training.trainer import fit


def train_classifier(recipe: ClassifierRecipe, options: TrainingOptions) -> Path:
    """Train the classifier; labels are those that the training data list, sorted.

    Returns the best weights' path.
    """
    for name in ("unlabeled", "masks"):
        if getattr(options, name):
            raise RecipeError(f"--{name} goes with a detector's training, not with a classifier's")
    seed_everything(recipe.seed, workers=True, verbose=False)  # the first weights follow the seed, too
    sets = [
        (read_labeled(file, part="train"), options.share_of(file, 1.0))
        for file in (options.data, *options.extra)
    ]
    photos = [photo for part, _ in sets for photo in part.photos]
    shares = [share for part, share in sets for _ in part.photos]
    labels = tuple(sorted({label for part, _ in sets for label in part.labels}))
    val, skipped = with_known_labels(read_labeled(options.val, part="val").photos, labels)
    if not val:
        raise DatasetError(f"expected validation photos with the labels {', '.join(labels)}, got none")
    recipe, start = start_classifier(recipe, labels, options.pretrained)
    print(start.sentence, file=sys.stderr)
    module = ClassifierTraining(recipe, labels, options.pretrained)
    start.load_into(module.model)
    loaders = ClassifierData(tuple(photos), val, labels, recipe, options.workers, shares)
    if options.pretrained is not None:
        module.calibrate(loaders.sample())
    record = _record(
        options, start, photos=len(photos), validation_photos=len(val), validation_skipped=skipped
    )
    _write_settings(options.out, asdict(recipe) | record)
    _fit(module, loaders, recipe, options, "val_top1", export_classifier(record))
    return options.out / "best.safetensors"


def train_detector(recipe: DetectorRecipe, options: TrainingOptions) -> Path:
    """Train the detector. Returns the best weights' path.

    Its anchors are fitted to its own boxes unless others are chosen, or whole weights are taken, whose
    anchors come with them.
    """
    seed_everything(recipe.seed, workers=True, verbose=False)
    files = (options.data, *options.extra)
    datasets = read_training_sets(files, options.unlabeled_of)
    shares = [options.share_of(file, recipe.extra_share) for file in files]
    check_anchors(recipe, options.anchors)
    recipe, start = start_detector(recipe, datasets[0].categories, options.pretrained, options.anchors)
    anchors_wh, anchors = choose_anchors(recipe, options.anchors, start, datasets)
    categories = start.categories or datasets[0].categories
    datasets = [dataset.with_categories(categories) for dataset in datasets]
    val = read_training_sets((options.val,), options.unlabeled_of, "val")[0].with_categories(categories)
    print(f"{_described(recipe)} {start.sentence}", file=sys.stderr)
    names = _label_names(options.masks) if options.masks else ()
    train_set = DetectionTrainingDataset(
        datasets, recipe, shares=shares, masks=options.masks, label_names=names
    )
    module = DetectorTraining(recipe, categories, anchors_wh)
    start.load_into(module.model)
    if options.pretrained is not None:
        module.load_pretrained(read_tensors(options.pretrained))
    boxes = sum(dataset.box_count for dataset in datasets)
    record = _record(options, start, photos=len(train_set), boxes=boxes, validation_photos=len(val.photos))
    record |= {"anchors": anchors}
    _write_settings(options.out, asdict(recipe) | record)
    loaders = DetectorData(train_set, val, recipe, options.workers)
    _fit(module, loaders, recipe, options, "val_map50", export_detector(record))
    return options.out / "best.safetensors"


def _described(recipe: DetectorRecipe) -> str:
    width, height = recipe.input_wh
    size = f"{recipe.model} {recipe.preset} on {width} x {height} pixels"
    return f"Recipe {recipe.name}: {size}, {recipe.epochs} epochs."


def read_training_sets(
    files: Sequence[Path], unlabeled_of: Callable[[Path], tuple[str, ...]], part: str = "train"
) -> list[DetectionDataset]:
    """Datasets under the categories that they have together, matched by name, in the order of the files.

    ``part`` is what is read of a folder that holds all parts, as DeepFashion2's does.
    A set labels the categories of its own list, less those that it or ``unlabeled_of`` says it does not.
    """
    datasets = [read_fitted(file, part=part).dataset.without_labels_of(unlabeled_of(file)) for file in files]
    by_key: dict[str, str] = {}
    for name in (name for dataset in datasets for name in dataset.categories):
        by_key.setdefault(category_key(name), name)
    categories = tuple(by_key.values())
    return [dataset.with_categories(categories) for dataset in datasets]


def check_anchors(recipe: DetectorRecipe, chosen: str | None) -> None:
    """Raise RecipeError where anchors are chosen for a model that has its own."""
    if chosen is not None and not has_anchors(recipe.model):
        own = ", ".join(name for name in detector_names() if has_anchors(name))
        raise RecipeError(f"--anchors goes with {own}: {recipe.model} has default boxes of its own")


def choose_anchors(
    recipe: DetectorRecipe, chosen: str | None, start: Start, datasets: Sequence[DetectionDataset]
) -> tuple[list[list[float]], dict[str, Any]]:
    """Nine anchors in pixels of the recipe's canvas, and what is recorded of them.

    ``chosen`` is as in :class:`TrainingOptions`. Raises DatasetError where no photo has a box, RecipeError
    for a file that holds no anchors. A model that has its own gets none.
    """
    size = max(recipe.input_wh)
    found = [letterboxed_wh(dataset, size) for dataset in datasets if dataset.box_count]
    if not found:
        raise DatasetError("expected photos with boxes to train on, got none with any")
    if not has_anchors(recipe.model):
        return [], {"from": "of the model"}
    boxes_wh = np.concatenate(found)
    if start.anchors_wh:
        chosen, anchors = "of the weights", np.array(start.anchors_wh)
    elif chosen in (None, "own", "random"):
        seeding = "random" if chosen == "random" else "k-means++"
        chosen, anchors = chosen or "own", kmeans_anchors(boxes_wh, 9, recipe.seed, seeding=seeding).anchors
    else:
        anchors = darknet_anchors(size) if chosen == "darknet" else read_anchors(Path(str(chosen)))
    mean_iou = round(mean_best_iou(boxes_wh, anchors), 4)
    pairs = [[float(w), float(h)] for w, h in anchors]
    return pairs, {"from": chosen, "mean_iou": mean_iou, "anchors_wh": pairs}


def distill_backbone(
    photos: Sequence[Path],
    teacher: Path,
    *,
    model: str = "yolov4-gs",
    preset: str,
    epochs: int,
    size: int,
    device: str,
    out: Path,
    resume: bool,
) -> Path:
    """Pretrain a backbone; returns the path of its weights."""
    if size % 32 or size <= 0:
        raise WeightsError(f"expected a size that is a multiple of 32, got {size}")
    if model not in GHOST_OF or preset not in PRESETS:
        raise RecipeError(f"expected a backbone of {', '.join(GHOST_OF)} in a size, got {model} {preset}")
    seed_everything(0, workers=True, verbose=False)
    module = Distillation(preset, teacher, ghost=GHOST_OF[model])
    data = DistillationData(photos, size=size)
    fit(
        module,
        data,
        epochs=epochs,
        out=out,
        monitor="val_score",
        export=export_backbone,
        device=device,
        resume=resume,
    )
    return out / "final.safetensors"


def _fit(
    module: Any,
    loaders: Any,
    recipe: ClassifierRecipe | DetectorRecipe,
    options: TrainingOptions,
    monitor: str,
    export: Any,
) -> None:
    fit(
        module,
        loaders,
        epochs=recipe.epochs,
        out=options.out,
        monitor=monitor,
        export=export,
        ema_decay=recipe.ema_decay,
        seed=recipe.seed,
        device=options.device,
        devices=options.devices,
        resume=options.resume,
        validate_every=recipe.validate_every if isinstance(recipe, DetectorRecipe) else 1,
    )


def _record(options: TrainingOptions, start: Start, **counts: int) -> dict[str, Any]:
    file = options.pretrained or start.shipped
    pretrained = file.name if file else None
    shares = {str(file): share for file, share in options.shares.items()}
    unlabeled = {str(file): list(names) for file, names in options.unlabeled.items()}
    chosen = {"shares": shares, "unlabeled": unlabeled}
    given = {name: value for name, value in chosen.items() if value}
    return {**counts, **given, "pretrained": pretrained, "commit": current_commit()}


def _label_names(masks: Path) -> tuple[str, ...]:
    """The pixel labels' names, a line each, from ``labels.txt`` beside their folder."""
    path = masks.parent / "labels.txt"
    if not path.is_file():
        raise DatasetError(f"expected the pixel labels' names in labels.txt beside {masks.name}/, found none")
    return tuple(path.read_text(encoding="utf-8").splitlines())


def _write_settings(out: Path, settings: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "recipe.json") as file:
        file.write((json.dumps(settings, indent=1) + "\n").encode())
