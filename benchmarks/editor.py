"""The editor as an annotator feels it: from a change to its being saved, from a submit to the next, drags.

Run with ``python -m benchmarks.editor [--changes 60] [--photos 10] [--boxes 300]``; a table goes to stderr,
one line of JSON to stdout. It serves a store of drawn samples in a process of its own and drives the page in
headless Chromium. Times are the browser's own: from the key to the mark "Saved", and from Enter to the next
photo decoded; frames are those of a drag among many boxes. All is measured idle, "busy" (while models label
photos in a process at nice 15, as a worker does), and "training": while the workspace's worker trains the
detector that ships.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.load.learning import training
from benchmarks.machine import describe_machine, machine_line
from benchmarks.page import CHROMIUM, FLAGS, ROOT, SAMPLES, WAIT_MS, wait_until_healthy
from core.garments import Garment
from core.images.decode import open_photo
from core.inference.predictions import serving_models
from core.store import Store, sqlite_url
from core.store.boxes import AnnotatedBox

PACKAGES = ("streamlit", "sqlalchemy", "playwright")
BESIDE = ["idle", "busy", "training"]
VIEWPORT: Any = {"width": 1280, "height": 860}
SERVER = """
import sys
from app import __main__ as launcher
from app.worker_process import WORKERS, WorkerProcess
WORKERS.build = lambda project: WorkerProcess((sys.executable, "-c", "import sys; sys.stdin.read()"))
launcher.main(sys.argv[1:])
"""
BUSY = """
import os, sys
from pathlib import Path
os.nice(15)
from core.inference.labeler import Labeler
from core.images.decode import open_photo
labeler = Labeler.load()
print("at work", flush=True)
while True:
    for path in sys.argv[1:]:
        labeler.label(open_photo(Path(path)))
"""
WATCH_SAVES = """mark => {
  window.saved = [];
  let from = null;
  document.addEventListener("keydown", () => { from = performance.now(); }, true);
  new MutationObserver(() => {
    if (from === null || mark.textContent.trim() !== "Saved") return;
    window.saved.push(performance.now() - from);
    from = null;
  }).observe(mark, { subtree: true, childList: true, characterData: true });
}"""
WATCH_PHOTOS = """photo => {
  window.shown = [];
  let from = null;
  const started = (event) => { if (event.key === "Enter") from = performance.now(); };
  document.addEventListener("keydown", started, true);
  new MutationObserver(async () => {
    const began = from;
    await photo.decode();
    window.shown.push(performance.now() - began);
  }).observe(photo, { attributes: true, attributeFilter: ["src"] });
}"""
CROWDED = "somebody with many boxes"
FRAMES = """async count => {
  const isolated = document.querySelector("[data-testid=stBidiComponentIsolated]");
  const canvas = isolated.shadowRoot.querySelector(".canvas");
  const chosen = isolated.shadowRoot.querySelector(".chosen .edge").getBoundingClientRect();
  const border = { x: chosen.x + chosen.width / 4, y: chosen.y };
  const move = (type, dx, dy) => canvas.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, pointerType: "mouse", button: 0, bubbles: true, cancelable: true,
    clientX: border.x + dx, clientY: border.y + dy,
  }));
  const frame = () => new Promise(requestAnimationFrame);
  canvas.setPointerCapture = () => {};  // there is no such pointer
  move("pointerdown", 0, 0);
  const times = [await frame()];
  for (let index = 1; index <= count; index += 1) {
    move("pointermove", 60 * Math.sin(index / 8), index % 40);
    times.push(await frame());
  }
  move("pointerup", 20, 20);
  return times.slice(1).map((time, index) => time - times[index]);
}"""


def fill(folder: Path, boxes: int) -> None:
    """A store in the folder with the samples in its queue, two garments proposed on each.

    One photo is somebody's who has drawn ``boxes`` on it.
    """
    store = Store.open(sqlite_url(folder), folder)
    store.models.register_shipped()
    models = serving_models(store)
    for sample in SAMPLES:
        row = store.photos.add(open_photo(sample), by="benchmark").row
        if row is not None and models is not None:
            w, h = row.width, row.height
            garments = [
                Garment((0.2 * w, 0.2 * h, 0.6 * w, 0.5 * h), "top", 0.8, (("Shirt", 0.9),)),
                Garment((0.2 * w, 0.5 * h, 0.6 * w, 0.9 * h), "pants", 0.4),
            ]
            store.predictions.save(row.id, models, garments, None)
    store.queue.fill()
    store.settings.put_own("benchmark", "editor", {"undecided": "accept"})  # a submit is one key
    crowd(store, boxes)
    store.close()


def crowd(store: Store, count: int) -> None:
    """Give somebody a photo with so many boxes, saved as a draft."""
    photo, random = store.photos.page(0, 1)[0], np.random.default_rng(0)
    categories = [category.id for category in store.categories.all()]
    boxes = []
    for _ in range(count):
        x, y = random.uniform(0, 0.8, 2) * (photo.width, photo.height)
        wide, high = random.uniform(0.02, 0.2, 2) * (photo.width, photo.height)
        boxes.append(AnnotatedBox((x, y, x + wide, y + high), int(random.choice(categories))))
    store.queue.take(photo.id, CROWDED)
    store.drafts.save(photo.id, CROWDED, boxes=boxes, sequence=1, base_version=0)


@contextmanager
def workspace(folder: Path, program: str = SERVER) -> Iterator[tuple[str, int]]:
    """The address of a workspace over the store in the folder, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", program, "--port", str(port), "--no-browser", "--data", str(folder)]
    hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health")
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()


