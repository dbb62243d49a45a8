"""What YOLOv4-GS does between its dense convolutions, in few passes over memory: kernels for a CPU.

Batch norm with its activation, the cheap half of a Ghost convolution, SimAM. ``fused.cpp`` is compiled for
this machine when it is first needed (two seconds), and kept in the user's cache folder. Where there is no C++
compiler or compiling fails, on a GPU, in mixed precision and for maps that are not float32 in channels-last
order, PyTorch's own operations compute the same: equal to 1e-5, forward and backward.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from core.files import atomic_write, cache_folder

log = logging.getLogger("lapel.training")

SOURCE = Path(__file__).with_suffix(".cpp")
COMPILERS = ("c++", "g++", "clang++")
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fPIC", "-fopenmp"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
)
COMPILE_SECONDS = 120
ACTIVATION_CODES = {nn.Identity: 0, nn.LeakyReLU: 1, nn.Mish: 2}
LEAKY_SLOPE = 0.1
_disabled = False


class Kernels:
    """The functions of ``fused.cpp``, compiled. Raises OSError or SubprocessError where that fails."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(_compiled()))

    def __call__(self, name: str, *arguments: Tensor | int | float | None) -> None:
        """Run a function: tensors are passed as pointers, integers as long, floats as float."""
        threads = ctypes.c_int(torch.get_num_threads())
        getattr(self._library, name)(*(_argument(value) for value in arguments), threads)


def _argument(value: Tensor | int | float | None) -> Any:
    if value is None:
        return ctypes.c_void_p()
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_long(value) if isinstance(value, int) else ctypes.c_float(value)


def _compiled() -> Path:
    """The shared library in the user's cache folder, compiled now where there is none, or a damaged one."""
    compiler, openmp = _compiler(), _openmp()
    folder = cache_folder() / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{_key(compiler, openmp)}.so"
    digest = library.with_suffix(".sha256")  # a library that was cut off would end the process
    with FileLock(library.with_suffix(".lock"), timeout=2 * COMPILE_SECONDS):
        if not (library.is_file() and digest.is_file() and digest.read_text() == _digest(library)):
            with TemporaryDirectory(prefix=".", dir=folder) as temporary:
                _compile(Path(temporary), compiler, openmp).replace(library)
            with atomic_write(digest) as file:
                file.write(_digest(library).encode())
    return library


def _compiler() -> list[str]:
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    compiler = os.environ.get("CXX", "").split() or ([found] if found else [])
    if not compiler:
        raise FileNotFoundError(f"expected a C++ compiler of {', '.join(COMPILERS)}, found none")
    return compiler


def _openmp() -> str:
    """PyTorch's own OpenMP, whose threads the library shares."""
    found = sorted(str(path) for path in (Path(torch.__file__).parent / "lib").glob("lib*omp*.so*"))
    return found[0] if found else "-fopenmp"


def _key(compiler: list[str], openmp: str) -> str:
    """The digest of everything that the library depends on: source, compiler, PyTorch and processor."""
    program = Path(shutil.which(compiler[0]) or compiler[0]).resolve()
    made = program.stat().st_mtime_ns if program.is_file() else 0
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else [platform.processor()]
    processor = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    parts = (_digest(SOURCE), FLAGS, compiler, program, made, openmp, torch.__version__, platform.machine())
    return hashlib.sha256(repr((*parts, sorted(processor or lines))).encode()).hexdigest()[:32]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _compile(folder: Path, compiler: list[str], openmp: str) -> Path:
    """The shared library in a folder, linked with that OpenMP."""
    unit, library = str(folder / "fused.o"), folder / "fused.so"
    for arguments in (
        [*FLAGS, "-c", str(SOURCE), "-o", unit],
        ["-shared", unit, openmp, "-o", str(library)],
    ):
        subprocess.run([*compiler, *arguments], check=True, capture_output=True, timeout=COMPILE_SECONDS)
    return library


@functools.cache
def kernels() -> Kernels | None:
    """The compiled kernels, once a process; None, with a warning in the log, where they can't be compiled."""
    try:
        return Kernels()
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["no reason was given"]
        log.warning("Training runs without fused kernels, several times slower: %s", last[0])
        return None


@contextmanager
def disabled() -> Iterator[None]:
    """Within it PyTorch's own operations are used, to compare with."""
    global _disabled
    before, _disabled = _disabled, True
    try:
        yield
    finally:
        _disabled = before


