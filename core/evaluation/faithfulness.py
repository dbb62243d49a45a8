"""Faithfulness: whether the places that a map marks are those that the answer depends on.

A map may be of any size and scale; only deletion, insertion and the pointing game's order of its values, and
for average drop its values from 0 up count. Places that are taken away get a baseline, a blurred picture by
default: black or gray squares are pictures of something else that the network has not been trained on either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import stats

Floats = NDArray[np.floating]
Score = Callable[[Floats], Floats]
"""Pictures (N, H, W, 3) in 0..255 to the confidence in the answer that is explained, (N,) in 0..1."""

STEPS = 28
BLUR_PIXELS = 12.0
"""Deviation of the Gaussian blur at 224 pixels: garments lose their outline and keep their color."""

BASELINES = ("blur", "mean")
POINTING_TOLERANCE = 15
"""Pixels beside an object that still count as a hit, as Zhang et al. have it."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Confidence (n + 1,) after a share (n + 1,) of the pixels was taken away or put in, and its area."""

    shares: Floats
    scores: Floats

    @property
    def area(self) -> float:
        """The area under the curve by the trapezoidal rule, 0..1."""
        return float(np.trapezoid(self.scores, self.shares))


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """One map's figures on one picture.

    ``deletion`` is good where its area is small, ``insertion`` where it is large. ``drop`` is the share of
    confidence that is lost where only the marked places are kept, 0..1, small where the map is good;
    ``increased`` says that confidence rose instead.
    """

    deletion: Curve
    insertion: Curve
    drop: float
    increased: bool

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return {
            "deletion": self.deletion.area,
            "insertion": self.insertion.area,
            "drop": self.drop,
            "increase": float(self.increased),
        }


def baseline_of(picture: Floats, kind: str = "blur") -> Floats:
    """What stands where a picture (H, W, 3) in 0..255 is taken away: the picture blurred, or its mean color.

    Raises ValueError for another kind than those of ``BASELINES``.
    """
    if kind not in BASELINES:
        raise ValueError(f"expected a baseline of {', '.join(BASELINES)}, got {kind!r}")
    if kind == "mean":
        return np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape).astype(np.float32)
    image = Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    radius = BLUR_PIXELS * max(picture.shape[:2]) / 224
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)


def resized(values: Floats, size_wh: tuple[int, int]) -> Floats:
    """A map (h, w) at a picture's size, by bilinear interpolation."""
    image = Image.fromarray(np.asarray(values, dtype=np.float32))
    return np.asarray(image.resize(size_wh, Image.Resampling.BILINEAR))


def pixel_order(values: Floats, size_wh: tuple[int, int], seed: int = 0) -> NDArray[np.int64]:
    """A picture's pixels (H * W,) by falling value of a map, equal ones in random order.

    Half of a map behind a ReLU may be zero: row by row these would be taken from the top.
    """
    fine = resized(values, size_wh).ravel()
    shuffled = np.random.default_rng(seed).permutation(fine.size)
    return shuffled[np.argsort(-fine[shuffled], kind="stable")]


def deletion_and_insertion(
    score: Score, picture: Floats, values: Floats, baseline: Floats, steps: int = STEPS, seed: int = 0
) -> tuple[Curve, Curve]:
    """Deletion and insertion (Petsiuk et al. 2018): confidence while the pixels go, or come, best first.

    Deletion goes from the picture (H, W, 3) to the baseline, insertion from the baseline to the picture, in
    ``steps`` equal steps.
    """
    height, width = picture.shape[:2]
    order = pixel_order(values, (width, height), seed)
    ranks = np.empty(order.size, dtype=np.int64)
    ranks[order] = np.arange(order.size)
    shares = np.linspace(0.0, 1.0, steps + 1)
    marked = ranks.reshape(1, height, width, 1) < (shares * order.size).reshape(-1, 1, 1, 1)
    deleted = np.where(marked, baseline, picture).astype(np.float32)
    inserted = np.where(marked, picture, baseline).astype(np.float32)
    return Curve(shares, score(deleted)), Curve(shares, score(inserted))


def confidence_change(score: Score, picture: Floats, values: Floats, baseline: Floats) -> tuple[float, bool]:
    """Average drop and increase in confidence (Chattopadhyay et al. 2018) of one picture: drop, increased.

    The picture is kept where the map is at its highest, and the more of the baseline is mixed in the lower
    the map is; what is below zero counts as zero, and the map is scaled to 0..1.
    """
    height, width = picture.shape[:2]
    mask = np.maximum(resized(values, (width, height)), 0)
    low, high = float(mask.min()), float(mask.max())
    mask = (mask - low) / (high - low) if high > low else np.zeros_like(mask)
    kept = mask[..., None] * picture + (1 - mask[..., None]) * baseline
    full, left = (float(value) for value in score(np.stack([picture, kept]).astype(np.float32)))
    return max(0.0, full - left) / full if full > 0 else 0.0, left > full


def faithfulness(
    score: Score, picture: Floats, values: Floats, *, baseline: str = "blur", steps: int = STEPS
) -> Faithfulness:
    """All figures of one map of one picture (H, W, 3) in 0..255; see :class:`Faithfulness`."""
    instead = baseline_of(picture, baseline)
    deletion, insertion = deletion_and_insertion(score, picture, values, instead, steps)
    return Faithfulness(deletion, insertion, *confidence_change(score, picture, values, instead))


def points_at(values: Floats, mask: NDArray[np.bool_], tolerance: int = POINTING_TOLERANCE) -> bool:
    """The pointing game (Zhang et al. 2018): whether a map's highest place lies in a mask (H, W).

    Within ``tolerance`` pixels counts as well; a mask without a pixel is never hit.
    """
    height, width = mask.shape
    row, column = divmod(int(pixel_order(values, (width, height))[0]), width)
    rows, columns = np.ogrid[:height, :width]
    near = (rows - row) ** 2 + (columns - column) ** 2 <= tolerance**2
    return bool((mask & near).any())


def share_inside(values: Floats, mask: NDArray[np.bool_]) -> float:
    """The energy-based pointing game (Wang et al. 2020): the part of a map's sum that lies in a mask (H, W).

    What is below zero counts as zero; NaN for a map without anything above.
    """
    height, width = mask.shape
    fine = np.maximum(resized(values, (width, height)), 0)
    total = float(fine.sum())
    return float(fine[mask].sum()) / total if total > 0 else float("nan")


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's correlation of two maps of one shape, -1..1; NaN where one is even.

    Of maps by trained and by random weights (Adebayo et al. 2018), a high one says that the map shows the
    picture rather than what was learned.
    """
    a, b = np.ravel(a), np.ravel(b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)
