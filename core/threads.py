"""Threads: how those that compute wait for each other, and that only one at a time imports PyTorch.

OpenMP's threads spin between two operations by default. On a machine that does other work as well they burn
what the others wait for: a forward pass of 0.12 s took 4.8 s. Passive threads sleep until they are woken.
"""

from __future__ import annotations

import os
import threading

IMPORTS = threading.RLock()
"""Held around imports inside functions that bring PyTorch or another large package.

Python locks each module for itself. Of two threads that import one package from two ends, one is told of a
deadlock or is handed half a module, and fails.
"""

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP, and for LLVM's and Intel's, which wait 200 ms before they sleep."""


def let_threads_sleep() -> None:
    """Set the environment that OpenMP reads when it is loaded; what a person has set stays.

    The launchers call it first; processes that they start inherit it.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
