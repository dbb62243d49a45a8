"""Damaged datasets of every format: each is read, or refused with a sentence, within bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_damage_is_more_than_a_sentence_or_costs_more_than_is_allowed(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-m", "tests.core.datasets.fuzzing", str(tmp_path), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr[-2000:]
