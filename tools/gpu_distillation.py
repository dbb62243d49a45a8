"""What the classifier learns from on the GPU: pictures drawn by weight, labels, and teachers' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.images.crops import CROP_MARGIN
from core.models.mobilenet import INPUT_SIZE
from tools.gpu_crops import UNLABELED, PictureCache, as_input, build_cache, items_of
from tools.gpu_trainer import in_bfloat16


@dataclass(frozen=True)
class Pictures:
    """What there is to train and to measure on: a cache, how often each picture is drawn, plain parts."""

    train: PictureCache
    weights: Tensor
    passes: float  # pictures of one pass, as the weights count them
    val: dict[str, PictureCache]  # by source, each at the student's size

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random pictures (B, 3, S, S) uint8, their base rectangles (B, 4) and label ids (B,)."""
        rows = torch.multinomial(self.weights, count, replacement=True)
        return self.train.pictures[rows], self.train.base_xyxy[rows], self.train.targets[rows]

    def labeled_only(self) -> Pictures:
        """The same without the pictures that have no label: what a teacher learns from."""
        weights = self.weights * (self.train.targets != UNLABELED)
        return Pictures(self.train, weights, float(weights.sum()), self.val)


def pictures_of(
    photos: Sequence[dict[str, Any]],
    images: Any,
    categories: Sequence[str],
    labels: Sequence[str],
    *,
    device: torch.device,
    cache_side: int,
    sources: Mapping[str, float],
    rebalance: float,
    most_val: int | None = None,
) -> Pictures:
    """Caches out of a pack's photos; ``images[i]`` is photo i as (3, h, w) uint8.

    ``sources`` weighs the sources of :class:`Item`; ``most_val`` limits each source's validation part.
    """
    items = items_of(photos, categories, labels)
    train = build_cache(images, [item for item in items if item.split == "train"], cache_side, device)
    val = {}
    for source in ("catalog", "street", "chictopia"):
        of_source = [i for i in items if (i.split, i.source) == ("val", source) and i.label != UNLABELED]
        if of_source:
            val[source] = build_cache(images, of_source[:most_val], INPUT_SIZE, device, margin=CROP_MARGIN)
    weights = train.weights(sources, rebalance)
    return Pictures(train, weights, float(weights.sum()), val)


def smoothed_loss(logits: Tensor, targets: Tensor, other: Tensor, share: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy (B,) of mixed views: each view's own label by its share, the other's by the rest.

    A label that is not known counts 0.
    """
    losses = []
    for ids, part in ((targets, share), (targets[other], 1 - share)):
        loss = F.cross_entropy(
            logits, ids, label_smoothing=smoothing, reduction="none", ignore_index=UNLABELED
        )
        losses.append(part * loss)
    return losses[0] + losses[1]


def distillation_loss(student: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence (B,) of the student's logits (B, C) from soft labels (B, C), times T²."""
    log_shares = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(log_shares, soft, reduction="none").sum(dim=1) * temperature**2


def resized(views: Tensor, side: int) -> Tensor:
    """Views at another size; downscaled without aliasing."""
    if views.shape[-1] == side:
        return views
    return F.interpolate(views, (side, side), mode="bilinear", antialias=views.shape[-1] > side)


@dataclass(frozen=True)
class Teacher:
    """A fine-tuned network and the size of view that it likes."""

    model: nn.Module
    side: int
    layout: torch.memory_format


@torch.no_grad()
def soft_labels(teachers: Sequence[Teacher], views: Tensor, temperature: float) -> Tensor:
    """The mean of the teachers' probabilities (B, C), softened by the temperature."""
    answers = []
    for teacher in teachers:
        shown = resized(views, teacher.side).contiguous(memory_format=teacher.layout)
        answers.append(F.softmax(in_bfloat16(teacher.model, shown) / temperature, dim=1))
    return torch.stack(answers).mean(dim=0)


@torch.no_grad()
def measure(model: nn.Module, pictures: Pictures, side: int = INPUT_SIZE) -> dict[str, float]:
    """Top-1, top-5 and loss on the validation parts: ``val_top1`` of the catalog, ``street_top1``, ..."""
    figures: dict[str, float] = {}
    names = {"catalog": "val"}
    model.eval()
    for source, cache in pictures.val.items():
        logits = torch.cat(
            [model(resized(as_input(chunk), side)).float() for chunk in cache.pictures.split(256)]
        )
        ranked = logits.topk(min(5, logits.shape[1]), dim=1).indices == cache.targets[:, None]
        name = names.get(source, source)
        figures[f"{name}_top1"] = round(ranked[:, 0].float().mean().item(), 5)
        figures[f"{name}_top5"] = round(ranked.any(dim=1).float().mean().item(), 5)
        figures[f"{name}_loss"] = round(F.cross_entropy(logits, cache.targets).item(), 5)
    return figures
