"""The page Annotate in a browser: a server over a filled store that can be killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.garments import Garment
from core.images.decode import open_photo
from core.store import Store, sqlite_url
from tests.browsing import WAIT_MS, expect
from tests.core.store.rows import add_models
from tests.ports import free_port, wait_until_open

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))
PROGRAM = """
import sys
from app import __main__ as launcher
from app.worker_process import WORKERS, WorkerProcess
idle = (sys.executable, "-c", "import sys; sys.stdin.read()")  # predictions are in the store already
WORKERS.build = lambda project: WorkerProcess(idle)
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""


class Workbench:
    """A workspace without a worker on a port of its own; ``store`` is the one that it serves."""

    def __init__(self, folder: Path, photos: int = 4) -> None:
        self.folder, self.port = folder, free_port()
        self.store = Store.open(sqlite_url(folder), folder)
        for sample in SAMPLES[:photos]:
            row = self.store.photos.add(open_photo(sample), by="tests").row
            assert row is not None
            width, height = row.width, row.height
            top = Garment(
                (0.2 * width, 0.2 * height, 0.6 * width, 0.5 * height), "top", 0.8, (("Shirt", 0.9),)
            )
            pants = Garment((0.2 * width, 0.5 * height, 0.6 * width, 0.9 * height), "pants", 0.4)
            self.store.predictions.save(row.id, add_models(self.store.database), [top, pants], None)
        self.store.queue.fill()
        self.store.settings.put("second_share", 0.0)
        self.server: subprocess.Popen[bytes] | None = None
        self.visitors: set[str] = set()

    def start(self) -> None:
        """Serve; returns once the port is open."""
        command = [sys.executable, "-c", PROGRAM, str(self.port), str(self.folder)]
        hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL")
        settings = {name: value for name, value in os.environ.items() if name not in hidden}
        with (self.folder / "log.txt").open("ab") as log:
            self.server = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=log, stderr=log)
        wait_until_open(self.port, self.server, WAIT_MS / 1000)

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self.server is not None:
            self.server.kill()
            self.server.wait(timeout=120)
            self.server = None

    def send_everybody_home(self) -> None:
        """Nobody who has opened the page holds a photo any more."""
        queue = self.store.queue
        for person in self.visitors:
            for _ in range(queue.counts().leased):
                task = queue.next(person)  # what they hold comes first
                if task is not None:
                    queue.release(task.id, person)

    def visit(self, browser: Browser, person: str, *, width: int = 1280, **parameters: object) -> Page:
        """The page as a person opens it, in a context of its own; a submit accepts what is undecided."""
        self.visitors.add(person)
        self.store.settings.put_own(person, "editor", {"undecided": "accept"})
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        context.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        page = context.new_page()
        asked = "&".join(f"{name}={value}" for name, value in {"as": person, **parameters}.items())
        page.goto(f"http://127.0.0.1:{self.port}/annotate?{asked}")
        expect(page.locator(".canvas[data-seen]")).to_be_visible()
        return page


def mark(page: Page, text: str) -> None:
    """Wait until the editor says how safe the work is."""
    expect(page.locator(".lapel-editor .mark")).to_have_text(text)


def act(page: Page, name: str) -> None:
    """Press one of the editor's buttons, and wait for another photo."""
    before = photo_of(page)
    page.locator(f".feet [data-action={name}]").click()
    gone_on(page, before)


def gone_on(page: Page, before: int) -> None:
    """Wait until another photo is at hand."""
    expect(page).not_to_have_url(address_of(page, before))
    expect(page.locator(".lapel-editor .mark")).not_to_have_text("Sending…")  # the editor has it as well
    expect(page.locator(".canvas[data-seen]")).to_be_visible()


def address_of(page: Page, photo: int) -> str:
    """The page's address with a photo in it."""
    base, _, query = page.url.partition("?")
    parts = [part for part in query.split("&") if not part.startswith("photo=")]
    return f"{base}?{'&'.join([*parts, f'photo={photo}'])}"


def photo_of(page: Page) -> int:
    """The photo at hand, out of the page's address."""
    return int(page.url.rpartition("photo=")[2].partition("&")[0])


def spot(page: Page, x: float, y: float) -> tuple[float, float]:
    """A place on the photo, in shares of its sides, as the mouse needs it."""
    place = page.locator(".canvas .photo").bounding_box()
    assert place is not None
    return place["x"] + x * place["width"], place["y"] + y * place["height"]
