"""One way to run a training: trainer, progress, checkpoints, resuming, best weights. Shared by all recipes."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from torch import nn

from core.errors import RecipeError
from core.training.averaging import MovingAverage

LAST = "last.ckpt"


class Progress(Callback):
    """One line an epoch for logs: losses, metrics, photos a second, time left of the whole training."""

    def __init__(self, history: Path) -> None:
        self.history = history
        self.started = self.epoch_started = time.monotonic()
        self.first_epoch: int | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epoch_started = time.monotonic()
        if self.first_epoch is None:
            self.first_epoch, self.started = trainer.current_epoch, self.epoch_started

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = time.monotonic()
        done = trainer.current_epoch + 1
        left = (trainer.max_epochs or done) - done
        epochs_here = done - (self.first_epoch or 0)
        remaining = (now - self.started) / max(epochs_here, 1) * left
        validated = done % (trainer.check_val_every_n_epoch or 1) == 0
        fresh = {k: v for k, v in trainer.callback_metrics.items() if validated or not k.startswith("val_")}
        metrics = {k: round(float(v), 5) for k, v in sorted(fresh.items())}
        seconds = round(now - self.epoch_started, 1)
        with self.history.open("a") as handle:
            handle.write(json.dumps({"epoch": done, "seconds": seconds, **metrics}) + "\n")
        shown = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        left_text = f"about {remaining / 60:.0f} min left"
        print(
            f"epoch {done}/{trainer.max_epochs}  {shown}  {seconds:.0f} s, {left_text}",
            file=sys.stderr,
            flush=True,
        )


class KeepBest(Callback):
    """Writes the validated weights whenever the watched metric improves, and those of the last validation.

    ``export(module, path, metric)`` writes weights and card; it is called while the average is in place.
    """

    def __init__(
        self, monitor: str, folder: Path, export: Callable[[LightningModule, Path, float], None]
    ) -> None:
        self.monitor, self.folder, self.export = monitor, folder, export
        self.best = float("-inf")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or value is None:
            return
        self.export(pl_module, self.folder / "final.safetensors", float(value))
        if float(value) > self.best:
            self.best = float(value)
            self.export(pl_module, self.folder / "best.safetensors", float(value))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def pick_device(device: str) -> tuple[str, str]:
    """Accelerator and precision for ``auto``, ``cpu``, ``cuda``: bf16 where the hardware multiplies in it."""
    if device not in ("auto", "cpu", "cuda", "gpu"):
        raise RecipeError(f"expected a device of auto, cpu or cuda, got {device!r}")
    if device in ("cuda", "gpu") and not torch.cuda.is_available():
        raise RecipeError("a GPU was asked for, and this machine offers none to PyTorch")
    if device != "cpu" and torch.cuda.is_available():
        return "gpu", "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    has_tiles = "amx_bf16" in _cpu_flags()
    return "cpu", "bf16-mixed" if has_tiles else "32-true"


def _cpu_flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.is_file() else ""


def fit(
    module: LightningModule,
    data: LightningDataModule,
    *,
    epochs: int,
    out: Path,
    monitor: str,
    export: Callable[[LightningModule, Path, float], None],
    ema_decay: float = 0.0,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    validate_every: int = 1,
    progress_bar: bool = True,
    precision: str | None = None,
) -> Trainer:
    """Train ``module`` on ``data``; checkpoints, ``history.jsonl`` and the best weights go to ``out``.

    With ``resume`` it goes on from ``out/last.ckpt`` (and starts anew where there is none), and ends with the
    same weights as an unbroken run.
    """
    seed_everything(seed, workers=True, verbose=False)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / "history.jsonl").unlink(missing_ok=True)
    accelerator, default_precision = pick_device(device)
    callbacks: list[Callback] = [Progress(out / "history.jsonl")]
    if ema_decay > 0:
        callbacks.insert(0, MovingAverage(ema_decay))
    callbacks.append(KeepBest(monitor, out, export))
    callbacks.append(
        ModelCheckpoint(
            dirpath=out,
            filename="last",
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    if progress_bar:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory.*")
        trainer = Trainer(
            max_epochs=epochs,
            accelerator=accelerator,
            devices=1,
            precision=precision or default_precision,  # type: ignore[arg-type]
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=progress_bar,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            check_val_every_n_epoch=validate_every,
            gradient_clip_val=10.0,
            use_distributed_sampler=False,
        )
        checkpoint = out / LAST
        trainer.fit(module, data, ckpt_path=str(checkpoint) if resume and checkpoint.is_file() else None)
    return trainer


def parameter_groups(
    model: nn.Module, rate: float, decay: float, slow: nn.Module | None, share: float
) -> list[dict[str, Any]]:
    """Optimiser groups: no weight decay on biases, batch norm and tables; ``slow``'s parameters at ``share`` of rate."""
    slow_ids = {id(p) for p in slow.parameters()} if slow is not None else set()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in slow_ids, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": params, "lr": rate * (share if is_slow else 1.0), "weight_decay": decay if decays else 0.0}
        for (is_slow, decays), params in groups.items()
    ]


def cosine_with_warmup(warmup_steps: int, total_steps: int, floor: float = 0.02) -> Callable[[int], float]:
    """Learning rate factor by step: linear warm-up, then a half cosine down to ``floor``."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / max(warmup_steps, 1)
        progress = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(min(progress, 1.0) * torch.pi)).item())
        return floor + (1 - floor) * cosine

    return factor
