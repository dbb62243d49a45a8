"""Runs a program on a file system of a few megabytes that only it can see, where the machine allows one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_MOUNT = 'mount -t tmpfs -o size="$1" lapel-test "$2" && shift && shift && exec "$@"'


def run_on_small_disk(module: str, folder: Path, size: str, *arguments: str) -> dict[str, Any]:
    """The JSON that ``python -m module folder *arguments`` prints, with ``folder`` on a disk of that size.

    The disk is a tmpfs in a mount namespace of its own: it goes with the program. Skips the test where the
    machine does not permit it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    alone = ["--mount", "--pid", "--fork", "--kill-child"]  # what it starts ends with it
    space = ["unshare", *as_root, *alone, "sh", "-c", _MOUNT, "sh", size, str(folder)]
    try:
        tried = subprocess.run([*space, "true"], capture_output=True, text=True, timeout=60)
    except OSError as error:
        pytest.skip(f"no small disk: {error}")
    if tried.returncode:
        pytest.skip(f"no small disk: {tried.stderr.strip()}")
    done = subprocess.run(
        [*space, sys.executable, "-m", module, str(folder), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told
