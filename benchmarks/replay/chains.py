"""The detectors' replay side by side: one chain of trainings a seed and arm, in processes of one thread each.

When the time is over, what has been measured is summed up.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.replay import curves
from benchmarks.replay.boxed import CANVAS_WH, Boxed, read_boxed
from benchmarks.replay.detecting import ARMS, Rounds, choose, train_once
from benchmarks.replay.training import TimeUp

GOAL = 0.95
"""The share of the score with all boxes that labels are counted to."""

WHOLE = "all boxes"


@dataclass(frozen=True)
class Data:
    """What to read: COCO files of pool and validation photos, pretrained weights, at most how many photos."""

    pool: Path
    val: Path
    weights: Path
    most: int | None = None
    canvas_wh: tuple[int, int] = CANVAS_WH
    device: str = "cpu"

    def read(self) -> tuple[Boxed, Boxed]:
        """Pool and validation photos; features are computed where no earlier call kept them."""
        more: dict[str, Any] = {"canvas_wh": self.canvas_wh, "device": self.device}
        pool, val = (read_boxed(file, self.weights, self.most, **more) for file in (self.pool, self.val))
        return pool, val


@dataclass(frozen=True)
class Task:
    """One training: of a seed, on these photos, for the arms that go on from it by ``count`` photos."""

    seed: int
    arms: tuple[str, ...]
    labeled: tuple[int, ...]
    count: int = 0


@dataclass
class Progress:
    """mAP at IoU 0.5 by seed and arm, and with all boxes; seeds of which a training failed do not count."""

    rounds: Rounds
    seeds: tuple[int, ...]
    arms: tuple[str, ...] = ARMS
    scores: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    whole: dict[int, float] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)

    def add(self, task: Task, map50: float) -> None:
        """A training's result; the first one of a seed counts for all of its arms."""
        if task.arms == (WHOLE,):
            self.whole[task.seed] = map50
            return
        for arm in task.arms:
            self.scores.setdefault(task.seed, {}).setdefault(arm, []).append(map50)

    def summary(self) -> dict[str, Any] | None:
        """Curves over the points that every seed has by now; None before there is one."""
        seeds = [seed for seed in self.seeds if seed in self.scores and seed not in self.failed]
        if not seeds:
            return None
        length = min(len(row) for seed in seeds for row in self.scores[seed].values())
        rows = {arm: np.array([self.scores[seed][arm][:length] for seed in seeds]) for arm in self.arms}
        goals = [GOAL * self.whole[seed] for seed in seeds] if all(s in self.whole for s in seeds) else None
        told = curves.summary(self.rounds.points[:length], rows, goals)
        if goals is not None:
            told["with all boxes"] = round(float(np.mean([self.whole[seed] for seed in seeds])), 4)
        return told | {"seeds counted": len(seeds)}

    def write(self, out: Path | None, **more: Any) -> None:
        """``queue_order_detectors.json`` in the folder ``out``, replaced as a whole."""
        if out is None:
            return
        out.mkdir(parents=True, exist_ok=True)
        told = {"rounds": vars(self.rounds), "scores": self.scores, "whole": self.whole}
        told |= {"failed": sorted(self.failed), "mAP50": self.summary()} | more
        unfinished = out / "queue_order_detectors.json.part"
        unfinished.write_text(json.dumps(told) + "\n")
        unfinished.replace(out / "queue_order_detectors.json")


Result = tuple[float, dict[str, tuple[int, ...]]]
"""mAP at IoU 0.5, and for each arm that goes on the photos of its next training."""

_settled: list[tuple[Boxed, Boxed]] = []


def _settle(data: Data) -> None:
    """What a worker does once: keep to one thread, and read the photos."""
    torch.set_num_threads(1)
    _settled.append(data.read())


def _work(task: Task, steps: int, deadline: float | None) -> Result:
    """Train, measure and choose."""
    if deadline is not None and time.monotonic() > deadline:
        raise TimeUp
    pool, val = _settled[-1]
    labeled = np.array(task.labeled)
    going_on = task.arms if task.count else ()
    look = any(arm != "random" for arm in going_on)
    trained = train_once(pool, val, np.sort(labeled), steps, task.seed, look=look, deadline=deadline)
    chosen = {
        arm: (*task.labeled, *choose(arm, pool, trained, labeled, task.seed, task.count).tolist())
        for arm in going_on
    }
    return trained.map50, chosen


def replay_detectors(
    data: Data,
    rounds: Rounds,
    seeds: Sequence[int],
    *,
    arms: Sequence[str] = ARMS,
    whole: bool = False,
    jobs: int = 1,
    deadline: float | None = None,
    out: Path | None = None,
) -> Progress:
    """Every seed's and arm's chain, ``jobs`` trainings at once, until the clock passes ``deadline``.

    All arms of a seed begin with the same photos, and so with the same detector. With ``whole`` each seed's
    training on the whole pool comes last. Results are written to the folder ``out`` as they come.
    """
    _settle(data)
    size = len(_settled[-1][0])
    progress = Progress(rounds, tuple(seeds), tuple(arms))
    points = [point for point in rounds.points if point < size]
    running: dict[Future[Result], Task] = {}
    with _workers(data, jobs) as workers:

        def start(seed: int, arms: tuple[str, ...], labeled: Sequence[int]) -> None:
            count = rounds.batch if len(labeled) < points[-1] else 0
            task = Task(seed, arms, tuple(labeled), count)
            running[workers.submit(_work, task, rounds.steps, deadline)] = task

        for seed in seeds:
            start(seed, tuple(arms), np.random.default_rng(seed).permutation(size)[: rounds.start].tolist())
        is_whole_due = whole
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                for arm, labeled in _finished(task, future, progress).items():
                    start(task.seed, (arm,), labeled)
            progress.write(out, device=data.device)
            if is_whole_due and not any(task.count for task in running.values()):
                is_whole_due = False
                for seed in seeds:
                    start(seed, (WHOLE,), range(size))
    return progress


def _finished(task: Task, future: Future[Result], progress: Progress) -> dict[str, tuple[int, ...]]:
    """Count a training's result; gives what comes next, by arm."""
    try:
        map50, chosen = future.result()
    except TimeUp:
        return {}
    except Exception:
        traceback.print_exc()
        progress.failed.add(task.seed)
        return {}
    progress.add(task, map50)
    return chosen


def _workers(data: Data, jobs: int) -> Executor:
    """One worker is this process itself, which has read the photos."""
    if jobs == 1:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_settle, initargs=(data,))
