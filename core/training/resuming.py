"""Checkpoints that a training may go on from: read with care, compared with the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from core.errors import WeightsError

ANCHORS_KEY = "anchors_wh"
"""Where a detector's checkpoint has its anchors, which are no weights."""


def finished_epochs(checkpoint: Path) -> int:
    """The number of epochs finished when a checkpoint was saved. Raises WeightsError for what is none."""
    return int(_read_checkpoint(checkpoint)["epoch"]) + 1


def check_resumable(checkpoint: Path, module: LightningModule) -> None:
    """Raise WeightsError, with what is other, where a checkpoint is not one of this very training."""
    saved = _read_checkpoint(checkpoint)
    own, found = module.state_dict(), saved["state_dict"]
    odd = next(iter(sorted(own.keys() ^ found.keys())), None)
    if odd is not None:
        raise WeightsError(_other_training(checkpoint, f"only one of the two has {odd}"))
    for name, value in own.items():
        if found[name].shape != value.shape:
            shapes = f"{name} is {tuple(found[name].shape)} in it, and should be {tuple(value.shape)}"
            raise WeightsError(_other_training(checkpoint, shapes))
    anchors, known = module.hparams.get(ANCHORS_KEY), saved.get("hyper_parameters", {}).get(ANCHORS_KEY)
    if known is not None and known != anchors:
        raise WeightsError(_other_training(checkpoint, "its anchors are others"))
    model = getattr(module, "model", module)
    trained = sum(parameter.requires_grad for parameter in model.parameters())
    groups = [group for state in saved["optimizer_states"] for group in state["param_groups"]]
    if groups and sum(len(group["params"]) for group in groups) != trained:
        raise WeightsError(_other_training(checkpoint, "other layers are frozen in it"))


def _other_training(checkpoint: Path, difference: str) -> str:
    return (
        f"expected a checkpoint of this training in {checkpoint.name}, with the same model and classes, "
        f"got another's: {difference}; train without --resume, or into another folder"
    )


def _read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint as Lightning writes it, its tensors still on the disk. WeightsError for what is none.

    PyTorch writes a zip with a checksum (CRC-32) of every tensor, and does not look at them when it reads.
    """
    try:
        with ZipFile(checkpoint) as archive:
            if (part := archive.testzip()) is not None:
                raise ValueError(f"{part} is damaged")
        saved = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
        states, optimizers = saved["state_dict"], saved["optimizer_states"]
        tensors = isinstance(states, dict) and all(isinstance(value, Tensor) for value in states.values())
        listed = all(
            isinstance(group["params"], list) for state in optimizers for group in state["param_groups"]
        )
        if not tensors or not listed or type(saved["epoch"]) is not int or saved["epoch"] < 0:
            raise ValueError("no state of a model and its optimizer")
    except Exception as error:  # PyTorch's reader raises nearly anything for what it did not write
        raise WeightsError(
            f"expected a checkpoint of a training in {checkpoint.name}, got a damaged file or none; train "
            "without --resume to begin anew"
        ) from error
    return dict(saved)
