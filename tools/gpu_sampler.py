"""Batch sampling by dataset, rare categories more often, and which categories each dataset labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.models.detection import UNLABELED_SCORE
from core.training.sampler import repeat_factors
from core.training.yolo_loss import LabeledCategories
from tools.gpu_photos import Pack

NEVER_BOXED = {"chictopia": ("belt", "scarf_tie", "boots")}
"""Chictopia's boots are boxed as footwear, so that a footwear box there may be a boot."""

CATALOG_IGNORE_SCORE = 0.5
"""A catalog photo's one label says nothing of what is worn beside it."""


class BatchSampler:
    """Draws photos by their set's share of a batch, rare categories more often, and what they label."""

    def __init__(self, pack: Pack, numbers: Sequence[int], rebalance: float) -> None:
        device = pack.pixels.device
        photos = [pack.photos[number] for number in numbers]
        count = len(pack.categories)
        self.sets = sorted({photo["set"] for photo in photos})
        weights = torch.zeros(len(self.sets), len(photos))
        known = torch.ones(len(photos), count, dtype=torch.bool)
        complete = torch.ones(len(photos), count, dtype=torch.bool)
        ignore_score = torch.full((len(photos),), UNLABELED_SCORE)
        for row, name in enumerate(self.sets):
            members = [i for i, photo in enumerate(photos) if photo["set"] == name]
            factors = repeat_factors([photos[i]["category_ids"] for i in members], rebalance)
            weights[row, members] = torch.tensor(factors, dtype=torch.float32)
            unboxed = [pack.categories.index(c) for c in NEVER_BOXED.get(name, ()) if c in pack.categories]
            for category in unboxed:
                known[members, category] = complete[members, category] = False
            if name == "catalog":
                ignore_score[members] = CATALOG_IGNORE_SCORE
                for i in members:
                    complete[i] = False
                    complete[i, photos[i]["category_ids"]] = True
        self.weights, self.known = weights.to(device), known.to(device)
        self.complete, self.ignore_score = complete.to(device), ignore_score.to(device)

    def shares(self, wanted: Sequence[tuple[str, float]]) -> Tensor:
        """The sets' shares as chances (S,) on the device; sets that are not there have none."""
        chances = torch.tensor([dict(wanted).get(name, 0.0) for name in self.sets])
        if chances.sum() <= 0:
            chances = torch.ones(len(self.sets))
        return (chances / chances.sum()).to(self.weights.device)

    def draw(self, shares: Tensor, batch: int, tiles: int, generator: torch.Generator) -> Tensor:
        """Photo positions (B, tiles); a row's photos are of one set, so that they label alike."""
        sets = torch.multinomial(shares, batch, replacement=True, generator=generator)
        return torch.multinomial(self.weights[sets], tiles, replacement=True, generator=generator)

    def labeled(self, photos: Tensor, used: Tensor) -> LabeledCategories:
        """What is labeled in pictures of photos (B, T), of which ``used`` (B, T) are in the picture."""
        complete = (self.complete[photos] | ~used[..., None]).all(dim=1)
        return LabeledCategories(self.known[photos[:, 0]], complete, self.ignore_score[photos[:, 0]])
