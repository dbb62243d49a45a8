"""Uncertainty sampling: how uncertain the models are about a photo, part by part in 0..1 (Settles 2009).

The detector's part is the uncertainty of its least certain garments, the other the smallest margin between
two names of one garment (margin sampling, Scheffer et al. 2001). Detector and classifier that disagree on a
garment count as a margin as well (query by committee, Seung et al. 1992).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.boxes import iou
from core.garments import Garment
from core.models.nms import CROSS_CLASS_IOU_THRESHOLD

LEAST_CERTAIN_GARMENTS = 3
"""The detector's part is the mean uncertainty of this many garments."""

COMPARED_SHARE = 0.5
"""Boxes from this share of the threshold on are compared."""

NEAR_THRESHOLD = 0.05
NARROW_LABEL_MARGIN = 0.15
"""What makes a photo one to check: a best score so near the threshold, or two labels so close."""

NOTHING_FOUND = 0.75
"""The detector's part of a photo on which no garment was found."""


@dataclass(frozen=True)
class Margin:
    """Two names for one garment; ``uncertainty`` in 0..1 is 1 where both are equally likely."""

    uncertainty: float
    first: str
    second: str


@dataclass(frozen=True)
class Uncertainty:
    """A photo's uncertainty by part, each in 0..1: ``detector`` and ``margin``, that of the smallest.

    ``least_certain`` is the uncertainty and category of the least certain garment, ``margin`` the smallest
    margin; ``empty`` says that no garment reached the threshold.
    """

    parts: Mapping[str, float] = field(default_factory=dict)
    least_certain: tuple[float, str] | None = None
    margin: Margin | None = None
    empty: bool = False


def photo_uncertainty(garments: Sequence[Garment], threshold: float) -> Uncertainty:
    """The uncertainty of a photo's prediction; a garment counts as found from the score ``threshold`` on.

    ``garments`` include those below the threshold, since what was nearly found is uncertain as well.
    """
    detections = sorted(
        ((detection_uncertainty(g.score, threshold), g.category) for g in garments), reverse=True
    )[:LEAST_CERTAIN_GARMENTS]
    found = [garment for garment in garments if garment.score >= threshold]
    margins = [
        *category_margins(garments, threshold),
        *label_margins(found),
        *disagreement_margins(found),
    ]
    smallest = max(margins, key=lambda margin: margin.uncertainty, default=None)
    detector = sum(value for value, _ in detections) / LEAST_CERTAIN_GARMENTS
    if not found:
        detector = max(detector, NOTHING_FOUND)
    parts = {"detector": detector, "margin": smallest.uncertainty if smallest else 0.0}
    return Uncertainty(parts, detections[0] if detections else None, smallest, not found)


def detection_uncertainty(score: float, threshold: float) -> float:
    """How uncertain it is that there is a garment: 1 at the threshold, 0 at scores of 0 and 1.

    >>> detection_uncertainty(0.3, 0.3), detection_uncertainty(0.15, 0.3), detection_uncertainty(1.0, 0.3)
    (1.0, 0.5, 0.0)
    """
    if score < threshold:
        return score / threshold
    return (1.0 - score) / (1.0 - threshold) if threshold < 1 else 1.0


def label_margins(garments: Sequence[Garment]) -> list[Margin]:
    """The classifier's margins: one minus the difference of the two most probable labels."""
    pairs = [garment.top5[:2] for garment in garments if len(garment.top5) > 1]
    return [Margin(1.0 - (first[1] - second[1]), first[0], second[0]) for first, second in pairs]


def disagreement_margins(garments: Sequence[Garment]) -> list[Margin]:
    """What one model alone said and the joint decision overruled, as uncertain as that model was sure."""
    margins = []
    for garment in garments:
        if garment.detector is not None and garment.detector[0] != garment.category:
            category, score = garment.detector
            margins.append(Margin(score, garment.category, category))
        if garment.classifier is not None and garment.top5 and garment.classifier[0] != garment.top5[0][0]:
            label, probability = garment.classifier
            margins.append(Margin(probability, garment.top5[0][0], label))
    return margins


def category_margins(garments: Sequence[Garment], threshold: float) -> list[Margin]:
    """Margins of boxes of two categories on one object: the lower score over the higher.

    The joint decision leaves such pairs where the classifier takes each crop for its own category.
    """
    candidates = [garment for garment in garments if garment.score >= threshold * COMPARED_SHARE]
    margins = []
    for number, one in enumerate(candidates):
        for other in candidates[number + 1 :]:
            if (
                one.category != other.category
                and iou(one.box_xyxy, other.box_xyxy) > CROSS_CLASS_IOU_THRESHOLD
            ):
                higher, lower = sorted((one, other), key=lambda garment: -garment.score)
                if higher.score >= threshold:
                    margins.append(Margin(lower.score / higher.score, higher.category, lower.category))
    return margins


def is_uncertain(garments: Sequence[Garment | None], threshold: float) -> bool:
    """Whether a person should check the photo, as the gallery of a batch marks it.

    The detector is uncertain where the best score lies within ``NEAR_THRESHOLD`` of the threshold, the
    classifier where a visible garment's two best labels lie less than ``NARROW_LABEL_MARGIN`` apart. None is
    a deleted garment. Corrected garments are certain.
    """
    untouched = [garment for garment in garments if garment is not None and not garment.corrected]
    if garments and len(untouched) == len(garments):
        best = max(garment.score for garment in untouched)
        if abs(best - threshold) <= NEAR_THRESHOLD:
            return True
    return any(g.score >= threshold and label_margin(g) < NARROW_LABEL_MARGIN for g in untouched)


def label_margin(garment: Garment) -> float:
    """The margin between the best two labels' probabilities, 0..1; 1 where there is only one."""
    if len(garment.top5) < 2:
        return 1.0
    return garment.top5[0][1] - garment.top5[1][1]
