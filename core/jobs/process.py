"""How a worker behaves as a process: it lets others go first, and ends with whoever started it."""

from __future__ import annotations

import os
import sys
import threading

from core.errors import StoreError

NICENESS_VARIABLE = "LAPEL_WORKER_NICE"
NICENESS = 15


def give_way() -> None:
    """Let everything else on the machine go first, as far as ``LAPEL_WORKER_NICE`` says (0: not at all).

    Raises StoreError where it says something else than 0 to 19.
    """
    said = os.environ.get(NICENESS_VARIABLE, "").strip() or str(NICENESS)
    if not (said.isdecimal() and int(said) <= 19):
        raise StoreError(f"expected a whole number from 0 to 19 in {NICENESS_VARIABLE}, got {said!r}")
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(int(said), os.getpriority(os.PRIO_PROCESS, 0)))


def end_with_parent() -> None:
    """End this process when whoever started it is gone, however it went: its end of our input closes then."""

    def wait() -> None:
        while sys.stdin.buffer.read(1):
            pass
        os._exit(0)  # jobs are made to be cut off anywhere

    threading.Thread(target=wait, name="parent", daemon=True).start()
