import math
import os
import pickle
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core.errors import LapelError, WeightsError
from core.models.weights import digest, load_weights, save_weights


def small_net(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    net[1].running_mean.normal_()
    return net


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.fixture
def saved(tmp_path):
    """A small net's weights in single precision: the net, and the file."""
    net = small_net()
    save_weights(net, tmp_path / "net.safetensors", half=False)
    return net, tmp_path / "net.safetensors"


def test_weights_come_back_exactly_in_single_precision(saved):
    net, path = saved
    other = small_net(seed=1)
    load_weights(other, path)
    assert all(torch.equal(value, state_of(net)[name]) for name, value in state_of(other).items())


def test_weights_come_back_rounded_in_half_precision_and_half_the_size(saved, tmp_path):
    net, path = saved
    save_weights(net, tmp_path / "deep" / "half.safetensors")
    other = small_net(seed=1)
    load_weights(other, tmp_path / "deep" / "half.safetensors")
    for name, value in other.state_dict().items():
        expected = net.state_dict()[name]
        assert value.dtype == expected.dtype
        assert torch.equal(value, expected.half().to(value.dtype)), name
    tensors = sum(value.numel() for value in net.state_dict().values()) - 1  # no counter
    saving = path.stat().st_size - (tmp_path / "deep" / "half.safetensors").stat().st_size
    assert saving == pytest.approx(2 * tensors, abs=64)


def test_what_was_rounded_once_is_not_rounded_again(tmp_path):
    net = small_net()
    for name in ("first", "second"):
        save_weights(net, tmp_path / f"{name}.safetensors")
        load_weights(net, tmp_path / f"{name}.safetensors")
    assert digest(tmp_path / "first.safetensors") == digest(tmp_path / "second.safetensors")


def wrong_files():
    good = {k: v for k, v in small_net().state_dict().items() if not k.endswith("num_batches_tracked")}
    shape = good | {"2.weight": torch.zeros(2, 4, 3, 3)}
    not_finite = good | {"2.bias": torch.tensor([0.0, float("nan")])}
    infinite = good | {"0.weight": good["0.weight"].clone()}
    infinite["0.weight"].view(-1)[:2] = torch.tensor([math.inf, -math.inf])
    return {
        "missing": (None, "expected weights at net.safetensors, found none"),
        "empty": (b"", "no safetensors file"),
        "pickle": (pickle.dumps({"weights": os.system}), "no safetensors file"),
        "text": (b"<!DOCTYPE html>" * 50, "no safetensors file"),
        "another model": (
            {"backbone.stem": torch.zeros(1)},
            "another model: 8 missing, 1 extra, e.g. 0.bias",
        ),
        "a name too many": (good | {"extra": torch.zeros(1)}, "0 missing, 1 extra, e.g. extra"),
        "wrong shape": (shape, r"2.weight should be \(2, 4, 1, 1\), is \(2, 4, 3, 3\)"),
        "infinite": (infinite, "values that are not finite in 0.weight"),
        "not finite": (not_finite, "values that are not finite in 2.bias"),
    }


@pytest.mark.parametrize("case", list(wrong_files()))
def test_a_wrong_file_is_one_sentence_and_leaves_the_model_as_it_was(case, tmp_path):
    content, sentence = wrong_files()[case]
    path = tmp_path / "net.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_file(content, path)
    net = small_net(seed=1)
    before = state_of(net)
    with pytest.raises(WeightsError, match=sentence) as raised:
        load_weights(net, path)
    assert isinstance(raised.value, LapelError) and "\n" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_truncated_file_is_refused_wherever_it_ends(saved):
    _, path = saved
    whole = path.read_bytes()
    net = small_net(seed=1)
    before = state_of(net)
    for length in (4, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="no safetensors file"):
            load_weights(net, path)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_digest_is_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"lapel")
    assert digest(tmp_path / "file") == sha256(b"lapel").hexdigest()


def test_weights_that_cannot_be_written_whole_leave_those_before(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_weights(nn.Linear(2, 2), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        save_weights(nn.Linear(2, 2), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
