"""The replay for classifiers: heads on frozen features, photos labeled batch by batch in an arm's order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.preprocessing import StandardScaler

from core.active_learning.ranking import WEIGHTS, PoolPhoto, RankingWeights, rank_photos
from core.active_learning.uncertainty import Uncertainty

REGULARIZATION = 0.03  # the best of four on a part of the training senders, at 200, 1,000 and all labels

Order = Callable[[np.ndarray, np.ndarray, np.ndarray, int], list[int]]
"""(probabilities of what is open, open indices, labeled indices, seed) to open indices, best first."""


@dataclass(frozen=True, eq=False)
class Split:
    """Features standardized by the pool (no label needed for that), and labels, of pool and test."""

    pool: np.ndarray
    pool_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray, tested: np.ndarray) -> Split:
        """Split by ``tested`` (N,) bool."""
        scaler = StandardScaler().fit(features[~tested])
        rows = scaler.transform(features)
        return cls(rows[~tested], labels[~tested], rows[tested], labels[tested])


@dataclass(frozen=True)
class Schedule:
    """How many labels there are to begin with, in each batch, and at the end."""

    start: int = 100
    batch: int = 100
    end: int = 2_000

    def points(self, pool: int) -> list[int]:
        """The numbers of labels at which a head is trained and measured."""
        return list(range(self.start, min(self.end, pool) + 1, self.batch))


def fit_head(split: Split, chosen: Sequence[int] | np.ndarray) -> LogisticRegression:
    """A multinomial logistic regression on the chosen photos of the pool."""
    head = LogisticRegression(C=REGULARIZATION, max_iter=400, tol=1e-3)
    return head.fit(split.pool[chosen], split.pool_labels[chosen])


def measure(head: LogisticRegression, split: Split) -> tuple[float, float]:
    """Share of test photos whose label comes first, and the mean of that over labels."""
    guessed = head.predict(split.test)
    top1 = float((guessed == split.test_labels).mean())
    return top1, float(recall_score(split.test_labels, guessed, average="macro", zero_division=0))


def ways_to_order(features: np.ndarray) -> dict[str, Order]:
    """Every way by its name; ``features`` (pool, D) are the embeddings that diversity is judged by."""
    alone = replace(WEIGHTS, control=0.0)
    return {
        "random": at_random,
        "queue": by_queue(features, WEIGHTS),
        "selection": by_queue(features, alone),
        "margin alone": by_margin,
        "diversity alone": by_queue(features, replace(alone, sharpness=0.0)),
    }


def at_random(probabilities: np.ndarray, open_: np.ndarray, labeled: np.ndarray, seed: int) -> list[int]:
    """The control: no matter what the head says."""
    return np.random.default_rng((seed, len(labeled))).permutation(open_).tolist()


def by_margin(probabilities: np.ndarray, open_: np.ndarray, labeled: np.ndarray, seed: int) -> list[int]:
    """The smallest lead of the best label over the second first."""
    return open_[np.argsort(-margin_uncertainties(probabilities), kind="stable")].tolist()


def by_queue(features: np.ndarray, weights: RankingWeights) -> Order:
    """The order of the workspace's queue, by the code that it runs."""

    def order(probabilities: np.ndarray, open_: np.ndarray, labeled: np.ndarray, seed: int) -> list[int]:
        candidates = [
            PoolPhoto(int(index), Uncertainty({"margin": float(uncertainty)}), features[index])
            for index, uncertainty in zip(open_, margin_uncertainties(probabilities), strict=True)
        ]
        ranked = rank_photos(
            candidates,
            labeled_embeddings=features[labeled],
            seed=seed * 1000 + len(labeled),
            weights=weights,
        )
        return [entry.photo_id for entry in ranked]

    return order


def margin_uncertainties(probabilities: np.ndarray) -> np.ndarray:
    """One minus the lead of the best label over the second, (N,)."""
    best = np.sort(probabilities, axis=1)[:, -2:]
    return 1.0 - (best[:, 1] - best[:, 0])


def replay(split: Split, order: Order, schedule: Schedule, seed: int) -> list[tuple[float, float]]:
    """Score at each point; all arms of a seed begin with the same labels."""
    labeled = np.random.default_rng(seed).permutation(len(split.pool))[: schedule.start]
    head = fit_head(split, labeled)
    scores = [measure(head, split)]
    for count in schedule.points(len(split.pool))[1:]:
        open_ = np.setdiff1d(np.arange(len(split.pool)), labeled)
        chosen = order(head.predict_proba(split.pool[open_]), open_, labeled, seed)
        labeled = np.concatenate((labeled, chosen[: count - len(labeled)]))
        head = fit_head(split, labeled)
        scores.append(measure(head, split))
    return scores


def replay_all(
    split: Split, ways: Mapping[str, Order], schedule: Schedule, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    """Uncertainty by arm, (seeds, points, 2: top-1 and mean over labels)."""
    curves: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in ways}
    for seed in seeds:
        for name, order in ways.items():
            curves[name].append(replay(split, order, schedule, seed))
            told = " ".join(f"{top1:.3f}" for top1, _ in curves[name][-1][:: max(1, 500 // schedule.batch)])
            print(f"seed {seed}  {name:16} {told}", file=sys.stderr, flush=True)
    return {name: np.array(rows) for name, rows in curves.items()}
