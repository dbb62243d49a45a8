"""A pack's photos decoded once into one file of pixels, which every training process maps; needs no torch.

``python -m tools.photo_files PACK`` fills ``pixels.bin`` (each photo's rows after one another, three bytes a
pixel) in a folder of the machine's temporary directory, named by the index's digest.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import zipfile
from collections import defaultdict
from hashlib import sha256
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Job = tuple[str, str, list[tuple[str, int, int, int]]]
"""A part's path, the pixels' path, and of each photo: name in the part, first pixel, width and height."""


def read_index(pack: Path, limit: int | None = None) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Categories and photos of a pack; with ``limit`` at most so many photos of each set and split."""
    document = json.loads((pack / "index.json").read_text(encoding="utf-8"))
    photos: list[dict[str, Any]] = document["photos"]
    if limit is not None:
        groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for photo in photos:
            groups[photo["set"], photo["split"]].append(photo)
        photos = [
            photo for group in groups.values() for photo in group[:: max(1, len(group) // limit)][:limit]
        ]
    return tuple(document["categories"]), photos


def first_pixels(photos: list[dict[str, Any]]) -> list[int]:
    """Where each photo begins in the file of pixels, and the number of pixels at the end."""
    return [0, *accumulate(photo["width"] * photo["height"] for photo in photos)]


def decoded_folder(pack: Path, limit: int | None = None) -> Path:
    """Where a pack's decoded photos lie."""
    name = sha256((pack / "index.json").read_bytes()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lapel-pixels-{name}-{limit or 'all'}"


def decode_pack(pack: Path, limit: int | None = None, workers: int | None = None) -> Path:
    """Decode a pack's photos unless that is done; returns the folder of ``pixels.bin`` and ``failed.json``.

    A photo that cannot be decoded is left black and listed in ``failed.json`` by its number.
    """
    target = decoded_folder(pack, limit)
    if (target / "failed.json").is_file():
        return target
    _, photos = read_index(pack, limit)
    firsts = first_pixels(photos)
    folder = Path(tempfile.mkdtemp(prefix="lapel-decoding-"))
    pixels = folder / "pixels.bin"
    with pixels.open("wb") as handle:
        handle.truncate(max(firsts[-1], 1) * 3)
    wanted: dict[str, list[tuple[str, int, int, int]]] = defaultdict(list)
    for photo, first in zip(photos, firsts, strict=False):
        wanted[photo["part"]].append((photo["file"], first, photo["width"], photo["height"]))
    jobs: list[Job] = [
        (str(pack / part), str(pixels), entries[start : start + 64])
        for part, entries in wanted.items()
        for start in range(0, len(entries), 64)
    ]
    workers = workers or max(1, min(16, len(os.sched_getaffinity(0))))
    if workers > 1 and len(jobs) > 1:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            failures = pool.map(_decode, jobs, chunksize=1)
    else:
        failures = [_decode(job) for job in jobs]
    names = {name for failed in failures for name in failed}
    numbers = [number for number, photo in enumerate(photos) if photo["file"] in names]
    (folder / "failed.json").write_text(json.dumps(numbers))
    try:
        folder.rename(target)
    except OSError:  # another process was quicker
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _decode(job: Job) -> list[str]:
    part, pixels_path, entries = job
    pixels = np.memmap(pixels_path, dtype=np.uint8, mode="r+")
    failed = []
    with zipfile.ZipFile(part) as archive:
        for name, first, width, height in entries:
            try:
                with Image.open(BytesIO(archive.read(name))) as opened:
                    image = np.asarray(opened.convert("RGB"))
                if image.shape != (height, width, 3):
                    raise ValueError(f"expected {width} x {height} pixels, got {image.shape}")
                pixels[3 * first : 3 * (first + width * height)] = image.reshape(-1)
            except Exception as error:  # one bad photo must not cost the training
                print(f"{name}: {error!r}", file=sys.stderr)
                failed.append(name)
    pixels.flush()
    return failed


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Decode a pack's photos.")
    parser.add_argument("pack", type=Path)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    print(decode_pack(given.pack, given.limit))


if __name__ == "__main__":
    main()
