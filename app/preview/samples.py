"""A dozen real photos to try Lapel on, fetched from the public home of the Clothing dataset (CC0)."""

from __future__ import annotations

import ipaddress
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from core.errors import LapelError, PhotoError
from core.files import atomic_write
from core.images.decode import read_photo
from core.progress import Progress, ignore_progress

SAMPLES_URL = (
    "https://raw.githubusercontent.com/alexeygrigorev/clothing-dataset/"
    "08b50460cf229fd852bb6c11564e0959f52578ca/images/"
)
"""Where the photos lie, at a commit, so that they stay the ones that were chosen; ``ID.jpg`` follows."""

SAMPLE_PHOTOS: tuple[tuple[str, str], ...] = (
    ("T-Shirt", "b1caeb6f-8fdd-4415-a75b-4d8d2d895561"),
    ("Dress", "a0b2aa38-51d0-4219-a135-fa3d769f7d37"),
    ("Shoes", "132e5fa5-ed38-4293-8dff-20727b6b5ac2"),
    ("Pants", "0fe5eeb6-316f-4f60-b604-8a1b25e23433"),
    ("Hoodie", "d0a1b45e-f6d3-4402-aad1-e921b9ee3589"),
    ("Skirt", "c938f1ac-6e47-41a9-8546-9ca7c27477aa"),
    ("Outwear", "6e519c22-3cdf-4dfe-8859-529a20e68748"),
    ("Hat", "a9db59ad-5a9c-4c5d-9a5a-a8aed629cc23"),
    ("Shirt", "5dc3b8f3-650f-460d-9aff-5d8903aadfa4"),
    ("Shorts", "300a4125-acec-46aa-b0b9-68b4b2142c70"),
    ("Blazer", "7e30b281-c813-4d6a-9635-bb26a5e64891"),
    ("Longsleeve", "c17a15e5-7074-4e0c-83d4-430ac8a9dbf7"),
)
"""Label and id of the photos that are fetched; none is of the people whose photos validate the models."""

PHOTO_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})
"""Of photos that are offered as examples: every browser shows them."""

MAX_SAMPLE_BYTES = 8 * 2**20
_CHUNK_BYTES = 64 * 2**10
_JPEG_QUALITY = 95


class SamplesError(LapelError):
    """Sample photos that could not be fetched."""


class _NoConnection(Exception):
    """The server cannot be reached or does not answer in time: the next photo would fare no better."""


def fetch_samples(
    folder: Path,
    base_url: str = SAMPLES_URL,
    count: int = len(SAMPLE_PHOTOS),
    timeout_seconds: float = 10.0,
    progress: Progress = ignore_progress,
) -> list[Path]:
    """Fetch up to ``count`` photos into ``folder`` and return their paths; what is there already is kept.

    Each is decoded and stored without metadata. Photos that are missing or damaged there are left out;
    once the connection fails, those fetched so far are returned. ``timeout_seconds`` bounds each photo;
    ``progress`` is called with (photos tried, photos in all). Addresses are https, or http on this machine.
    Raises SamplesError where not one photo could be had, and for another kind of address.
    """
    _check_address(base_url)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = SAMPLE_PHOTOS[:count]
    paths: list[Path] = []
    problem = "none was asked for"
    for tried, (label, photo_id) in enumerate(chosen, start=1):
        path = folder / f"{label.lower()}-{photo_id[:8]}.jpg"
        try:
            if not path.exists():
                data = _fetch(f"{base_url.rstrip('/')}/{photo_id}.jpg", timeout_seconds)
                _store(data, path)
            paths.append(path)
        except _NoConnection as error:
            problem = str(error)
            break
        except LapelError as error:
            problem = str(error)
        progress(tried, len(chosen))
    if chosen and not paths:
        host = urlsplit(base_url).hostname
        raise SamplesError(
            f"The sample photos could not be fetched from {host} ({problem}). "
            "The drawn samples work without a network."
        )
    return paths


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise SamplesError(f"Sample photos are fetched over https, got the address {url[:200]!r}.")


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to the scheme it came from, and never off to plain http elsewhere."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != urlsplit(req.full_url).scheme:
            raise SamplesError("the server redirects to another kind of address")
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, timeout_seconds: float) -> bytes:
    """The body at the address; raises SamplesError for a bad answer, _NoConnection for none in time."""
    proxies = urllib.request.ProxyHandler({}) if _is_loopback(urlsplit(url).hostname) else None
    opener = urllib.request.build_opener(*filter(None, (_SameScheme(), proxies)))
    request = urllib.request.Request(url, headers={"User-Agent": "lapel", "Accept": "image/*"})
    deadline = time.monotonic() + timeout_seconds
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            body = bytearray()
            while chunk := response.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_SAMPLE_BYTES:
                    raise SamplesError(f"a photo is larger than {MAX_SAMPLE_BYTES // 2**20} MB")
                if time.monotonic() > deadline:
                    raise TimeoutError
            return bytes(body)
    except urllib.error.HTTPError as error:
        error.close()
        raise SamplesError(f"the server answered {error.code}") from error
    except TimeoutError as error:
        raise _NoConnection(f"no photo came within {timeout_seconds:g} seconds") from error
    except (OSError, HTTPException) as error:
        late = isinstance(getattr(error, "reason", None), TimeoutError)
        raise _NoConnection("the server does not answer" if late else "no connection") from error


def _store(data: bytes, path: Path) -> None:
    """Decode the bytes and put the photo at ``path``, whole or not at all; raises PhotoError for no photo."""
    try:
        photo = read_photo(data, path.name)
    except PhotoError as error:
        raise PhotoError("what the server sent is no photo") from error
    with atomic_write(path, private=True) as file:
        photo.image.save(file, "JPEG", quality=_JPEG_QUALITY)
