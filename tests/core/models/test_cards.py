"""Cards are JSON and back, and need no torch."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from core.models.cards import ModelCard, card_from

ROOT = Path(__file__).parents[3]
CARD = ModelCard("detector", "yolov4-gs", "nano", ("top", "Röcke"), 416, 0.3, ((1.5, 2.0), (3.0, 4.25)), "a")


def test_a_card_is_the_same_after_json():
    assert card_from(json.loads(json.dumps(asdict(CARD)))) == CARD


@pytest.mark.parametrize("change", [{"colour": "red"}, {"anchors_wh": [[1]]}])
def test_what_is_no_card_is_refused(change):
    with pytest.raises((TypeError, ValueError)):
        card_from(asdict(CARD) | change)


def test_cards_are_read_without_torch():
    code = "import sys, core.models.cards; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"
