"""What a person at the shell says of one training, apart from its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingOptions:
    """Files in and out of a training, and where it runs.

    ``data``, ``extra`` and ``val`` are COCO files (detector) or CSVs (classifier); ``pretrained`` is
    ImageNet's MobileNet (classifier), a distilled backbone (detector), or whole weights to go on from;
    ``masks`` a folder of pixel labels for copy-paste. ``preset``, ``epochs``, ``seed`` and ``batch`` are
    the recipe's where None.
    """

    data: Path
    val: Path
    preset: str | None = None
    epochs: int | None = None
    seed: int | None = None
    batch: int | None = None
    pretrained: Path | None = None
    masks: Path | None = None
    extra: tuple[Path, ...] = ()
    device: str = "auto"
    workers: int = 0
    out: Path = Path("runs/latest")
    resume: bool = False
