"""``python -m tests.faults.trainer WEIGHTS``: a worker of small trainings, on the environment's store.

What it says on stdout: "ready" once it is at work.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from core.jobs.context import WorkerContext
from core.jobs.step_process import StepProcesses
from core.jobs.worker import work
from core.models import cards
from core.store import Store


def shrink(weights: Path, epochs: int = 4) -> None:
    """Make trainings small, from the weights in this folder; every checkpoint is copied."""
    from core.training.finetune import progress, recipes
    from tests.core.training.finetune.shapes import small

    cards.WEIGHTS_FOLDER = weights
    settings = {key: small(*key, r_epochs=epochs) for key in recipes.FINETUNE_RECIPES}
    recipes.FINETUNE_RECIPES = settings
    progress.COPY_SECONDS = 0.0


if __name__ == "__main__":
    store, command = Store.open(), (sys.executable, "-m", "tests.faults.trainer_steps", sys.argv[1])
    cards.WEIGHTS_FOLDER = Path(sys.argv[1])
    context = WorkerContext(store, device="cpu", steps=StepProcesses(store, command))
    # No labeling, for which it would load PyTorch itself.
    work(context, threading.Event(), lambda _: print("ready", flush=True), kinds=("train",))
