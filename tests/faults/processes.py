"""Child processes that start quickly, say something, and are killed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.writer", "tests.faults.promoter"])


class Child:
    """A process that runs ``work(pipe, *arguments)``; what it sends through the pipe is heard here."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._ear, mouth = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=work, args=(mouth, *arguments), daemon=True)
        self.process.start()
        mouth.close()

    def listen(self, most: int, seconds: float = 60.0) -> list[dict[str, Any]]:
        """The next ``most`` things it says, as far as it says them in time."""
        heard, until = [], time.monotonic() + seconds
        while len(heard) < most and self._ear.poll(max(0.0, until - time.monotonic())):
            heard.append(json.loads(self._ear.recv_bytes()))
        return heard

    def next(self, seconds: float = 60.0) -> dict[str, Any]:
        """The next thing it says. Raises TimeoutError where it says nothing."""
        if not self._ear.poll(seconds):
            raise TimeoutError("the other process says nothing")
        line: dict[str, Any] = json.loads(self._ear.recv_bytes())
        return line

    def kill(self) -> list[dict[str, Any]]:
        """Kill it as ``kill -9`` does; what it had said before."""
        self.process.kill()
        self.process.join()
        heard = []
        while True:
            try:
                heard.append(json.loads(self._ear.recv_bytes()))
            except (EOFError, OSError):
                self._ear.close()
                return heard

    def end(self, seconds: float = 60.0) -> int | None:
        """Wait for its end; its exit status."""
        self.process.join(seconds)
        return self.process.exitcode


def tell(pipe: Connection, **facts: Any) -> None:
    """Say something, from within a child."""
    pipe.send_bytes(json.dumps(facts).encode())
