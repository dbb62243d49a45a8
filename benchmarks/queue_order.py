"""Does the queue's order save work? Known labels play the annotator: selection against random, same start.

Run with ``python -m benchmarks.queue_order``; tables go to stderr, one line of JSON to stdout. Needs the real
photos (``LAPEL_TEST_DATA``, by default ``../shared/data``) and MobileNet's ImageNet weights
(``LAPEL_PRETRAINED``); without them it says so and measures nothing.

Two replays. Classifiers: logistic regression on frozen features of the classifier's backbone as ImageNet left
it, scored on senders kept aside; the backbone that ships has seen these very labels, and would know the
answers. Detectors: YOLOv4-GS's neck and heads on the same network's maps; three seeds take about half an hour
on one core. In both, "selection" is the queue's order alone, "queue" what people get: with its random control
arm. ``random`` takes whatever comes; "ppal" is PPAL with the neck's features of each detection, "ppal-stored"
what the queue makes of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_machine, machine_line
from benchmarks.replay import curves, heads, places
from benchmarks.replay.boxed import CANVAS_WH, LARGE_CANVAS_WH
from benchmarks.replay.chains import Data, replay_detectors
from benchmarks.replay.detecting import ARMS, MORE_ARMS, Rounds
from core.files import current_commit

PACKAGES = ("torch", "scikit-learn", "numpy")
GOAL = 0.95
QUICK_SCHEDULE, QUICK_ROUNDS = heads.Schedule(100, 100, 300), Rounds(20, 20, 1, 10)
QUICK_PHOTOS = 60


def classifiers(seeds: int, schedule: heads.Schedule, arms: Sequence[str], every: int = 1) -> dict[str, Any]:
    """The replay of heads: top-1 and the mean over labels, by arm."""
    catalog = places.read_catalog(places.data_folder() / "catalog", every)
    features = places.features_of(catalog.paths, places.imagenet_weights())
    split = heads.Split.of(features, catalog.labels, catalog.is_held)
    ways = heads.ways_to_order(features[~catalog.is_held])
    full = heads.measure(heads.fit_head(split, np.arange(len(split.pool))), split)
    scores = heads.replay_all(split, {arm: ways[arm] for arm in arms}, schedule, range(seeds))
    points = schedule.points(len(split.pool))
    result: dict[str, Any] = {"pool": len(split.pool), "tested on": len(split.test), "seeds": seeds}
    for number, measure in enumerate(("top1", "mean over labels")):
        by_arm = {arm: rows[:, :, number] for arm, rows in scores.items()}
        goals = [GOAL * full[number]] * seeds
        result[measure] = {"with all labels": round(full[number], 4)} | curves.summary(points, by_arm, goals)
    return result


def detectors(options: argparse.Namespace, deadline: float | None) -> dict[str, Any]:
    """The replay of detectors: mAP at IoU 0.5, by arm; what is done when the time is over."""
    street, quick = places.data_folder() / "street", options.quick
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    rounds = QUICK_ROUNDS if quick else Rounds(options.start, options.batch, options.rounds, options.steps)
    canvas_wh = LARGE_CANVAS_WH if device == "cuda" else CANVAS_WH
    data = Data(
        *(street / name for name in ("train.json", "val.json")),
        places.imagenet_weights(),
        QUICK_PHOTOS if quick else None,
        canvas_wh,
        device,
    )
    started = time.monotonic()
    progress = replay_detectors(
        data,
        rounds,
        range(1 if quick else options.detector_seeds),
        arms=options.detector_arms.split(","),
        jobs=options.jobs,
        whole=options.whole,
        deadline=deadline,
        out=options.out,
    )
    result = {"device": device, "canvas": canvas_wh, "seeds": len(progress.scores), "steps": rounds.steps}
    minutes = (time.monotonic() - started) / 60
    return result | {"mAP50": progress.summary(), "scores": progress.scores, "minutes": round(minutes, 1)}


def table(name: str, result: dict[str, Any]) -> str:
    """A summary for people: a line a point, arms side by side, then areas and labels to the goal."""
    arms = [arm for arm in result if isinstance(result[arm], dict)]
    lines = [f"{name:14}" + "".join(f"{arm:>26}" for arm in arms)]
    for number, count in enumerate(result["labels"]):
        lines.append(f"{count:>14,}" + "".join(_cell(result[arm]["curve"][number], 4) for arm in arms))
    for key in ("area", "gain in area", "labels to goal", "labels saved"):
        cells = [
            _cell(result[arm][key], 0 if "labels" in key else 4) if key in result[arm] else " " * 26
            for arm in arms
        ]
        lines += [f"{key:14}" + "".join(cells)] if any(cell.strip() for cell in cells) else []
    return "\n".join(lines)


def _cell(values: dict[str, float], digits: int) -> str:
    return f"{values['mean']:.{digits}f} ({values['low']:.{digits}f}..{values['high']:.{digits}f})".rjust(26)


def missing() -> str | None:
    """What is not there to measure with."""
    for path in (places.data_folder() / "street" / "val.json", places.imagenet_weights()):
        if not path.is_file():
            return f"no {path.name} at {path.parent}"
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="of the classifiers")
    parser.add_argument("--detector-seeds", type=int, default=3, help="0 leaves the detectors out")
    parser.add_argument("--arms", default="random,queue,selection", help="or margin alone, diversity alone")
    parser.add_argument(
        "--detector-arms", default=",".join(ARMS), help=f"or {', '.join(MORE_ARMS)}; random is one of them"
    )
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="of the detectors")
    parser.add_argument("--jobs", type=int, default=1, help="detectors that are trained at once")
    parser.add_argument("--whole", action="store_true", help="also on all boxes, for labels to 95 percent")
    parser.add_argument("--start", type=int, default=Rounds.start, help="boxed photos to begin with")
    parser.add_argument("--batch", type=int, default=Rounds.batch, help="more in each round")
    parser.add_argument("--rounds", type=int, default=Rounds.rounds)
    parser.add_argument("--steps", type=int, default=Rounds.steps, help="of every detector's training")
    parser.add_argument("--minutes", type=float, help="then stop and tell what is done")
    parser.add_argument("--out", type=Path, help="a folder for results as they come")
    options = parser.parse_args(arguments)
    arms = set(options.detector_arms.split(","))
    if not {"random"} <= arms <= {*ARMS, *MORE_ARMS}:
        parser.error(f"expected random among arms of {', '.join((*ARMS, *MORE_ARMS))}")
    deadline = time.monotonic() + 60 * options.minutes if options.minutes else None
    line: dict[str, Any] = {"benchmark": "queue_order", "commit": current_commit()}
    lacking = missing()
    if lacking is not None:
        print(f"nothing measured: {lacking}", file=sys.stderr)
        print(json.dumps(line | {"skipped": lacking, "machine": describe_machine(PACKAGES)}))
        return
    torch.set_num_threads(1)
    print(machine_line(PACKAGES), file=sys.stderr)
    quick = options.quick
    schedule = QUICK_SCHEDULE if quick else heads.Schedule()
    if options.seeds:
        seeds = min(options.seeds, 2) if quick else options.seeds
        line["classifiers"] = classifiers(seeds, schedule, options.arms.split(","), 10 if quick else 1)
        for measure in ("top1", "mean over labels"):
            print("\n" + table(measure, line["classifiers"][measure]), file=sys.stderr)
    if options.detector_seeds:
        line["detectors"] = detectors(options, deadline)
        if line["detectors"]["mAP50"] is not None:
            print("\n" + table("mAP50", line["detectors"]["mAP50"]), file=sys.stderr)
    print(json.dumps(line | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
