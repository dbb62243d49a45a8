"""The live camera: frames a second of the labeling itself, engine by engine, and as Chromium shows them.

Run with ``python -m benchmarks.live [--photos DIR] [--browser]``; the table goes to stderr, one line of
JSON to stdout. A clip pans over photos (the drawn samples, or those of ``--photos``), three seconds each
at 15 frames a second, as JPEGs of 480 pixels: what a camera's page sends. A run is the whole clip: JPEG
to frame, detector at 320 px, tracking, classifier, decision, with one and with two frames in work
(``--at-once``), as a camera has beside others and alone. All take turns, run by run, so that other load
meets them alike; ``others`` is the share of the cores that other processes had meanwhile (Linux), and
``quietest`` the run with the least of it. ``--browser`` also opens the demo's page in Chromium with that
clip as its camera; browser, camera and server then share the cores.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from PIL import Image

from benchmarks.labeling import SAMPLES, row_of
from benchmarks.machine import PHOTOS, describe_machine, machine_line, named_path
from core.threads import cores, parallel_map, use_passive_waiting

if TYPE_CHECKING:
    from app.demo.live.sessions import LiveSessions

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("onnxruntime", "openvino", "pytorch")
PACKAGES = ("onnxruntime", "openvino", "torch", "opencv-python-headless")
FRAMES_A_PHOTO = 45
CAMERA_RATE = 15


def clip(paths: Sequence[Path], size_wh: tuple[int, int]) -> Iterator[Image.Image]:
    """Frames that wander and zoom over photos, each with its own blurred self where it is too narrow."""
    for path in paths:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        width = max(photo.width, photo.height * size_wh[0] // size_wh[1])
        canvas = photo.resize((16, 16)).resize((width, photo.height), Image.Resampling.BICUBIC)
        canvas.paste(photo, ((width - photo.width) // 2, 0))
        for number in range(FRAMES_A_PHOTO):
            turn = 2 * math.pi * number / FRAMES_A_PHOTO
            zoom = 0.94 + 0.06 * math.cos(turn)
            w, h = canvas.width * zoom, canvas.height * zoom
            x, y = (canvas.width - w) * (0.5 + 0.5 * math.sin(turn)), (canvas.height - h) / 2
            yield canvas.resize(size_wh, Image.Resampling.BILINEAR, (x, y, x + w, y + h))


def jpegs(paths: Sequence[Path], size_wh: tuple[int, int]) -> list[bytes]:
    """The clip as a camera's page sends it."""
    encoded = []
    for picture in clip(paths, size_wh):
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=80)
        encoded.append(stream.getvalue())
    return encoded


def serve_runs(paths: Sequence[Path]) -> None:
    """A process of one engine: for each number on stdin a run with so many frames in work, told as JSON."""
    from app.demo.live.sessions import LiveSessions
    from core.inference.labeler import Labeler
    from core.inference.video_labeler import VideoLabeler

    use_passive_waiting()
    frames, labeler = jpegs(paths, (480, 360)), Labeler.load()
    sessions = LiveSessions(partial(VideoLabeler, labeler), idle_seconds=600.0)
    labeled(sessions, frames[:60], 2)
    print("ready", flush=True)
    for line in sys.stdin:
        busy, own, began = busy_seconds(), time.process_time(), time.perf_counter()
        answers = labeled(sessions, frames, int(line))
        own, passed = time.process_time() - own, time.perf_counter() - began
        row = {
            "fps": len(frames) / passed,
            "median_ms": statistics.median(milliseconds for milliseconds, _ in answers),
            "processor_ms": 1000 * own / len(frames),
            "garments": sum(garments for _, garments in answers) / len(frames),
            "others": max(0.0, busy_seconds() - busy - own) / passed / cores(),
        }
        print(json.dumps(row), flush=True)


def labeled(sessions: LiveSessions, frames: Sequence[bytes], at_once: int) -> list[tuple[float, int]]:
    """Milliseconds until each frame's answer and its garments, in a session that has so many in work."""
    id = sessions.start()

    def label(numbered: tuple[int, bytes]) -> tuple[float, int]:
        number, frame = numbered
        started = time.perf_counter()
        found = sessions.label(id, frame, taken=number / CAMERA_RATE)
        return 1000 * (time.perf_counter() - started), len(found.garments)

    answers = list(parallel_map(enumerate(frames), label, at_once))
    sessions.end(id)
    return answers


