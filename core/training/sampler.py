"""The sampler: a shuffle seeded by epoch, with photos of rare classes repeated (class rebalancing).

It yields ``(epoch, index)``, so that augmentation depends on seed, epoch and sample alone: a resumed run sees
the same samples as an unbroken one, with any number of loader workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

Request = tuple[int, int]


class EpochSampler(Sampler[Request]):
    """A shuffled pass over ``repeats``-weighted samples, the same for the same seed and epoch.

    A repeat factor of 1.3 takes the sample once, and a second time in about three epochs of ten.
    Each of ``devices`` draws the same pass and takes the part of its ``rank``, all parts of one length.
    """

    def __init__(
        self,
        repeats: Sequence[float],
        seed: int = 0,
        *,
        shuffle: bool = True,
        epoch: int = 0,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        self.rank, self.devices = rank, devices
        self.repeats = np.asarray(repeats, dtype=np.float64)
        self.seed, self.shuffle, self.epoch = seed, shuffle, epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch, also after resuming."""
        self.epoch = epoch

    def __len__(self) -> int:
        return round(float(self.repeats.sum())) // self.devices

    def __iter__(self) -> Iterator[Request]:
        rng = np.random.default_rng((self.seed, self.epoch))
        whole = np.floor(self.repeats).astype(int)
        indices = np.repeat(np.arange(len(whole)), whole)
        short = round(float(self.repeats.sum())) - len(indices)
        if short > 0:
            fraction = self.repeats - whole
            extra = rng.choice(len(whole), size=short, replace=False, p=fraction / fraction.sum())
            indices = np.concatenate((indices, extra))
        if self.shuffle:
            rng.shuffle(indices)
        mine = indices[self.rank :: self.devices][: len(self)]
        return iter([(self.epoch, int(index)) for index in mine])


def repeat_factors(classes_of: Sequence[Sequence[int]], threshold: float) -> list[float]:
    """LVIS's repeat factors (Gupta et al. 2019): max(1, sqrt(threshold / f)) of the photo's rarest class.

    ``classes_of`` holds each photo's class ids; ``f`` is the share of photos that hold the class.
    """
    counts: dict[int, int] = {}
    for classes in classes_of:
        for category in set(classes):
            counts[category] = counts.get(category, 0) + 1
    total = max(len(classes_of), 1)
    factor = {c: max(1.0, (threshold / (count / total)) ** 0.5) for c, count in counts.items()}
    return [max((factor[c] for c in set(classes)), default=1.0) for classes in classes_of]