def norm_activate(x: Tensor, norm: nn.Module, activation: nn.Module) -> Tensor:
    """``activation(norm(x))`` of maps (B, C, H, W)."""
    run = kernels_for(x) if _is_known(norm, activation, x.shape[1]) and _has_variance(norm, x) else None
    if run is None:
        return activation(norm(x))
    return _NormActivation.apply(run, x, norm, activation, norm.weight, norm.bias)


def ghost(x: Tensor, primary: nn.Sequential, cheap: nn.Sequential) -> Tensor:
    """A Ghost convolution's two halves (B, C, H, W), concatenated, from what its ordinary convolution gave.

    ``primary`` is that convolution with norm and activation, ``cheap`` a depthwise 3x3 with its own.
    """
    (_, norm, activation), (depthwise, norm2, activation2) = primary, cheap
    known = all(_is_known(*form, x.shape[1]) for form in ((norm, activation), (norm2, activation2)))
    run = kernels_for(x) if known and _has_variance(norm, x) else None
    if run is None:
        first = norm_activate(x, norm, activation)
        return torch.cat((first, cheap(first)), dim=1)
    parameters = (norm.weight, norm.bias, depthwise.weight, norm2.weight, norm2.bias)
    return _Ghost.apply(run, x, (norm, activation), (norm2, activation2), *parameters)


def add_simam(residual: Tensor, x: Tensor, attention: nn.Module, regularizer: float) -> Tensor:
    """``residual + attention(x)`` of SimAM, maps (B, C, H, W)."""
    run = kernels_for(residual, x) if torch.is_grad_enabled() else None
    if run is None:
        return residual + attention(x)
    return _AddedSimAM.apply(run, residual, x, regularizer)


def kernels_for(*maps: Tensor) -> Kernels | None:
    """The kernels, where these maps (B, C, H, W) are what they work on: float32, channels last, on a CPU."""
    if _disabled or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    for x in maps:
        if type(x) is not Tensor or x.device.type != "cpu" or x.dtype != torch.float32 or not x.numel():
            return None
        if not _is_dense(x):
            return None
    return kernels()


def _is_dense(x: Tensor) -> bool:
    """Whether maps are in channels-last order without gaps."""
    return x.is_contiguous(memory_format=torch.channels_last)


def _is_known(norm: nn.Module, activation: nn.Module, channels: int) -> bool:
    """Whether the kernels know a batch norm of this many channels and its activation."""
    return (
        type(norm) is nn.BatchNorm2d
        and norm.num_features == channels
        and norm.affine
        and norm.running_mean is not None
        and norm.momentum is not None
        and norm.weight.dtype == torch.float32
        and type(activation) in ACTIVATION_CODES
        and getattr(activation, "negative_slope", LEAKY_SLOPE) == LEAKY_SLOPE
    )


def _has_variance(norm: nn.Module, x: Tensor) -> bool:
    """Whether there is more than one value a channel, which batch norm needs in training: PyTorch says so."""
    return not norm.training or _rows(x) > 1


def _rows(x: Tensor) -> int:
    return x.shape[0] * x.shape[2] * x.shape[3]


