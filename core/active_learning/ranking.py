"""Why a photo was picked, in words that a person at the editor understands.

One order of the photos to be annotated, and the weights that make it, all in one place.

The order of 100,000 photos takes seconds because only its first thousand is chosen photo by photo: a
shortlist of eight thousand is drawn by weight, and k-means++ seeding draws from that, each photo by its
weight and its distance to all before it. The rest follows by weight and distance to what is labelled; long
before it is reached, new corrections have made a new order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from core.active_learning.diversity import (
    Space,
    hash_directions,
    kmeans_plus_plus,
    nearest_squared_distances,
    weighted_sample,
)
from core.active_learning.uncertainty import Scores
from core.store.queue import QueuePlace

CONTROL = "picked at random, to measure the queue"
HOLDOUT = "kept out of training: it measures the models"
NEW_LOOK = "unlike anything labelled so far"
COLD = "not seen by the models yet"
UNLIKE_OTHERS = "it looks unlike the others"
NEW_IN_COLD = f"{COLD}; {UNLIKE_OTHERS}"
BROUGHT = "brought along with its boxes; nothing speaks against them"
MIXED = "some detection_uncertainty, and unlike the photos before it"
SURE = "the models are sure of it; a check that they are right"

NEARLY_TIED = 0.7  # the share from which a tie is worth a word
DOUBTFUL = 0.6  # the detector's detection_uncertainty about one garment from which it is worth a word
SOME_DOUBT = 0.3
FAR_OFF = 0.75  # the share of photos that are nearer to what is labelled


def reasons_of(scores: Scores, newness: float) -> tuple[str, ...]:
    """The one to three things that speak most for a photo, strongest first.

    ``newness`` (0..1) is the share of the photos that are more like what is labelled already.
    """
    found: list[tuple[float, str]] = []
    tied, doubted = scores.tied, scores.doubted
    if tied is not None and tied.share >= NEARLY_TIED:
        found.append((tied.share, f"two categories nearly tied: {tied.first} or {tied.second}"))
    if scores.empty:
        found.append((1.0, "no garment was found"))
    elif doubted is not None and doubted[0] >= DOUBTFUL:
        found.append((doubted[0], f"unsure whether this is a garment: {doubted[1]}"))
    if newness >= FAR_OFF:
        found.append((newness, NEW_LOOK))
    if not found:
        return (MIXED if max(scores.parts.values(), default=0.0) > SOME_DOUBT else SURE,)
    return tuple(words for _, words in sorted(found, reverse=True))


def reasons_after_prediction(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons that still hold once the models have looked at a photo after it was put into the queue.

    >>> reasons_after_prediction(("not seen by the models yet; it looks unlike the others",))
    ('it looks unlike the others',)
    """
    now = {COLD: "", NEW_IN_COLD: UNLIKE_OTHERS}
    return tuple(words for words in (now.get(reason, reason) for reason in reasons) if words)


@dataclass(frozen=True)
class Weights:
    """What counts how much.

    A photo's weight is ``floor`` plus the mean of its parts weighed by ``detector`` and ``tie``, to the power
    of ``sharpness``; times its squared distance it is its chance to be next. ``suspects`` and ``control`` are
    shares of the places: for photos whose boxes may be wrong, and for photos picked at random.
    """

    detector: float = 1.0
    tie: float = 1.0
    floor: float = 0.05
    sharpness: float = 2.0
    suspects: float = 0.1
    control: float = 0.15
    chosen: int = 1_000
    shortlist: int = 8_192

    def __post_init__(self) -> None:
        if min(self.detector, self.tie) < 0 or self.detector + self.tie <= 0 or self.floor <= 0:
            raise ValueError("weights lie above 0, or all parts would count for nothing")
        if not (0 <= self.suspects <= 1 and 0 <= self.control <= 1):
            raise ValueError(f"shares lie in 0..1, got {self.suspects} and {self.control}")


