"""The fused kernels equal PyTorch, forward and backward, and give way where they can't work."""

import copy
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from core.models import fused
from core.models.blocks import ACTIVATIONS, ConvBlock, GhostConv, GSModule
from core.models.yolov4 import yolov4_gs

TOLERANCE = 1e-5
needs_compiler = pytest.mark.skipif(fused.kernels() is None, reason="no C++ compiler")


def results(module, maps, *, plain):
    """A pass forward and backward: outputs, gradients and statistics, by name."""
    module, x = copy.deepcopy(module), maps.clone(memory_format=torch.channels_last).requires_grad_()
    with fused.disabled() if plain else torch.enable_grad():
        y = module(x)
        (y * torch.sin(torch.arange(y.numel())).view_as(y)).sum().backward()
    found = {"output": y.detach(), "input's gradient": x.grad}
    found |= {f"gradient of {name}": p.grad for name, p in module.named_parameters()}
    return found | {name: buffer.double() for name, buffer in module.named_buffers()}


def assert_equal_to_pytorch(module, shape, training):
    torch.manual_seed(0)
    for part in module.train(training).modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_()
    maps = torch.randn(shape)
    module.to(memory_format=torch.channels_last)
    ours, theirs = (results(module, maps, plain=plain) for plain in (False, True))
    for name, wanted in theirs.items():
        scale = max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(ours[name] / scale, wanted / scale, rtol=0, atol=TOLERANCE, msg=name)


@needs_compiler
@pytest.mark.parametrize("training", [True, False], ids=["training", "frozen"])
@pytest.mark.parametrize("channels", [3, 4, 8, 48, 64])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_batch_norm_with_its_activation(act, channels, training):
    assert_equal_to_pytorch(ConvBlock(5, channels, 3, 2, act=act), (3, 5, 37, 42), training)


@needs_compiler
@pytest.mark.parametrize("training", [True, False], ids=["training", "frozen"])
@pytest.mark.parametrize("channels", [6, 8, 32, 128])
def test_ghost_convolution(channels, training):
    assert_equal_to_pytorch(GhostConv(8, channels, 1), (2, 8, 9, 13), training)


@needs_compiler
@pytest.mark.parametrize("channels", [6, 16, 64])
def test_gs_module(channels):
    assert_equal_to_pytorch(GSModule(channels, 8), (2, channels, 21, 30), True)


@needs_compiler
@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (3, 8, 1, 1), (2, 8, 1, 7), (2, 8, 5, 1)])
def test_maps_of_one_line(shape):
    assert_equal_to_pytorch(GhostConv(8, 8, 1), shape, False)


@needs_compiler
def test_activations_far_from_zero_stay_finite():
    norm, x = nn.BatchNorm2d(1).eval(), torch.tensor([-1e4, -200.0, -87.5, 0.0, 19.9, 20.1, 1e30])
    x = x.view(1, 1, 7, 1).requires_grad_()
    y = fused.norm_activate(x, norm, nn.Mish())
    y.sum().backward()
    with fused.disabled():
        torch.testing.assert_close(y, nn.Mish()(norm(x)), rtol=1e-5, atol=1e-30)
    assert bool(torch.isfinite(x.grad).all())


@needs_compiler
def test_a_value_that_is_no_number_stays_one():
    y = fused.norm_activate(torch.full((1, 1, 7, 1), float("nan")), nn.BatchNorm2d(1).eval(), nn.Mish())
    assert bool(torch.isnan(y).all())


@needs_compiler
def test_results_do_not_depend_on_the_number_of_threads():
    module, maps = GSModule(16, 16), torch.randn(2, 8, 40, 50)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(fused.ghost(maps.to(memory_format=torch.channels_last), *ghost_parts(module)))
    torch.set_num_threads(before)
    assert torch.equal(*found)


def ghost_parts(module):
    ghost = copy.deepcopy(module.body[0])
    return ghost.primary, ghost.cheap


def test_batch_norm_of_one_value_a_channel_is_refused_in_training_as_pytorch_does():
    maps, norm = torch.randn(1, 8, 1, 1).to(memory_format=torch.channels_last), nn.BatchNorm2d(8)
    with pytest.raises(ValueError):
        fused.norm_activate(maps, norm, nn.Mish())
    assert norm.eval() is norm and fused.norm_activate(maps, norm, nn.Mish()).shape == maps.shape


