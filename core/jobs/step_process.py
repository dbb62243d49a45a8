"""Steps in processes of their own, which are ended when their job is cancelled or they pass their limits.

A job has one process for all of its steps that follow each other, so that modules are loaded and the store is
opened once. The process does nothing that a kill could spoil: steps may be cut off anywhere and repeated. On
Linux the system ends it together with its worker, whatever it is doing then.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from core.files import DATA_VARIABLE
from core.jobs.steps import (
    NO_LIMITS,
    JobCancelled,
    StepDied,
    StepLimits,
    StepResult,
    Steps,
    WorkerClosed,
    perform,
    unless_migrated,
)
from core.logs import start_logs
from core.store import BLOBS_VARIABLE, DATABASE_VARIABLE, Store
from core.store.projects import FIRST, PROJECT_VARIABLE

COMMAND = (sys.executable, "-m", "core.jobs.step_process")
OUT_OF_MEMORY = 77
"""The exit status of a process that asked for more memory than its limit."""

LOADED = b"loaded"
MOST_ANSWER_BYTES = 2**24
_ROOT = Path(__file__).resolve().parents[2]


class StepProcess:
    """A process that does steps of one job, one after the other; safe to kill from any thread."""

    def __init__(self, store: Store, command: Sequence[str] | None = None) -> None:
        self.is_cancelled = False
        self._is_loaded = self._is_killed = False
        self._pipe, theirs = Pipe()
        life, self._life = Pipe(duplex=False)  # nothing is ever written: it closes with the worker
        try:
            self._process = subprocess.Popen(
                [*(command or COMMAND), str(theirs.fileno()), str(life.fileno())],
                pass_fds=(theirs.fileno(), life.fileno()),
                env=_environment(store),
                stdin=subprocess.DEVNULL,
                stdout=2,
                start_new_session=True,
            )
        finally:
            theirs.close()
            life.close()

    def run(self, name: str, arguments: Mapping[str, Any], limits: StepLimits = NO_LIMITS) -> StepResult:
        """The result of a step. Raises StepDied where the process ends first, or passes a limit."""
        request = {
            "name": name,
            "arguments": arguments,
            "cpu_seconds": limits.cpu_seconds,
            "memory_bytes": limits.memory_bytes,
        }
        try:
            if not self._is_loaded:  # which counts for no step
                self._is_loaded = self._pipe.recv_bytes(MOST_ANSWER_BYTES) == LOADED
            self._pipe.send_bytes(json.dumps(request).encode())
            if not self._pipe.poll(limits.wall_seconds):
                self.kill()
                raise StepDied(f"took longer than {_minutes(limits.wall_seconds)}")
            answer: StepResult = json.loads(self._pipe.recv_bytes(MOST_ANSWER_BYTES))
        except (EOFError, OSError, ValueError) as error:
            raise StepDied(self._cause(limits)) from error
        return answer

    def kill(self) -> None:
        """End the process with all that it has started; it leaves nothing running."""
        if self._is_killed:  # its number may be another process's by now
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._is_killed = True

    def close(self) -> None:
        """End the process, and give back what belongs to it here."""
        self.kill()
        self._pipe.close()
        self._life.close()

    def _cause(self, limits: StepLimits) -> str:
        """Why the process, which has closed its pipe, came to its end."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # it may still be on its way out
        self.kill()
        status = self._process.returncode
        if status == -signal.SIGXCPU:
            return f"took more than {_minutes(limits.cpu_seconds)} of computing"
        if status == OUT_OF_MEMORY:
            return f"needed more than {(limits.memory_bytes or 0) / 2**30:.3g} GiB of memory"
        return "ended the process that worked on it"


