"""The editor as an annotator feels it: from a change to its being saved, and from a submit to the next photo.

Run with ``python -m benchmarks.editor [--changes 60] [--photos 10] [--busy]``; a table goes to stderr, one
line of JSON to stdout. It serves a store of drawn samples in a process of its own and drives the page in
headless Chromium. Times are the browser's own: from the key to the mark "Saved", and from Enter to the next
photo decoded. ``--busy`` has the models label photos meanwhile in a process at nice 15, as a worker does.
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.machine import describe_machine, machine_line
from benchmarks.page import CHROMIUM, FLAGS, ROOT, SAMPLES, WAIT_MS, wait_until_healthy
from core.garments import Garment
from core.photos import open_photo
from core.store import Store, sqlite_url

PACKAGES = ("streamlit", "sqlalchemy", "playwright")
SERVER = """
import sys
from app import __main__ as launcher
from app.worker_process import WorkerProcess
launcher.WorkerProcess = lambda: WorkerProcess((sys.executable, "-c", "import sys; sys.stdin.read()"))
launcher.main(sys.argv[1:])
"""
BUSY = """
import os, sys
from pathlib import Path
os.nice(15)
from core.labeler import Labeler
from core.photos import open_photo
labeler = Labeler.load()
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


def fill(folder: Path) -> None:
    """A store in the folder with the samples in its queue, two garments proposed on each."""
    store = Store.open(sqlite_url(folder), folder)
    for sample in SAMPLES:
        row = store.photos.add(open_photo(sample), by="benchmark").row
        if row is not None:
            w, h = row.width, row.height
            garments = [
                Garment((0.2 * w, 0.2 * h, 0.6 * w, 0.5 * h), "top", 0.8, (("Shirt", 0.9),)),
                Garment((0.2 * w, 0.5 * h, 0.6 * w, 0.9 * h), "pants", 0.4),
            ]
            store.predictions.save(row.id, "benchmark", garments, None)
    store.queue.fill()
    store.close()


@contextmanager
def workspace(folder: Path) -> Iterator[str]:
    """The address of a workspace over the store in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", SERVER, "--port", str(port), "--no-browser", "--data", str(folder)]
    hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@contextmanager
def labelling(busy: bool) -> Iterator[None]:
    """Have photos labelled beside it, over and over, if ``busy``."""
    if not busy:
        yield
        return
    command = [sys.executable, "-c", BUSY, *map(str, SAMPLES)]
    with subprocess.Popen(command, cwd=ROOT) as worker:
        try:
            yield
        finally:
            worker.kill()


def opened(page: Page, address: str) -> Page:
    """The page with a photo in the editor, at rest."""
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/annotate?as=benchmark")
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


def summary(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds."""
    return {name: round(float(np.percentile(times, q)), 1) for name, q in (("median", 50), ("p95", 95))}


def measure(change_count: int, photo_count: int, busy: bool) -> dict[str, Any]:
    """Both round trips in a fresh workspace."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        with workspace(folder) as address, labelling(busy), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            page = opened(browser.new_page(viewport={"width": 1280, "height": 860}), address)
            found = {"change": changes(page, change_count), "submit": submits(page, photo_count)}
            browser.close()
    return {name: summary(times) for name, times in found.items()}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Measure the editor's round trips.")
    parser.add_argument("--changes", type=int, default=60)
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--busy", action="store_true", help="label photos beside it, at nice 15")
    chosen = parser.parse_args()
    machine = describe_machine(PACKAGES)
    print(machine_line(machine), file=sys.stderr)
    found = measure(chosen.changes, min(chosen.photos, len(SAMPLES) - 1), chosen.busy)
    print(f"{'milliseconds':<28}{'median':>9}{'p95':>9}", file=sys.stderr)
    for name, words in (("change", "change to saved"), ("submit", "submit to the next photo")):
        print(f"{words:<28}{found[name]['median']:>9.1f}{found[name]['p95']:>9.1f}", file=sys.stderr)
    print(json.dumps({"machine": machine, "busy": chosen.busy, "milliseconds": found}))


if __name__ == "__main__":
    main()
