"""The worker process that the workspace starts, restarts if it ends, and stops with itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "core", "worker", "--attached")
PROJECT_VARIABLE = "LAPEL_PROJECT"
NICENESS_VARIABLE, NICENESS = "LAPEL_WORKER_NICE", 15
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


class WorkerProcess:
    """A process that runs as long as this one does.

    It listens to a pipe that only this process holds: the system closes it however this process ends, also
    when it is killed, and the worker ends with it.
    """

    def __init__(self, command: tuple[str, ...] = COMMAND, *, project: str = "") -> None:
        self._command = command
        self._environment = os.environ | {PROJECT_VARIABLE: project}
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_running, name="worker-process", daemon=True)

    @property
    def process_id(self) -> int | None:
        """The worker's process, while there is one."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Start the worker, and keep it running."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker; its job is resumed when one is started again."""
        self._stopping.set()
        process = self._process
        if process is not None:
            _close(process)
        self._thread.join(timeout=10)

    def _keep_running(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            self._process = process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
            _lower_priority(process)
            if self._stopping.is_set():  # stop came between the check and the start
                _close(process)
            process.wait()
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class WorkerProcesses:
    """The worker of each project that this server has opened; none before ``enable``."""

    def __init__(self, build: Callable[[str], WorkerProcess] | None = None) -> None:
        self.build = build or (lambda project: WorkerProcess(project=project))
        self._processes: dict[str, WorkerProcess] | None = None
        self._lock = threading.Lock()

    def enable(self) -> None:
        """From now on each project that is opened gets its worker."""
        with self._lock:
            self._processes = self._processes or {}

    def start(self, project: str) -> None:
        """Start a project's worker, unless it has one."""
        with self._lock:
            if self._processes is None or project in self._processes:
                return
            self._processes[project] = process = self.build(project)
        process.start()

    def stop(self) -> None:
        """Stop all; their jobs are resumed when they are started again."""
        with self._lock:
            processes, self._processes = self._processes or {}, None
        for process in processes.values():
            process.stop()


WORKERS = WorkerProcesses()
"""Those of this server."""


def _lower_priority(process: subprocess.Popen[bytes]) -> None:
    """Give it the priority that workers take, before its imports compete with the first page for the cores.

    Where the environment says which, that is left to the worker.
    """
    if os.environ.get(NICENESS_VARIABLE, "").strip():
        return
    with suppress(AttributeError, OSError):  # another system, or the process has ended
        os.setpriority(os.PRIO_PROCESS, process.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close the worker's pipe, and do not wait long for it to listen."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
