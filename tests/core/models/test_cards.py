"""Cards are JSON and back, and need no torch."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from core.errors import WeightsError
from core.models.cards import ModelCard, card_from, card_path, read_card, write_card
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
CARD = ModelCard(
    kind="detector",
    model="yolov4-gs",
    preset="nano",
    categories=("top", "Röcke"),
    input_size=416,
    score_threshold=0.3,
    anchors_wh=((1.5, 2.0), (3.0, 4.25)),
    name="a detector",
    training={"recipe": {"epochs": 3}},
    metrics={"mAP50": 0.5},
)


def test_a_card_is_the_same_after_json():
    assert card_from(json.loads(json.dumps(asdict(CARD)))) == CARD


@pytest.mark.parametrize("change", [{"color": "red"}, {"anchors_wh": [[1]]}])
def test_what_is_no_card_is_refused(change):
    with pytest.raises((TypeError, ValueError)):
        card_from(asdict(CARD) | change)


def test_cards_are_read_without_torch():
    code = "import sys, core.models.cards; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.stdout.strip() == "False"


def test_a_card_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "detector.safetensors"
    write_card(CARD, path)
    assert card_path(path) == tmp_path / "detector.json"
    assert read_card(path) == CARD
    assert "Röcke" in (tmp_path / "detector.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "expected the model's card net.json beside its weights, found none"),
        ("", "net.json is not a model card"),
        ("[1, 2]", "net.json is not a model card"),
        ("{}", "net.json is not a model card"),
        ('{"categories": 3}', "net.json is not a model card"),
        ('{"categories": ["top"], "kind": "detector", "color": "red"}', "net.json is not a model card"),
    ],
)
def test_a_missing_or_broken_card_is_one_sentence(text, sentence, tmp_path):
    if text is not None:
        (tmp_path / "net.json").write_text(text)
    with pytest.raises(WeightsError, match=sentence) as raised:
        read_card(tmp_path / "net.safetensors")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "poem"}, "detector or classifier, got 'poem'"),
        ({"categories": ()}, "categories, each once"),
        ({"categories": ("top", "top")}, "categories, each once"),
        ({"score_threshold": 1.5}, "in 0..1, got 1.5"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes, sentence, tmp_path):
    with pytest.raises(WeightsError, match=sentence):
        replace(CARD, **changes)
    raw = json.loads(json.dumps({**CARD.__dict__, **changes}))
    (tmp_path / "net.json").write_text(json.dumps(raw))
    with pytest.raises(WeightsError, match=sentence):
        read_card(tmp_path / "net.safetensors")
