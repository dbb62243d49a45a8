"""Model cards: the JSON beside a weights file with model, categories, data, recipe and metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import WeightsError
from core.files import atomic_write

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights"
"""Where the weights lie that ship."""

LARGEST_BYTES = 2**30
"""Of a weights file: a larger one is not read."""


@dataclass(frozen=True)
class ModelCard:
    """What a weights file is: enough to rebuild the model, and where its numbers come from.

    ``input_size`` is the long side in pixels; ``anchors_wh`` (detector) in pixels of that input;
    ``calibration`` is ``slope`` and ``intercept`` of a detector's scores (Platt scaling) or the
    ``temperature`` of a classifier's logits, fitted on held-back photos. ``metrics``, ``training`` and
    ``data`` are for people.
    """

    kind: str  # "detector" or "classifier"
    model: str  # "yolov4-gs", "mobilenet-mha", ...
    preset: str
    categories: tuple[str, ...]
    input_size: int
    score_threshold: float = 0.25
    anchors_wh: tuple[tuple[float, float], ...] = ()
    name: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    calibration: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in ("detector", "classifier"):
            raise WeightsError(f"a card's kind is detector or classifier, got {self.kind!r}")
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise WeightsError("a card needs categories, each once")
        if not 0 <= self.score_threshold <= 1:
            raise WeightsError(f"a card's score threshold lies in 0..1, got {self.score_threshold}")
        for name, value in self.calibration.items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise WeightsError(f"a card's calibration is of finite numbers, got {value!r} for {name}")
        if self.calibration.get("temperature", 1.0) <= 0:
            raise WeightsError("a card's temperature is above 0")


def card_from(entry: Mapping[str, Any]) -> ModelCard:
    """A card out of its JSON form, which ``asdict`` gives. Raises TypeError and its kin for what is none."""
    categories = tuple(entry["categories"])
    anchors = tuple((float(w), float(h)) for w, h in entry.get("anchors_wh", ()))
    return ModelCard(**{**entry, "categories": categories, "anchors_wh": anchors})


def is_same_model(card: ModelCard, other: ModelCard) -> bool:
    """Whether cards of the same weights label alike: all is equal but what is for people."""
    for_people: dict[str, Any] = {"name": "", "training": {}, "data": {}, "metrics": {}, "notes": ""}
    return replace(card, **for_people) == replace(other, **for_people)


def card_path(weights: Path) -> Path:
    """The card that belongs to a weights file: the same name with ``.json``."""
    return weights.with_suffix(".json")


def write_card(card: ModelCard, weights: Path) -> None:
    """Write the card beside the weights, for people and machines alike."""
    with atomic_write(card_path(weights)) as file:
        file.write((json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n").encode())


def read_card(weights: Path) -> ModelCard:
    """Read the card beside a weights file. Raises WeightsError with a sentence."""
    path = card_path(weights)
    try:
        return card_from(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise WeightsError(f"expected the model's card {path.name} beside its weights, found none") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"the card {path.name} is not a model card: {error}") from error


def shipped_weights(kind: str) -> Path:
    """Where the weights of a kind lie that ship."""
    return WEIGHTS_FOLDER / f"{kind}.safetensors"
