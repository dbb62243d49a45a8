"""Near duplicates: photos that look the same after another size, compression or light."""

from __future__ import annotations

import numpy as np
from PIL import Image

HASH_SIDE = 16
NEAR_BITS = 24


def difference_hash(image: Image.Image) -> bytes:
    """The picture's difference hash, 256 bits in 32 bytes.

    It says for each cell of a 16 x 16 grid of grey means whether the next one to the right is brighter
    (dHash, Krawetz 2013, with 16 cells a side instead of 8: clothing on plain ground has few edges).
    """
    grey = image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    cells = np.asarray(grey, dtype=np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes()


def hamming_distances(one: bytes, others: np.ndarray) -> np.ndarray:
    """How many bits of one hash differ from each of ``others`` (N, 32) uint8: (N,) int64."""
    differing = np.bitwise_xor(np.frombuffer(one, dtype=np.uint8), others.reshape(-1, len(one)))
    return np.bitwise_count(differing).sum(axis=1, dtype=np.int64)


def as_table(hashes: list[bytes]) -> np.ndarray:
    """Hashes as rows (N, 32) uint8, for :func:`hamming_distances`."""
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, HASH_SIDE * HASH_SIDE // 8)
