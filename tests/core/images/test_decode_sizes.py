"""Sizes come from the header, and are those of the upright photo."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from core.errors import DatasetError
from core.images.decode import upright_size


@pytest.mark.parametrize(
    ("orientation", "size_wh"), [(1, (30, 20)), (3, (30, 20)), (6, (20, 30)), (8, (20, 30))]
)
def test_the_size_is_that_of_the_upright_photo(
    tmp_path: Path, orientation: int, size_wh: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert upright_size(tmp_path / "a.jpg") == size_wh


def test_a_missing_photo_and_one_that_is_none_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such photo"):
        upright_size(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_text("<script>")
    with pytest.raises(DatasetError, match="cannot be read"):
        upright_size(tmp_path / "a.jpg")
