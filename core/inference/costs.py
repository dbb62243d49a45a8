"""What models cost: parameters, multiply-adds, the size of the file, and milliseconds on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.images.letterbox import tight_canvas
from core.inference.engines.engine import Engine, open_engine
from core.machine import machine_line
from core.models.cards import ModelCard
from core.threads import IMPORTS

PHOTO_WH = (600, 900)
"""The portrait photo whose canvas is what a detector's milliseconds are measured on."""

ROUNDS = 8
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class CostedModel:
    """A model of the table: its name, its weights file and its card."""

    name: str
    path: Path
    card: ModelCard


def cost_table(models: Sequence[CostedModel], timed: bool = False) -> dict[str, Any]:
    """The costs of models by rows, JSON-ready; ``timed`` measures their milliseconds as well."""
    rows = [cost_of(model) for model in models]
    measured = milliseconds_of(models) if timed else None
    if measured:
        times = measured.pop("models")
        rows = [row | {"milliseconds": taken} for row, taken in zip(rows, times, strict=True)]
    return {"models": rows, "measured": measured}


def cost_of(model: CostedModel) -> dict[str, Any]:
    """Parameters, multiply-adds for one square input, and bytes of the weights file, JSON-ready.

    The network is built without its weights, from what the card says. Raises WeightsError, RecipeError.
    """
    with IMPORTS:
        from core.models.cost import summarize
        from core.models.loading import network_of_card  # brings torch

    card = model.card
    figures = summarize(network_of_card(card), (card.input_size, card.input_size))
    return {
        "name": model.name,
        "kind": card.kind,
        "model": f"{card.model} {card.preset}".strip(),
        "input_size": card.input_size,
        "classes": len(card.categories),
        "parameters": figures["parameters"],
        "macs": figures["macs"],
        "bytes": model.path.stat().st_size,
        "milliseconds": None,
    }


def milliseconds_of(models: Sequence[CostedModel], rounds: int = ROUNDS) -> dict[str, Any]:
    """One forward pass of each model on one photo or one crop, measured now and in turns, JSON-ready.

    ``models`` holds median and quartiles of each, with engine and input, beside the machine. Raises
    WeightsError, EngineError.
    """
    opened = [open_engine(model.path, model.card.kind) for model in models]
    made = [_pass_of(engine, card) for engine, card in opened]
    taken = take_turns({place: run for place, (run, _) in enumerate(made)}, rounds)
    return {
        "rounds": rounds,
        "machine": machine_line(("onnxruntime", "openvino", "torch")),
        "models": [
            row_of(taken[place]) | {"engine": opened[place][0].name, "input_wh": input_wh}
            for place, (_, input_wh) in enumerate(made)
        ],
    }


def _pass_of(engine: Engine, card: ModelCard) -> tuple[Callable[[], object], list[int]]:
    """A forward pass on noise, and its input's width and height."""
    generator = np.random.default_rng(0)
    if card.kind == "detector":
        width, height = tight_canvas(PHOTO_WH, card.input_size)
        photo = {"images": generator.random((1, 3, height, width), dtype=np.float32)}
        return lambda: engine.run(photo, ("boxes", "scores")), [width, height]
    side = card.input_size
    images: np.ndarray = generator.random((1, 3, side, side), dtype=np.float32) * 2 - 1
    crop: dict[str, np.ndarray] = {"images": images, "targets": np.full(1, -1, dtype=np.int64)}
    return lambda: engine.run(crop, ("logits", "embedding")), [side, side]


def take_turns(runs: Mapping[Name, Callable[[], object]], repeats: int) -> dict[Name, list[float]]:
    """Milliseconds of ``repeats`` rounds, each pass once a round, after one round that is not counted.

    All take turns, so that what else the machine does falls on each.
    """
    taken: dict[Name, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if turn:
                taken[name].append(1000 * (time.perf_counter() - started))
    return taken


def row_of(milliseconds: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of two rounds or more."""
    low, middle, high = statistics.quantiles(milliseconds, n=4)
    return {"median_ms": round(middle, 1), "low_ms": round(low, 1), "high_ms": round(high, 1)}
