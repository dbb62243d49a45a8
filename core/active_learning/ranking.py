"""Ranking: the order in which photos are annotated, with its weights, random control arm, and reasons.

Ordering 100,000 photos takes seconds because only the first thousand are chosen one by one: k-means++ seeding
draws them from a shortlist of eight thousand, which is drawn by weight. The rest follows by weight times
distance to the labeled photos; long before it is reached, new annotations have led to a new order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from core.active_learning.diversity import (
    fit_pca,
    hash_directions,
    kmeans_plus_plus,
    nearest_squared_distances,
    project,
    weighted_sample,
)
from core.active_learning.ppal import CalibratedUncertainty
from core.active_learning.uncertainty import Uncertainty
from core.queue_place import QueuePlace

CONTROL = "picked at random, to measure the queue"
HOLDOUT = "kept out of training: it measures the models"
NOVEL = "unlike anything labeled so far"
COLD = "not seen by the models yet"
UNLIKE_OTHERS = "it looks unlike the others"
COLD_AND_NOVEL = f"{COLD}; {UNLIKE_OTHERS}"
IMPORTED = "brought along with its boxes; nothing speaks against them"
MIXED = "some uncertainty, and unlike the photos before it"
CERTAIN = "the models are sure of it; a check that they are right"

REASON_UNCERTAINTY = 0.7  # the uncertainty of a margin from which it is a reason
UNCERTAIN_GARMENT = 0.6  # the uncertainty of one garment from which it is a reason
SOME_UNCERTAINTY = 0.3
HIGH_NOVELTY = 0.75


def reasons_of(uncertainty: Uncertainty, novelty: float) -> tuple[str, ...]:
    """The one to three strongest reasons to annotate a photo, strongest first.

    ``novelty`` (0..1) is the share of the photos that are nearer to a labeled one.
    """
    found: list[tuple[float, str]] = []
    margin, least_certain = uncertainty.margin, uncertainty.least_certain
    if margin is not None and margin.uncertainty >= REASON_UNCERTAINTY:
        words = f"two categories nearly tied: {margin.first} or {margin.second}"
        found.append((margin.uncertainty, words))
    if uncertainty.empty:
        found.append((1.0, "no garment was found"))
    elif least_certain is not None and least_certain[0] >= UNCERTAIN_GARMENT:
        found.append((least_certain[0], f"unsure whether this is a garment: {least_certain[1]}"))
    if novelty >= HIGH_NOVELTY:
        found.append((novelty, NOVEL))
    if not found:
        highest = max(uncertainty.parts.values(), default=0.0)
        return (MIXED if highest > SOME_UNCERTAINTY else CERTAIN,)
    return tuple(words for _, words in sorted(found, reverse=True))


def reasons_after_prediction(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons that still hold once there are predictions for a photo that was ranked without any.

    >>> reasons_after_prediction(("not seen by the models yet; it looks unlike the others",))
    ('it looks unlike the others',)
    """
    now = {COLD: "", COLD_AND_NOVEL: UNLIKE_OTHERS}
    return tuple(words for words in (now.get(reason, reason) for reason in reasons) if words)


@dataclass(frozen=True)
class RankingWeights:
    """The weights of the order.

    A photo's weight is ``floor`` plus the mean of its uncertainty's parts weighed by ``detector`` and
    ``margin``, to the power of ``sharpness``. It is drawn with probability weight times squared distance.
    ``label_issues`` and ``control`` are shares of the order: for photos with label issues, and for photos
    picked at random.
    """

    detector: float = 1.0
    margin: float = 1.0
    floor: float = 0.05
    sharpness: float = 2.0
    label_issues: float = 0.1
    control: float = 0.15
    seeds: int = 1_000
    shortlist: int = 8_192

    def __post_init__(self) -> None:
        if min(self.detector, self.margin) < 0 or self.detector + self.margin <= 0 or self.floor <= 0:
            raise ValueError("weights lie above 0, or all parts would count for nothing")
        if not (0 <= self.label_issues <= 1 and 0 <= self.control <= 1):
            raise ValueError(f"shares lie in 0..1, got {self.label_issues} and {self.control}")


WEIGHTS = RankingWeights()
GROUPS = ("holdout", "control", "label_issue", "imported", "predicted", "cold")


