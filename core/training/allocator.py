"""Memory that is used again: glibc's malloc kept from giving every large tensor back to the system.

A training step frees and asks for the same hundreds of megabytes; by default each large block is mapped
afresh, and the system clears its pages anew (a tenth of a step's time). See mallopt(3).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
KEEP: dict[int, int] = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 * 2**20}
AFTERWARDS: dict[int, int] = {
    M_MMAP_MAX: 65536,
    M_MMAP_THRESHOLD: 32 * 2**20,
    M_TRIM_THRESHOLD: 64 * 2**20,
    M_TOP_PAD: 128 * 2**10,
}
"""Setting any of these ends glibc's own adjustment of the thresholds, which reaches these values in a process
that works with large blocks."""


@contextmanager
def reused_memory() -> Iterator[None]:
    """Within it freed memory stays with the process; without glibc nothing changes."""
    libc = glibc()
    if libc is None:
        yield
        return
    for option, value in KEEP.items():
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in AFTERWARDS.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)


def is_adjustable() -> bool:
    """Whether this process's memory is glibc's."""
    return glibc() is not None


def glibc() -> Any:
    """glibc, whose malloc can be adjusted; None where the process has another."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "gnu_get_libc_version") else None
