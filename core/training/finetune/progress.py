"""A training seen from outside while it runs: curve and log in the store, its checkpoint kept, its brake."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from core.errors import RecipeError, StoreBusyError
from core.store import Store
from core.training.finetune.run_directory import Brake, Workplace

WRITE_SECONDS = 1.0
COPY_SECONDS = 60.0
RATE_BATCHES = 40
"""The rate is of so many batches, validation between them left out."""


@dataclass(frozen=True)
class Reporter:
    """Writes into the store what a training says; a database that is busy is left in peace."""

    store: Store
    training: int
    told: Callable[[int, int, str], None] = lambda step, steps, message: None
    """Hears of progress as well: a progress bar, or the job."""

    def say(self, line: str) -> None:
        """A line of the log."""
        with suppress(StoreBusyError):
            self.store.trainings.say(self.training, line)

    def progress(self, step: int, steps: int, message: str) -> None:
        """How far it is."""
        with suppress(StoreBusyError):
            self.store.trainings.progress(self.training, step, steps, message)
            self.told(step, steps, message)

    def point(self, step: int, values: dict[str, float | None]) -> bool:
        """A place on the curve; whether it could be written."""
        with suppress(StoreBusyError):
            self.store.trainings.point(self.training, step, values)
            return True
        return False


@dataclass
class Pace:
    """How fast batches go by, without what lies between epochs."""

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


class Watch(Callback):
    """Reports a trainer's batches, about once a second, and stops it between two of them.

    Lightning saves checkpoints after all other callbacks, so the copy is made when the next epoch starts.
    """

    def __init__(self, reporter: Reporter, brake: Brake, place: Workplace, monitors: tuple[str, ...]) -> None:
        self.reporter, self.brake, self.place, self.monitors = reporter, brake, place, monitors
        self.pace, self.losses = Pace(), list[float]()
        self.written = self.copied = time.monotonic()
        self.steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps = int(trainer.estimated_stepping_batches)
        with suppress(StoreBusyError):
            self.reporter.store.trainings.rewind(self.reporter.training, trainer.global_step)
        self.reporter.progress(trainer.global_step, self.steps, "Learning.")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if time.monotonic() - self.copied >= COPY_SECONDS:
            self.place.keep_checkpoint()
            self.copied = time.monotonic()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.brake.check()
        self.pace.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.pace.stop(len(batch[0]))
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise RecipeError(
                "The loss is no number any more: the photos or the recipe do not suit the model."
            )
        self.losses.append(loss)
        if time.monotonic() - self.written >= WRITE_SECONDS or trainer.global_step == self.steps:
            self._write(trainer)

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.brake.check()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = {name: trainer.callback_metrics.get(name) for name in self.monitors}
        values: dict[str, float | None] = {k: float(v) for k, v in found.items() if v is not None}
        self.reporter.point(trainer.global_step, values)

    def _write(self, trainer: Trainer) -> None:
        """The mean loss since the last writing, and how it goes on."""
        step, left = trainer.global_step, self.steps - trainer.global_step
        values: dict[str, float | None] = {
            "loss": sum(self.losses) / len(self.losses),
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "photos_a_second": round(self.pace.photos_a_second, 2),
            "seconds_left": round(self.pace.seconds_a_batch * left, 1),
        }
        self.written = time.monotonic()
        if self.reporter.point(step, values):
            self.losses = []
        epochs = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        self.reporter.progress(step, self.steps, f"Learning, {epochs}.")
