"""The process that decodes a HEIC, AVIF or TIFF photo for :mod:`core.images.decode`.

Their decoders are large programs in C that read strangers' files. Here they have limits of memory and of
computing time, and take nobody with them. ``python -m core.images.decoder_process FORMAT`` reads the file
from stdin and writes a header and the RGB bytes to stdout; a status other than 0 says that it failed.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageChops

from core.errors import PhotoError

FORMATS = frozenset({"HEIF", "AVIF", "TIFF"})
"""What is decoded here; all other formats are decoded where they are asked for."""

MOST_MEMORY = 3 * 2**30
MOST_SECONDS = 60
"""Of computing; a phone's photo of 48 million pixels takes six."""

_SIZE = struct.Struct("<II")
_ROOT = Path(__file__).resolve().parents[2]


def decode_apart(data: bytes, format: str) -> Image.Image:
    """Decode a file of one of ``FORMATS`` in a process of its own: an RGB picture, as it is stored.

    Raises PhotoError where the decoder fails, crashes, or takes more than its limits.
    """
    command = [sys.executable, "-m", "core.images.decoder_process", format]
    ran = subprocess.run(
        command, cwd=_ROOT, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    if ran.returncode != 0 or len(ran.stdout) < _SIZE.size:
        raise PhotoError("The photo is damaged or cut off: its picture cannot be decoded.")
    size_wh = _SIZE.unpack_from(ran.stdout)
    return Image.frombytes("RGB", size_wh, ran.stdout[_SIZE.size :])


def to_rgb(picture: Image.Image) -> Image.Image:
    """A new RGB picture: transparency over white, 16-bit gray by its high byte."""
    if picture.mode.startswith("I"):
        picture = _grey_of_sixteen_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if picture.mode != "RGBA":
        picture = picture.convert("RGBA")
    rgb = picture.convert("RGB")
    rgb.paste("white", (0, 0), ImageChops.invert(picture.getchannel("A")))
    return rgb


def _grey_of_sixteen_bits(picture: Image.Image) -> Image.Image:
    """Gray by its high byte, as Pillow reads 16-bit colors; its own conversion of gray clips at 255."""
    import numpy as np

    gray = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if "transparency" in picture.info:
        gray.info["transparency"] = picture.info["transparency"]
    return gray


def main(arguments: Sequence[str]) -> int:
    """Decode, as the module says."""
    _limit()
    (format,) = arguments
    picture = to_rgb(_opened(sys.stdin.buffer.read(), format))
    sys.stdout.buffer.write(_SIZE.pack(*picture.size))
    sys.stdout.buffer.write(picture.tobytes())
    return 0


def _opened(data: bytes, format: str) -> Image.Image:
    if format == "HEIF":
        import pi_heif  # type: ignore[import-untyped]

        pi_heif.options.DECODE_THREADS = 1
        picture: Image.Image = pi_heif.open_heif(data).to_pillow()
        return picture
    if format == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    opened = Image.open(io.BytesIO(data), formats=[format])
    opened.load()
    return opened


def _limit() -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # reserves address space for each thread
    with suppress(ImportError):  # not on Windows
        import resource

        limits = {resource.RLIMIT_AS: MOST_MEMORY, resource.RLIMIT_CPU: MOST_SECONDS, resource.RLIMIT_CORE: 0}
        for kind, most in limits.items():
            with suppress(ValueError, OSError):  # a lower limit is set already
                resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # whoever asked is gone
        os._exit(1)