@contextmanager
def labeling() -> Iterator[None]:
    """Have photos labeled beside it, over and over."""
    command = [sys.executable, "-c", BUSY, *map(str, SAMPLES)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        try:
            yield
        finally:
            worker.kill()


def opened(page: Page, address: str, person: str = "benchmark") -> Page:
    """The page with a person's photo in the editor, at rest."""
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/annotate?as={quote(person)}")
    page.locator(".canvas").wait_for()
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(1000)
    return page


def changes(page: Page, count: int) -> list[float]:
    """Milliseconds from each of ``count`` changes to its acknowledgement."""
    page.locator(".lapel-editor .mark").evaluate(WATCH_SAVES)
    page.keyboard.press("Tab")
    for number in range(count):
        page.keyboard.press("ArrowRight" if number % 2 else "ArrowLeft")
        page.wait_for_function("count => window.saved.length >= count", arg=number + 1)
        page.wait_for_timeout(150)
    return list(page.evaluate("() => window.saved"))


def submits(page: Page, count: int) -> list[float]:
    """Milliseconds from each of ``count`` submits to the next photo on the screen."""
    page.locator(".canvas .photo").evaluate(WATCH_PHOTOS)
    page.locator(".canvas").focus()
    for number in range(count):
        page.keyboard.press("Enter")
        page.wait_for_function("count => window.shown.length >= count", arg=number + 1)
        page.wait_for_timeout(800)  # a person looks at least so long; the next picture is fetched meanwhile
    return list(page.evaluate("() => window.shown"))


def drag(page: Page, frames: int = 120) -> list[float]:
    """Milliseconds of each frame of a drag, its events made within the page, one a frame."""
    page.keyboard.press("Tab")
    page.wait_for_timeout(500)
    return list(page.evaluate(FRAMES, frames))


def summary(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds."""
    median, p95 = (round(float(value), 1) for value in np.percentile(times, [50, 95]))
    return {"median_ms": median, "p95_ms": p95}


def beside(name: str, folder: Path) -> AbstractContextManager[None]:
    """What goes on while the store in the folder is worked on: nothing where it is "idle"."""
    return {"idle": nullcontext, "busy": labeling, "training": lambda: training(folder)}[name]()


def measure(options: argparse.Namespace, name: str) -> dict[str, dict[str, float]]:
    """All of it in a fresh workspace."""
    submitted = min(options.photos, len(SAMPLES) - 2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        fill(folder, options.boxes)
        with workspace(folder) as (address, _), beside(name, folder), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            page = opened(browser.new_page(viewport=VIEWPORT), address)
            few = {"change": changes(page, options.changes), "submit": submits(page, submitted)}
            page = opened(browser.new_page(viewport=VIEWPORT), address, CROWDED)
            frames = drag(page)
            many = {f"change of {options.boxes} boxes": changes(page, options.changes // 2)}
            browser.close()
    rates = {
        "frames_per_s": round(1000 / float(np.mean(frames)), 1),
        "longest_frame_ms": round(max(frames), 1),
    }
    return {name: summary(times) for name, times in (few | many).items()} | {"drag": rates}


def main() -> None:
    """Measure, and print."""
    from benchmarks.__main__ import figures

    parser = argparse.ArgumentParser(description="Measure the editor's round trips.")
    parser.add_argument("--changes", type=int, default=60)
    parser.add_argument("--photos", type=int, default=10, help="how many are submitted")
    parser.add_argument("--boxes", type=int, default=300, help="on the photo whose boxes are dragged")
    parser.add_argument("--beside", nargs="*", default=BESIDE, choices=BESIDE)
    options = parser.parse_args()
    found = {name: measure(options, name) for name in options.beside}
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in figures(found):
        print(f"{name:44}{value:>10,}", file=sys.stderr)
    line = {"benchmark": "editor", "boxes": options.boxes, "machine": describe_machine(PACKAGES)}
    print(json.dumps(line | found))


if __name__ == "__main__":
    main()
