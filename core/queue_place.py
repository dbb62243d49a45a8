"""A photo's place in the annotation queue: ranking makes it, the store keeps it. Needs no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class QueuePlace:
    """A photo's place in the order: the lowest rank comes first.

    ``arm`` says who chose it (cold, selected, control), ``reasons`` why, in words; ``parts`` are the shares
    of the score, each in 0..1.
    """

    photo_id: int
    rank: float
    arm: str = "selected"
    reasons: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
