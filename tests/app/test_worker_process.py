"""The workspace's worker starts with it, is started refresh, and ends with it, also where it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import worker_process
from app.worker_process import COMMAND, WorkerProcess
from tests.waiting import until

ROOT = Path(__file__).parents[2]
LISTENER = (sys.executable, "-c", "import sys; sys.stdin.read()")


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_worker_runs_and_ends_with_a_stop() -> None:
    worker = WorkerProcess(LISTENER)
    worker.start()
    until(lambda: worker.process_id is not None)
    worker.stop()
    assert worker.process_id is None


def test_a_worker_that_falls_over_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "FIRST_PAUSE_SECONDS", 0.01)
    worker = WorkerProcess(LISTENER)
    worker.start()
    until(lambda: worker.process_id is not None)
    first = worker.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: worker.process_id not in (None, first))
    worker.stop()


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="the system has no niceness")
@pytest.mark.parametrize(("chosen", "niceness"), [("", worker_process.NICENESS), ("0", 0)])
def test_the_worker_gives_way_from_its_start_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, chosen: str, niceness: int
) -> None:
    monkeypatch.setenv("LAPEL_WORKER_NICE", chosen)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    worker = WorkerProcess(LISTENER)
    worker.start()
    until(lambda: worker.process_id is not None)
    process = worker.process_id
    assert process is not None
    until(lambda: os.getpriority(os.PRIO_PROCESS, process) == max(own, niceness))
    worker.stop()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_the_worker_ends_when_the_workspace_is_killed() -> None:
    code = (
        "import sys, time; from app.worker_process import WorkerProcess\n"
        f"w = WorkerProcess({LISTENER!r}); w.start()\n"
        "while w.process_id is None: time.sleep(0.01)\n"
        "print(w.process_id, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as workspace:
        assert workspace.stdout is not None
        worker = int(workspace.stdout.readline())
        assert is_alive(worker)
        workspace.kill()
    until(lambda: not is_alive(worker))


def test_the_command_is_the_worker_that_ends_with_its_parent() -> None:
    assert COMMAND[1:] == ("-m", "core", "worker", "--attached")
