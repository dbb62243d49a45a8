"""A checkpoint that a training cannot go on from is one sentence, before anything is trained."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer

from core.errors import WeightsError
from core.training.detector import DetectorTraining
from core.training.resuming import check_resumable, finished_epochs
from tests.core.training.samples import ANCHORS_WH, pico_recipe

CATEGORIES = ("red", "blue")


def training(categories: tuple[str, ...] = CATEGORIES, **changes: object) -> DetectorTraining:
    return DetectorTraining(pico_recipe(**changes), categories, ANCHORS_WH)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "last.ckpt"
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", max_epochs=1)
    trainer.strategy.connect(training())
    trainer.save_checkpoint(path)
    return path.read_bytes()


@pytest.fixture
def checkpoint(saved, tmp_path) -> Path:
    (tmp_path / "last.ckpt").write_bytes(saved)
    return tmp_path / "last.ckpt"


def test_a_training_goes_on_from_its_own_checkpoint(checkpoint):
    check_resumable(checkpoint, training())
    assert finished_epochs(checkpoint) == 1


@pytest.mark.parametrize("categories", [("red", "blue", "green"), ("red",)])
def test_a_checkpoint_of_other_classes_is_refused(checkpoint, categories):
    with pytest.raises(WeightsError, match=r"same model and classes, got another's: model\.heads"):
        check_resumable(checkpoint, training(categories))


def test_a_checkpoint_of_another_size_is_refused(checkpoint):
    with pytest.raises(WeightsError, match="same model and classes"):
        check_resumable(checkpoint, training(preset="nano"))


def test_a_checkpoint_of_other_anchors_is_refused(checkpoint):
    other = DetectorTraining(pico_recipe(), CATEGORIES, [(2 * w, h) for w, h in ANCHORS_WH])
    with pytest.raises(WeightsError, match="got another's: its anchors are others"):
        check_resumable(checkpoint, other)


def test_rubbish_and_a_file_that_was_cut_off_are_refused(checkpoint, saved):
    for data in (b"", b"not a checkpoint", saved[: len(saved) // 2], saved[:100], b"PK\x03\x04" + saved[40:]):
        checkpoint.write_bytes(data)
        with pytest.raises(WeightsError, match=r"a damaged file or none; train without --resume") as refused:
            check_resumable(checkpoint, training())
        assert "\n" not in str(refused.value)


def test_bytes_that_were_changed_anywhere_are_refused_or_change_nothing(checkpoint, saved):
    own, rng = torch.load(checkpoint, weights_only=True)["state_dict"], random.Random(0)
    middle, end = len(saved) // 2, len(saved) - 5_000
    spans = [(middle, middle + 1_000), (middle, middle + 1)]
    spans += [
        (at, at + 1) for at in (*rng.sample(range(len(saved)), 8), *rng.sample(range(end, len(saved)), 24))
    ]
    for number, (start, stop) in enumerate(spans):
        data = bytearray(saved)
        data[start:stop] = bytes(255 - byte for byte in data[start:stop])
        checkpoint.write_bytes(data)
        try:
            check_resumable(checkpoint, training())
        except WeightsError as refused:
            assert "a damaged file or none; train without --resume" in str(refused)
            continue
        assert number > 1, "a tensor is damaged"
        read = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(torch.equal(read[name], value) for name, value in own.items())


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"epoch": 1},
        {"epoch": "1", "state_dict": {}, "optimizer_states": []},
        {"epoch": -1, "state_dict": {}, "optimizer_states": []},
        {"epoch": 1, "state_dict": {"a": 3}, "optimizer_states": []},
        {"epoch": 1, "state_dict": {}, "optimizer_states": [{"param_groups": [{}]}]},
    ],
)
def test_what_pytorch_saved_and_is_no_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(WeightsError, match="expected a checkpoint of a training in last.ckpt"):
        check_resumable(tmp_path / "last.ckpt", training())


def test_a_folder_in_the_checkpoints_place_is_refused(tmp_path):
    (tmp_path / "last.ckpt").mkdir()
    with pytest.raises(WeightsError, match=r"last\.ckpt"):
        check_resumable(tmp_path / "last.ckpt", training())
