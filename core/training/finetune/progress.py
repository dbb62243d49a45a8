"""Progress of a running training: learning curve and log in the store, checkpoint copies, cancellation."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from core.errors import RecipeError, StoreBusyError
from core.progress import Progress, ignore_progress
from core.store import Store
from core.training.finetune.run_directory import CancelToken, RunDirectory

WRITE_SECONDS = 1.0
COPY_SECONDS = 60.0
RATE_BATCHES = 40
"""The throughput is measured over this many batches, without the validation between them."""


@dataclass(frozen=True)
class ProgressReporter:
    """Writes a training's progress into the store; while the database is busy, reports are dropped.

    ``watcher`` is called as well: a progress bar, or the job.
    """

    store: Store
    training: int
    watcher: Progress = ignore_progress

    def log(self, line: str) -> None:
        """Append a line to the training's log."""
        with suppress(StoreBusyError):
            self.store.trainings.log(self.training, line)

    def progress(self, step: int, steps: int, message: str) -> None:
        """Report the step."""
        with suppress(StoreBusyError):
            self.store.trainings.progress(self.training, step, steps, message)
            self.watcher(step, steps, message)

    def point(self, step: int, values: dict[str, float | None]) -> bool:
        """Append a point to the learning curve; returns whether it was written."""
        with suppress(StoreBusyError):
            self.store.trainings.point(self.training, step, values)
            return True
        return False


@dataclass
class Throughput:
    """Photos a second and seconds a batch over the last batches."""

    spans: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RATE_BATCHES))
    began: float = 0.0

    def start(self) -> None:
        self.began = time.monotonic()

    def stop(self, photos: int) -> None:
        self.spans.append((time.monotonic() - self.began, photos))

    @property
    def photos_a_second(self) -> float:
        return sum(photos for _, photos in self.spans) / max(sum(s for s, _ in self.spans), 1e-6)

    @property
    def seconds_a_batch(self) -> float:
        return sum(seconds for seconds, _ in self.spans) / max(len(self.spans), 1)


class ProgressCallback(Callback):
    """Reports batches about once a second, copies checkpoints, and ends a cancelled training between batches.

    Lightning saves checkpoints after all other callbacks, so the copy is made when the next epoch starts.
    Raises RecipeError where the loss diverges to NaN or infinity.
    """

    def __init__(
        self,
        reporter: ProgressReporter,
        token: CancelToken,
        directory: RunDirectory,
        monitors: tuple[str, ...],
    ) -> None:
        self.reporter, self.token, self.directory, self.monitors = reporter, token, directory, monitors
        self.throughput, self.losses = Throughput(), list[float]()
        self.written = self.copied = time.monotonic()
        self.steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps = int(trainer.estimated_stepping_batches)
        with suppress(StoreBusyError):
            self.reporter.store.trainings.rewind(self.reporter.training, trainer.global_step)
        self.reporter.progress(trainer.global_step, self.steps, "Learning.")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if time.monotonic() - self.copied >= COPY_SECONDS:
            self.directory.copy_checkpoint()
            self.copied = time.monotonic()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.token.check()
        self.throughput.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.throughput.stop(len(batch[0]))
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise RecipeError(
                "The loss is no number any more: the photos or the recipe do not suit the model."
            )
        self.losses.append(loss)
        if time.monotonic() - self.written >= WRITE_SECONDS or trainer.global_step == self.steps:
            self._write(trainer)

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.token.check()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = {name: trainer.callback_metrics.get(name) for name in self.monitors}
        values: dict[str, float | None] = {k: float(v) for k, v in found.items() if v is not None}
        self.reporter.point(trainer.global_step, values)

    def _write(self, trainer: Trainer) -> None:
        """Write the mean loss since the last point, learning rate, throughput and remaining time."""
        step, left = trainer.global_step, self.steps - trainer.global_step
        values: dict[str, float | None] = {
            "loss": sum(self.losses) / len(self.losses),
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "photos_a_second": round(self.throughput.photos_a_second, 2),
            "seconds_left": round(self.throughput.seconds_a_batch * left, 1),
        }
        self.written = time.monotonic()
        if self.reporter.point(step, values):
            self.losses = []
        epochs = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        self.reporter.progress(step, self.steps, f"Learning, {epochs}.")
