"""Ingest: what is stored of a photo, near duplicates by perceptual hash, and the photos' blobs.

Near duplicates are candidates by the Hamming distance of their difference hashes, confirmed by comparing the
small pictures. The index of hashes is in memory, so that 100,000 photos need not be read for each new one.
"""

from __future__ import annotations

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
from core.images.encode import downscaled, jpeg
from core.images.perceptual_hash import (
    HASH_BYTES,
    as_columns,
    difference_hash,
    near_hashes,
    same_picture,
    small_colors,
)
from core.store.blobs import Blobs
from core.store.database import Database
from core.store.schema import models, photos

PHOTOS_LOCK = 0x1A9E3
"""Held while photos are added, deleted, or lose their blobs."""

THUMBNAIL_SIDE = 256
MOST_CANDIDATES = 50
_QUALITIES = (95, 85, 70)
_DIGESTS_AT_ONCE = 200


def cleaned(image: Image.Image) -> bytes:
    """The picture as a JPEG of quality 95 with nothing but pixels in it; less where it would be too large.

    This is the only encoding of a stored photo: crops and the classifier's training work on its pixels. (The
    detector's training holds photos at the size that it needs in memory, as JPEG again.)
    It is made of a JPEG without metadata as well, since bytes from elsewhere can hide more than pixels: data
    behind the picture, or what only some decoders read. Fifty megapixels of noise are beyond what is read
    again at 95.
    """
    for quality in _QUALITIES:
        data = jpeg(image, quality)
        if len(data) <= MAX_BYTES:
            break
    return data


def thumbnail(image: Image.Image) -> bytes:
    """A JPEG with the longer side at most 256 pixels."""
    return jpeg(downscaled(image, THUMBNAIL_SIDE), quality=80)


@dataclass(frozen=True)
class HashMatch:
    """A photo that may be a near duplicate: how many bits of the hashes differ, and its thumbnail's blob."""

    id: int
    bits: int
    holdout: bool
    thumbnail: str


class PerceptualHashIndex:
    """A process's copy of the photos' difference hashes, extended at each search by what was added since.

    Rows are added under one lock of the database, so that their ids become visible in order, and are never
    removed: what has a higher id than the last row here is all that is new. Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = np.empty(0, dtype=np.int64)
        self._hashes = np.empty((HASH_BYTES // 8, 0), dtype=np.uint64)  # a column each
        self._count = 0

    def search(self, connection: Connection, perceptual_hash: bytes) -> list[HashMatch]:
        """The live photos within ``NEAR_BITS`` of this hash, the nearest first, at most 50 of them.

        A copy is among the nearest; thousands of garments on one ground may be within the bound.
        """
        with self._lock:
            self._extend(connection)
            rows, bits = near_hashes(perceptual_hash, self._hashes[:, : self._count])
            found = {int(self._ids[rows[at]]): int(bits[at]) for at in np.argsort(bits, kind="stable")}
        return _live(connection, found)

    def _extend(self, connection: Connection) -> None:
        last = int(self._ids[self._count - 1]) if self._count else 0
        chosen = sa.select(photos.c.id, photos.c.perceptual_hash).where(photos.c.id > last)
        rows = connection.execute(chosen.order_by(photos.c.id)).all()
        if not rows:
            return
        self._grow(self._count + len(rows))
        new = slice(self._count, self._count + len(rows))
        self._ids[new] = [row.id for row in rows]
        self._hashes[:, new] = as_columns([row.perceptual_hash for row in rows])
        self._count = new.stop

    def _grow(self, needed: int) -> None:
        """Room for this many rows; twice as much as before, so that adding one by one stays quick."""
        if needed <= len(self._ids):
            return
        room = max(needed, 2 * len(self._ids), 1024)
        self._ids = np.resize(self._ids, room)
        hashes = np.empty((HASH_BYTES // 8, room), dtype=np.uint64)
        hashes[:, : self._count] = self._hashes[:, : self._count]
        self._hashes = hashes


def _live(connection: Connection, found: dict[int, int]) -> list[HashMatch]:
    """The photos with these numbers (to bits) that are not deleted, in this order, at most fifty."""
    live: list[HashMatch] = []
    remaining = iter(found)
    while len(live) < MOST_CANDIDATES and (ids := list(islice(remaining, MOST_CANDIDATES))):
        chosen = sa.select(photos.c.id, photos.c.holdout, photos.c.thumbnail)
        rows = connection.execute(chosen.where(photos.c.id.in_(ids), photos.c.deleted_at.is_(None)))
        by_id = {row.id: HashMatch(row.id, found[row.id], row.holdout, row.thumbnail) for row in rows}
        live += [by_id[id] for id in ids if id in by_id]
    return live[:MOST_CANDIDATES]


@dataclass(frozen=True)
class PictureDigests:
    """The digests of a photo's picture and of its thumbnail."""

    blob: str
    thumbnail: str


