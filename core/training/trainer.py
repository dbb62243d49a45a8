"""Lightning's trainer as every training uses it: callbacks, checkpoints, resuming, optimizer groups."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from torch import nn
from torch.utils.data import DataLoader, Dataset

from core.errors import RecipeError
from core.files import atomic_write
from core.models import fused
from core.threads import compute_threads, is_background, share_the_cores
from core.training.allocator import reused_memory
from core.training.ema import EMA
from core.training.resuming import check_resumable, finished_epochs
from core.training.sampler import EpochSampler

LAST = "last.ckpt"
CHECKPOINT_EPOCHS = 1


class TrainingData(LightningDataModule):
    """Data loaders of a training; ``first_epoch`` counts from 0 and is above 0 when a training is resumed.

    Samplers start with this epoch: loader workers prefetch before Lightning calls ``set_epoch``.
    """

    first_epoch = 0

    def training_loader(
        self, samples: Dataset[Any], repeats: Sequence[float], seed: int, batch: int, **more: Any
    ) -> DataLoader[Any]:
        """Shuffled batches of samples, each taken ``repeats`` times; the last is left out if incomplete.

        Several devices share a batch: each has its part of the pass, and of ``batch``.
        """
        rank, devices = (
            (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        )
        sampler = EpochSampler(repeats, seed, epoch=self.first_epoch, rank=rank, devices=devices)
        batch = max(1, min(batch // devices, len(sampler)))
        more |= {"persistent_workers": more.get("num_workers", 0) > 0, "drop_last": len(sampler) > batch}
        more |= {"pin_memory": torch.cuda.is_available()}
        return DataLoader(samples, batch, sampler=sampler, **more)  # type: ignore[arg-type]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class EpochLog(Callback):
    """A JSON line an epoch in ``history.jsonl``, and a line of text for ``log``: metrics and time left."""

    def __init__(self, history: Path, log: Callable[[str], None] = _to_stderr) -> None:
        self.history, self.write = history, log
        self.started = self.epoch_started = time.monotonic()
        self.first_epoch: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        truncate_history(self.history, trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epoch_started = time.monotonic()
        if self.first_epoch is None:
            self.first_epoch, self.started = trainer.current_epoch, self.epoch_started

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
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
        self.write(f"epoch {done}/{trainer.max_epochs}  {shown}  {seconds:.0f} s, {left_text}")


def truncate_history(history: Path, epochs: int) -> None:
    """Drop the lines after ``epochs``: a run that stopped before its checkpoint writes them again."""
    lines = history.read_text().splitlines() if history.is_file() else []
    kept = [line for line in lines if 0 < _epoch_of(line) <= epochs]
    if kept != lines:
        with atomic_write(history) as file:
            file.write("".join(f"{line}\n" for line in kept).encode())


def _epoch_of(line: str) -> int:
    """The epoch of a history's line; 0 for one that was cut off in writing."""
    try:
        return int(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        return 0


class SeedEachStep(Callback):
    """Seeds PyTorch before each step, so that a resumed run drops out the same units as an unbroken one."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        torch.manual_seed(self.seed * 1_000_003 + trainer.global_step)


class ShareTheCores(Callback):
    """On a CPU: marks this process as computing at each batch; a worker's then takes the threads it may use.

    See :mod:`core.threads`. Sums of floats depend on the number of threads, so that trainings of a worker
    repeat to rounding; those of ``core train`` keep their threads and repeat to the bit.
    """

    def __init__(self) -> None:
        self.most = torch.get_num_threads()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if pl_module.device.type != "cpu":
            return
        if is_background():
            share_the_cores(self.most)
        else:
            compute_threads()

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.on_train_batch_start(trainer, pl_module)


class ExportBestWeights(Callback):
    """Writes ``final.safetensors`` at each validation, ``best.safetensors`` where the metric improved.

    ``export(module, path, metric)`` writes weights and card. It is called while the EMA weights are in place,
    so this callback comes before :class:`EMA`.
    """

    def __init__(
        self, monitor: str, folder: Path, export: Callable[[LightningModule, Path, float], None]
    ) -> None:
        self.monitor, self.folder, self.export = monitor, folder, export
        self.best = float("-inf")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1  # the last epoch is always validated

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Not at the validation epoch's end: callbacks are called before the module logs its metrics there.
        value = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or value is None or not trainer.is_global_zero:
            return
        self.export(pl_module, self.folder / "final.safetensors", float(value))
        if float(value) > self.best:
            self.best = float(value)
            self.export(pl_module, self.folder / "best.safetensors", float(value))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def pick_device(device: str, devices: int = 1) -> tuple[str, str]:
    """Accelerator and precision for ``auto``, ``cpu``, ``cuda``, ``cuda:N``: bf16 where the hardware has it.

    Raises RecipeError for another device, or GPUs that are not there.
    """
    name, _, number = device.partition(":")
    if device not in ("auto", "cpu", "gpu") and not (name == "cuda" and (_is_index(number) or not number)):
        raise RecipeError(f"expected a device of auto, cpu, cuda or cuda:N, got {device!r}")
    if name in ("cuda", "gpu") and not torch.cuda.is_available():
        raise RecipeError("a GPU was asked for, and this machine offers none to PyTorch")
    if number and int(number) >= torch.cuda.device_count():
        raise RecipeError(f"expected one of {torch.cuda.device_count()} GPUs, counted from 0, got {device}")
    if number and devices > 1:
        raise RecipeError(f"expected one device with {device}, got {devices}: name several as cuda")
    if device != "cpu" and torch.cuda.is_available():
        if devices > torch.cuda.device_count():
            raise RecipeError(f"expected at most {torch.cuda.device_count()} GPUs, got {devices}")
        return "gpu", "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    has_tiles = "amx_bf16" in _cpu_flags()
    return "cpu", "bf16-mixed" if has_tiles else "32-true"


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 5


def _cpu_flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.is_file() else ""


def fit(
    module: LightningModule,
    data: TrainingData,
    *,
    epochs: int,
    out: Path,
    monitor: str,
    export: Callable[[LightningModule, Path, float], None],
    ema_decay: float = 0.0,
    seed: int = 0,
    device: str = "auto",
    devices: int = 1,
    resume: bool = False,
    validate_every: int = 1,
    progress_bar: bool = True,
    precision: str | None = None,
    ema_warmup_steps: int = 300,
    log: Callable[[str], None] = _to_stderr,
    extra_callbacks: Sequence[Callback] = (),
) -> Trainer:
    """Train ``module`` on ``data``; checkpoints, ``history.jsonl`` and the best weights go to ``out``.

    With ``resume`` it continues from ``out/last.ckpt`` (and starts anew where there is none), and ends with
    the same weights as an unbroken run. ``devices`` GPUs, or processes of a CPU, share each batch (by
    Lightning's DDP); each validates all of the validation data, and the first one writes. ``log`` gets a line
    an epoch. ``extra_callbacks`` are called after all others; an error they raise stops the training.
    Progress goes to stderr. Raises WeightsError for a checkpoint that this training cannot go on from.
    """
    seed_everything(seed, workers=True, verbose=False)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / LAST if resume and (out / LAST).exists() else None
    if checkpoint is not None:
        check_resumable(checkpoint, module)
    accelerator, default_precision = pick_device(device, devices)
    if accelerator == "gpu":
        torch.set_float32_matmul_precision("high")  # TF32
    callbacks: list[Callback] = [
        SeedEachStep(seed),
        ShareTheCores(),
        EpochLog(out / "history.jsonl", log),
        ExportBestWeights(monitor, out, export),
        *([EMA(ema_decay, ema_warmup_steps)] if ema_decay > 0 else []),
        _checkpoints(out),
        *([TQDMProgressBar(refresh_rate=10)] if progress_bar else []),
        *extra_callbacks,
    ]
    with _without_known_warnings(), reused_memory(), redirect_stdout(sys.stderr):
        trainer = Trainer(
            max_epochs=epochs,
            accelerator=accelerator,
            devices=[int(device[5:])] if device.startswith("cuda:") else devices,
            strategy="ddp" if devices > 1 else "auto",
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
        data.first_epoch = finished_epochs(checkpoint) if checkpoint else 0
        trainer.fit(module, data, ckpt_path=str(checkpoint) if checkpoint else None)
    return trainer


@contextmanager
def _without_known_warnings() -> Iterator[None]:
    """Lightning warns of what is meant: few workers, a folder that is not empty, a transfer of our own."""
    with warnings.catch_warnings():
        for text in ("does not have many workers", "Checkpoint directory", "transfer_batch_to_device"):
            warnings.filterwarnings("ignore", message=f".*{text}.*")
        yield


def training_memory_format(device: torch.device) -> torch.memory_format:
    """Channels last, for tensor cores and the fused kernels; plain on a CPU that has neither."""
    if device.type == "cpu" and fused.kernels() is None:
        return torch.contiguous_format
    return torch.channels_last


def _checkpoints(out: Path) -> ModelCheckpoint:
    """``last.ckpt`` every ``CHECKPOINT_EPOCHS``, in place of the one before."""
    return ModelCheckpoint(
        dirpath=out,
        filename="last",
        every_n_epochs=CHECKPOINT_EPOCHS,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def parameter_groups(
    model: nn.Module, rate: float, decay: float, slow: nn.Module | None, share: float
) -> list[dict[str, Any]]:
    """Optimizer groups: no decay on biases and batch norm; ``slow``'s parameters at ``share`` of the rate."""
    slow_ids = {id(p) for p in slow.parameters()} if slow is not None else set()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in slow_ids, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": params, "lr": rate * (share if is_slow else 1.0), "weight_decay": decay if decays else 0.0}
        for (is_slow, decays), params in groups.items()
    ]


def warmup_and_cosine(
    optimizer: torch.optim.Optimizer, trainer: Trainer, warmup_epochs: float, epochs: int
) -> dict[str, Any]:
    """The optimizer with its schedule, a step at a time, as ``configure_optimizers`` returns them."""
    total = int(trainer.estimated_stepping_batches)
    factor = cosine_with_warmup(int(warmup_epochs * total / epochs), total)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def cosine_with_warmup(warmup_steps: int, total_steps: int, floor: float = 0.02) -> Callable[[int], float]:
    """Learning rate factor by step: linear warm-up, then a half cosine down to ``floor``."""

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / max(warmup_steps, 1)
        progress = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(min(progress, 1.0) * torch.pi)).item())
        return floor + (1 - floor) * cosine

    return factor
