"""torch.compile where it pays: tried under a time limit, measured, left alone when anything goes wrong."""

from __future__ import annotations

import json
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tools.gpu_trainer import say

COMPILE_SECONDS = 45
LEAST_GAIN = 1.15
FOUND = Path(tempfile.gettempdir()) / "lapel-compiling.json"
"""What a smoke run on this machine found; compiled kernels stay in the machine's cache as well."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the main thread after so many seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def quickest(
    model: nn.Module,
    batch: int,
    canvas_wh: tuple[int, int],
    layout: torch.memory_format,
    speedup: str,
    limit_seconds: int = COMPILE_SECONDS,
) -> Callable[[Tensor], Any]:
    """The model, or its compiled form for batches of one canvas; both share their parameters.

    ``speedup``: "off", "on", "measure" (compile, and write what that gives), "auto" (compile where a
    measurement on this machine found that it pays). Compiling is given up after ``limit_seconds``.
    """
    limit_seconds = min(limit_seconds, COMPILE_SECONDS)
    if limit_seconds < 5:
        return model
    if speedup == "off" or (speedup == "auto" and not _pays()):
        return model
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    found: dict[str, Any] = {"compile_seconds": None}
    chosen: Callable[[Tensor], Any] = model
    try:
        pictures = torch.rand((batch, 3, canvas_wh[1], canvas_wh[0]), device="cuda")
        pictures = pictures.contiguous(memory_format=layout)
        plain = _milliseconds(model, pictures)
        compiled: Callable[[Tensor], Any] = torch.compile(model, dynamic=False)
        began = time.monotonic()
        with time_limit(limit_seconds):
            _step(compiled, pictures)
            torch.cuda.synchronize()
        seconds = time.monotonic() - began
        quick = _milliseconds(compiled, pictures)
        found = {"compile_seconds": round(seconds, 1), "plain_ms": plain, "compiled_ms": quick}
        if plain > LEAST_GAIN * quick:
            chosen = compiled
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        say(f"compiling failed:\n{traceback.format_exc(limit=3)}")
        torch._dynamo.reset()
    say(f"compiling at batch {batch}: {json.dumps(found)}; {'taken' if chosen is not model else 'not taken'}")
    model.load_state_dict(kept)
    model.zero_grad(set_to_none=True)
    if speedup == "measure":
        FOUND.write_text(json.dumps(found))
    return chosen


def _pays() -> bool:
    try:
        found = json.loads(FOUND.read_text())
        return bool(found["compile_seconds"] and found["plain_ms"] > LEAST_GAIN * found["compiled_ms"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _step(forward: Callable[[Tensor], Any], pictures: Tensor) -> None:
    with torch.autocast("cuda", dtype=torch.bfloat16):
        raw = forward(pictures)
    torch.stack([part.float().mean() for part in raw]).sum().backward()


def _milliseconds(forward: Callable[[Tensor], Any], pictures: Tensor, steps: int = 5) -> float:
    for _ in range(2):
        _step(forward, pictures)
    torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(steps):
        _step(forward, pictures)
    torch.cuda.synchronize()
    return round(1000 * (time.monotonic() - began) / steps, 1)
