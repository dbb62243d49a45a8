"""The workspace when it is cold, and while others are in it: first paint, pages, saves, memory.

Run with ``python -m benchmarks.workspace [--starts 5] [--rounds 3] [--changes 40]``; a table goes to
stderr, one line of JSON to stdout. Cold: from the start of ``python -m app`` to the first text of a page
in headless Chromium with an empty cache, and from a click in the menu to the next page's text, each page
once; of the demo from the start of ``python -m app.demo`` to its page with the place for a photo, and to
the garments of a drawn photo that is given at once. Saves: from a key in the editor to the mark "Saved",
while three people's pages Data, Train and Models run again each second and the models are loaded. The
processor's time for one run is measured before, while nobody saves; the rest of what the server computes
during the saves is theirs. All of that is measured in turn, on fresh servers over equal stores: as Lapel
is, and with what Streamlit does by default, a full garbage collection after every run of a page over all
that was imported. Memory is the server's at the beginning and in the course of ``--reruns`` further
runs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from benchmarks.editor import SERVER, VIEWPORT, changes, fill, opened, summary, workspace
from benchmarks.labeling import SAMPLES
from benchmarks.machine import describe_machine, machine_line
from benchmarks.page import CHROMIUM, FLAGS, ROOT, WAIT_MS, settle, wait_until_healthy

PACKAGES = ("streamlit", "torch", "playwright")
PEOPLE = {"bob": "data", "carol": "training", "dave": "models"}
"""Who has which page open; the annotator is somebody else."""

PAUSE_SECONDS, WATCHED_SECONDS = 1.0, 15.0
AS_IS, COLLECTED = "as it is", "collected after each run"
COLLECTING = SERVER.replace(
    "launcher.main(",
    """
