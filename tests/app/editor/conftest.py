"""The editor's harness: a Streamlit server of its own, with the store of its page in the tests' hands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.taxonomy import load_taxonomy
from tests.browsing import WAIT_MS, expect
from tests.ports import free_port, wait_until_open
from tools.synthetic import draw_scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
SIZE_WH = (600, 800)
PROGRAM = """
import sys
from pathlib import Path
import streamlit as st
from starlette.middleware import Middleware
from app.__main__ import options
from app.auth.origins import SecurityHeaders
app = st.App(Path(sys.argv[2]), middleware=[Middleware(SecurityHeaders)])
app.run(config=options(int(sys.argv[1]), "127.0.0.1"))
"""
CATEGORIES = load_taxonomy("street13").categories
TOPS = [["Tee", 0.62], ["Blouse", 0.2], ["Top", 0.08], ["Tank", 0.05], ["Sweater", 0.02]]
PANTS = [["Jeans", 0.41], ["Chinos", 0.39], ["Leggings", 0.1], ["Joggers", 0.05], ["Sweatpants", 0.02]]
PROPOSED = (
    ([180, 150, 420, 420], "top", 0.91, TOPS),
    ([200, 400, 400, 760], "pants", 0.34, PANTS),
    ([250, 200, 330, 300], "bag", 0.55, []),
)


def proposal(number: int, box: list[float], category: str, score: float, top5: list[Any]) -> dict[str, Any]:
    return {
        "uid": f"model{number}", "box": box, "category": CATEGORIES.index(category) + 1,
        "label": top5[0][0] if top5 else None, "origin": "model", "changed": False, "accepted": False,
        "score": score, "top5": top5,
    }  # fmt: skip


class Harness:
    """The server, and the file that its page reads and writes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.server: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> dict[str, Any]:
        return json.loads((self.folder / "store.json").read_text("utf-8"))

    def reset(self, boxes: list[dict[str, Any]] | None = None, **fields: Any) -> None:
        """Two tasks, the first with these boxes; a run of the same test again has keys of its own."""
        boxes = [proposal(n, *entry) for n, entry in enumerate(PROPOSED)] if boxes is None else boxes
        width, height = SIZE_WH
        photo = {"file": "photo.jpg", "width": width, "height": height}
        name = os.urandom(4).hex()
        tasks = [
            {"key": f"{name}/1/0", "boxes": boxes, **photo},
            {"key": f"{name}/2/0", "boxes": [], **photo},
        ]
        self.put({"tasks": tasks, "at": 0, "drafts": {}, "actions": [], "keys": {}, **fields})

    def put(self, store: dict[str, Any]) -> None:
        part = self.folder / "store.test"
        part.write_text(json.dumps(store), "utf-8")
        part.replace(self.folder / "store.json")

    def set(self, **fields: Any) -> None:
        self.put(self.store | fields)

    def saved(self, task: int = 0) -> list[dict[str, Any]]:
        """The boxes of the draft as the server has them."""
        store = self.store
        return store["drafts"].get(store["tasks"][task]["key"], store["tasks"][task])["boxes"]

    def start(self) -> None:
        command = [sys.executable, "-c", PROGRAM, str(self.port), str(Path(__file__).with_name("harness.py"))]
        environment = os.environ | {"LAPEL_HARNESS": str(self.folder)}
        self.server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        wait_until_open(self.port, self.server)

    def stop(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.communicate(timeout=120)
            self.server = None


@pytest.fixture(scope="session")
def running_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("editor"))
    draw_scene(100, SIZE_WH, "person").image.save(harness.folder / "photo.jpg", quality=90)
    harness.reset()
    harness.start()
    yield harness
    harness.stop()


@pytest.fixture
def harness(running_harness: Harness) -> Harness:
    """The harness with a fresh store."""
    running_harness.reset()
    if running_harness.server is None:
        running_harness.start()
    return running_harness


@pytest.fixture
def open_editor(browser: Browser, harness: Harness) -> Iterator[Callable[..., Page]]:
    """Opens the editor in a context of its own; whatever the browser complains about fails the test."""
    expect.set_options(timeout=WAIT_MS)
    contexts, complaints = [], []

    def open_one(quiet: bool = True, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if quiet:
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(f"http://127.0.0.1:{harness.port}")
        page.locator(".lapel-editor .canvas").wait_for()
        page.wait_for_function(READY)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


READY = """() => {
  const host = document.querySelector('[data-testid=stBidiComponentIsolated]');
  return host?.shadowRoot?.querySelector('.canvas')?.dataset.seen !== undefined;
}"""
