"""Where the replay finds photos, known labels and pretrained features, and where it keeps what is dear."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.images.crops import normalize_pixels, to_square, to_tensor
from core.images.decode import open_dataset_photo
from core.models.mobilenet import MobileNetFeatures, load_imagenet
from core.models.weights import digest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
NO_LABEL = frozenset({"Not sure", "Other", "Skip"})
AT_ONCE = 16


@dataclass(frozen=True)
class Catalog:
    """Photos with one known label and one sender each; ``held`` are the validation senders."""

    paths: tuple[Path, ...]
    labels: np.ndarray
    senders: np.ndarray
    held: frozenset[str]

    @property
    def is_held(self) -> np.ndarray:
        """Which photos (N,) are of validation senders."""
        return np.isin(self.senders, sorted(self.held))


def data_folder() -> Path:
    """The folder of real photos: ``LAPEL_TEST_DATA``, else ``shared/data`` beside the repository."""
    return Path(os.environ.get("LAPEL_TEST_DATA") or SHARED / "data")


def imagenet_weights() -> Path:
    """MobileNet as ImageNet left it: ``LAPEL_PRETRAINED``, else the file in ``shared/pretrained``."""
    default = SHARED / "pretrained" / "mobilenet_v1_1.0_224_imagenet.safetensors"
    return Path(os.environ.get("LAPEL_PRETRAINED") or default)


def read_catalog(folder: Path, every: int = 1) -> Catalog:
    """The catalog's photos that have a label, or each ``every``-th of them."""
    with (folder / "images.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["label"] not in NO_LABEL][::every]
    held = frozenset((folder / "val_senders.txt").read_text(encoding="utf-8").split())
    return Catalog(
        tuple(folder / "images" / f"{row['image']}.jpg" for row in rows),
        np.array([row["label"] for row in rows]),
        np.array([row["sender_id"] for row in rows]),
        held,
    )


def kept_folder() -> Path:
    """A temporary folder for features and checkpoints; nothing of it goes into the repository."""
    folder = Path(tempfile.gettempdir()) / "lapel-queue-order"
    folder.mkdir(exist_ok=True)
    return folder


def features_of(paths: Sequence[Path], weights: Path) -> np.ndarray:
    """Pooled features (N, 1024) float32 of whole photos, by MobileNet as pretrained on ImageNet.

    Not by the classifier that ships: it was trained on these very labels, and would know the answers.
    """
    names = "\n".join(str(path) for path in paths) + digest(weights)
    kept = kept_folder() / f"features-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
    if kept.is_file():
        return np.load(kept)
    backbone = MobileNetFeatures()
    load_imagenet(backbone, weights)
    backbone.eval().to(memory_format=torch.channels_last)
    features = np.concatenate(
        [_pooled(backbone, paths[start : start + AT_ONCE]) for start in range(0, len(paths), AT_ONCE)]
    )
    unfinished = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(unfinished, features)
    unfinished.replace(kept)
    return features


@torch.inference_mode()
def _pooled(backbone: MobileNetFeatures, paths: Sequence[Path]) -> np.ndarray:
    pictures = torch.stack([to_tensor(to_square(open_dataset_photo(path).image)) for path in paths])
    batch = normalize_pixels(pictures).contiguous(memory_format=torch.channels_last)
    return backbone(batch).mean(dim=(2, 3)).numpy()