from app import navigation, resources
navigation.freeze_garbage_collector = resources.freeze_garbage_collector = lambda: None
given = launcher.options
launcher.options = lambda *its: given(*its) | {"runner.postScriptGC": True}
launcher.main(""",
)
TITLES = {
    "Annotate": "",
    "Data": "Data",
    "Train": "Train",
    "Models": "Models",
    "Attention": "Attention",
    "Anchors": "Anchors",
    "People": "People",
    "Label photos": "Label clothing photos",
}
"""The pages in the order of their visits, each with its heading; Annotate has none, but the editor."""

WATCH_FIRST_TEXT = """
const look = () => {
  if (document.querySelector("[data-testid=stMain] h1"))
    window.painted = performance.now();
  else requestAnimationFrame(look);
};
look();
"""
CLICK = """([name, title]) => new Promise((resolve) => {
  const links = [...document.querySelectorAll("a")];
  const has = (places, test) => [...document.querySelectorAll(places)].some(test);
  const isShown = () => title
    ? has("h1", (heading) => heading.textContent.startsWith(title))
    : has("[data-testid=stBidiComponentIsolated]", (part) => part.shadowRoot?.querySelector(".canvas"));
  const look = () => isShown() ? resolve(performance.now() - started) : requestAnimationFrame(look);
  const started = performance.now();
  links.find((link) => link.textContent.trim().endsWith(name)).click();
  look();
})"""


class Visitor:
    """A browser session without its browser: it asks for runs of a page, and reads what comes."""

    def __init__(self, connection: ClientConnection, person: str, page: str) -> None:
        self._connection, self._person, self._page = connection, person, page

    def run(self) -> float:
        """Milliseconds of one run of the page, from asking for it to its end."""
        asked, started = BackMsg(), time.perf_counter()
        asked.rerun_script.page_name, asked.rerun_script.query_string = self._page, f"as={self._person}"
        self._connection.send(asked.SerializeToString())
        message = ForwardMsg()
        while message.WhichOneof("type") != "script_finished":
            message.ParseFromString(self._connection.recv())  # type: ignore[arg-type]
        return 1000 * (time.perf_counter() - started)


@contextmanager
def visitor(address: str, person: str, page: str) -> Iterator[Visitor]:
    """A person with a page open."""
    url = f"{address.replace('http', 'ws')}/_stcore/stream"
    with connect(url, origin=address, subprotocols=["streamlit"], max_size=None) as connection:  # type: ignore
        yield Visitor(connection, person, page)


@contextmanager
def three_people(address: str, pause_seconds: float = PAUSE_SECONDS) -> Iterator[list[float]]:
    """Their pages run again and again; milliseconds of each run."""
    over, milliseconds = threading.Event(), list[float]()

    def stay(visitor: Visitor) -> None:
        while not over.wait(pause_seconds):
            milliseconds.append(visitor.run())

    with ExitStack() as stack:
        visitors = [stack.enter_context(visitor(address, *named)) for named in PEOPLE.items()]
        for each in visitors:
            each.run()
        threads = [threading.Thread(target=stay, args=(each,)) for each in visitors]
        for thread in threads:
            thread.start()
        try:
            yield milliseconds
        finally:
            over.set()
            for thread in threads:
                thread.join()


def resident_mib(process: int) -> float:
    """The memory that a process holds now (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def processor_seconds(process: int) -> float:
    """What a process has computed so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_ms(process: int, work: Callable[[], None], runs: list[float]) -> float:
    """Milliseconds that a process computes during some work; ``runs`` are those that end meanwhile."""
    runs.clear()
    before = processor_seconds(process)
    work()
    return 1000 * (processor_seconds(process) - before)


def saves(browser: Browser, how: str, count: int, reruns: int) -> dict[str, Any]:
    """Milliseconds of saves beside three people, then the server's memory over further runs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        fill(Path(place), 10)
        with workspace(Path(place), COLLECTING if how == COLLECTED else SERVER) as (address, process):
            with visitor(address, "erin", "") as merchant:
                merchant.run()  # loads the models
            page = opened(browser.new_page(viewport=VIEWPORT), address)
            with three_people(address) as runs:
                changes(page, 3)
                a_run = processor_ms(process, lambda: time.sleep(WATCHED_SECONDS), runs) / max(1, len(runs))
                times = list[float]()
                computed = processor_ms(process, lambda: times.extend(changes(page, count)), runs)
            page.close()
            a_save = (computed - len(runs) * a_run) / count
            found = {"saves_ms": times, "runs_ms": list(runs), "run_ms": a_run, "save_ms": a_save}
            if reruns:
                found["memory_mib"] = [resident_mib(process), *memory_after(address, process, reruns)]
    return found


def memory_after(address: str, process: int, reruns: int, measured: int = 5) -> list[float]:
    """The server's memory in the course of so many runs of three people's pages."""
    found = []
    with three_people(address, 0.02) as runs:
        for part in range(1, measured + 1):
            while len(runs) < part * reruns // measured:
                time.sleep(0.1)
            found.append(resident_mib(process))
    return found


def cold(browser: Browser) -> dict[str, float]:
    """Seconds of a cold start's steps, and of each next page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        fill(Path(place), 10)
        context = browser.new_context(viewport=VIEWPORT)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.add_init_script(WATCH_FIRST_TEXT)
        port, started = free_port(), time.perf_counter()
        command = [sys.executable, "-m", "app", "--port", str(port), "--no-browser", "--data", place]
        silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=ROOT, **silent) as server:
            try:
                wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health")
                answers = time.perf_counter() - started
                page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
                page.wait_for_function("() => window.painted", polling=50)
                painted = page.evaluate("() => window.painted") / 1000
                found = {"server answers": answers, "page painted": painted, "first paint": answers + painted}
                page.locator(".js-plotly-plot .plot-container").first.wait_for()  # the models are loaded
                settle(page)
                return found | {title: clicked(page, title) for title in TITLES}
            finally:
                server.terminate()
                context.close()


def cold_demo(browser: Browser) -> dict[str, float]:
    """Seconds from the demo's cold start to its answer, its page, and the garments of a first photo."""
    context = browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(WAIT_MS)
    page, port, started = context.new_page(), free_port(), time.perf_counter()
    command = [sys.executable, "-m", "app.demo", "--port", str(port)]
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, **silent) as server:
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/live")
            answers = time.perf_counter() - started
            page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
            page.locator("#photo").wait_for()
            opened = time.perf_counter() - started
            page.set_input_files("#photo input[type=file]", SAMPLES[0])
            page.locator("#summary", has_text=re.compile(r"\d+ garment")).wait_for()
            labeled = time.perf_counter() - started
        finally:
            server.terminate()
            context.close()
    return {"demo answers": answers, "demo's page": opened, "demo's first photo": labeled}


def clicked(page: Page, title: str) -> float:
    """Seconds from a click in the menu to the page's first text."""
    seconds = page.evaluate(CLICK, [title, TITLES[title]]) / 1000
    settle(page)
    return float(seconds)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_seconds(values: list[float]) -> dict[str, float]:
    """Median and longest."""
    return {"median_s": round(float(np.median(values)), 2), "longest_s": round(max(values), 2)}


def save_figures(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """All rounds of one kind together."""
    saved, runs = ([t for found in rounds for t in found[name]] for name in ("saves_ms", "runs_ms"))
    memory = rounds[-1].get("memory_mib")
    return {
        "save": summary(saved),
        "p95_ms of each round": [summary(found["saves_ms"])["p95_ms"] for found in rounds],
        "run of a page": summary(runs),
        "processor_ms_a_run": round(float(np.mean([found["run_ms"] for found in rounds])), 1),
        "processor_ms_a_save": round(float(np.mean([found["save_ms"] for found in rounds])), 1),
    } | ({"memory_mib": [round(mib) for mib in memory]} if memory else {})


def main() -> None:
    """Measure, and print."""
    from benchmarks.__main__ import figures

    parser = argparse.ArgumentParser(description="Measure the workspace cold, and saves beside three people.")
    parser.add_argument("--starts", type=int, default=5, help="cold starts")
    parser.add_argument("--rounds", type=int, default=3, help="fresh servers of each kind for saves")
    parser.add_argument("--changes", type=int, default=40, help="saves in each round")
    parser.add_argument("--reruns", type=int, default=600, help="runs of pages in which memory is followed")
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, Any]]] = {AS_IS: [], COLLECTED: []}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        starts = [cold(browser) | cold_demo(browser) for _ in range(options.starts)]
        for number in range(options.rounds):
            for how, found in rounds.items():
                last = number == options.rounds - 1
                found.append(saves(browser, how, options.changes, options.reruns if last else 0))
        browser.close()
    found = (
        {"cold": {name: in_seconds([start[name] for start in starts]) for name in starts[0]}}
        if starts
        else {}
    )
    found |= {how: save_figures(measured) for how, measured in rounds.items() if measured}
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in figures(found):
        print(f"{name:44}{value:>10,}", file=sys.stderr)
    line = {"benchmark": "workspace", "machine": describe_machine(PACKAGES)}
    print(json.dumps(line | found))


if __name__ == "__main__":
    main()
