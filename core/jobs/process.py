"""How a worker behaves as a process: it lets others go first, and ends with whoever started it."""

from __future__ import annotations

import os
import sys
import threading

NICENESS = 15


def give_way() -> None:
    """Let everything else on the machine go first."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def end_with_parent() -> None:
    """End this process when whoever started it is gone, however it went: its end of our input closes then."""

    def wait() -> None:
        while sys.stdin.buffer.read(1):
            pass
        os._exit(0)  # jobs are made to be cut off anywhere

    threading.Thread(target=wait, name="parent", daemon=True).start()