WEIGHTS = Weights()
KINDS = ("holdout", "control", "suspect", "brought", "predicted", "cold")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A photo that waits to be annotated.

    ``scores`` and ``embedding`` (D,) come from a prediction and are None before there is one; ``look`` is the
    photo's difference hash. ``annotated`` says that boxes came with it, ``suspicion`` (0..1) how likely one
    of them is wrong, ``suspected`` in words what. ``holdout`` photos never train.
    """

    photo_id: int
    scores: Scores | None = None
    embedding: np.ndarray | None = None
    look: bytes = b""
    annotated: bool = False
    suspicion: float = 0.0
    suspected: str = ""
    holdout: bool = False


@dataclass(frozen=True)
class Ranked:
    """A candidate's place before it has a number: the arm that put it there, and why."""

    photo_id: int
    arm: str
    reasons: tuple[str, ...]
    parts: dict[str, float]


def rank_photos(
    candidates: Sequence[Candidate],
    *,
    labelled_embeddings: np.ndarray,
    control_share: float | None = None,
    seed: int = 0,
    weights: Weights = WEIGHTS,
) -> list[QueuePlace]:
    """All candidates in the order that teaches most; the lowest rank comes first.

    Ranks of what has no boxes yet run through 0..1, of what was brought with boxes through 1..2. Holdout
    photos lie evenly between the others, by stable_uniform: choosing them by what models say of them would
    make them measure something else. ``labelled_embeddings`` (M, D) are those of the photos annotated
    already. Who is in the control arm follows from the seed and the photo alone: it stays a random sample
    however often the order is made anew. Same candidates and seed, same order.
    """
    rng = np.random.default_rng(seed)
    share = weights.control if control_share is None else control_share
    kinds = group_candidates(candidates, share, seed)
    predicted = _predicted(kinds["predicted"], labelled_embeddings, weights, rng)
    selected = interleave(_suspects(kinds["suspect"]), predicted, weights.suspects)
    pool = interleave(
        [_place(c, "control", (CONTROL,)) for c in kinds["control"]],
        [*selected, *_cold(kinds["cold"], weights, rng)],
        share,
    )
    held = [_place(c, "cold", (HOLDOUT,)) for c in kinds["holdout"]]
    brought = [_place(c, "cold", (BROUGHT,)) for c in kinds["brought"]]
    return [*_ranked(held, 0.0), *_ranked(pool, 0.0), *_ranked(brought, 1.0)]


def _ranked(places: Sequence[Ranked], start: float) -> Iterator[QueuePlace]:
    for number, place in enumerate(places):
        rank = start + (number + 0.5) / len(places)
        yield QueuePlace(place.photo_id, rank, place.arm, place.reasons, place.parts)


def group_candidates(
    candidates: Sequence[Candidate], control_share: float, seed: int
) -> dict[str, list[Candidate]]:
    """Candidates by how they get their place: those of ``KINDS``, each in an order by stable_uniform."""
    kinds: dict[str, list[Candidate]] = {name: [] for name in KINDS}
    for candidate in sorted(candidates, key=lambda candidate: stable_uniform(candidate.photo_id, seed)):
        kinds[_kind_of(candidate, control_share, seed)].append(candidate)
    return kinds


def _kind_of(candidate: Candidate, control_share: float, seed: int) -> str:
    if candidate.holdout:
        return "brought" if candidate.annotated else "holdout"
    if candidate.annotated:
        return "suspect" if candidate.suspected else "brought"
    if stable_uniform(candidate.photo_id, seed) < control_share:
        return "control"
    return "cold" if candidate.scores is None or candidate.embedding is None else "predicted"


