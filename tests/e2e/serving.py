"""A workspace in a process of its own: stand-ins for the page's models, tiny weights for its worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port, wait_until_open

ROOT = Path(__file__).parents[2]
START_SECONDS = 180.0
WORKER = """
import sys
from pathlib import Path
from core import __main__ as commands
from core.jobs import engine, step_process
from core.models import cards
from tests.e2e.serving import STEPS
cards.WEIGHTS_FOLDER = Path(sys.argv[1])
engine.POLL_SECONDS = 0.1
step_process.COMMAND = (sys.executable, "-c", STEPS, sys.argv[1])
sys.argv = ["core", "worker", "--attached"]
commands.app()
"""
STEPS = """
import sys
from pathlib import Path
from core.jobs.step_process import main
from core.models import cards
cards.WEIGHTS_FOLDER = Path(sys.argv[1])
main(sys.argv[2:])
"""
WORKSPACE = """
import sys
from app import __main__ as launcher, resources
from app.attention import maps
from app.worker_process import WORKERS, WorkerProcess
from tests.e2e.serving import WORKER
from tests.fakes import FakeLabeler, fake_explain
fake = FakeLabeler()
resources.labeler = lambda: fake
maps.explain = fake_explain
resources.freeze_garbage_collector()
WORKERS.build = lambda project: WorkerProcess((sys.executable, "-c", WORKER, sys.argv[3]))
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""


@contextmanager
def workspace(data: Path, weights: Path, **environment: str) -> Iterator[str]:
    """Its address while it runs; ``weights`` is a folder as ``tests.weights.save_both`` makes it."""
    port = free_port()
    command = [sys.executable, "-c", WORKSPACE, str(port), str(data), str(weights)]
    settings = {
        name: value
        for name, value in os.environ.items()
        if name not in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL")
    }
    with (
        (data / "log.txt").open("wb") as log,  # a pipe that nobody reads would fill up
        subprocess.Popen(command, cwd=ROOT, env=settings | environment, stderr=log) as server,
    ):
        wait_until_open(port, server, START_SECONDS)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=120)


DEMO = """
import importlib, os, sys
from pathlib import Path
from app.demo import launch
from core.models import cards
from tests.fakes import fake_explain
if len(sys.argv) > 3:
    cards.WEIGHTS_FOLDER = Path(sys.argv[3])
module, name = sys.argv[2].split(":")
labeler = getattr(importlib.import_module(module), name)()
launch.prepare_environment()
password = os.environ.get(launch.PASSWORD_VARIABLE)
launch.serve(labeler, fake_explain, port=int(sys.argv[1]), password=password)
"""


def demo(labeler: str, weights: Path | None = None, **environment: str) -> Iterator[str]:
    """A demo in a process of its own, over what ``labeler`` ("module:callable") gives: its address.

    Garments are inspected by the networks in ``weights``, a folder as ``tests.weights.save_both`` makes it.
    """
    port = free_port()
    command = [sys.executable, "-c", DEMO, str(port), labeler, *([str(weights)] if weights else [])]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE) as server:
        wait_until_open(port, server)
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.communicate(timeout=120)
