"""Geometry, history, drafts, keys and the task's steps, under node's own test runner."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

HERE = Path(__file__).parent
OLDEST_NODE = 20


@pytest.fixture(scope="module")
def node() -> str:
    """Node's path; its own test runner and Web Crypto are there from version 20 on."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node on this machine: the editor's logic is tested where there is one")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"v(\d+)", version)
    if found is None or int(found[1]) < OLDEST_NODE:
        pytest.skip(f"node {OLDEST_NODE} or newer is needed, got {version.strip()}")
    return path


@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_logic_in_node(node: str, script: str):
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", script],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"pass [1-9]", done.stdout)