@dataclass(frozen=True)
class PhotoFacts:
    """What the store keeps of a photo beside its pictures."""

    digest: str
    name: str
    width: int
    height: int


class PicturesGoneError(StoreError):
    """Pictures that were put for a photo are there no more: it has to be read again."""


@dataclass(frozen=True)
class HashedPhoto:
    """A photo with its difference hash and its thumbnail; each stored photo is compared with it only once.

    ``kept`` says that both pictures are among the blobs already: then nothing here has their pixels.
    """

    photo: Photo | PhotoFacts
    perceptual_hash: bytes
    thumbnail: bytes = field(repr=False)
    encoded: bytes | None = field(default=None, repr=False)
    kept: PictureDigests | None = None
    _verdicts: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, photo: Photo, encoded: bytes | None = None) -> HashedPhoto:
        """The photo with both computed; ``encoded`` is its ``cleaned`` picture where that was made before."""
        return cls(photo, difference_hash(photo.image), thumbnail(photo.image), encoded)

    def near_duplicates(
        self, connection: Connection, index: PerceptualHashIndex, blobs: Blobs
    ) -> list[HashMatch]:
        """The live photos of the store that are the same picture, the nearest first."""
        return [
            found
            for found in index.search(connection, self.perceptual_hash)
            if self._is_same_picture(found.thumbnail, blobs)
        ]

    def _is_same_picture(self, digest: str, blobs: Blobs) -> bool:
        if digest not in self._verdicts:
            try:
                own = self.thumbnail if self.kept is None else blobs.get(self.kept.thumbnail)
                self._verdicts[digest] = same_picture(_colors(own), _colors(blobs.get(digest)))
            except NotFoundError:  # deleted a moment ago
                return False
        return self._verdicts[digest]


def _colors(small: bytes) -> np.ndarray:
    with Image.open(BytesIO(small), formats=["JPEG"]) as picture:
        return small_colors(picture)


@dataclass(frozen=True)
class PictureBlobs:
    """The blobs of the photos: there before a photo's row is, removed once no live photo needs them."""

    database: Database
    blobs: Blobs

    def put(self, hashed: HashedPhoto) -> PictureDigests:
        """Both pictures, on the disk. Raises StoreFullError with neither left behind."""
        if hashed.kept is not None:
            return hashed.kept
        picture = self.blobs.put(self._cleaned(hashed))
        try:
            return PictureDigests(picture, self.blobs.put(hashed.thumbnail))
        except StoreError:
            self.discard([picture])
            raise

    def put_again(self, hashed: HashedPhoto, digests: PictureDigests) -> None:
        """Within the lock: another process may have discarded the same blobs a moment ago.

        Raises PicturesGoneError where there are no pixels to make them of again.
        """
        if not (self.blobs.has(digests.blob) and self.blobs.has(digests.thumbnail)):
            self.blobs.put(self._cleaned(hashed))
            self.blobs.put(hashed.thumbnail)

    def _cleaned(self, hashed: HashedPhoto) -> bytes:
        if isinstance(hashed.photo, PhotoFacts):
            raise PicturesGoneError(f"The pictures of {hashed.photo.name} are gone.")
        return hashed.encoded or cleaned(hashed.photo.image)

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
        while batch := set(islice(digests, _DIGESTS_AT_ONCE)):
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