class StepProcesses(Steps):
    """Does each job's steps in a process of the job's own, in one for each of its lanes.

    ``warm_up`` keeps one more that has loaded its modules, so that the next job need not wait for that.
    """

    def __init__(self, store: Store, command: Sequence[str] | None = None) -> None:
        super().__init__(store)
        self._command = command
        self._of: dict[tuple[str, str], StepProcess] = {}
        self._standby: StepProcess | None = None
        self._keeps_standby = False
        self._is_closed = False

    def run(
        self, job: str, name: str, limits: StepLimits = NO_LIMITS, *, lane: str = "", **arguments: Any
    ) -> StepResult:
        """The result of a job's step. Raises JobCancelled, StepDied or WorkerClosed."""
        process = self._process_of(job, lane)
        try:
            answer = process.run(name, {"job": job, **arguments}, limits)
        except StepDied:
            self._drop((job, lane), process)
            if self._is_closed:
                raise WorkerClosed from None
            if process.is_cancelled:
                raise JobCancelled(job) from None
            raise
        return unless_migrated(self.store, answer)

    def cancel(self, job: str) -> None:
        """Kill the job's process, let it begin no other, and prepare the next job's."""
        with self._lock:
            super().cancel(job)
            processes = self._pop(job)
        for process in processes:
            process.is_cancelled = True
            process.kill()
        if processes and self._keeps_standby:
            self.warm_up()

    def end(self, job: str) -> None:
        """End the job's processes, and prepare the next job's."""
        with self._lock:
            processes = self._pop(job)
        for process in processes:
            process.close()
        if processes and self._keeps_standby:
            self.warm_up()

    def held(self) -> set[str]:
        """The jobs that have a process here."""
        with self._lock:
            return {job for job, _ in self._of}

    def warm_up(self) -> None:
        """Keep a process ready for the next job, from now on."""
        with self._lock:
            if self._is_closed:
                return
            self._keeps_standby = True
            if self._standby is None:
                self._standby = StepProcess(self.store, self._command)

    def close(self) -> None:
        """End all processes; what they were doing is done again elsewhere."""
        with self._lock:
            left = [*self._of.values(), *([self._standby] if self._standby else [])]
            self._of.clear()
            self._standby, self._keeps_standby, self._is_closed = None, False, True
        for process in left:
            process.close()

    def _process_of(self, job: str, lane: str) -> StepProcess:
        with self._lock:
            if self.is_cancelled(job):
                raise JobCancelled(job)
            if (job, lane) not in self._of:
                standby, self._standby = self._standby, None
                self._of[job, lane] = standby or StepProcess(self.store, self._command)
            return self._of[job, lane]

    def _pop(self, job: str) -> list[StepProcess]:
        return [self._of.pop(key) for key in [*self._of] if key[0] == job]

    def _drop(self, key: tuple[str, str], process: StepProcess) -> None:
        with self._lock:
            if self._of.get(key) is process:
                del self._of[key]
        process.close()


def steps_of(store: Store) -> Steps:
    """Steps in processes of their own, except on Windows, which hands no pipes on to them."""
    return StepProcesses(store) if os.name == "posix" else Steps(store)


def _environment(store: Store) -> dict[str, str]:
    """The worker's own, with the store's address in it: nobody else may read a process's environment."""
    modules = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    return os.environ | {
        DATABASE_VARIABLE: store.database.engine.url.render_as_string(hide_password=False),
        DATA_VARIABLE: str(store.folder),
        BLOBS_VARIABLE: store.blobs.url,
        PROJECT_VARIABLE: FIRST,
        "PYTHONPATH": modules,
    }


def _minutes(seconds: float | None) -> str:
    minutes = (seconds or 0.0) / 60
    return "1 minute" if minutes == 1 else f"{minutes:.3g} minutes"


def end_with_worker(life: int) -> None:
    """Have the system end this process, and all in its group, once the pipe's other end closes.

    A thread that waits for the end would not run while C code holds the interpreter's lock.
    """
    import fcntl

    signal.signal(signal.SIGIO, signal.SIG_DFL)  # which is to end
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(life, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    with suppress(BlockingIOError):
        if not os.read(life, 1):  # closed before it was watched
            os._exit(0)


def limit_process(cpu_seconds: float | None, memory_bytes: int | None) -> None:
    """Let this process use so much more of the processor, and so much memory in all (address space)."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = None if cpu_seconds is None else math.ceil(used.ru_utime + used.ru_stime + cpu_seconds)
    for kind, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        soft = hard if most is None else most
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def serve(pipe: Connection) -> None:
    """Do the steps that come through the pipe until it closes."""

    @cache
    def store() -> Store:
        return Store.open()

    with suppress(Exception):  # said with the first step's result, if it lasts
        store()
    pipe.send_bytes(LOADED)
    while True:
        try:
            request = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        limit_process(request["cpu_seconds"], request["memory_bytes"])
        try:
            answer = json.dumps(perform(store, request["name"], request["arguments"])).encode()
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        pipe.send_bytes(answer)


def main(arguments: Sequence[str]) -> None:
    """``python -m core.jobs.step_process PIPE LIFE``: the numbers of two files that the worker left open."""
    start_logs()
    end_with_worker(int(arguments[1]))
    serve(Connection(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
