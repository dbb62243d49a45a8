"""Ports for the tests' own servers."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, server: subprocess.Popen[bytes], seconds: float = 240.0) -> None:
    """Return once something listens on the port; raises TimeoutError where the server ended or never does.

    A server that imports PyTorch beside other tests on two cores may take more than a minute.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    server.kill()
    said = server.communicate()[1]
    raise TimeoutError(
        f"nothing listens on port {port}; the server said: {said.decode() if said else 'nothing'}"
    )