def test_maps_of_another_number_of_channels_are_refused_by_pytorch():
    maps = torch.randn(2, 16, 6, 5).to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError):
        fused.norm_activate(maps, nn.BatchNorm2d(8), nn.Mish())


def test_without_a_compiler_pytorch_computes(monkeypatch):
    monkeypatch.setattr(fused, "COMPILERS", ("no-such-compiler",))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(FileNotFoundError, match="C\\+\\+ compiler"):
        fused.Kernels()
    fused.kernels.cache_clear()
    try:
        assert fused.kernels() is None
        assert_equal_to_pytorch(GSModule(8, 8), (2, 8, 6, 5), True)
    finally:
        fused.kernels.cache_clear()


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """An empty cache and a compiler that makes empty libraries, quickly; lists what was compiled there."""
    real = os.environ.get("CXX") or next(filter(None, map(shutil.which, fused.COMPILERS)))
    log = tmp_path / "compiled.log"
    for name in ("compiler", "another"):
        script = tmp_path / name
        script.write_text(
            f'#!/bin/sh\nfor out; do :; done\necho "$@" >> {log}\n'  # the last argument is the output
            f'exec {real} -shared -x c++ /dev/null -o "$out"\n'
        )
        script.chmod(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "compiler"))
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path / "cache"))
    return lambda: (
        [] if not log.is_file() else [line for line in log.read_text().splitlines() if " -c " in line]
    )


@needs_compiler
@pytest.mark.parametrize("harm", [None, "cut off", "no digest"])
def test_what_was_compiled_is_used_again_unless_it_is_damaged(compiled, tmp_path, harm):
    fused.Kernels()
    kept = tmp_path / "cache" / "kernels"
    (library,) = kept.glob("*.so")
    whole = library.read_bytes()
    if harm == "cut off":
        library.unlink()  # it is loaded: a file in use is not to be written to
        library.write_bytes(whole[:5000])
    elif harm == "no digest":
        library.with_suffix(".sha256").unlink()
    for _ in range(2):
        fused.Kernels()
        assert len(compiled()) == (1 if harm is None else 2)
        assert library.read_bytes() == whole
    assert sorted(path.suffix for path in kept.iterdir()) == [".lock", ".sha256", ".so"]


@needs_compiler
@pytest.mark.parametrize("changed", ["flags", "source", "compiler", "OpenMP"])
def test_other_sources_flags_compilers_and_libraries_are_compiled_anew(
    compiled, monkeypatch, tmp_path, changed
):
    fused.Kernels()
    if changed == "flags":
        monkeypatch.setattr(fused, "FLAGS", (*fused.FLAGS, "-O2"))
    elif changed == "source":
        monkeypatch.setattr(fused, "SOURCE", Path(__file__))
    elif changed == "compiler":
        monkeypatch.setenv("CXX", str(tmp_path / "another"))
    else:
        another = tmp_path / "torch" / "lib" / "libgomp.so.1"
        another.parent.mkdir(parents=True)
        another.touch()
        monkeypatch.setattr(torch, "__file__", str(tmp_path / "torch" / "__init__.py"))
    fused.Kernels()
    assert len(compiled()) == 2
    assert len([*(tmp_path / "cache" / "kernels").glob("*.so")]) == 2


def test_a_compiler_that_fails_is_done_without_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "false")
    fused.kernels.cache_clear()
    try:
        assert fused.kernels() is None
        assert "without fused kernels" in caplog.text
    finally:
        fused.kernels.cache_clear()


def test_other_precisions_and_memory_formats_are_pytorchs():
    maps = torch.randn(2, 8, 6, 5)
    last = maps.to(memory_format=torch.channels_last)
    assert fused.kernels_for(maps) is None and fused.kernels_for(last.bfloat16()) is None
    assert fused.kernels_for(last.to("meta")) is None
    assert fused.kernels_for(last) is fused.kernels()


def test_the_network_gives_the_same_in_both_memory_formats():
    model = yolov4_gs("pico", classes=3).eval()
    pictures = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        plain = model(pictures)
        last = model.to(memory_format=torch.channels_last)(pictures.to(memory_format=torch.channels_last))
    for wanted, found in zip(plain, last, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
