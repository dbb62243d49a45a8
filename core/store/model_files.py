"""Models' weights on this machine: a copy of the blob with the card beside it, checked at every opening."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from core.errors import NotFoundError, StoreError, StoreFullError, WeightsError
from core.models.cards import ModelCard, card_path, read_card, shipped_weights, write_card
from core.store.blobs import Blobs

UNUSED_SECONDS = 30 * 86400
"""After so long without use a copy goes; the blob stays, and it is fetched again."""

_PIECE_BYTES = 2**20


def weights_file(blobs: Blobs, path: Path, digest: str, card: ModelCard) -> Path:
    """The path, with these weights and this card there: fetched where they are missing or damaged.

    Raises WeightsError where the blob is missing or damaged too, StoreError where a disk cannot be used.
    """
    if not holds(path, digest):
        _replace(path, _bytes_of(blobs, digest, card))
    if _card_at(path) != card:
        _replace_card(path, card)
    with suppress(OSError):
        os.utime(path)  # it was used just now
    return path


def drop_unused(folder: Path, now: float | None = None) -> int:
    """Remove the copies in this folder that nobody asked for in a month, with their cards; how many.

    Whoever has one open keeps reading it. What was left half written goes as well.
    """
    limit, dropped = (time.time() if now is None else now) - UNUSED_SECONDS, 0
    for path in (*folder.glob("*.safetensors"), *folder.glob(".*.part*")):
        with suppress(OSError):  # somebody else was quicker
            if path.stat().st_mtime < limit:
                path.unlink()
                dropped += 1
                card_path(path).unlink(missing_ok=True)
    return dropped


def holds(path: Path, digest: str) -> bool:
    """Whether a file with these very bytes is there."""
    sha256 = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                sha256.update(piece)
    except OSError:
        return False
    return sha256.hexdigest() == digest


def _bytes_of(blobs: Blobs, digest: str, card: ModelCard) -> bytes:
    """The blob; those weights that ship are known without it."""
    try:
        return blobs.get(digest)
    except StoreError as error:
        shipped = shipped_weights(card.kind)
        if holds(shipped, digest):
            return shipped.read_bytes()
        what = "missing" if isinstance(error, NotFoundError) else "damaged or out of reach"
        raise WeightsError(f"the weights of {card.name} are {what} in the store") from error


def _card_at(path: Path) -> ModelCard | None:
    try:
        return read_card(path)
    except (WeightsError, OSError):
        return None


def _replace_card(path: Path, card: ModelCard) -> None:
    """Write the card whole or not at all: others may be reading it."""
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.safetensors")
    try:
        write_card(card, part)
        card_path(part).replace(card_path(path))
    except OSError as error:
        raise StoreFullError(f"The model's card cannot be kept here: {error.strerror}.") from error
    finally:
        card_path(part).unlink(missing_ok=True)


def _replace(path: Path, data: bytes) -> None:
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError as error:
        raise StoreFullError(f"The model's weights cannot be kept here: {error.strerror}.") from error
    finally:
        if name is not None:
            with suppress(FileNotFoundError):
                Path(name).unlink()
