"""The demo's API: ``/label`` and ``/explain`` give the JSON of the command line's contract.

What keeps the demo to itself: a password, known hosts, and no fetching of other people's addresses.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import Error, processing_utils
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.middleware import SecurityHeaders
from app.demo.view import Explain, LabelerLike, sentences, taken_photo
from core.errors import PhotoError, RecipeError
from core.inference.explain import write_maps

Upload = dict[str, Any] | None

MODELS = "models"  # the page and the API share one place at the models
LABEL_DOC = (
    "Find the garments of one photo. `photo`: an uploaded file (JPEG, PNG, WebP). `threshold`: the "
    "lowest score of a garment in 0..1, by default the model card's. Gives one JSON object: `photo`, "
    "`width`, `height`, `seconds`, `models` {`detector`, `classifier`} and `garments`, each with its "
    "`box` [x0, y0, x1, y1] in pixels of the upright photo, `category`, `score` and `top5` [[label, "
    "probability], ...]; at most 100, best first."
)
EXPLAIN_DOC = (
    "Show why a photo was labelled so. Takes what `/label` takes. Gives two values: an index, `photo`, "
    "`garments` [{`box`, `category`, `top5`, `maps` {name: file}}] and `detector_maps` [{`stage`, "
    "`file`}]; and the list of PNG files, whose base names are the `file` entries of the index. A "
    "garment's map lies over its box's part of the photo, a detector's map over all of it."
)


def add_api(labeler: LabelerLike, explain: Explain) -> None:
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


def endpoints(labeler: LabelerLike, explain: Explain) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The functions behind ``/label`` and ``/explain``; the names of their parameters are the API's."""

    def label(photo: Upload, threshold: float | None = None) -> dict[str, Any]:
        with sentences(for_page=False), taken_photo(_given(photo)) as taken:
            return labeler.label(taken, _in_range(threshold)).as_dict()

    def explain_photo(photo: Upload, threshold: float | None = None) -> tuple[dict[str, Any], list[str]]:
        with sentences(for_page=False), taken_photo(_given(photo)) as taken:
            labeled = labeler.label(taken, _in_range(threshold))
            # Inside Gradio's own folder, so that the files are swept with the uploads.
            folder = Path(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"]))
            index = write_maps(explain(labeler, taken, labeled), taken, folder)
            return index, [str(path) for path in sorted(folder.iterdir())]

    return label, explain_photo


def _given(photo: Upload) -> dict[str, Any]:
    if photo is None:
        raise PhotoError("Expected a photo, got none.")
    return photo


def _in_range(threshold: float | None) -> float | None:
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise RecipeError(f"Expected a threshold in 0..1, got {threshold}.")
    return threshold


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
    visitor's browser.
    """
    layers = [Middleware(SecurityHeaders), Middleware(OwnFilesOnly)]
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
        await asyncio.sleep(WRONG_PASSWORD_SECONDS)  # guessing stays slow without holding up anyone else
        return False

    return check


async def _refuse_download(url: str, cache_dir: str) -> str:
    raise Error("Expected an uploaded photo, got a web address.", print_exception=False)