@dataclass(frozen=True, eq=False)
class PoolPhoto:
    """A photo of the pool, which waits to be annotated.

    ``uncertainty`` and ``embedding`` (D,) come from a prediction and are None before there is one; where the
    queue is ordered by PPAL, ``calibrated`` takes the embedding's place.
    ``annotated`` says that boxes were imported with it, ``issue_score`` (0..1) how likely one of them is
    wrong, ``issue`` in words what. ``holdout`` photos are never trained on.
    """

    photo_id: int
    uncertainty: Uncertainty | None = None
    embedding: np.ndarray | None = None
    perceptual_hash: bytes = b""
    annotated: bool = False
    issue_score: float = 0.0
    issue: str = ""
    holdout: bool = False
    calibrated: CalibratedUncertainty | None = None


OrderPredicted = Callable[[Sequence[PoolPhoto]], list[QueuePlace]]
"""The places, without ranks yet, of photos that have predictions."""


def rank_photos(
    photos: Sequence[PoolPhoto],
    *,
    labeled_embeddings: np.ndarray,
    control_share: float | None = None,
    seed: int = 0,
    weights: RankingWeights = WEIGHTS,
    order_predicted: OrderPredicted | None = None,
) -> list[QueuePlace]:
    """All photos, those first that teach most; the lowest rank comes first.

    Ranks of photos without boxes lie in 0..1, of photos imported with boxes in 1..2. Holdout photos are
    spread evenly in random order: chosen by predictions, they would be a biased sample.
    ``labeled_embeddings`` (M, D) are those of annotated photos. ``order_predicted`` orders the photos with
    predictions, by default weight times distance does. The control arm depends on seed and photo
    alone, so it stays a random sample however often the order is renewed. Same photos and seed, same
    order.
    """
    rng = np.random.default_rng(seed)
    share = weights.control if control_share is None else control_share
    groups = group_photos(photos, share, seed)
    if order_predicted is None:
        predicted = _predicted(groups["predicted"], labeled_embeddings, weights, rng)
    else:
        predicted = order_predicted(groups["predicted"])
    selected = interleave(_with_label_issues(groups["label_issue"]), predicted, weights.label_issues)
    pool = interleave(
        [_place(c, "control", (CONTROL,)) for c in groups["control"]],
        [*selected, *_cold(groups["cold"], weights, rng)],
        share,
    )
    holdout = [_place(c, "cold", (HOLDOUT,)) for c in groups["holdout"]]
    imported = [_place(c, "cold", (IMPORTED,)) for c in groups["imported"]]
    return [*_with_ranks(holdout, 0.0), *_with_ranks(pool, 0.0), *_with_ranks(imported, 1.0)]


def _with_ranks(places: Sequence[QueuePlace], start: float) -> Iterator[QueuePlace]:
    for number, place in enumerate(places):
        yield replace(place, rank=start + (number + 0.5) / len(places))


def group_photos(photos: Sequence[PoolPhoto], control_share: float, seed: int) -> dict[str, list[PoolPhoto]]:
    """Photos of the pool by the way they are ranked, one of ``GROUPS``, each group in random order."""
    groups: dict[str, list[PoolPhoto]] = {name: [] for name in GROUPS}
    for photo in sorted(photos, key=lambda photo: stable_uniform(photo.photo_id, seed)):
        groups[_group_of(photo, control_share, seed)].append(photo)
    return groups


def _group_of(photo: PoolPhoto, control_share: float, seed: int) -> str:
    if photo.holdout:
        return "imported" if photo.annotated else "holdout"
    if photo.annotated:
        return "label_issue" if photo.issue else "imported"
    if stable_uniform(photo.photo_id, seed) < control_share:
        return "control"
    is_predicted = photo.embedding is not None or photo.calibrated is not None
    return "predicted" if photo.uncertainty is not None and is_predicted else "cold"


