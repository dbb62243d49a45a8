"""A box tightened to what lies in it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.images.foreground import tighten_box


def photo() -> Image.Image:
    """A dark garment (60, 40, 140, 160) on a light, slightly noisy ground."""
    noise = np.random.default_rng(0).integers(0, 12, (220, 200, 3))
    image = Image.fromarray((220 + noise).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((60, 40, 139, 159), fill=(40, 60, 130))
    return image


def test_a_loose_box_becomes_the_garments():
    assert tighten_box(photo(), (45, 25, 160, 180)) == pytest.approx((60, 40, 140, 160), abs=1.5)


def test_the_answer_is_the_same_every_time_and_never_beyond_the_box():
    box = (55, 30, 150, 150)  # cuts the garment at its foot
    first = tighten_box(photo(), box)
    assert first is not None and first == tighten_box(photo(), box)
    assert first[0] >= 55 and first[1] >= 30 and first[2] <= 150 and first[3] <= 150


@pytest.mark.parametrize("box", [(0, 0, 200, 220), (10, 170, 50, 210), (100, 100, 101, 101)])
def test_where_nothing_can_be_told_apart_there_is_no_answer_or_one_inside_the_box(box):
    found = tighten_box(photo(), box)
    assert found is None or (found[0] >= box[0] and found[2] <= box[2] and found[0] < found[2])
