"""Model cards: the JSON beside a weights file with model, categories, data, recipe and metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core.errors import WeightsError
from core.files import atomic_write
from core.value_checks import (
    Check,
    any_object,
    integer,
    json_value,
    number,
    require,
    share,
    strict_json,
    text,
)

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights"
"""Where the weights lie that ship."""

LARGEST_BYTES = 2**30
"""Of a weights file: a larger one is not read."""

LARGEST_CARD_BYTES = 4 * 2**20
SMALLEST_SIDE, LARGEST_SIDE = 32, 2048
"""Pixels of a model's input; what is larger takes more memory than a photo is worth."""

SIDE_STEP = 32
"""A detector's input is a multiple of it: its coarsest scale has a cell for so many pixels."""

KINDS = ("detector", "classifier")
DIGEST = "digest_sha256"
"""In a shipped card's ``data``: the SHA-256 of its weights, in hex."""

MOST_CATEGORIES = 5000
MOST_ANCHORS = 9
LARGEST_ANCHOR = 16_384.0
MOST_CALIBRATION = 10
SMALLEST_CROP = 0.5
"""Least share of a photo's sides that a classifier may be evaluated on."""


@dataclass(frozen=True)
class ModelCard:
    """What a weights file is: enough to rebuild the model, and where its numbers come from.

    ``input_size`` is the long side in pixels; ``anchors_wh`` (detector) in pixels of that input;
    ``calibration`` is ``slope`` and ``intercept`` of a detector's scores (Platt scaling) or the
    ``temperature`` of a classifier's logits, fitted on held-back photos. ``crop_pct`` is the share of a
    photo's width and height, around its middle, that a classifier is evaluated on where a dataset boxes no
    garment.
    ``metrics``, ``training`` and ``data`` are for people.
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
    crop_pct: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
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
        if not SMALLEST_CROP <= self.crop_pct <= 1:
            raise WeightsError(f"a card's crop_pct lies in {SMALLEST_CROP}..1, got {self.crop_pct}")


def _line(value: Any) -> None:
    text(value, 200)


def _details(value: Any) -> None:
    any_object(value)
    json_value(value)


def _kind(value: Any) -> None:
    require(value in KINDS if isinstance(value, str) else False, "detector or classifier")


def _categories(value: Any) -> None:
    require(isinstance(value, list | tuple), "a list")
    require(len(value) > 0, "categories, each once")
    require(len(value) <= MOST_CATEGORIES, f"at most {MOST_CATEGORIES:,} categories, {len(value):,} came")
    for name in value:
        _line(name)
        require(bool(name.strip()), "names that are not empty")
    require(len(set(value)) == len(value), "categories, each once")


def _anchors(value: Any) -> None:
    require(len(value) <= MOST_ANCHORS, f"at most {MOST_ANCHORS} pairs")
    for pair in value:
        fits = all(_passes(number, side) and 0 < side <= LARGEST_ANCHOR for side in pair)
        wanted = f"nine anchors of positive width and height, up to {LARGEST_ANCHOR:.0f} pixels"
        require(fits, f"{wanted}, got {_short(list(pair))}")


def _calibration(value: Any) -> None:
    require(isinstance(value, dict) and len(value) <= MOST_CALIBRATION, "a few numbers by name")
    for name, entry in value.items():
        _line(name)
        number(entry)


_CHECKS: dict[str, Check] = {
    "kind": _kind, "model": _line, "preset": _line, "categories": _categories,
    "score_threshold": share, "anchors_wh": _anchors, "name": _line, "notes": json_value,
    "training": _details, "data": _details, "metrics": _details, "calibration": _calibration,
    "crop_pct": share,
}  # fmt: skip


def _check_entry(entry: Mapping[str, Any]) -> None:
    """Raise WeightsError for the first thing that no training would have written."""
    for name in (name for name in _CHECKS if name in entry):
        try:
            _CHECKS[name](entry[name])
        except ValueError as error:
            said = f"a card's {name.replace('_', ' ')}: {error}"
            raise WeightsError(said if "got" in said else f"{said}, got {_short(entry[name])}") from error
    side, step = entry["input_size"], SIDE_STEP if entry["kind"] == "detector" else 1
    if not _passes(lambda value: integer(value, SMALLEST_SIDE, LARGEST_SIDE), side) or side % step:
        wanted = f"a multiple of {step} " if step > 1 else ""
        wanted += f"in {SMALLEST_SIDE}..{LARGEST_SIDE} pixels"
        raise WeightsError(f"a card's input size is {wanted}, got {_short(side)}")


def _passes(check: Check, value: Any) -> bool:
    try:
        check(value)
    except ValueError:
        return False
    return True


def _short(value: Any) -> str:
    """A value for a sentence; of a huge number only that it is one."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than twenty digits"
    return repr(value)[:60]


