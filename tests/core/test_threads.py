"""Compute threads that sleep while they wait, in this process and in those that it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.threads import WAITING, let_threads_sleep

ROOT = Path(__file__).parents[2]


def test_children_inherit_the_choice_and_a_persons_own_stays(monkeypatch):
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KMP_BLOCKTIME", "7")
    let_threads_sleep()
    code = "import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['KMP_BLOCKTIME'])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["PASSIVE", "7"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks GNU's OpenMP")
@pytest.mark.parametrize(
    "launch",
    ["from core.__main__ import main", "from app.__main__ import main", "from app.demo.launch import main"],
)
def test_a_launcher_chooses_before_pytorch_loads(launch):
    """OpenMP says on stderr what it read, once it is loaded."""
    code = f"""
import sys
{launch}
sys.argv = ["lapel", "--help"]
try:
    main()
except SystemExit:
    pass
import torch
"""
    environment = {k: v for k, v in os.environ.items() if k not in WAITING} | {"OMP_DISPLAY_ENV": "TRUE"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in ran.stderr, ran.stderr[-500:]
