"""The demo's API and its guards: ``/label`` and ``/explain``, uploads read safely, password, known hosts.

Both endpoints give the JSON of the command line's contract.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import html
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio import Error, processing_utils
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.origins import OwnOriginOnly, SecurityHeaders
from app.auth.upload_limit import limit_from_environment
from app.demo.uploads import BoundedUploads
from app.demo.view import Explain
from core.errors import LapelError, PhotoError, RecipeError
from core.files import atomic_write
from core.images.containers import KINDS_IN_WORDS
from core.images.decode import Photo, read_photo
from core.inference.explain import write_maps

if TYPE_CHECKING:
    from core.inference.labeler import PhotoLabeler

_log = logging.getLogger(__name__)
Upload = dict[str, Any] | None
MODELS = "models"  # the page and the API share one place at the models
LABEL_DOC = (
    f"Find the garments of one photo. `photo`: an uploaded file ({KINDS_IN_WORDS}). `threshold`: the "
    "lowest score of a garment in 0..1, by default the model card's. Gives one JSON object: `photo`, "
    "`width`, `height`, `seconds`, `models` {`detector`, `classifier`} and `garments`, each with its "
    "`box` [x0, y0, x1, y1] in pixels of the upright photo, `category`, `score` and `top5` [[label, "
    "probability], ...]; at most 100, best first."
)
EXPLAIN_DOC = (
    "Show why a photo was labeled so. Takes what `/label` takes. Gives two values: an index, `photo`, "
    "`garments` [{`box`, `category`, `top5`, `maps` {name: file}}] and `detector_maps` [{`stage`, "
    "`file`}]; and the list of PNG files, whose base names are the `file` entries of the index. A "
    "garment's map lies over its box's part of the photo, a detector's map over all of it."
)


def add_api(labeler: PhotoLabeler, explain: Explain) -> None:
    """Add both endpoints to the Blocks that is being built; their components are not on the page."""
    label, explain_photo = endpoints(labeler, explain)
    inputs = [
        gr.Image(label="photo", type="filepath", visible=False),
        gr.Number(label="threshold", value=None, visible=False),
    ]
    shared: dict[str, Any] = {
        "inputs": inputs,
        "preprocess": False,
        "concurrency_id": MODELS,
        "concurrency_limit": 1,
    }
    answer = gr.JSON(label="labels", visible=False)
    index = gr.JSON(label="index", visible=False)
    files = gr.File(label="files", file_count="multiple", visible=False)
    trigger = gr.Button(visible=False)
    trigger.click(label, outputs=answer, api_name="label", api_description=LABEL_DOC, **shared)
    trigger.click(
        explain_photo, outputs=[index, files], api_name="explain", api_description=EXPLAIN_DOC, **shared
    )


def endpoints(labeler: PhotoLabeler, explain: Explain) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The functions behind ``/label`` and ``/explain``; the names of their parameters are the API's."""

    def label(photo: Upload, threshold: float | None = None) -> dict[str, Any]:
        with sentences(for_page=False), taken_photo(_given(photo)) as taken:
            return labeler.label(taken, in_range(threshold)).as_dict()

    def explain_photo(photo: Upload, threshold: float | None = None) -> tuple[dict[str, Any], list[str]]:
        with sentences(for_page=False), taken_photo(_given(photo)) as taken:
            labeled = labeler.label(taken, in_range(threshold))
            # Inside Gradio's own folder, so that the files are swept with the uploads.
            folder = Path(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"]))
            index = write_maps(explain(labeler, taken, labeled), taken, folder)
            return index, [str(path) for path in sorted(folder.iterdir())]

    return label, explain_photo


def _given(photo: Any) -> dict[str, Any]:
    """Gradio's description of an upload; callers may send anything in its place."""
    if photo is None:
        raise PhotoError("Expected a photo, got none.")
    if not isinstance(photo, dict) or not isinstance(photo.get("path"), str):
        raise PhotoError(f"Expected an uploaded photo, got {_short(photo)}.")
    return photo


def in_range(threshold: Any) -> float | None:
    """A score threshold as a caller sent it, None for the card's. Raises RecipeError for what is none."""
    if threshold is None:
        return None
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not is_number or not 0.0 <= threshold <= 1.0:
        raise RecipeError(f"Expected a threshold in 0..1, got {_short(threshold)}.")
    return float(threshold)


def _short(value: Any) -> str:
    """A value for a sentence."""
    if isinstance(value, dict):
        return "an object without a path"
    if isinstance(value, int) and abs(value) >= 10**20:  # of some thousand digits on, it has no repr
        return "a number of more than twenty digits"
    return repr(value)[:60]


WRONG_PASSWORD_SECONDS = 0.5
_FILE_FROM_ELSEWHERE = re.compile(r"/(file|proxy)(=|/)[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class OwnFilesOnly:
    """ASGI middleware that refuses Gradio's routes that hand on files from other servers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _FILE_FROM_ELSEWHERE.search(scope["path"]):
            answer = PlainTextResponse("The demo gives out its own files only.", status_code=403)
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def guards(open_to_all: bool) -> list[Middleware]:
    """The middleware of every answer; without a password only names of this machine are answered.

    A page elsewhere could otherwise point a name of its own at 127.0.0.1 and use the demo through a
    visitor's browser. What such a page sends under the demo's own name is refused by its origin.
    """
    layers = [
        Middleware(SecurityHeaders),
        Middleware(OwnOriginOnly, requests=True),
        Middleware(OwnFilesOnly),
        Middleware(BoundedUploads, most_bytes=limit_from_environment()),
    ]
    if open_to_all:
        layers.append(
            Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "::1", "[::1]"])
        )
    return layers


def fetch_nothing() -> None:
    """Keep Gradio from downloading an address that a caller sends in place of a photo.

    Gradio does so for every input and has no switch for it; the download knows no size limit and no password.
    """
    processing_utils.async_ssrf_protected_download = _refuse_download


def password_check(password: str) -> Callable[[str, str], Any]:
    """Gradio's ``auth`` function, a coroutine, for one password under any user name."""

    async def check(user_name: str, given: str) -> bool:
        if hmac.compare_digest(given.encode(), password.encode()):
            return True
        await asyncio.sleep(WRONG_PASSWORD_SECONDS)  # slows down guessing without blocking other users
        return False

    return check


async def _refuse_download(url: str, cache_dir: str) -> str:
    raise Error("Expected an uploaded photo, got a web address.", print_exception=False)


@contextlib.contextmanager
def taken_photo(upload: dict[str, Any]) -> Iterator[Photo]:
    """Read an upload, and replace the file by its upright pixels.

    ``upload`` is Gradio's description of a file in its own folder: "path" and "orig_name". When the block
    is left, the file there is replaced by a PNG of the same pixels: whatever came along, be it a position,
    a comment or a film behind the photo, is gone, and the same upload is labeled alike again. What is no
    photo is removed.

    Raises:
        PhotoError: for a file that is no photo, exceeds the limits, was deleted meanwhile or never uploaded.
    """
    path = own_file(_given(upload)["path"])
    name = upload.get("orig_name")
    photo = _read(path, name if isinstance(name, str) and name else path.name)
    try:
        yield photo
    finally:
        with atomic_write(path) as file:
            photo.image.save(file, "PNG", compress_level=1)


@contextlib.contextmanager
def sentences(for_page: bool) -> Iterator[None]:
    """Turn a LapelError into Gradio's error with the same sentence; anything else goes to the log.

    The page renders the text of an error as HTML, so names in it are escaped there; API callers get it as
    it is.
    """
    try:
        yield
    except LapelError as error:
        text = html.escape(str(error), quote=False) if for_page else str(error)
        raise gr.Error(text, title="Not labeled", print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        _log.exception("The demo failed on a photo.")
        raise gr.Error(
            "Something went wrong on the server; the log has the details.", print_exception=False
        ) from error


def own_file(name: str, what: str = "photo") -> Path:
    """The path, once it is known to lie in Gradio's folder; Gradio checks only what is marked as a file."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    try:
        path = Path(name).resolve()
    except (OSError, ValueError) as odd:
        raise PhotoError(f"Expected an uploaded {what}, got a path that cannot be one.") from odd
    if not path.is_relative_to(folder):
        raise PhotoError(f"Expected an uploaded {what}, got the path of another file.")
    return path


def _read(path: Path, name: str) -> Photo:
    try:
        data = path.read_bytes()
    except OSError as gone:
        raise PhotoError("The photo is no longer on the server; choose it again.") from gone
    try:
        return read_photo(data, name)
    except LapelError:
        path.unlink(missing_ok=True)
        raise
