"""Maps as files, and their index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from core.garments import Garment, LabeledPhoto
from core.images.decode import Photo
from core.inference.explain import write_maps
from tests.fakes import FakeLabeler, fake_explain


def explained(pixels: np.ndarray, folder: Path) -> dict:
    photo = Photo("coat.png", Image.fromarray(pixels), "0" * 64)
    labeler = FakeLabeler()
    return write_maps(fake_explain(labeler, photo, labeler.label(photo)), photo, folder)


def striped(height: int, width: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, ::2] = 200
    return pixels


def test_the_index_names_every_file_and_no_other(tmp_path: Path) -> None:
    index = explained(striped(240, 120), tmp_path)
    named = [file for garment in index["garments"] for file in garment["maps"].values()]
    named += [entry["file"] for entry in index["detector_maps"]]
    assert sorted(named) == sorted(path.name for path in tmp_path.iterdir())
    assert len(named) == 2 * 10 + 3, "ten maps for each of two garments, three stages"
    assert [list(garment) for garment in index["garments"]] == [["box", "category", "top5", "maps"]] * 2


def test_a_garments_map_covers_its_box_and_a_detectors_the_photo(tmp_path: Path) -> None:
    index = explained(striped(240, 120), tmp_path)
    assert index["garments"][1]["box"] == [24.0, 80.0, 96.0, 160.0]
    assert Image.open(tmp_path / "garment_002_class_activation.png").size == (72, 80)
    assert Image.open(tmp_path / "detector_stride32.png").size == (120, 240)


def test_a_box_of_less_than_a_pixel_is_still_a_picture(tmp_path: Path) -> None:
    photo = Photo("dot.png", Image.fromarray(striped(20, 20)), "0" * 64)
    tiny = Garment((5.1, 5.1, 5.4, 5.4), "belt", 0.5)
    labeled = LabeledPhoto("dot.png", 20, 20, 0.0, {}, (tiny,))
    write_maps(fake_explain(None, photo, labeled), photo, tmp_path)
    assert Image.open(tmp_path / "garment_001_attention.png").size == (1, 1)


def test_a_photo_without_garments_still_has_the_detectors_maps(tmp_path: Path) -> None:
    index = explained(np.full((64, 64, 3), 90, np.uint8), tmp_path)
    assert index["photo"] == "coat.png"
    assert index["garments"] == []
    assert [entry["stage"] for entry in index["detector_maps"]] == ["stride8", "stride16", "stride32"]
