"""Splits of annotated photos: train, val and the holdout, the same in a training and in what is exported.

A photo's content decides about the holdout when it is imported. Of the others a training sets a tenth apart
to validate on, by digest and seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest

TRAIN, VAL, HOLDOUT = "train", "val", "holdout"
SPLITS = (TRAIN, VAL, HOLDOUT)

VALIDATION_SHARE = 0.1
MOST_VALIDATION = 40
FEWEST_TO_SPLIT = 10
"""Of fewer photos none is held out: the training is validated on photos that it learns."""


NAMED = {
    "train": TRAIN, "training": TRAIN, "val": VAL, "valid": VAL, "validation": VAL,
    "test": HOLDOUT, "holdout": HOLDOUT,
}  # fmt: skip
"""What datasets call their splits; a test set is set apart as a holdout is."""


def photos_of_part(splits: Sequence[str | None], part: str) -> list[int]:
    """Which photos a training (part "train") or its validation ("val") reads, by the split of each.

    A training reads those of ``train`` and those of no split, a validation those of ``val``, or where there
    are none the same as a training. Other parts read all.
    """
    known = [None if split is None else NAMED.get(split.lower(), TRAIN) for split in splits]
    learned = [place for place, split in enumerate(known) if split in (None, TRAIN)]
    if part == TRAIN:
        return learned
    if part == VAL:
        return [place for place, split in enumerate(known) if split == VAL] or learned
    return list(range(len(known)))


@dataclass(frozen=True)
class Validation:
    """The digests of the photos that a training validates on, in an order that stays.

    With ``is_held_out`` they are not learned from.
    """

    digests: tuple[str, ...]
    is_held_out: bool

    def split_of(self, digest: str, holdout: bool) -> str:
        """A photo's split, one of ``SPLITS``."""
        if holdout:
            return HOLDOUT
        return VAL if self.is_held_out and digest in self.digests else TRAIN


def choose_validation(digests: Iterable[str], seed: int) -> Validation:
    """A tenth of the photos outside the holdout, 1 to 40, whatever their order; none of no photos.

    ``digests`` are their contents', each once; only 40 of them are in memory. A training and an export of a
    revision take its number as the seed.

    >>> choose_validation(["a", "b"], seed=1).is_held_out
    False
    """
    count = 0

    def counted() -> Iterator[str]:
        nonlocal count
        for count, digest in enumerate(digests, start=1):  # noqa: B007 - the last number is the count
            yield digest

    first = nsmallest(MOST_VALIDATION, counted(), key=lambda digest: _hash(digest, seed))
    wanted = min(MOST_VALIDATION, max(1, round(VALIDATION_SHARE * count)))
    return Validation(tuple(first[:wanted]), count >= FEWEST_TO_SPLIT)


def _hash(digest: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()
