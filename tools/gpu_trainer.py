"""Training by the clock: a loop whose learning rate follows the time that is left, and an EMA.

Defensive, as a rented machine is used once: a batch too large for the memory is halved, a loss that is no
number takes the weights back to their EMA, and what to save and to measure is asked for by seconds.
"""

from __future__ import annotations

import copy
import math
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WARM_STEPS = 5
"""Steps before a stage's speed is measured: the first ones choose kernels."""
SPEED_STEPS = 15
CHECK_EVERY = 10  # steps between looks at the loss, each of which waits for the device
CPU_BATCH = 8
LEAST_BATCH = 4


def say(message: str) -> None:
    """A line of the log, at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {message}", flush=True)


def commit_of(folder: Path) -> str:
    """The commit that the code is of; empty where git does not say."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10
        )
        found = done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        found = ""
    return found or os.environ.get("LAPEL_COMMIT", "")


def training_facts(recipe: Any, started: float, device: torch.device) -> dict[str, Any]:
    """What a card tells of a training that began at ``started`` (``time.monotonic``)."""
    seconds = time.monotonic() - started
    return {
        "recipe": asdict(recipe),
        "seed": recipe.seed,
        "commit": commit_of(Path(__file__).parent),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "seconds": round(seconds, 1),
        "hours": round(seconds / 3600, 3),
    }


@dataclass(frozen=True)
class Schedule:
    """How a stage learns: AdamW, linear warm-up, then a cosine to a hundredth of the rate, by the clock."""

    learning_rate: float
    backbone_rate: float = 0.5  # the backbone's learning rate as a share of the head's
    weight_decay: float = 0.05
    batch: int = 256
    warmup: float = 0.06  # share of the time
    last_rate: float = 0.01
    largest_gradient: float = 5.0
    ema_decay: float = 0.998

    def rate_at(self, progress: float) -> float:
        """The share of the peak rate at ``progress`` in 0..1."""
        if progress < self.warmup:
            return max(progress / self.warmup, 0.02)
        rest = min((progress - self.warmup) / (1 - self.warmup), 1.0)
        return self.last_rate + (1 - self.last_rate) * 0.5 * (1 + math.cos(math.pi * rest))


class Clock:
    """Time that is given and passes; ``seconds`` may be changed on the way, ``now`` reads it in seconds."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.now, self.seconds = now, seconds
        self.began = now()

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return self.now() - self.began

    @property
    def left(self) -> float:
        """Seconds until the end, below 0 after it."""
        return self.seconds - self.passed

    @property
    def progress(self) -> float:
        """The share of the time that has passed, 1 at the end and after it."""
        return min(self.passed / self.seconds, 1.0) if self.seconds > 0 else 1.0


class GpuEMA:
    """An exponential moving average of a network, in eval mode; batch norm's statistics are averaged too."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the network as it is now; early on it forgets faster."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        own, theirs = _floats(self.model), _floats(model)
        torch._foreach_lerp_(own, theirs, 1 - decay)

    @torch.no_grad()
    def give_back(self, model: nn.Module) -> None:
        """Put the EMA into the network."""
        torch._foreach_copy_(_floats(model), _floats(self.model))


def _floats(model: nn.Module) -> list[Tensor]:
    tensors = [*model.parameters(), *model.buffers()]
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]


def in_bfloat16(model: nn.Module, inputs: Tensor) -> Tensor:
    """The network's answers in float32, computed in bfloat16 on a GPU."""
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=inputs.is_cuda):
        answers = model(inputs)
    return answers.float()


