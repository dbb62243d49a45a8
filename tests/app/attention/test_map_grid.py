"""Every map of a photo as a picture with its name."""

from __future__ import annotations

import numpy as np

from app.attention import map_grid
from core.images.decode import read_photo
from tests.fakes import FakeLabeler, fake_explain
from tests.pictures import jpeg

PHOTO = read_photo(jpeg(size_wh=(900, 600)), "a.jpg")
LABELED = FakeLabeler().label(PHOTO)
EXPLANATION = fake_explain(None, PHOTO, LABELED)


def test_stages_lie_over_the_whole_photo_made_small():
    pictures = list(map_grid.stage_pictures(PHOTO, EXPLANATION, 0.6))
    assert len(pictures) == 3
    assert pictures[0][0].startswith("Detector, stride 8")
    assert {picture.size for _, picture in pictures} == {(map_grid.SIDE, map_grid.SIDE * 600 // 900)}


def test_a_garment_has_its_activation_its_attention_and_eight_heads():
    pictures = list(map_grid.garment_pictures(PHOTO, EXPLANATION.garments[0], 0.6))
    names = [name for name, _ in pictures]
    assert names == ["Class activation", "Attention, mean of the heads", *(f"Head {n}" for n in range(1, 9))]


def test_at_no_opacity_the_photo_is_left_as_it_is():
    (_, clear), *_ = map_grid.stage_pictures(PHOTO, EXPLANATION, 0.0)
    (_, covered), *_ = map_grid.stage_pictures(PHOTO, EXPLANATION, 1.0)
    plain = map_grid.downscaled(PHOTO.image, map_grid.SIDE)
    assert np.array_equal(np.asarray(clear), np.asarray(plain))
    assert not np.array_equal(np.asarray(covered), np.asarray(plain))
