"""Waiting for something that another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 240.0
"""No wait of a sound program takes this long, also on a busy machine; a broken one fails."""


def until(done: Callable[[], object], poll: Callable[[], object] = lambda: None) -> None:
    """Wait until ``done()`` holds, calling ``poll`` meanwhile."""
    ends, pause = time.monotonic() + PATIENCE_SECONDS, 0.01
    while not done():
        assert time.monotonic() < ends, "it did not come about in time"
        poll()
        time.sleep(pause)
        pause = min(1.2 * pause, 0.05)  # asking takes milliseconds of computing itself
