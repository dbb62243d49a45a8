"""What a figure was measured on: see :mod:`core.machine`; and files of one's own that benchmarks take."""

from __future__ import annotations

import os
from pathlib import Path

from core.machine import describe_machine, machine_line

__all__ = ["PHOTOS", "describe_machine", "machine_line", "named_path"]

PHOTOS = "LAPEL_BENCH_PHOTOS"
"""The variable for a folder of photos instead of the drawn samples; ``make bench`` passes it on."""


def named_path(variable: str) -> Path | None:
    """The path that an environment variable names; None where it names none."""
    return Path(os.environ[variable]) if os.environ.get(variable) else None
