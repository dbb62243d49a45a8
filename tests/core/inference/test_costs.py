"""The cost of models: their counts, and milliseconds that are measured in turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import WeightsError
from core.inference.costs import CostedModel, cost_of, cost_table, take_turns
from core.models.cards import read_card
from core.models.cost import count_macs
from core.models.loading import load_classifier_network


def costed(folder: Path, kind: str) -> CostedModel:
    path = folder / f"{kind}.safetensors"
    return CostedModel(f"my {kind}", path, read_card(path))


def test_a_table_of_both_kinds_with_milliseconds(tiny_weights):
    table = cost_table([costed(tiny_weights, kind) for kind in ("detector", "classifier")], timed=True)
    detector, classifier = table["models"]
    assert (
        classifier["macs"]
        == count_macs(load_classifier_network(tiny_weights / "classifier.safetensors")[0], (224, 224))[""]
    )
    assert detector["bytes"] == (tiny_weights / "detector.safetensors").stat().st_size
    assert detector["milliseconds"]["engine"] == "pytorch"
    assert detector["milliseconds"]["input_wh"] == [128, 160], "a portrait photo's canvas"
    assert 0 < detector["milliseconds"]["low_ms"] <= detector["milliseconds"]["high_ms"]
    assert table["measured"]["rounds"] == 8 and "cores" in table["measured"]["machine"]


def test_a_model_that_cannot_be_built_is_one_sentence(tiny_weights):
    model = costed(tiny_weights, "detector")
    with pytest.raises(WeightsError, match="a model that Lapel can build.*got 'yolov9'"):
        cost_of(replace(model, card=replace(model.card, model="yolov9")))


def test_passes_take_turns_after_a_round_that_does_not_count():
    order: list[str] = []
    taken = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and {name: len(times) for name, times in taken.items()} == {"a": 2, "b": 2}