class _Norm:
    """A batch norm's forward and backward pass with its activation, as it is at this step."""

    def __init__(self, run: Kernels, norm: Any, activation: nn.Module) -> None:
        self.run, self.code = run, ACTIVATION_CODES[type(activation)]
        self.is_training = int(norm.training)
        if norm.training:
            norm.num_batches_tracked.add_(1)

    def forward(self, x: Tensor, y: Tensor, y_step: int, norm: Any) -> tuple[Tensor, Tensor]:
        """Write to ``y``, whose pixels lie ``y_step`` floats apart; returns mean and 1 / deviation (C,)."""
        mean, invstd = norm.running_mean.clone(), (norm.running_var + norm.eps).rsqrt()
        statistics = (norm.weight, norm.bias, mean, invstd, norm.running_mean, norm.running_var)
        settings = (norm.eps, norm.momentum, self.is_training, self.code)
        self.run("norm_activate", x, y, *statistics, _rows(x), x.shape[1], y_step, *settings)
        return mean, invstd

    def backward(
        self, x: Tensor, gradient: Tensor, step: int, *known: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients by x, scale and shift; ``known``: scale, shift, mean and 1 / deviation."""
        dx, dweight, dbias = _dense(x, x.shape[1]), torch.empty_like(known[0]), torch.empty_like(known[0])
        sizes = (_rows(x), x.shape[1], step, self.is_training, self.code)
        self.run("norm_activate_backward", x, gradient, dx, *known, dweight, dbias, *sizes)
        return dx, dweight, dbias


class _NormActivation(torch.autograd.Function):
    """Only the input is kept; what was normalized is computed again."""

    @staticmethod
    def forward(
        ctx: Any, run: Kernels, x: Tensor, norm: Any, activation: nn.Module, weight: Tensor, bias: Tensor
    ) -> Tensor:
        ctx.norm, y = _Norm(run, norm, activation), _dense(x, x.shape[1])
        ctx.save_for_backward(x, weight, bias, *ctx.norm.forward(x, y, x.shape[1], norm))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, *known = ctx.saved_tensors
        dx, dweight, dbias = ctx.norm.backward(x, *_with_rows(gradient), *known)
        return None, dx, None, None, dweight, dbias


class _Ghost(torch.autograd.Function):
    """Norm and activation, depthwise convolution, norm and activation; both halves are written in place."""

    @staticmethod
    def forward(ctx: Any, run: Kernels, x: Tensor, forms: Any, forms2: Any, *parameters: Tensor) -> Tensor:
        batch, half, height, width = x.shape
        y = _dense(x, 2 * half)
        first, second = y[:, :half], y[:, half:]
        ctx.first, ctx.second = _Norm(run, *forms), _Norm(run, *forms2)
        statistics = ctx.first.forward(x, first, 2 * half, forms[0])
        taps = parameters[2].flatten(1).t().contiguous()  # (9, C)
        spread, size = _dense(x, half), (batch, height, width, half)
        run("depthwise", first, taps, None, spread, *size, 2 * half, 0)
        statistics += ctx.second.forward(spread, second, 2 * half, forms2[0])
        ctx.save_for_backward(x, y, spread, *parameters, *statistics)
        ctx.run = run
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, y, spread, weight, bias, depthwise, weight2, bias2, mean, invstd, mean2, invstd2 = (
            ctx.saved_tensors
        )
        batch, half, height, width = x.shape
        size, (gradient, step) = (batch, height, width, half), _with_rows(gradient)
        own, others = gradient[:, :half], gradient[:, half:]
        dspread, dweight2, dbias2 = ctx.second.backward(spread, others, step, weight2, bias2, mean2, invstd2)
        dtaps, dfirst = x.new_empty((9, half)), _dense(x, half)
        ctx.run("depthwise_weight", y, dspread, dtaps, *size, 2 * half)
        reverse = depthwise.flatten(1).t().flip(0).contiguous()
        ctx.run("depthwise", dspread, reverse, own, dfirst, *size, half, step)
        dx, dweight, dbias = ctx.first.backward(x, dfirst, half, weight, bias, mean, invstd)
        return None, dx, None, None, dweight, dbias, dtaps.t().reshape_as(depthwise), dweight2, dbias2


class _AddedSimAM(torch.autograd.Function):
    """Only the input is kept, and each plane's mean and factor of the energy."""

    @staticmethod
    def forward(ctx: Any, run: Kernels, residual: Tensor, x: Tensor, regularizer: float) -> Tensor:
        y, size = _dense(x, x.shape[1]), (x.shape[0], x.shape[2] * x.shape[3], x.shape[1])
        mean, factor = x.new_empty(x.shape[:2]), x.new_empty(x.shape[:2])
        run("simam", x, residual, y, mean, factor, *size, regularizer)
        ctx.save_for_backward(x, mean, factor)
        ctx.run, ctx.size = run, size
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, mean, factor = ctx.saved_tensors
        gradient, step = _with_rows(gradient)
        if step != x.shape[1]:
            gradient = _dense(x, x.shape[1]).copy_(gradient)
        dx = _dense(x, x.shape[1])
        ctx.run("simam_backward", x, gradient, dx, mean, factor, *ctx.size)
        return None, gradient, dx, None


def _dense(like: Tensor, channels: int) -> Tensor:
    """An empty map (B, ``channels``, H, W) in channels-last order, whatever ``like``'s sides of one hide."""
    batch, _, height, width = like.shape
    return like.new_empty((batch, height, width, channels)).permute(0, 3, 1, 2)


def _with_rows(gradient: Tensor) -> tuple[Tensor, int]:
    """A gradient whose pixels are rows of channels at even distances, and that distance in floats.

    A part of a concatenation is such without a copy. The stride of a side of one says nothing.
    """
    batch, channels, height, width = gradient.shape
    sides = ((width, 3, 1), (height, 2, width), (batch, 0, height * width))
    steps = {divmod(gradient.stride(axis), rows) for side, axis, rows in sides if side > 1}
    step, rest = steps.pop() if len(steps) == 1 else (0, 0)
    if step >= channels and not rest and (channels == 1 or gradient.stride(1) == 1):
        return gradient, step
    return _dense(gradient, channels).copy_(gradient), channels
