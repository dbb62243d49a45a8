"""Two processes of a CPU train as one does, within what another order of the sums changes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from core.datasets.coco import write_coco
from tests.core.training.samples import draw_rectangles

ROOT = Path(__file__).parents[3]


def train(file, out, devices):
    command = [sys.executable, "-m", "core", "train", "detector", "--data", file, "--val", file]
    command += ["--preset", "pico", "--epochs", "1", "--batch", "4", "--device", "cpu", "--out", out]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [str(part) for part in (*command, "--devices", devices)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == str(out / "best.safetensors")
    (line,) = (out / "history.jsonl").read_text().splitlines()
    return json.loads(line), load_file(out / "final.safetensors")


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    write_coco(draw_rectangles(tmp_path / "photos", 8), tmp_path / "train.json")
    (one, weights), (two, others) = (
        train(tmp_path / "train.json", tmp_path / f"on-{devices}", devices) for devices in (1, 2)
    )
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.2)
    assert two["val_loss"] == pytest.approx(one["val_loss"], rel=0.2)
    assert weights.keys() == others.keys()
    worst = max(float((weights[name].float() - others[name].float()).abs().mean()) for name in weights)
    assert worst < 0.05
