"""The blobs of the photos: there before a photo's row is, gone once no live photo needs them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy import Connection

from core.errors import StoreError
from core.store.blobs import Blobs
from core.store.database import Database
from core.store.newcomers import Newcomer
from core.store.pictures import cleaned
from core.store.schema import models, photos

PHOTOS_LOCK = 0x1A9E3
"""Held while photos come, go, or lose their blobs."""

_AT_ONCE = 200


@dataclass(frozen=True)
class Kept:
    """The digests of a photo's picture and of its small one."""

    blob: str
    thumbnail: str


@dataclass(frozen=True)
class PictureBlobs:
    """The photos' side of the blobs."""

    database: Database
    blobs: Blobs

    def keep(self, newcomer: Newcomer) -> Kept:
        """Both pictures, on the disk. Raises StoreFullError with neither left behind."""
        picture = self.blobs.put(cleaned(newcomer.photo.image))
        try:
            return Kept(picture, self.blobs.put(newcomer.small))
        except StoreError:
            self.discard([picture])
            raise

    def keep_again(self, newcomer: Newcomer, kept: Kept) -> None:
        """Within the lock: another process may have discarded the same blobs a moment ago."""
        if not (self.blobs.has(kept.blob) and self.blobs.has(kept.thumbnail)):
            self.blobs.put(cleaned(newcomer.photo.image))
            self.blobs.put(newcomer.small)

    def discard(self, digests: Iterable[str]) -> None:
        """Remove those that no live photo or model needs; what cannot be removed now is left to a sweep."""
        with suppress(StoreError), self.database.write() as connection:
            self.database.lock(connection, PHOTOS_LOCK)
            for digest in _unneeded(connection, set(digests)):
                self.blobs.delete(digest)

    def sweep(self) -> int:
        """Remove all that no live photo and no model needs; returns how many there were.

        Killed processes leave such blobs. A photo that is just coming puts its own back where they go.
        """
        count, digests = 0, self.blobs.digests()
        while batch := set(islice(digests, _AT_ONCE)):
            with self.database.read() as connection:
                unneeded = _unneeded(connection, batch)
            if unneeded:
                self.discard(unneeded)
                count += len(unneeded)
        self.blobs.tidy()
        return count


def _unneeded(connection: Connection, digests: set[str]) -> set[str]:
    """Those of the digests that no live photo has, and no model's weights."""
    weights = sa.select(models.c.digest).where(models.c.digest.in_(digests))
    needed = set(connection.execute(weights).scalars())
    for column in (photos.c.blob, photos.c.thumbnail):
        chosen = sa.select(column).where(column.in_(digests), photos.c.deleted_at.is_(None))
        needed.update(connection.execute(chosen).scalars())
    return digests - needed
