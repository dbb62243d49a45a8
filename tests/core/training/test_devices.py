"""Two processes of a CPU take one step together: that of the mean of their parts' gradients.

A whole short training tells less, and costs more. After 28 steps on 12 photos (batches of six, 40 seconds of
the processor in all) the validation loss of one process was 8.174, in another order 8.240, of two processes
8.149, and of one that learns from its half of each batch alone 8.206: the order hides whether gradients are
shared. Adam's first steps follow the signs of small gradients, so that already another order turns the
weights' change (a cosine of 0.11), and each process normalizes over its own half of a batch. One step from
the same weights on the same photos has none of that noise.

What they are compared with is computed in a process of its own as well: one that had run thousands of other
tests ended here twice without a word. The cause is unknown. Lightning's observer, which kills its own process
where a child fails, runs in the training's first process only, in a session of its own, and no test starts
one here, nor sets the variables that it reads (LOCAL_RANK, MASTER_PORT). It was no lack of memory by the
kernel's count. An exit of native code is left (libgomp's where no thread can be made: its message would lie
in a captured file), and a signal to a number that had become a thread's. The suite tells the status of a
process that dies (tests/scheduling.py).
"""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from unittest import mock

import pytest
import torch

import core.training.run as running
from core.datasets.coco import write_coco
from core.training.datasets import collate
from core.training.recipes import TrainingOptions, choose_recipe
from core.training.sampler import EpochSampler
from core.training.trainer import parameter_groups, pick_device
from tests.core.training.samples import draw_rectangles
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]


def train_by_two(file, out):
    """An epoch of one step on the photos of a COCO file, by two processes; its checkpoint lies in ``out``."""
    command = [sys.executable, "-m", "core", "train", "detector", "--data", file, "--val", file, "--out", out]
    command += ["--preset", "pico", "--epochs", "1", "--batch", "6", "--device", "cpu", "--devices", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, start_new_session=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == str(out / "best.safetensors")
    assert len((out / "history.jsonl").read_text().splitlines()) == 1


def begun(file, out):
    """The module and the data of the same training, before its first step."""
    calls = []
    recipe = choose_recipe("detector", "pico", epochs=1, batch=6)
    with mock.patch.object(running, "fit", lambda module, data, **_: calls.append((module, data))):
        running.train_detector(recipe, TrainingOptions(file, file, out=out, device="cpu"))
    return calls[0]


def parts_of_a_batch(data):
    """The photos that each of two processes takes."""
    samplers = (EpochSampler(data.train_set.repeats(), data.recipe.seed, rank=r, devices=2) for r in (0, 1))
    return [collate([data.train_set[request] for request in sampler]) for sampler in samplers]


def change_by_a_step(module, parts):
    """What a step on the mean of the parts' gradients changes, all parameters in a row; the module stays."""
    module = deepcopy(module)
    module.order_weights(module.device)
    module.train().zero_grad()
    for part in parts:
        with torch.autocast("cpu", torch.bfloat16, enabled=pick_device("cpu")[1] == "bf16-mixed"):
            loss = module.losses(*part)["loss"] / len(parts)
        loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 10.0)
    before = flat(module)
    rate, decay = module.recipe.learning_rate, module.recipe.weight_decay
    torch.optim.AdamW(parameter_groups(module.model, rate, decay, None, 1.0), lr=rate).step()
    return flat(module) - before


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def likenesses(folder):
    """How alike the step of two processes is to that of both parts, of the first and of the second alone."""
    module, data = begun(folder / "train.json", folder / "begun")
    weights = torch.load(folder / "out" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    moved = torch.cat([weights[name].flatten() for name, _ in module.named_parameters()]) - flat(module)
    parts = parts_of_a_batch(data)
    return [
        float(torch.cosine_similarity(moved, change_by_a_step(module, chosen), dim=0))
        for chosen in (parts, parts[:1], parts[1:])
    ]


@pytest.mark.slow
def test_two_processes_take_the_step_of_their_mean_gradient(tmp_path):
    write_coco(draw_rectangles(tmp_path / "photos", 6), tmp_path / "train.json")
    train_by_two(tmp_path / "train.json", tmp_path / "out")
    command = [sys.executable, "-m", "tests.core.training.test_devices", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert ran.returncode == 0, (ran.returncode, ran.stderr[-2000:])
    together, *alone = json.loads(ran.stdout.splitlines()[-1])
    assert together > 0.95
    assert max(alone) < 0.8, "of a process alone: what comes without synchronized gradients"


if __name__ == "__main__":
    print(json.dumps(likenesses(Path(sys.argv[1]))))
