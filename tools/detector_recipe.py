"""All settings of the detector's training on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from core.anchors import kmeans_anchors
from core.models.cards import read_card
from core.models.weights import check_state
from core.models.yolov4 import YOLOv4
from tools.eight_bit_weights import read_carried
from tools.gpu_photos import Augmentation, Pack
from tools.gpu_trainer import Schedule, say

OBJECTNESS_PRIOR, CLASS_PRIOR = 0.01, 0.05


@dataclass(frozen=True)
class GpuDetectorRecipe:
    """All settings; shares and chances in 0..1, stages as shares of the time left after loading."""

    name: str = "gpu-mosaic"
    preset: str = "small"
    seed: int = 0
    input_wh: tuple[int, int] = (320, 480)
    canvases: tuple[tuple[int, int], ...] = ((256, 384), (384, 544))
    other_canvases: float = 0.35  # the share of batches of another size than the input, while mosaics last
    distilled_share: float = 0.12
    distilled_wh: tuple[int, int] = (224, 320)
    distillation: Schedule = field(
        default_factory=lambda: Schedule(2e-3, backbone_rate=1.0, weight_decay=0.02, batch=96)
    )
    distillation_augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(mosaic=0.0, zoom=(0.8, 2.2), stretch=1.25, masking=0.0)
    )
    clean_share: float = 0.28  # of the detector's own time: 25 % of the whole
    shares: tuple[tuple[str, float], ...] = (("street", 0.4), ("chictopia", 0.4), ("catalog", 0.2))
    clean_shares: tuple[tuple[str, float], ...] = (("street", 0.55), ("chictopia", 0.25), ("catalog", 0.2))
    rebalance: float = 0.15  # LVIS's threshold
    fitting: Schedule = field(
        default_factory=lambda: Schedule(
            9e-4,
            backbone_rate=1.0,
            weight_decay=0.05,
            batch=64,
            warmup=0.03,
            last_rate=0.002,
            largest_gradient=10.0,
        )
    )
    augmentation: Augmentation = field(default_factory=Augmentation)
    plain_augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(
            mosaic=0.0, zoom=(0.7, 1.25), stretch=1.1, rotation=0.25, degrees=4.0, color=0.6, masking=0.0
        )
    )
    box_weight: float = 1.0
    class_weight: float = 0.5
    objectness_weight: float = 1.0
    label_smoothing: float = 0.0
    validate_seconds: float = 45.0
    save_seconds: float = 60.0


def new_detector(preset: str, classes: int, anchors_wh: np.ndarray) -> YOLOv4:
    """A YOLOv4-GS whose heads begin with rare, unsure garments."""
    model = YOLOv4(preset, classes, ghost=True, anchors_wh=anchors_wh.tolist())
    with torch.no_grad():
        for head in model.heads:
            last = head[1]  # type: ignore[index]
            last.weight.normal_(0, 0.01)
            bias = last.bias.zero_().view(3, -1)
            bias[:, 4] = float(np.log(OBJECTNESS_PRIOR / (1 - OBJECTNESS_PRIOR)))
            bias[:, 5:] = float(np.log(CLASS_PRIOR / (1 - CLASS_PRIOR)))
    return model


def load_start(pack: Path, preset: str, categories: Sequence[str]) -> YOLOv4 | None:
    """The detector that a pack carries as ``weights/detector.safetensors`` (with its card), to train on from.

    None where it carries none, or one of another preset or of other categories.
    """
    path = pack / "weights" / "detector.safetensors"
    if not path.is_file():
        return None
    card = read_card(path)
    if card.preset != preset or tuple(card.categories) != tuple(categories):
        say(f"{path.name} is {card.name} of other categories or size: the detector begins anew")
        return None
    model = YOLOv4(preset, len(categories), ghost=True, anchors_wh=card.anchors_wh)
    check_state(read_carried(path), model, path.name)
    say(f"the detector begins as {card.name} of commit {card.training.get('commit')}")
    return model


def fitted_anchors(pack: Pack, numbers: Sequence[int], input_wh: tuple[int, int], seed: int) -> np.ndarray:
    """Nine anchors by K-means++ on the boxes of street and chictopia photos as letterboxed to the input."""
    sizes = []
    for number in numbers:
        photo = pack.photos[number]
        if photo["set"] in ("street", "chictopia") and photo["boxes"]:
            boxes = np.array(photo["boxes"], dtype=np.float64)
            factor = min(input_wh[0] / photo["width"], input_wh[1] / photo["height"])
            sizes.append((boxes[:, 2:] - boxes[:, :2]).clip(1.0) * factor)
    return kmeans_anchors(np.concatenate(sizes), 9, seed).anchors
