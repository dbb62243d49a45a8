"""The joint decision of detector and classifier: one category, one calibrated score and one top-5 a garment.

The detector gives each box a category distribution d, the classifier gives the box's crop a label
distribution p, and the taxonomy says which labels belong to which category (A). The evidence of the
classifier for category c is q_c = sum_l A[l, c] p_l, and the two are pooled log-linearly (a product of
experts):

    P_c = d_c^a q_c^b / sum_k d_k^a q_k^b

A category without any label has no evidence of its own; it takes the evidence that the detector expects,
q_c = sum_k d_k q_k / sum_k d_k over the categories that have labels, so that the classifier leaves its odds
alone. The score of a garment is a logistic regression (Platt scaling) on the detector's score, on P and on q
of the chosen category, and on the size of its box: large garments are found and named rightly more often than
small ones of the same score. The weights are fitted by ``python -m tools.fit_joint`` and lie in
``assets/weights/labeler.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import WeightsError
from core.models.nms import greedy_suppression

JOINT_FILE = "labeler.json"
"""The weights' file in the folder of the weights that ship."""

EPSILON = 1e-4
"""Least probability that either model is taken to give: what one of them rules out, the other may still
find."""


@dataclass(frozen=True)
class JointWeights:
    """The weights of the joint decision.

    ``detector_power`` is a and ``classifier_power`` b of the pooled distribution. The score is
    sigmoid(``intercept`` + ``detector_logit`` logit(s) + ``category_logit`` logit(P_c) + ``label_log``
    log(q_c) + ``area_log`` log(box area / photo area)). Two boxes of different categories with an IoU above
    ``same_garment_iou`` show one garment.
    """

    detector_power: float = 1.0
    classifier_power: float = 1.0
    intercept: float = 0.0
    detector_logit: float = 1.0
    category_logit: float = 0.0
    label_log: float = 0.0
    area_log: float = 0.0
    same_garment_iou: float = 0.7

    def __post_init__(self) -> None:
        values = asdict(self)
        odd = next((name for name, value in values.items() if not np.isfinite(value)), None)
        if odd is not None:
            raise WeightsError(f"expected a finite number for {odd} of the joint decision, got {values[odd]}")
        if not 0 < self.same_garment_iou <= 1:
            raise WeightsError(f"expected same_garment_iou in (0, 1], got {self.same_garment_iou}")


