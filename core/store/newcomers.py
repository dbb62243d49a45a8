"""A photo on its way into the store: what would be kept of it, and which known photos it looks like."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from sqlalchemy import Connection

from core.data.duplicates import difference_hash, same_picture, small_colours
from core.errors import NotFoundError
from core.photos import Photo
from core.store.blobs import Blobs
from core.store.looks import Likeness, Looks
from core.store.pictures import thumbnail


@dataclass(frozen=True)
class Newcomer:
    """A photo with its difference hash and its small picture; known ones are looked at once each."""

    photo: Photo
    look: bytes
    small: bytes = field(repr=False)
    _verdicts: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, photo: Photo) -> Newcomer:
        """The photo, looked at."""
        return cls(photo, difference_hash(photo.image), thumbnail(photo.image))

    def twins(self, connection: Connection, looks: Looks, blobs: Blobs) -> list[Likeness]:
        """The live photos of the store that are the same picture, the nearest first."""
        return [found for found in looks.near(connection, self.look) if self._is_like(found.thumbnail, blobs)]

    def _is_like(self, thumbnail: str, blobs: Blobs) -> bool:
        if thumbnail not in self._verdicts:
            try:
                other = _colours(blobs.get(thumbnail))
                self._verdicts[thumbnail] = same_picture(_colours(self.small), other)
            except NotFoundError:  # deleted a moment ago
                return False
        return self._verdicts[thumbnail]


def _colours(small: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(small), formats=["JPEG"]) as picture:
        return small_colours(picture)