def stable_uniform(photo_id: int, seed: int) -> float:
    """A pseudo-random number in 0..1, always the same for a photo and seed."""
    digest = hashlib.blake2b(f"{seed}:{photo_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def interleave(few: Sequence[QueuePlace], many: Sequence[QueuePlace], share: float) -> list[QueuePlace]:
    """Both in their own order, ``few`` at an even ``share`` of the places until one of them is used up."""
    first, second = iter(few), iter(many)
    order: list[QueuePlace] = []
    for number in range(len(few) + len(many)):
        is_turn = int((number + 1) * share) > int(number * share)
        one, other = (first, second) if is_turn else (second, first)
        order += [place for place in (next(one, None) or next(other, None),) if place is not None]
    return order


def weight_of(uncertainty: Uncertainty, weights: RankingWeights = WEIGHTS) -> float:
    """A photo's weight without its distance, above 0; parts that a prediction does not have do not count."""
    shares = {"detector": weights.detector, "margin": weights.margin}
    parts = uncertainty.parts
    total = sum(shares[name] for name in parts if name in shares)
    mean = sum(shares.get(name, 0.0) * part for name, part in parts.items()) / total if total else 0.0
    return float((weights.floor + mean) ** weights.sharpness)


def _predicted(
    photos: Sequence[PoolPhoto], labeled: np.ndarray, weights: RankingWeights, rng: Generator
) -> list[QueuePlace]:
    """Photos with predictions: the first drawn by weight and distance, the rest sorted by both."""
    if not photos:
        return []
    embeddings = np.stack([c.embedding for c in photos if c.embedding is not None])
    pca = fit_pca(embeddings, rng)
    rows = project(pca, embeddings)
    references = project(pca, labeled) if len(labeled) else np.zeros((0, rows.shape[1]), dtype=np.float32)
    nearest = nearest_squared_distances(rows, references, rng)
    weight = np.array([weight_of(c.uncertainty, weights) for c in photos if c.uncertainty is not None])
    novelty = percentile_ranks(nearest) if len(references) else np.zeros(len(rows))
    order = diverse_order(rows, weight, nearest, weights, rng)
    return [_explained(photos[index], float(novelty[index])) for index in order]


def diverse_order(
    rows: np.ndarray, weight: np.ndarray, nearest: np.ndarray, weights: RankingWeights, rng: Generator
) -> list[int]:
    """Indices of unit vectors (N, d) in order: k-means++ on a shortlist first, then weight times distance."""
    value = weight * nearest
    shortlist = weighted_sample(value, weights.shortlist, rng)
    drawn = kmeans_plus_plus(rows[shortlist], weight[shortlist], nearest[shortlist], weights.seeds, rng)
    head = shortlist[drawn]
    rest = np.setdiff1d(np.arange(len(rows)), head)
    return [*head.tolist(), *rest[np.argsort(-value[rest], kind="stable")].tolist()]


def percentile_ranks(values: np.ndarray) -> np.ndarray:
    """For each value (N,) the share of all values that are smaller."""
    return np.searchsorted(np.sort(values), values, side="left") / max(1, len(values))


def _cold(photos: Sequence[PoolPhoto], weights: RankingWeights, rng: Generator) -> list[QueuePlace]:
    """Photos without predictions: the first diverse by their perceptual hashes, the rest in random order."""
    hashed = [c for c in photos[: weights.shortlist] if len(c.perceptual_hash) == 32]
    rows = hash_directions([c.perceptual_hash for c in hashed])
    even = np.ones(len(rows))
    drawn = kmeans_plus_plus(rows, even, 2.0 * even, weights.seeds, rng)
    places = [_place(hashed[index], "cold", (COLD_AND_NOVEL,)) for index in drawn]
    taken = {place.photo_id for place in places}
    return places + [_place(c, "cold", (COLD,)) for c in photos if c.photo_id not in taken]


def _with_label_issues(photos: Iterable[PoolPhoto]) -> list[QueuePlace]:
    worst_first = sorted(photos, key=lambda c: (-c.issue_score, c.photo_id))
    return [_place(c, "selected", (c.issue,)) for c in worst_first]


def _explained(photo: PoolPhoto, novelty: float) -> QueuePlace:
    uncertainty = photo.uncertainty or Uncertainty()
    parts = {**uncertainty.parts, "novelty": novelty}
    return _place(photo, "selected", reasons_of(uncertainty, novelty), parts)


def _place(
    photo: PoolPhoto, arm: str, reasons: tuple[str, ...], parts: dict[str, float] | None = None
) -> QueuePlace:
    """A place that has no rank yet."""
    if parts is None:
        parts = dict(photo.uncertainty.parts) if photo.uncertainty else {}
    if photo.issue:
        parts["label_issue"] = photo.issue_score
    return QueuePlace(
        photo.photo_id, 0.0, arm, reasons, {name: round(part, 4) for name, part in parts.items()}
    )
