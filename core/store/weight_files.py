"""Weights on this machine: copies of the store's blobs with their cards, and the digests of files."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from pathlib import Path

from core.errors import NotFoundError, StoreError, WeightsError
from core.files import PARTIAL, atomic_write, disk_errors
from core.models.cards import ModelCard, card_path, read_card, shipped_weights, write_card
from core.store.blobs import Blobs

UNUSED_SECONDS = 30 * 86400
"""After so long without use a copy goes; the blob stays, and it is fetched again."""

_PIECE_BYTES = 2**20


def weights_file(blobs: Blobs, path: Path, digest: str, card: ModelCard) -> Path:
    """The path, with these weights and this card there: fetched where they are missing or damaged.

    Raises WeightsError where the blob is missing or damaged too, StoreError where a disk cannot be used.
    """
    if not has_digest(path, digest):
        data = _bytes_of(blobs, digest, card)
        with _disk_errors("weights"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path, private=True) as file:
                file.write(data)
    if _card_at(path) != card:
        with _disk_errors("card"):
            write_card(card, path)
    with suppress(OSError):
        os.utime(path)  # it was used just now
    return path


def drop_unused(folder: Path, now: float | None = None) -> int:
    """Remove the copies in this folder that nobody asked for in a month, with their cards; how many.

    A process that has one open goes on reading it. Files left half written go as well.
    """
    limit, dropped = (time.time() if now is None else now) - UNUSED_SECONDS, 0
    for path in (*folder.glob("*.safetensors"), *folder.glob(PARTIAL)):
        with suppress(OSError):  # another process was quicker
            if path.stat().st_mtime < limit:
                path.unlink()
                dropped += 1
                card_path(path).unlink(missing_ok=True)
    return dropped


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file with these very bytes is there."""
    try:
        return _digest_of_file(path) == digest
    except OSError:
        return False


def digest_of_unchanged(path: Path) -> str | None:
    """The SHA-256 of a file, read again only where its time or size have changed; None without a file."""
    try:
        found = path.stat()
        return _digest_at(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return None


@lru_cache(maxsize=8)
def _digest_at(path: Path, changed_ns: int, size: int) -> str:
    return _digest_of_file(path)


def _digest_of_file(path: Path) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            sha256.update(piece)
    return sha256.hexdigest()


def _bytes_of(blobs: Blobs, digest: str, card: ModelCard) -> bytes:
    """The blob; those weights that ship are known without it."""
    try:
        return blobs.get(digest)
    except StoreError as error:
        shipped = shipped_weights(card.kind)
        if has_digest(shipped, digest):
            return shipped.read_bytes()
        what = "missing" if isinstance(error, NotFoundError) else "damaged or out of reach"
        raise WeightsError(f"the weights of {card.name} are {what} in the store") from error


def _card_at(path: Path) -> ModelCard | None:
    try:
        return read_card(path)
    except (WeightsError, OSError):
        return None


def _disk_errors(what: str) -> AbstractContextManager[None]:
    return disk_errors(
        f"There is no room left for the model's {what}.", f"The model's {what} cannot be stored here"
    )