def busy_seconds() -> float:
    """Seconds that the machine's cores have worked since it was started (Linux), else 0."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, soft_irq, *_ = map(int, fields)
    return (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")


def measure(
    engines: Sequence[str], repeats: int, paths: Sequence[Path], at_once: Sequence[int]
) -> dict[tuple[str, int], dict[str, Any]]:
    """Median and quartiles over the runs of each engine and number of frames in work, which take turns."""
    command = [sys.executable, "-m", "benchmarks.live", "--serve", *map(str, paths)]
    started = {
        engine: subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"LAPEL_ENGINE": engine}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for engine in engines
    }  # fmt: skip
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for engine, process in started.items():
        assert process.stdout is not None
        if process.stdout.readline().strip() == "ready":  # an engine that is not installed says why, and ends
            runs |= {(engine, count): [] for count in at_once}
    for _ in range(repeats):
        for (engine, count), rows in runs.items():
            process = started[engine]
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(f"{count}\n")
            process.stdin.flush()
            rows.append(json.loads(process.stdout.readline()))
    for process in started.values():
        process.communicate()
    return {
        way: {name: row_of([row[name] for row in rows]) for name in rows[0]}
        | {"quietest": {name: round(v, 2) for name, v in min(rows, key=lambda row: row["others"]).items()}}
        for way, rows in runs.items()
    }


def in_browser(engine: str, seconds: float, paths: Sequence[Path]) -> dict[str, float]:
    """Frames a second and their delay as the page in Chromium tells them, four times a second."""
    from playwright.sync_api import sync_playwright

    from tests.conftest import CHROMIUM_ARGUMENTS
    from tests.ports import free_port

    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or "chromium"
    port = free_port()
    demo = [sys.executable, "-m", "app.demo", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        camera = Path(folder) / "camera.mjpeg"
        camera.write_bytes(b"".join(jpegs(paths, (640, 480))))
        environment = os.environ | {"LAPEL_ENGINE": engine}
        server = subprocess.Popen(demo, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/live")
            arguments = [
                *CHROMIUM_ARGUMENTS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ]  # fmt: skip
            browser = driver.chromium.launch(executable_path=browser_path, args=arguments)
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/live")
            page.locator("#start").click()
            page.locator("#rate[data-rate]").wait_for(timeout=120_000)
            page.wait_for_timeout(5_000)  # until the networks have seen what they compile for
            rates = []
            for _ in range(round(4 * seconds)):
                page.wait_for_timeout(250)
                rates.append(float(page.locator("#rate").get_attribute("data-rate") or 0))
            browser.close()
        finally:
            server.terminate()
            server.wait()
    return row_of(rates)


def wait_for(address: str) -> None:
    """Wait until an address answers, at most two minutes."""
    ends = time.monotonic() + 120
    while True:
        try:
            with urlopen(address):
                return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photos",
        type=Path,
        default=named_path(PHOTOS),
        help=f"a folder of photos instead of the drawn samples, also as {PHOTOS}",
    )
    parser.add_argument("--count", type=int, default=6, help="photos in the clip")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--at-once", nargs="+", type=int, choices=(1, 2), default=[1, 2], help="in work")
    parser.add_argument("--browser", action="store_true", help="also in Chromium")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long in Chromium, each engine")
    parser.add_argument("--serve", nargs="+", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_runs(options.serve)
        return
    files = sorted(options.photos.glob("*.jpg")) if options.photos else SAMPLES
    paths = files[:: max(1, len(files) // options.count)][: options.count]
    rows = measure(options.engines, max(2, options.repeats), paths, options.at_once)
    engines = dict.fromkeys(engine for engine, _ in rows)
    shown = {e: in_browser(e, options.seconds, paths) for e in engines} if options.browser else {}
    told = f"{len(paths)} {'real' if options.photos else 'drawn'} photos, {max(2, options.repeats)} runs"
    print(f"{told}; {machine_line(PACKAGES)}", file=sys.stderr)
    for (engine, count), row in rows.items():
        fps = row["fps"]
        line = f"{engine:12} {count} at once {fps['median']:6.1f} frames/s ({fps['low']} to {fps['high']})"
        line += f", a frame in {row['median_ms']['median']} ms"
        line += f", {row['processor_ms']['median']} ms of the processor a frame"
        quiet = row["quietest"]
        line += f"; quietest run {quiet['fps']:.1f}, others had {quiet['others']:.0%}"
        print(line, file=sys.stderr)
    for engine, fps in shown.items():
        print(f"{engine:12} in Chromium {fps['median']} ({fps['low']} to {fps['high']})", file=sys.stderr)
    named = {f"{engine}, {count} at once": row for (engine, count), row in rows.items()}
    result = {"benchmark": "live", "clip": told, "engines": named, "browser": shown}
    print(json.dumps(result | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
