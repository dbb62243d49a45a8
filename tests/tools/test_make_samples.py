"""The samples in the repository are what their script draws."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tools.make_samples import FOLDER, SAMPLES, SIZE_WH, draw_sample


def test_the_folder_holds_a_dozen_samples_of_their_size():
    files = sorted(path.name for path in FOLDER.iterdir())
    assert files == sorted(SAMPLES)
    assert len(files) == 12
    for name in files:
        with Image.open(FOLDER / name) as image:
            assert image.size == SIZE_WH
            assert not image.getexif()


def test_the_samples_are_small_enough_for_a_repository():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


def test_a_sample_drawn_again_is_the_one_in_the_folder():
    """Near, not equal: JPEG loses, and another Pillow may round a blur or an edge differently."""
    name = "12-handbag.jpg"
    with Image.open(FOLDER / name) as image:
        kept = np.asarray(image.convert("RGB"), dtype=float)
    drawn = np.asarray(draw_sample(name), dtype=float)
    assert np.abs(drawn - kept).mean() < 4
    other = np.asarray(draw_sample("11-boots.jpg"), dtype=float)
    assert np.abs(other - kept).mean() > 20