def optimizer_of(model: nn.Module, head: Sequence[nn.Module], schedule: Schedule) -> torch.optim.AdamW:
    """AdamW in four groups: backbone and head, with and without weight decay (norms and biases)."""
    in_head = {id(parameter) for part in head for parameter in part.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        groups.setdefault((id(parameter) in in_head, parameter.ndim > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "peak": schedule.learning_rate * (1.0 if of_head else schedule.backbone_rate),
            "weight_decay": schedule.weight_decay if decays else 0.0,
        }
        for (of_head, decays), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, lr=schedule.learning_rate, fused=True)


def _step_if_finite(optimizer: torch.optim.AdamW, norm: Tensor) -> None:
    """A step, or none where a gradient is not finite: decided on the device, as GradScaler does it."""
    optimizer.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
    optimizer.step()


def fastest_layout(model: nn.Module) -> torch.memory_format:
    """Channels last on a GPU, contiguous on a CPU; the network is put into it.

    On an H100 in bfloat16 a step of each network here took 0.4 to 0.9 of the contiguous layout's time.
    """
    on_gpu = next(model.parameters()).device.type == "cuda"
    layout = torch.channels_last if on_gpu else torch.contiguous_format
    model.to(memory_format=layout)  # type: ignore[call-overload]
    return layout


def fit(
    model: nn.Module,
    ema: GpuEMA,
    *,
    head: Sequence[nn.Module],
    schedule: Schedule,
    clock: Clock,
    loss_of: Callable[[int], Tensor],
    watch: Callable[[dict[str, Any]], None],
    validate_seconds: float,
    save_seconds: float = 0.0,
    most_steps: int = 0,
    shared: Callable[[float], float] | None = None,
) -> dict[str, Any]:
    """Train until the clock has run out, or ``most_steps`` are done.

    ``loss_of`` makes a batch of the size that it is given, and its loss. ``watch`` is called to measure and,
    with ``saving``, to save; what fails in it is logged and passed over. ``shared`` is told the pictures a
    second, once, and answers how many seconds the stage may take in all. Returns the stage's figures.
    """
    device = next(model.parameters()).device
    optimizer = optimizer_of(model, head, schedule)
    batch = schedule.batch if device.type == "cuda" else min(schedule.batch, CPU_BATCH)
    steps = images = 0
    slowed, loss_value = 1.0, float("nan")
    validated = saved = clock.now()
    counted_from: tuple[float, int] | None = None
    measured = 0.0
    while clock.progress < 1 and not (most_steps and steps >= most_steps):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * slowed * schedule.rate_at(clock.progress)
        try:
            model.train()
            loss = loss_of(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.largest_gradient)
            _step_if_finite(optimizer, norm)
        except torch.cuda.OutOfMemoryError:
            optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            if batch <= LEAST_BATCH:
                raise
            batch //= 2
            say(f"out of memory: the batch is {batch} from now on")
            continue
        steps, images = steps + 1, images + batch
        if steps % CHECK_EVERY == 0 or steps == 1:
            loss_value = loss.item()
            if not math.isfinite(loss_value):
                say(f"loss {loss_value} at step {steps}: back to the EMA, at half the rate")
                ema.give_back(model)
                optimizer, slowed = optimizer_of(model, head, schedule), slowed / 2
                continue
        ema.update(model)
        if steps == WARM_STEPS:
            _wait_for(device)
            counted_from = (clock.now(), images)
        if counted_from and steps == WARM_STEPS + SPEED_STEPS:
            _wait_for(device)
            measured = (images - counted_from[1]) / max(clock.now() - counted_from[0], 1e-9)
            say(f"{measured:.0f} pictures a second at batch {batch}")
            if shared is not None:
                clock.seconds = min(clock.seconds, shared(measured))
        now = clock.now()
        if now - validated >= validate_seconds:
            _try(watch, {"loss": round(loss_value, 5), "images": images, "saving": False})
            validated = saved = clock.now()
        elif save_seconds and now - saved >= save_seconds:
            _try(watch, {"loss": round(loss_value, 5), "images": images, "saving": True})
            saved = clock.now()
    _wait_for(device)
    return {
        "steps": steps,
        "images": images,
        "seconds": round(clock.passed, 1),
        "images_per_second": round(measured or images / max(clock.passed, 1e-9), 1),
        "batch": batch,
        "loss": round(loss_value, 5),
        "peak_gib": _peak_gib(device),
    }


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_gib(device: torch.device) -> float:
    return round(torch.cuda.max_memory_allocated(device) / 2**30, 2) if device.type == "cuda" else 0.0


def _try(watch: Callable[[dict[str, Any]], None], state: dict[str, Any]) -> None:
    try:
        watch(state)
    except Exception as error:
        say(f"measuring or saving failed: {error!r}")
