"""What a comparison says of the photos on which two models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.garments import Box
from core.store.comparisons import ComparisonRow


@dataclass(frozen=True)
class Found:
    """A box as one model sees it: in pixels of the photo, its category or label, its score."""

    box_xyxy: Box
    name: str
    label: str | None
    score: float


@dataclass(frozen=True)
class Changed:
    """A photo with the boxes of both models, and what changed in words."""

    photo_id: int
    words: str
    champion: tuple[Found, ...]
    candidate: tuple[Found, ...]


def changed_photos(comparison: ComparisonRow) -> list[Changed]:
    """The photos on which both differ, those that differ most first."""
    return [changed_from(entry) for entry in comparison.changed]


def changed_from(entry: Mapping[str, Any]) -> Changed:
    """One photo out of the comparison's JSON."""
    sides = (boxes_from(entry.get("champion") or ()), boxes_from(entry.get("candidate") or ()))
    return Changed(int(entry["photo"]), str(entry.get("what") or "changed"), *sides)


def boxes_from(entries: Sequence[Mapping[str, Any]]) -> tuple[Found, ...]:
    """Boxes out of their JSON."""
    return tuple(
        Found(
            tuple(float(value) for value in entry["box"]),  # type: ignore[arg-type]
            str(entry.get("category", "")),
            entry.get("label"),
            float(entry.get("score") or 0.0),
        )
        for entry in entries
    )