def card_from(entry: Mapping[str, Any]) -> ModelCard:
    """A card out of its JSON form, which ``asdict`` gives.

    Raises TypeError or ValueError for what is none, WeightsError for contents that a card cannot have.
    """
    if not isinstance(entry, Mapping):
        raise TypeError(f"expected an object, got {_short(entry)}")
    known = {wanted.name for wanted in fields(ModelCard)}
    missing, unknown = sorted(_NEEDED - entry.keys()), sorted(entry.keys() - known)
    if missing or unknown:
        raise ValueError(f"missing {', '.join(missing)[:200]}" if missing else f"unknown {unknown[0][:60]}")
    pairs = entry.get("anchors_wh", ())
    if not isinstance(pairs, list | tuple) or any(_is_no_pair(pair) for pair in pairs[: MOST_ANCHORS + 1]):
        raise ValueError("expected anchors as pairs of width and height")
    _check_entry(entry)
    anchors = tuple((float(w), float(h)) for w, h in entry.get("anchors_wh", ()))
    return ModelCard(**{**entry, "categories": tuple(entry["categories"]), "anchors_wh": anchors})


def _is_no_pair(value: Any) -> bool:
    return not isinstance(value, list | tuple) or len(value) != 2


_NEEDED = {"kind", "model", "preset", "categories", "input_size"}


def is_same_model(card: ModelCard, other: ModelCard) -> bool:
    """Whether cards of the same weights label alike: all is equal but what is for people and evaluation."""
    for_people: dict[str, Any] = {"name": "", "training": {}, "data": {}, "metrics": {}, "notes": ""}
    for_people["crop_pct"] = 1.0
    return replace(card, **for_people) == replace(other, **for_people)


def card_path(weights: Path) -> Path:
    """The card that belongs to a weights file: the same name with ``.json``."""
    return weights.with_suffix(".json")


def write_card(card: ModelCard, weights: Path) -> None:
    """Write the card beside the weights, for people and machines alike; what is no finite number is null."""
    entry = strict_json(json.dumps(asdict(card)), nan_as_null=True)
    with atomic_write(card_path(weights)) as file:
        file.write((json.dumps(entry, indent=1, ensure_ascii=False) + "\n").encode())


def read_card(weights: Path) -> ModelCard:
    """Read the card beside a weights file. Raises WeightsError with a sentence."""
    if not weights.name:
        raise WeightsError(f"expected a weights file, got the folder {weights}")
    path = card_path(weights)
    try:
        if path.is_file() and path.stat().st_size > LARGEST_CARD_BYTES:
            raise WeightsError(f"expected a card of at most {LARGEST_CARD_BYTES // 2**20} MB in {path.name}")
        return card_from(strict_json(path.read_bytes(), nan_as_null=True))
    except FileNotFoundError:
        raise WeightsError(f"expected the model's card {path.name} beside its weights, found none") from None
    except OSError as error:
        raise WeightsError(f"the card {path.name} cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise WeightsError(f"the card {path.name} is not a model card: it is nested too deeply") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"the card {path.name} is not a model card: {str(error)[:300]}") from error
    except WeightsError as error:
        raise WeightsError(f"{path.name}: {error}") from error


def shipped_weights(kind: str) -> Path:
    """Where the weights of a kind lie that ship."""
    return WEIGHTS_FOLDER / f"{kind}.safetensors"
