"""Cards from elsewhere: each that no training would have written is one sentence, before a model is built."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from typing import Any

import pytest

from core.errors import WeightsError
from core.models.cards import LARGEST_CARD_BYTES, ModelCard, read_card

SEED, TRIALS = 7, 3000
CARD = ModelCard(
    kind="detector",
    model="yolov4-gs",
    preset="nano",
    categories=("top", "pants"),
    input_size=416,
    score_threshold=0.3,
    anchors_wh=tuple((float(n), float(2 * n)) for n in range(1, 10)),
    name="a detector",
    training={"recipe": {"epochs": 3}},
    metrics={"mAP50": 0.5},
    calibration={"slope": 1.0, "intercept": 0.0},
)
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**40, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", " ", "x", "x" * 9999, "1",
    "a\nb", "\ud800", [], [[]], [1], [[1, 2]], {}, {"a": 1}, {"slope": "steep"}, ["top", "top"], ["top", 3],
)  # fmt: skip


def refusal(text: str | bytes, folder) -> str:
    """The sentence for a card of this text."""
    (folder / "net.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WeightsError) as refused:
        read_card(folder / "net.safetensors")
    sentence = str(refused.value)
    assert "\n" not in sentence and len(sentence) < 600
    return sentence


@pytest.mark.parametrize("size", [10**9, 65_536, 0, -32, 400, 16, "416", 416.0, True, None, [416]])
def test_an_input_size_that_no_photo_is_worth_is_refused(size, tmp_path):
    assert "net.json" in refusal(json.dumps(asdict(CARD) | {"input_size": size}), tmp_path)


def test_an_input_size_of_thousands_of_digits_is_refused(tmp_path):
    text = json.dumps(asdict(CARD)).replace("416", "1" + "0" * 5000)
    assert "net.json" in refusal(text, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"categories": [str(n) for n in range(10**6)]},
        {"categories": ["top", 3]},
        {"categories": ["top", ""]},
        {"categories": ["top", "a\nb"]},
        {"categories": "top"},
        {"score_threshold": float("nan")},
        {"score_threshold": "0.5"},
        {"score_threshold": True},
        {"anchors_wh": [[1, 2, 3]] * 9},
        {"anchors_wh": [[1, -2]] * 9},
        {"anchors_wh": [["1", "2"]] * 9},
        {"anchors_wh": [[1, 1e9]] * 9},
        {"anchors_wh": [[1, 2]] * 10**5},
        {"calibration": {"slope": "steep"}},
        {"calibration": [1, 2]},
        {"crop_pct": 0},
        {"crop_pct": 0.2},
        {"crop_pct": 1.5},
        {"crop_pct": "0.9"},
        {"training": "long"},
        {"metrics": [1]},
        {"model": 3},
        {"name": None},
        {"color": "red"},
    ],
)
def test_contents_that_a_card_cannot_have_are_refused(changes, tmp_path):
    assert "net.json" in refusal(json.dumps(asdict(CARD) | changes), tmp_path)


def test_json_that_is_deep_huge_or_says_a_thing_twice_is_refused(tmp_path):
    assert "too deeply" in refusal("[" * 100_000 + "]" * 100_000, tmp_path)
    assert "levels" in refusal(json.dumps(asdict(CARD) | {"metrics": nested(200)}), tmp_path)
    assert "at most 4 MB" in refusal(b" " * (LARGEST_CARD_BYTES + 1), tmp_path)
    assert "once" in refusal('{"kind": "detector", "kind": "classifier"}', tmp_path)
    assert "not a model card" in refusal(b"\xff\xfe\x00", tmp_path)


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


def test_a_card_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "net.json").mkdir()
    with pytest.raises(WeightsError, match="net.json"):
        read_card(tmp_path / "net.safetensors")


def test_any_odd_value_is_refused_in_a_sentence_or_is_the_card_as_it_was_written(tmp_path):
    chance, refused = random.Random(SEED), 0
    for _ in range(TRIALS):
        entry = asdict(CARD)
        entry[chance.choice(sorted(entry))] = chance.choice(ODD)
        (tmp_path / "net.json").write_text(json.dumps(entry))
        try:
            card = read_card(tmp_path / "net.safetensors")
        except WeightsError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert replace(card) == card and 32 <= card.input_size <= 2048
    assert refused > TRIALS / 3
