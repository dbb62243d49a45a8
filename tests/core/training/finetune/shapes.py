"""A small world to learn: rectangles of a few colors, a champion that knows two of them, corrections."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.images.decode import Photo
from core.inference.detector import Detector
from core.inference.measure import measure_detector
from core.models.cards import read_card, write_card
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.photos import in_holdout
from core.training import trainer
from core.training.datasets import DetectionTrainingDataset
from core.training.detector import DetectorData, DetectorTraining, export_detector
from core.training.finetune import recipes
from core.training.finetune.recipes import FinetuneRecipe
from core.training.trainer import fit
from tests.core.training.samples import ANCHORS_WH, pico_recipe

COLORS = {"red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 170, 60)}
KNOWN = ("red", "blue")
SIDE = 96


def draw(names: Sequence[str], seed: int) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """A picture of 96 x 96 pixels with a rectangle of each color, side by side, and their boxes."""
    rng = np.random.default_rng(seed)
    image, boxes = Image.new("RGB", (SIDE, SIDE), (230, 230, 220)), []
    for place, name in enumerate(names):
        x0, y0 = int(rng.integers(2, 8)) + place * SIDE // 2, int(rng.integers(4, SIDE // 3))
        x1, y1 = x0 + int(rng.integers(30, 40)), y0 + int(rng.integers(44, 60))
        ImageDraw.Draw(image).rectangle((x0, y0, x1 - 1, y1 - 1), fill=COLORS[name])
        boxes.append((x0, y0, x1, y1))
    return image, boxes


def dataset(folder: Path, count: int, names: Sequence[str], categories: Sequence[str], first: int = 0) -> Any:
    """So many pictures as a dataset in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ids, photos = [categories.index(name) for name in names], []
    for seed in range(first, first + count):
        image, boxes = draw(names, seed)
        image.save(folder / f"{seed}.png")
        photos.append(BoxedPhoto(f"{seed}.png", SIDE, SIDE, np.array(boxes), np.array(ids)))
    return DetectionDataset(tuple(categories), tuple(photos), folder)


def train_champion(folder: Path) -> Path:
    """A detector of red and blue rectangles, learned in a few seconds; its weights in the folder."""
    data = dataset(folder / "pictures", 12, KNOWN, KNOWN)
    recipe = pico_recipe(epochs=50, batch=6, learning_rate=6e-3, box_weight=1.0, objectness_target="iou")
    torch.manual_seed(0)
    module = DetectorTraining(recipe, KNOWN, ANCHORS_WH)
    loaders = DetectorData(DetectionTrainingDataset([data], recipe), data, recipe)
    with pytest.MonkeyPatch.context() as patch:
        save_seldom(patch)
        fit(
            module, loaders, epochs=recipe.epochs, out=folder / "run", monitor="val_map50",
            export=export_detector({}), ema_decay=0.9, ema_warmup_steps=5, device="cpu", precision="32-true",
            progress_bar=False, validate_every=50, log=lambda _: None,
        )  # fmt: skip
    source, target = folder / "run" / "final.safetensors", folder / "detector.safetensors"
    source.rename(target)
    write_card(replace(read_card(source), name="shapes 1"), target)
    return target


def save_seldom(patch: pytest.MonkeyPatch) -> None:
    """No checkpoints: one of a few epochs of two steps each takes longer than the epoch."""
    patch.setattr(trainer, "CHECKPOINT_EPOCHS", 1000)


def add_photo(store: Store, seed: int, names: Sequence[str], *, holdout: bool = False) -> int:
    """A picture in the store's pool (or its holdout), with its boxes annotated; its number."""
    image, boxes = draw(names, seed)
    digests = (hashlib.sha256(f"{seed} {n}".encode()).hexdigest() for n in itertools.count())
    digest = next(digest for digest in digests if in_holdout(digest) == holdout)
    added = store.photos.add(Photo(f"scene {seed}.png", image, digest), by="ada")
    assert added.row is not None
    annotate(store, added.row.id, names, boxes, request=f"{seed}")
    return added.row.id


def annotate(
    store: Store, photo: int, names: Sequence[str], boxes: Sequence[Sequence[float]], *, request: str
) -> None:
    """Save boxes of these categories, each with its category as its label."""
    numbers = store.categories.ensure(names, "ada")
    rows = [
        AnnotatedBox((float(b[0]), float(b[1]), float(b[2]), float(b[3])), numbers[name], label=name.title())
        for name, b in zip(names, boxes, strict=True)
    ]
    latest = store.annotations.latest(photo)
    base = latest.version if latest else 0
    store.annotations.submit(photo, rows, author="ada", base_version=base, request=request)


def small(kind: str = "detector", mode: str = "quick", **changes: Any) -> FinetuneRecipe:
    """The fine-tuning recipe of a kind and mode without mixing, for few and tiny pictures."""
    usual = recipes.FINETUNE_RECIPES[kind, mode]
    plain: dict[str, Any] = {"batch": 4, "rebalance": 0.0}
    if kind == "detector":
        plain |= {"mosaic": 0.0, "masking": 0.0, "rotation_degrees": 0.0, "learning_rate": 4e-3}
    else:
        plain |= {"augmentation": "flip", "dropout": 0.0, "label_smoothing": 0.0, "learning_rate": 2e-3}
    plain |= {name[2:]: changes.pop(name) for name in list(changes) if name.startswith("r_")}
    return replace(usual, recipe=replace(usual.recipe, **plain), **changes)


def map50(weights: Path, data: DetectionDataset) -> float:
    """The mean AP at IoU 0.5 of weights on pictures."""
    report, _ = measure_detector(Detector.load(weights), data)
    return report.map50
