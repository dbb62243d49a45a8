"""A photo on its way into the store: what would be kept of it, and which known photos it looks like.

What is kept of a photo's picture: re-encoded pixels without metadata, and a small one for lists.

How every photo looks, in memory: near duplicates among 100,000 photos without reading them all again.

The blobs of the photos: there before a photo's row is, gone once no live photo needs them.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice

import numpy as np
import sqlalchemy as sa
from PIL import Image
from sqlalchemy import Connection

from core.errors import NotFoundError, StoreError
from core.images.decode import MAX_BYTES, Photo
from core.images.perceptual_hash import (
    NEAR_BITS,
    as_table,
    difference_hash,
    hamming_distances,
    same_picture,
    small_colours,
)
from core.store.blobs import Blobs
from core.store.database import Database
from core.store.schema import models, photos


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


THUMBNAIL_SIDE = 256
_QUALITIES = (95, 85, 70)


def cleaned(image: Image.Image) -> bytes:
    """The picture as a JPEG of quality 95 with nothing but pixels in it; less where it would be too large.

    This is the only encoding of a stored photo: all that comes later (crops, training) works on its pixels.
    It is made of a JPEG without metadata as well, since bytes from elsewhere can hide more than pixels: data
    behind the picture, or what only some decoders read. Fifty megapixels of noise are beyond what is read
    again at 95.
    """
    for quality in _QUALITIES:
        data = _jpeg(image, quality)
        if len(data) <= MAX_BYTES:
            break
    return data


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG with the longer side at most 256 pixels."""
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _jpeg(small, quality=80)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


MOST_CANDIDATES = 50

_LOOK_BYTES = 32


@dataclass(frozen=True)
class Likeness:
    """A photo that may look like another: how many bits of the hashes differ, the blob of its thumbnail."""

    id: int
    bits: int
    holdout: bool
    thumbnail: str


class Looks:
    """A process's copy of the photos' difference hashes, extended by what was added since the last look.

    Rows are added under one lock of the database, so that their numbers become visible in order, and are
    never removed: what has a higher number than the last row here is all that is new. Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = np.empty(0, dtype=np.int64)
        self._looks = np.empty((0, _LOOK_BYTES), dtype=np.uint8)
        self._count = 0

    def near(self, connection: Connection, look: bytes) -> list[Likeness]:
        """The live photos within ``NEAR_BITS`` of this hash, the nearest first, at most 50 of them.

        A copy is among the nearest; thousands of garments on one ground may be within the bound.
        """
        with self._lock:
            self._extend(connection)
            bits = hamming_distances(look, self._looks[: self._count])
            rows = np.flatnonzero(bits <= NEAR_BITS)
            rows = rows[np.argsort(bits[rows], kind="stable")]
            found = {int(self._ids[row]): int(bits[row]) for row in rows}
        return _live(connection, found)

    def _extend(self, connection: Connection) -> None:
        last = int(self._ids[self._count - 1]) if self._count else 0
        chosen = sa.select(photos.c.id, photos.c.look).where(photos.c.id > last)
        rows = connection.execute(chosen.order_by(photos.c.id)).all()
        if not rows:
            return
        self._grow(self._count + len(rows))
        new = slice(self._count, self._count + len(rows))
        self._ids[new] = [row.id for row in rows]
        self._looks[new] = as_table([row.look for row in rows])
        self._count = new.stop

    def _grow(self, needed: int) -> None:
        """Room for this many rows; twice as much as before, so that adding one by one stays quick."""
        if needed <= len(self._ids):
            return
        room = max(needed, 2 * len(self._ids), 1024)
        self._ids = np.resize(self._ids, room)
        self._looks = np.resize(self._looks, (room, _LOOK_BYTES))


def _live(connection: Connection, found: dict[int, int]) -> list[Likeness]:
    """The photos with these numbers (to bits) that are not deleted, in this order, at most fifty."""
    live: list[Likeness] = []
    remaining = iter(found)
    while len(live) < MOST_CANDIDATES and (ids := list(islice(remaining, MOST_CANDIDATES))):
        chosen = sa.select(photos.c.id, photos.c.holdout, photos.c.thumbnail)
        rows = connection.execute(chosen.where(photos.c.id.in_(ids), photos.c.deleted_at.is_(None)))
        by_id = {row.id: Likeness(row.id, found[row.id], row.holdout, row.thumbnail) for row in rows}
        live += [by_id[id] for id in ids if id in by_id]
    return live[:MOST_CANDIDATES]


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
