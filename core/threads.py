"""How compute threads wait for each other, chosen before PyTorch is loaded.

OpenMP's threads spin between two operations by default. On a machine that does other work as well they burn
what the others wait for: a forward pass of 0.12 s took 4.8 s. Passive threads sleep until they are woken.
"""

from __future__ import annotations

import os
from pathlib import Path

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP, and for LLVM's and Intel's, which wait 200 ms before they sleep."""


def let_threads_sleep() -> None:
    """Set the environment that OpenMP reads when it is loaded; what a person has set stays.

    The launchers call it first; processes that they start inherit it.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


def cores() -> int:
    """Processor cores that this process may use: its affinity, and a container's quota where there is one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return allowed


def inference_threads() -> int:
    """Threads of a forward pass: ``OMP_NUM_THREADS`` where a person has set it, else the cores."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) > 0 else cores()
