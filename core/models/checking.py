"""Weights checked before they may serve: whether they fit their card, and what they compute is a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.errors import WeightsError
from core.models.cards import LARGEST_BYTES, ModelCard, read_card

TRIAL_SIDE = 64
"""Pixels of the picture that a detector is tried on: the smallest whose every scale has several cells."""


def check_weights(path: Path, kind: str, categories: Sequence[str] | None = None) -> ModelCard:
    """The card of weights that can serve as the labeler's ``kind``, "detector" or "classifier".

    They are safetensors of a bearable size, their names and shapes are those of the model that the card
    describes, all values are finite, and so is what they compute of a trial picture (a negative variance is
    finite, its root is not). ``categories`` are the classes that they must have, in this order; None: those
    of their card. Raises WeightsError with what was expected and what came.
    """
    if path.is_file() and path.stat().st_size > LARGEST_BYTES:
        raise WeightsError(f"expected weights of at most {LARGEST_BYTES // 2**20} MB in {path.name}")
    card = read_card(path)
    if card.kind != kind:
        raise WeightsError(f"expected a {kind}'s weights in {path.name}, got a {card.kind}'s")
    if categories is not None and card.categories != tuple(categories):
        raise WeightsError(_other_classes(path, card.categories, categories))
    outputs = _detector_outputs(path) if kind == "detector" else _classifier_outputs(path)
    if not all(bool(torch.isfinite(values).all()) for values in outputs):
        raise WeightsError(f"{path.name} computes values that are not finite")
    return card


def _other_classes(path: Path, found: Sequence[str], wanted: Sequence[str]) -> str:
    odd = sorted(set(found) ^ set(wanted))
    which = f", e.g. {odd[0]}" if odd else " in this order"
    return f"expected {len(wanted)} classes in {path.name}, got {len(found)}: they are not the same{which}"


@torch.inference_mode()
def _detector_outputs(path: Path) -> list[Tensor]:
    from core.detector import Detector  # it imports this package

    trial = torch.from_numpy(_trial_pixels()).permute(2, 0, 1)[None].float() / 255
    return list(Detector.load(path).model(trial))


def _classifier_outputs(path: Path) -> list[Tensor]:
    from core.classifier import Classifier

    return list(Classifier.load(path).look([Image.fromarray(_trial_pixels())]))


def _trial_pixels() -> np.ndarray:
    """A picture of noise, always the same: (64, 64, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (TRIAL_SIDE, TRIAL_SIDE, 3), np.uint8)
