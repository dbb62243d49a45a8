"""From untrusted bytes to a Photo: decoded, upright, without metadata, within limits of time and memory."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

from PIL import Image

from core.errors import ArchiveError, DatasetError, LapelError, PhotoError
from core.file_names import safe_name, safe_path, unique_in_batch
from core.garments import Refusal
from core.images.archives import count_entries, is_zip, unpack
from core.images.container import Container
from core.images.containers import KINDS_IN_WORDS, PHOTO_KINDS, PHOTO_SUFFIXES, kind_of, read_container
from core.images.decoder_process import FORMATS, decode_apart, to_rgb

Source = bytes | Path

MAX_BYTES = 50 * 2**20
MAX_PIXELS = 50 * 2**20  # phones' "50 megapixels" are 8192 x 6144
MAX_PIXELS_WEBP = 32 * 2**20  # its decoder is a third as fast and holds three canvases
MAX_PASSES = 32 * MAX_PIXELS  # pixels times scans of a progressive JPEG, which usually has ten scans
MIN_SIDE = 8
MAX_SIDE = 30_000  # beyond it, neither browsers nor JPEG's writers follow

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = range(5, 9)  # the orientations that swap width and height


@dataclass(frozen=True)
class Photo:
    """A photo: RGB, upright, without metadata. ``digest`` is the SHA-256 (hex) of the original bytes."""

    name: str
    image: Image.Image = field(repr=False, compare=False)
    digest: str

    @property
    def width(self) -> int:
        """Pixels across the upright photo."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels down the upright photo."""
        return self.image.height

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the upright photo in pixels."""
        return self.image.size


def read_photo(data: bytes, name: str) -> Photo:
    """Decode a photo of one of ``PHOTO_KINDS``; the bytes decide, not the name.

    Transparency is laid over white, of an animation the first frame is taken (of a HEIC or AVIF file its main
    picture), 16-bit values keep their high byte, colors are read as sRGB (embedded profiles are dropped with
    all other metadata).
    Raises PhotoError for another kind of file, a damaged one, and one beyond the limits above.
    """
    container = _bounded_container(data)
    image = _upright(_decode(container), container.orientation)
    return Photo(safe_name(name), image, hashlib.sha256(data).hexdigest())


def open_photo(path: Path) -> Photo:
    """Read a photo from a file. Raises PhotoError as read_photo does, and where there is no readable file."""
    return read_photo(_read_file(path), path.name)


def iter_photos(
    sources: Iterable[tuple[str, Source]], *, skip: Collection[int] = (), folders: bool = False
) -> Iterator[Photo | Refusal]:
    """Read photos one by one, in order: files, zips of photos, and folders (recursively, links left out).

    A broken file gives a Refusal and the others go on; a dangerous zip gives one Refusal for the whole of it.
    Names are unique in the batch, whatever their case: a second "shirt.jpg" becomes "shirt (2).jpg".
    Memory holds one photo at a time. Photos whose place, from 0, is in ``skip`` are passed over; with
    ``folders`` names keep those of a zip.
    """
    taken: dict[str, int] = {}
    for place, (name, found) in enumerate(_expand(sources)):
        unique = unique_in_batch(safe_path(name) if folders else safe_name(name), taken)
        if place not in skip:
            yield _photo_or_refusal(found, unique)


def count_photos(sources: Iterable[tuple[str, Source]]) -> int:
    """How many photos and refusals iter_photos will give, without decoding or unpacking any."""
    return sum(_count(source) for _, source in sources)


def _bounded_container(data: bytes) -> Container:
    """What a file is made of. Raises PhotoError for no photo, and for one beyond the limits."""
    if len(data) > MAX_BYTES:
        raise PhotoError(f"The file is larger than {MAX_BYTES // 2**20} MB, the most that is read.")
    container = read_container(data)
    _check_size(container)
    return container


def _check_size(container: Container) -> None:
    width, height = container.size_wh
    most = MAX_PIXELS_WEBP if container.format == "WEBP" else MAX_PIXELS
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"The photo has {width} x {height} pixels; at least {MIN_SIDE} a side are needed.")
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"The photo has {width} x {height} pixels; at most {MAX_SIDE:,} a side are read.")
    if width * height > most:
        millions = width * height / 1e6
        raise PhotoError(f"The photo has {millions:,.1f} million pixels; at most {most / 1e6:.1f} are read.")
    if width * height * container.scans > MAX_PASSES:
        raise PhotoError(f"The photo is refused: its {container.scans:,} scans take too long to decode.")


def _decode(container: Container) -> Image.Image:
    try:
        if container.format in FORMATS:
            picture = decode_apart(container.data, container.format)
            _check_named_size(picture, container)
            return picture
        with Image.open(io.BytesIO(container.data), formats=[container.format]) as opened:
            _check_named_size(opened, container)
            opened.load()
            return to_rgb(opened)
    except PhotoError:
        raise
    except Exception as error:  # decoders answer hostile bytes with nearly every type of error
        raise PhotoError("The photo is damaged or cut off: its picture cannot be decoded.") from error


def _check_named_size(picture: Image.Image, container: Container) -> None:
    if picture.size != container.size_wh:
        raise PhotoError("The photo is damaged: it names two different sizes.")


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned and mirrored as the orientation (1..8) asks, with nothing but pixels left."""
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    image.info = {}
    return image


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device could be waited on for ever
            raise PhotoError("There is no such file.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoError(f"The file cannot be read: {error.strerror}.") from error


def _photo_or_refusal(found: Source | LapelError, name: str) -> Photo | Refusal:
    try:
        if isinstance(found, LapelError):
            raise found
        return replace(read_photo(_read_file(found) if isinstance(found, Path) else found, name), name=name)
    except LapelError as error:
        return Refusal(name, str(error))


def _expand(sources: Iterable[tuple[str, Source]]) -> Iterator[tuple[str, Source | LapelError]]:
    """Each file with its name; zips and folders opened, and what cannot be opened in place as its error."""
    for name, source in sources:
        if is_folder(source):
            paths = photo_paths(source)
            yield from ((path.name, path) for path in paths)
            if not paths:
                yield name, PhotoError(f"The folder holds no photo ({KINDS_IN_WORDS}).")
        elif is_zip(source):
            try:
                yield from unpack(source)
            except ArchiveError as error:
                yield name, error
        else:
            yield name, source


def is_folder(source: Source) -> TypeGuard[Path]:
    """Whether a source is the path of a folder that may be entered."""
    try:
        return isinstance(source, Path) and source.is_dir()
    except OSError:  # a name that is too long, a folder above that may not be entered
        return False


def photo_paths(folder: Path) -> list[Path]:
    """The folder's files that are photos by name or first bytes, sorted, without hidden ones and links."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent, name) for name in sorted(files) if not name.startswith("."))
        found += [path for path in paths if _looks_like_photo(path)]
    return found


def _looks_like_photo(path: Path) -> bool:
    try:
        if path.is_symlink() or not path.is_file():
            return False
        if path.suffix.lower() in PHOTO_SUFFIXES:
            return True
        with path.open("rb") as file:
            return kind_of(file.read(16)) in PHOTO_KINDS
    except OSError:
        return False


def _count(source: Source) -> int:
    if is_folder(source):
        return max(1, len(photo_paths(source)))
    try:
        return count_entries(source) if is_zip(source) else 1
    except ArchiveError:
        return 1


def open_dataset_photo(path: Path) -> Photo:
    """Open a photo that a dataset names. Raises DatasetError, with its name, where it cannot be read."""
    try:
        return open_photo(path)
    except PhotoError as error:
        raise DatasetError(f"{path.name} cannot be read as a photo of the dataset: {error}") from error


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels that open_photo gives, from the file's header and without decoding it.

    Raises DatasetError for a file that open_photo refuses by its header: no photo, or one beyond the limits.
    """
    if not path.exists():
        raise DatasetError(f"the size of {path.name} is needed, but there is no such photo")
    try:
        return header_size(_read_file(path))
    except PhotoError as error:
        raise DatasetError(
            f"the size of {path.name} is needed, but it cannot be read as a photo: {error}"
        ) from error


def header_size(data: bytes) -> tuple[int, int]:
    """The width and height of a photo turned upright, by its header alone.

    Raises PhotoError for no photo, and for one beyond the limits.
    """
    container = _bounded_container(data)
    width, height = container.size_wh
    return (height, width) if container.orientation in _SIDEWAYS else (width, height)
