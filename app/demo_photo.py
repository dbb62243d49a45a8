"""An upload of the demo as a photo, with every failure as the one sentence for its owner."""

from __future__ import annotations

import contextlib
import html
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import LapelError, PhotoError
from core.photos import Photo, read_photo

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def taken_photo(upload: dict[str, Any]) -> Iterator[Photo]:
    """Read an upload, and leave nothing of it on the disk but its upright pixels.

    ``upload`` is Gradio's description of a file in its own folder: "path" and "orig_name". When the block
    is left, the file there is replaced by a PNG of the same pixels: whatever came along, be it a position,
    a comment or a film behind the photo, is gone, and the same upload is labelled alike again. What is no
    photo is removed.

    Raises:
        PhotoError: for a file that is no photo, one beyond the limits, one that was swept meanwhile, and
        one that
            was never uploaded.
    """
    path = _own_file(upload["path"])
    photo = _read(path, upload.get("orig_name") or path.name)
    try:
        yield photo
    finally:
        fresh = path.with_name(f".{uuid.uuid4().hex}")
        photo.image.save(fresh, "PNG", compress_level=1)
        fresh.replace(path)


@contextlib.contextmanager
def sentences(for_page: bool) -> Iterator[None]:
    """Turn a LapelError into Gradio's error with the same sentence; anything else goes to the log.

    The page renders the text of an error as HTML, so names in it are escaped there; API callers get it as
    it is.
    """
    try:
        yield
    except LapelError as error:
        text = html.escape(str(error), quote=False) if for_page else str(error)
        raise gr.Error(text, title="Not labelled", print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        _log.exception("The demo failed on a photo.")
        raise gr.Error(
            "Something went wrong on our side; the log says what.", print_exception=False
        ) from error


def _own_file(name: str) -> Path:
    """The path, once it is known to lie in Gradio's folder; Gradio checks only what is marked as a file."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    try:
        path = Path(name).resolve()
    except (OSError, ValueError) as odd:
        raise PhotoError("Expected an uploaded photo, got a path that cannot be one.") from odd
    if not path.is_relative_to(folder):
        raise PhotoError("Expected an uploaded photo, got the path of another file.")
    return path


def _read(path: Path, name: str) -> Photo:
    try:
        data = path.read_bytes()
    except OSError as gone:
        raise PhotoError("The photo is no longer on the server; choose it again.") from gone
    try:
        return read_photo(data, name)
    except LapelError:
        path.unlink(missing_ok=True)
        raise
