"""A process of the suite that dies costs its test another run, and not the suite."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]
CONFTEST = """
from tests.scheduling import FileScheduling

def pytest_xdist_make_scheduler(config, log):
    return FileScheduling(config, log)
"""
DIES = """
import os, pathlib

def test_dies():
    died = pathlib.Path(__file__).with_name("died")
    if not died.exists() or {always}:
        died.touch()
        os._exit(3)
"""


@pytest.mark.parametrize(("always", "expected"), [(False, "45 passed"), (True, "1 failed, 44 passed")])
def test_a_run_ends_though_one_of_its_processes_died(tmp_path, always, expected):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for number in range(12):
        tests = "".join(f"def test_{name}(): pass\n" for name in "abcd")
        (tmp_path / f"test_{number:02}.py").write_text(tests)
    (tmp_path / "test_09.py").write_text(DIES.format(always=always))
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    ran = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path), "--rootdir", str(tmp_path)],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ran.stdout.count("ended with status 3 at test_09.py::test_dies") == 1 + always
    assert f"{expected} in" in ran.stdout