def read_joint_weights(path: Path) -> JointWeights:
    """The weights in a file that ``tools.fit_joint`` wrote; the defaults where there is no such file.

    Raises WeightsError where the file holds something else.
    """
    if not path.is_file():
        return JointWeights()
    try:
        weights: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["weights"]
        return JointWeights(**{name: float(value) for name, value in weights.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path.name} holds no weights of the joint decision: {error}") from error


def label_matrix(
    labels: Sequence[str], categories: Sequence[str], categories_of: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Which label belongs to which category: (L, C) of 0 and 1.

    ``categories_of`` names each label's categories (the taxonomy's parents); a label that has the name of a
    category belongs to it, whatever its case. Labels and categories that nothing maps have rows and columns
    of 0.
    """
    index = {name.casefold(): number for number, name in enumerate(categories)}
    matrix = np.zeros((len(labels), len(categories)))
    for row, label in enumerate(labels):
        for name in (label, *categories_of.get(label, ())):
            column = index.get(name.casefold())
            if column is not None:
                matrix[row, column] = 1.0
    return matrix


def category_evidence(distribution: np.ndarray, labels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The classifier's evidence q (N, C) for each category, from its probabilities (N, L).

    ``distribution`` (N, C) is the detector's; it decides what categories without labels get (see the module).
    """
    evidence: np.ndarray = labels @ matrix
    mapped = matrix.any(axis=0)
    if mapped.all():
        return evidence
    weight = distribution[:, mapped].sum(axis=1, keepdims=True)
    expected = (distribution[:, mapped] * evidence[:, mapped]).sum(axis=1, keepdims=True)
    neutral = np.where(weight > 0, expected / np.maximum(weight, np.finfo(float).tiny), 1.0)
    return np.where(mapped, evidence, neutral)


def joint_distribution(
    class_scores: np.ndarray, labels: np.ndarray, matrix: np.ndarray, weights: JointWeights
) -> tuple[np.ndarray, np.ndarray]:
    """The pooled category distribution P (N, C) and the classifier's evidence q (N, C).

    ``class_scores`` (N, C) are the detector's, objectness times class; ``labels`` (N, L) the classifier's
    probabilities of the crops; ``matrix`` (L, C) says which label belongs to which category.
    """
    total = class_scores.sum(axis=1, keepdims=True)
    distribution = class_scores / np.maximum(total, 1e-12)
    evidence = category_evidence(distribution, labels, matrix)
    logs = weights.detector_power * np.log(distribution + EPSILON)
    logs = logs + weights.classifier_power * np.log(evidence + EPSILON)
    logs = logs - logs.max(axis=1, keepdims=True)
    pooled = np.exp(logs)
    return pooled / pooled.sum(axis=1, keepdims=True), evidence


def score_features(
    class_scores: np.ndarray,
    pooled: np.ndarray,
    evidence: np.ndarray,
    chosen: np.ndarray,
    area_shares: np.ndarray,
) -> np.ndarray:
    """What the score is a logistic regression on: (N, 4) of logit(s), logit(P_c), log(q_c) and log(area).

    s is the detector's best class score, c the ``chosen`` category (N,); ``area_shares`` (N,) are the boxes'
    shares of the photo's area, in 0..1.
    """
    rows = np.arange(len(chosen))
    best = class_scores.max(axis=1, initial=0.0)
    return np.stack(
        (
            _logit(best),
            _logit(pooled[rows, chosen]),
            np.log(evidence[rows, chosen] + EPSILON),
            np.log(np.clip(area_shares, EPSILON, 1.0)),
        ),
        axis=1,
    )


def area_shares(boxes_xyxy: np.ndarray, photo_wh: tuple[int, int]) -> np.ndarray:
    """The share of the photo's area (N,) that each box (N, 4), in pixels of the photo, covers."""
    areas: np.ndarray = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return areas / (photo_wh[0] * photo_wh[1])


def joint_scores(features: np.ndarray, weights: JointWeights) -> np.ndarray:
    """Calibrated scores (N,) in 0..1 of features (N, 4)."""
    factors = [weights.detector_logit, weights.category_logit, weights.label_log, weights.area_log]
    scores: np.ndarray = 1 / (1 + np.exp(-(features @ np.array(factors) + weights.intercept)))
    return scores


def joint_labels(
    labels: np.ndarray, pooled: np.ndarray, chosen: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """The classifier's probabilities (N, L) given what was decided of the category; rows sum to one.

    p'_l = sum_c P_c p(l | c) with p(l | c) = A[l, c] p_l / q_c. Where the chosen category has labels, none of
    another category is left above the best of its own; where it has none, the classifier's answer stays.
    """
    mass = labels @ matrix  # (N, C)
    shares = np.where(mass > 0, pooled / np.maximum(mass, 1e-12), 0.0)  # (N, C)
    joint = labels * (shares @ matrix.T)
    own = matrix[:, chosen].T > 0  # (N, L)
    best = np.where(own, joint, 0.0).max(axis=1, initial=0.0, keepdims=True)
    joint = np.where(own, joint, np.minimum(joint, best * (1 - 1e-6)))
    total = joint.sum(axis=1, keepdims=True)
    decided = own.any(axis=1, keepdims=True) & (total > 0)
    result: np.ndarray = np.where(decided, joint / np.maximum(total, 1e-12), labels)
    return result


def suppress_same_garment(
    boxes_iou: np.ndarray,
    scores: np.ndarray,
    chosen: np.ndarray,
    evidence: np.ndarray,
    *,
    nms_iou: float,
    same_garment_iou: float,
) -> np.ndarray:
    """Which boxes stay, as indices from the best score down: one box a garment.

    A box goes where a better box of its category overlaps it above ``nms_iou`` (NMS, with the joint
    category), and where a better box of another category overlaps it above ``same_garment_iou``, unless the
    classifier takes its crop for its own category rather than for the better box's: a coat over a dress stays
    two. ``boxes_iou`` is (N, N), ``evidence`` (N, C) the classifier's.
    """
    own = np.take_along_axis(evidence, chosen[:, None], axis=1)  # (N, 1): of a box's own category
    better = evidence[:, chosen]  # (N, N): of the category of another box
    other = (boxes_iou > same_garment_iou) & (own <= better)
    suppresses = np.where(chosen[:, None] == chosen, boxes_iou > nms_iou, other)
    kept = greedy_suppression(np.argsort(-scores, kind="stable"), suppresses)
    return np.array(kept, dtype=np.int64)


def _logit(probabilities: np.ndarray) -> np.ndarray:
    clipped = np.clip(probabilities, EPSILON, 1 - EPSILON)
    return np.log(clipped) - np.log1p(-clipped)
