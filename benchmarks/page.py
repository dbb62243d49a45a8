"""The page as a person feels it: seconds from upload to drawn boxes, seconds of a threshold move, memory.

Run with ``python -m benchmarks.page [--repeats 7] [--batch 100] [--stand-in]``; a table goes to stderr, one
line of JSON to stdout. It starts a workspace of its own and drives it in headless Chromium on the drawn
samples; ``--stand-in`` leaves the models out and so measures the page alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.machine import describe_machine, machine_line

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted((ROOT / "assets" / "samples").glob("*.jpg"))
CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-headless-shell")
    or "/usr/bin/chromium"
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PACKAGES = ("streamlit", "torch", "playwright")
BOX = ".lapel-viewer:not(.still) .box"
READY_SECONDS = 60.0
WAIT_MS = 60_000


STAND_IN = """
import sys
from app import __main__ as launcher, resources
from app.attention import maps
from tests.fakes import FakeLabeler, fake_explain
fake = FakeLabeler()
resources.labeler = lambda: fake
maps.explain = fake_explain
resources.freeze_garbage_collector()
launcher.main(sys.argv[1:])
"""


@contextmanager
def workspace(stand_in: bool) -> Iterator[tuple[str, int]]:
    """A workspace in a process of its own: its address and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        program = ["-c", STAND_IN] if stand_in else ["-m", "app"]
        command = [sys.executable, *program, "--port", str(port), "--no-browser", "--data", data]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as server:
            try:
                wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health")
                yield f"http://127.0.0.1:{port}", server.pid
            finally:
                server.terminate()


def wait_until_healthy(url: str) -> None:
    """Return once the server answers; raises TimeoutError where it does not in time."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no answer from {url} in {READY_SECONDS:.0f} seconds")


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """The empty page in a fresh window: models loaded, the example drawn, the browser at rest."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(address)
    page.get_by_text("What you get").wait_for()
    page.locator(".js-plotly-plot .plot-container").first.wait_for()
    page.wait_for_load_state("networkidle")
    settle(page)
    yield page
    context.close()


def settle(page: Page) -> None:
    """Wait until the page's script has run and its answer is drawn."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(400)


def upload(page: Page, files: list[Path]) -> float:
    """Seconds from choosing the files to the first photo's boxes, with the photo itself drawn."""
    started = time.perf_counter()
    page.locator("input[type=file]").first.set_input_files(files)
    page.locator(BOX).first.wait_for()
    photo = page.locator(".lapel-viewer:not(.still) .photo")
    photo.evaluate("image => image.decode()")
    return time.perf_counter() - started


def move_threshold(page: Page) -> float:
    """Seconds from a key on the slider to the boxes being gone, and back: the mean of the two ways."""
    slider = page.get_by_role("slider", name="Score threshold")
    started = time.perf_counter()
    slider.press("End")
    expect(page.locator(BOX)).to_have_count(0)
    gone = time.perf_counter()
    settle(page)
    again = time.perf_counter()
    slider.press("Home")
    page.locator(BOX).first.wait_for()
    seconds = (gone - started + time.perf_counter() - again) / 2
    settle(page)
    return seconds


def switch_overlay(page: Page, name: str) -> float:
    """Seconds from a click to the overlay being there."""
    started = time.perf_counter()
    page.get_by_role("radio", name=name, exact=True).click()
    page.locator(".lapel-viewer .heat img").wait_for()
    return time.perf_counter() - started


def peak_mib(pid: int) -> int:
    """The most memory that the process ever held, in MiB (Linux), else 0."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def measure_one(browser: Browser, address: str, repeats: int) -> dict[str, float]:
    """Medians over fresh windows with one photo each."""
    rows = []
    for number in range(repeats):
        with opened(browser, address) as page:
            first = upload(page, [SAMPLES[number % len(SAMPLES)]])
            settle(page)
            threshold = move_threshold(page)
            rows.append(
                (
                    first,
                    threshold,
                    switch_overlay(page, "Attention"),
                    switch_overlay(page, "Class activation"),
                )
            )
    columns = ("upload_to_boxes_s", "threshold_s", "first_overlay_s", "next_overlay_s")
    return {
        name: round(statistics.median(row), 3)
        for name, row in zip(columns, zip(*rows, strict=True), strict=True)
    }


def measure_batch(browser: Browser, address: str, photos: int, folder: Path) -> dict[str, float]:
    """A batch: seconds to the first boxes, photos a second, a threshold move with all of them there."""
    copies = []
    for number in range(photos):
        sample = SAMPLES[number % len(SAMPLES)]
        copies.append(Path(shutil.copy(sample, folder / f"{number:04d}-{sample.name}")))
    with opened(browser, address) as page:
        started = time.perf_counter()
        first = upload(page, copies)
        page.get_by_role("button", name="Cancel").wait_for(state="hidden", timeout=WAIT_MS * 10)
        ended = time.perf_counter()
        settle(page)
        threshold = statistics.median(move_threshold(page) for _ in range(3))
    return {
        "batch": photos,
        "batch_first_boxes_s": round(first, 3),
        "batch_photos_per_s": round(photos / (ended - started), 2),
        "batch_threshold_s": round(threshold, 3),
    }


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {"models": "stand-in" if options.stand_in else "shipped"}
    with (
        tempfile.TemporaryDirectory() as folder,
        workspace(options.stand_in) as (address, pid),
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        figures |= measure_one(browser, address, options.repeats)
        figures["server_peak_mib"] = peak_mib(pid)
        if options.batch:
            figures |= measure_batch(browser, address, options.batch, Path(folder))
            figures["batch_server_peak_mib"] = peak_mib(pid)
        browser.close()
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in figures.items():
        print(f"{name:24} {value}", file=sys.stderr)
    print(json.dumps({"benchmark": "page", "machine": describe_machine(PACKAGES)} | figures))


if __name__ == "__main__":
    main()
