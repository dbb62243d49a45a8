"""How much a photo's prediction leaves open, part by part in 0..1, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.garments import Box, Garment

UNSUREST = 3  # garments of a photo whose detection_uncertainty counts
SAME_PLACE = 0.8  # the overlap from which the detector halves the worse of two categories' scores
DOUBLED = 2.0  # what gives such a score back
NOTHING_FOUND = 0.75  # the detection_uncertainty about a photo of clothing on which no garment was found


@dataclass(frozen=True)
class Margin:
    """Two names that are nearly equally likely for one garment; ``share`` in 0..1, 1 where they are equal."""

    share: float
    first: str
    second: str


@dataclass(frozen=True)
class Scores:
    """A photo's parts by name, each in 0..1, higher is more open: ``detector``, ``tie``.

    ``doubted`` is the detector's greatest detection_uncertainty and the category that it is about, ``tied``
    the nearest tie; ``empty`` says that no garment reached the threshold.
    """

    parts: Mapping[str, float] = field(default_factory=dict)
    doubted: tuple[float, str] | None = None
    tied: Margin | None = None
    empty: bool = False


def photo_uncertainty(garments: Sequence[Garment], threshold: float) -> Scores:
    """What a prediction leaves open; ``threshold`` is the score from which a garment counts as found.

    ``garments`` reach below the threshold, so that what was nearly found counts as well.
    """
    doubts = sorted(
        ((detection_uncertainty(g.score, threshold), g.category) for g in garments), reverse=True
    )[:UNSUREST]
    found = [garment for garment in garments if garment.score >= threshold]
    ties = [*category_margins(garments, threshold), *label_margins(found)]
    tied = max(ties, key=lambda tie: tie.share, default=None)
    detector = sum(share for share, _ in doubts) / UNSUREST
    if not found:
        detector = max(detector, NOTHING_FOUND)
    parts = {"detector": detector, "tie": tied.share if tied else 0.0}
    return Scores(parts, doubts[0] if doubts else None, tied, not found)


def detection_uncertainty(score: float, threshold: float) -> float:
    """How far a score leaves open whether there is a garment: 1 at the threshold, 0 at scores of 0 and 1.

    >>> detection_uncertainty(0.3, 0.3), detection_uncertainty(0.15, 0.3), detection_uncertainty(1.0, 0.3)
    (1.0, 0.5, 0.0)
    """
    if score < threshold:
        return score / threshold
    return (1.0 - score) / (1.0 - threshold) if threshold < 1 else 1.0


def label_margins(garments: Sequence[Garment]) -> list[Margin]:
    """The classifier's margin over garments: one minus the best label's lead over the second."""
    pairs = [garment.top5[:2] for garment in garments if len(garment.top5) > 1]
    return [Margin(1.0 - (first[1] - second[1]), first[0], second[0]) for first, second in pairs]


def category_margins(garments: Sequence[Garment], threshold: float) -> list[Margin]:
    """Places that two categories claim: the weaker score, as it was before halving, over the stronger."""
    claims = [garment for garment in garments if garment.score >= threshold / DOUBLED]
    ties = []
    for number, one in enumerate(claims):
        for other in claims[number + 1 :]:
            if one.category != other.category and overlap(one.box_xyxy, other.box_xyxy) > SAME_PLACE:
                strong, weak = sorted((one, other), key=lambda garment: -garment.score)
                if strong.score >= threshold:
                    share = min(1.0, DOUBLED * weak.score / strong.score)
                    ties.append(Margin(share, strong.category, weak.category))
    return ties


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (area(one) + area(other) - shared)


def area(box: Box) -> float:
    """Square pixels of a box."""
    return (box[2] - box[0]) * (box[3] - box[1])
