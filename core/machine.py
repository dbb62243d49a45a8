"""What a figure was measured on: without it, milliseconds mean nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "numpy")


def describe_machine(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | int]:
    """Processor, usable cores, memory in GiB, Python, and the versions of ``packages`` that are installed."""
    told: dict[str, str | int] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in packages:
        try:
            told[package] = version(package)
        except PackageNotFoundError:
            continue
    return told


def machine_line(packages: tuple[str, ...] = PACKAGES) -> str:
    """The machine in one line of text."""
    told = describe_machine(packages)
    head = f"{told.pop('processor')}, {told.pop('cores')} cores, {told.pop('memory_gib')} GiB"
    return ", ".join((head, str(told.pop("system")), *(f"{name} {value}" for name, value in told.items())))


def _processor() -> str:
    """The model's name: Linux tells it in /proc, ``platform`` elsewhere (and on Linux often nothing)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"


def _memory_gib() -> int:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, OSError, ValueError):
        return 0
