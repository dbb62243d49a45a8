"""The photos that a data set's annotations name, opened as any other photo is: upright, checked, RGB."""

from __future__ import annotations

from pathlib import Path

from core.errors import DatasetError, PhotoError
from core.photos import Photo, open_photo


def open_listed(path: Path) -> Photo:
    """Open a photo that a data set names. Raises DatasetError, with its name, where it cannot be read."""
    try:
        return open_photo(path)
    except PhotoError as error:
        raise DatasetError(f"{path.name} cannot be read as a photo of the data set: {error}") from error
