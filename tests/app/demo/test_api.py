"""An upload of the demo: read, cleaned of its metadata, or refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.demo.api import sentences, taken_photo
from core.errors import PhotoError

gr = pytest.importorskip("gradio")

ORIENTATION, DESCRIPTION = 274, 270


@pytest.fixture(autouse=True)
def folder_of_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


def upload(path: Path, name: str = "shirt.jpg") -> dict[str, Any]:
    return {"path": str(path), "orig_name": name}


def jpeg_with_metadata(path: Path) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn clockwise makes it upright
    exif[DESCRIPTION] = "52.5163 N 13.3777 E"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 80, 3), np.uint8)
    Image.fromarray(pixels).save(path, exif=exif, comment=b"taken by Ada")
    return path


def test_all_but_the_pixels_is_gone_from_the_disk(tmp_path: Path) -> None:
    path = jpeg_with_metadata(tmp_path / "photo.jpg")
    with path.open("ab") as file:
        file.write(b"a film behind the photo")
    with taken_photo(upload(path)) as first:
        assert first.size_wh == (40, 80), "upright"
    left = path.read_bytes()
    assert b"52.5163" not in left and b"Ada" not in left and b"film" not in left
    with taken_photo(upload(path)) as second:
        assert second.image.tobytes() == first.image.tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_failure_meanwhile_leaves_no_metadata_either(tmp_path: Path) -> None:
    path = jpeg_with_metadata(tmp_path / "photo.jpg")
    with pytest.raises(RuntimeError), taken_photo(upload(path)):
        raise RuntimeError("the labeler failed")
    assert b"52.5163" not in path.read_bytes()


def test_what_is_no_photo_is_refused_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"<script>alert(1)</script>" * 9)
    with pytest.raises(PhotoError), taken_photo(upload(path)):
        pass
    assert not path.exists()


def test_an_upload_that_was_swept_asks_for_the_photo_again(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="again"), taken_photo(upload(tmp_path / "gone.jpg")):
        pass


@pytest.mark.parametrize("path", ["../outside.jpg", "link.jpg", "nul\0.jpg", "/etc/passwd", "."])
def test_a_file_outside_the_uploads_is_neither_read_nor_changed(tmp_path: Path, path: str) -> None:
    outside = tmp_path.parent / "outside.jpg"
    Image.new("RGB", (30, 20), "red").save(outside)
    before = outside.read_bytes()
    (tmp_path / "link.jpg").symlink_to(outside)
    with pytest.raises(PhotoError), taken_photo(upload(tmp_path / path)):
        pytest.fail("was read")
    assert outside.read_bytes() == before


def test_the_page_gets_names_as_text_and_the_api_as_they_are() -> None:
    with pytest.raises(gr.Error) as page, sentences(for_page=True):
        raise PhotoError("Expected a photo, got <b>.")
    with pytest.raises(gr.Error) as api, sentences(for_page=False):
        raise PhotoError("Expected a photo, got <b>.")
    assert page.value.message == "Expected a photo, got &lt;b&gt;."
    assert api.value.message == "Expected a photo, got <b>."


def test_a_fault_of_ours_tells_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(gr.Error) as shown, sentences(for_page=True):
        raise RuntimeError("/secret/path")
    assert "secret" not in shown.value.message
    assert "/secret/path" in caplog.text