def stable_uniform(photo_id: int, seed: int) -> float:
    """A number in 0..1 that is as good as random, and always the same for a photo."""
    digest = hashlib.blake2b(f"{seed}:{photo_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def interleave(few: Sequence[Ranked], many: Sequence[Ranked], share: float) -> list[Ranked]:
    """Both in their own order, ``few`` at an even ``share`` of the places until one of them is used up."""
    first, second = iter(few), iter(many)
    order: list[Ranked] = []
    for number in range(len(few) + len(many)):
        turn = int((number + 1) * share) > int(number * share)
        one, other = (first, second) if turn else (second, first)
        order += [place for place in (next(one, None) or next(other, None),) if place is not None]
    return order


def weight_of(scores: Scores, weights: Weights = WEIGHTS) -> float:
    """A photo's weight without its distance, above 0; parts that a prediction does not have do not count."""
    shares = {"detector": weights.detector, "tie": weights.tie}
    total = sum(shares[name] for name in scores.parts if name in shares)
    mean = sum(shares.get(name, 0.0) * part for name, part in scores.parts.items()) / total if total else 0.0
    return float((weights.floor + mean) ** weights.sharpness)


def _predicted(
    candidates: Sequence[Candidate], labelled: np.ndarray, weights: Weights, rng: Generator
) -> list[Ranked]:
    """Predicted photos: the first drawn by weight and distance, the rest sorted by both."""
    if not candidates:
        return []
    embeddings = np.stack([c.embedding for c in candidates if c.embedding is not None])
    space = Space.fit(embeddings, rng)
    rows = space.place(embeddings)
    known = space.place(labelled) if len(labelled) else np.zeros((0, rows.shape[1]), dtype=np.float32)
    nearest = nearest_squared_distances(rows, known, rng)
    weight = np.array([weight_of(c.scores, weights) for c in candidates if c.scores is not None])
    newness = percentile_ranks(nearest) if len(known) else np.zeros(len(rows))
    order = diverse_order(rows, weight, nearest, weights, rng)
    return [_explained(candidates[index], float(newness[index])) for index in order]


def diverse_order(
    rows: np.ndarray, weight: np.ndarray, nearest: np.ndarray, weights: Weights, rng: Generator
) -> list[int]:
    """Indices of directions (N, d) in order: seeding on a shortlist first, then by weight times distance."""
    worth = weight * nearest
    shortlist = weighted_sample(worth, weights.shortlist, rng)
    drawn = kmeans_plus_plus(rows[shortlist], weight[shortlist], nearest[shortlist], weights.chosen, rng)
    head = shortlist[drawn]
    rest = np.setdiff1d(np.arange(len(rows)), head)
    return [*head.tolist(), *rest[np.argsort(-worth[rest], kind="stable")].tolist()]


def percentile_ranks(values: np.ndarray) -> np.ndarray:
    """For each value (N,) the share of all values that are smaller."""
    return np.searchsorted(np.sort(values), values, side="left") / max(1, len(values))


def _cold(candidates: Sequence[Candidate], weights: Weights, rng: Generator) -> list[Ranked]:
    """Photos without a prediction: the first unlike each other by their hashes, the rest by stable_uniform."""
    seen = [c for c in candidates[: weights.shortlist] if len(c.look) == 32]
    rows = hash_directions([c.look for c in seen])
    even = np.ones(len(rows))
    drawn = kmeans_plus_plus(rows, even, 2.0 * even, weights.chosen, rng)
    places = [_place(seen[index], "cold", (NEW_IN_COLD,)) for index in drawn]
    taken = {place.photo_id for place in places}
    return places + [_place(c, "cold", (COLD,)) for c in candidates if c.photo_id not in taken]


def _suspects(candidates: Iterable[Candidate]) -> list[Ranked]:
    worst_first = sorted(candidates, key=lambda c: (-c.suspicion, c.photo_id))
    return [_place(c, "selected", (c.suspected,)) for c in worst_first]


def _explained(candidate: Candidate, newness: float) -> Ranked:
    scores = candidate.scores or Scores()
    parts = {**scores.parts, "new": newness}
    return _place(candidate, "selected", reasons_of(scores, newness), parts)


def _place(
    candidate: Candidate, arm: str, words: tuple[str, ...], parts: dict[str, float] | None = None
) -> Ranked:
    if parts is None:
        parts = dict(candidate.scores.parts) if candidate.scores else {}
    if candidate.suspected:
        parts["suspect"] = candidate.suspicion
    return Ranked(candidate.photo_id, arm, words, {name: round(part, 4) for name, part in parts.items()})
