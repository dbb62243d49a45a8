"""Active learning from end to end on real photos: what each round of corrections brings.

``python -m benchmarks.loop --backbone FILE`` prints a table to stderr and one line of JSON to stdout. Needs
the street photos (``LAPEL_TEST_DATA``, by default ``../shared/data``). FILE is a backbone that ``python -m
core distill`` made without labels. For each seed the street's training photos are shuffled, and a champion is
trained on the first 300 (recipe ``street``, preset ``nano``); ``--champion`` takes weights instead, which is
only a trial where they have seen the other photos.

A store gets the first 300 as annotated (without those that its holdout would take: the champion has learned
them) and the others as its pool; the pool's holdout is annotated at once, as a project would begin. Each
round the champion predicts the pool, the queue is ordered, the known boxes play the annotator for 100 tasks,
a revision is frozen, and the champion fine-tuned. The gate decides on the holdout which model goes on.
Reported is the gain over the first champion on ``street/val.json``, which nothing learns from or is selected
by.

Arms change one thing of the quick recipe each (an ablation); ``full`` fine-tunes once, after all corrections.
Results of each seed and arm are written to ``--out`` after each round: a run that was stopped has them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import numpy as np
from filelock import FileLock
from scipy import stats

from benchmarks.machine import describe_machine, machine_line
from benchmarks.replay.places import data_folder
from core.active_learning.queue_order import reorder
from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_fitted
from core.errors import LapelError
from core.evaluation.comparison import compare_detection
from core.files import atomic_write, current_commit
from core.images.decode import open_dataset_photo
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.labeler import Labeler
from core.inference.measure import predictions_on
from core.inference.predictions import predict
from core.models.cards import WEIGHTS_FOLDER
from core.store import Store, sqlite_url
from core.store.boxes import AnnotatedBox
from core.store.models import ModelRow
from core.store.photos import in_holdout
from core.store.promotions import PromotionRefused
from core.training.finetune.detector import detector_recipe
from core.training.finetune.recipes import ALL_STAGES, FINETUNE_RECIPES, FinetuneRecipe
from core.training.finetune.run import compare_candidate, register_candidate, train_revision
from core.training.finetune.run_directory import finish_training
from core.training.recipes import TrainingOptions, choose_recipe
from core.training.run import train_detector

PACKAGES = ("torch", "lightning", "numpy")
ANNOTATOR = "known boxes"


@dataclass(frozen=True)
class Plan:
    """How many photos the champion knows, how many rounds, how many tasks each; ``most`` cuts all short."""

    first: int = 300
    rounds: int = 3
    each: int = 100
    most: int | None = None
    mode: str = "quick"
    device: str = "cpu"


def _heads_only(quick: FinetuneRecipe) -> FinetuneRecipe:
    return replace(quick, recipe=replace(detector_recipe(quick), frozen_stages=ALL_STAGES))


ARMS: Mapping[str, Callable[[FinetuneRecipe], FinetuneRecipe]] = {
    "quick": lambda quick: quick,
    "frozen backbone": _heads_only,
    "two replays": lambda quick: replace(quick, replay=2.0),
    "no distillation": lambda quick: replace(quick, distillation_weight=0.0),
    "strong distillation": lambda quick: replace(quick, distillation_weight=1.0),
    "full": lambda quick: quick,
}
"""Changes of the quick recipe by arm; ``full`` has one round with all corrections and mode full."""


@dataclass
class Project:
    """A store, and the known boxes of its photos."""

    store: Store
    truths: dict[int, BoxedPhoto]
    categories: tuple[str, ...]

    def annotate(self, photo_id: int, kind: str = "submitted") -> None:
        """Save a photo's known boxes."""
        truth, numbers = self.truths[photo_id], self.store.categories.ensure(self.categories, ANNOTATOR)
        boxes = [
            AnnotatedBox(tuple(map(float, corners)), numbers[self.categories[category]])
            for corners, category in zip(truth.boxes_xyxy, truth.category_ids, strict=True)
        ]
        self.store.annotations.submit(
            photo_id, boxes, author=ANNOTATOR, base_version=0, request=uuid4().hex, kind=kind
        )


def project(folder: Path, dataset: DetectionDataset, plan: Plan) -> Project:
    """A store as it stands before the first round."""
    store = Store.open(sqlite_url(folder), folder)
    store.settings.put("second_share", 0.0)
    begun = Project(store, {}, dataset.categories)
    for place, truth in enumerate(dataset.photos[: plan.most]):
        photo, known = open_dataset_photo(dataset.path_of(truth)), place < plan.first
        if known and in_holdout(photo.digest):
            continue
        row = store.photos.add(photo, by=ANNOTATOR).row
        if row is None or row.id in begun.truths:  # a copy of another
            continue
        begun.truths[row.id] = truth
        if known or row.holdout:
            begun.annotate(row.id, "imported")
    store.queue.fill()
    return begun


def enthrone(store: Store, weights: Path, revision: int) -> ModelRow:
    """Make these weights the champion that has learned a revision."""
    model = store.models.add(weights, revision=revision)
    champion = store.models.champion("detector")
    store.promotions.promote(
        model.id,
        expected_champion=champion.id,
        request=uuid4().hex,
        overrule_reason="Where the measurement begins.",
    )
    return model


def correct(begun: Project, champion: ModelRow, tasks: int, device: str = "cpu") -> dict[str, int]:
    """One round: the champion predicts, the queue is ordered, the next tasks are annotated."""
    store, done = begun.store, {"selected": 0, "control": 0, "cold": 0}
    classifier = store.models.file_of(store.models.champion("classifier"))
    detector = Detector.load(store.models.file_of(champion), device)
    labeler = Labeler(detector, Classifier.load(classifier, device))
    for photo_id in begun.truths:
        if store.annotations.latest(photo_id) is None:
            predict(store, labeler, photo_id)
    reorder(store)
    while sum(done.values()) < tasks:
        task = store.queue.next(ANNOTATOR)
        if task is None:
            break
        if store.annotations.latest(task.photo_id) is not None:  # of the holdout, annotated at the beginning
            store.queue.skip(task.id, ANNOTATOR)
            continue
        begun.annotate(task.photo_id)
        done[task.arm] += 1
    return done


def train(store: Store, revision: int, plan: Plan) -> tuple[ModelRow, dict[str, Any]]:
    """Fine-tune the champion and ask the gate; the candidate, and what came of it."""
    started = time.monotonic()
    training = store.trainings.begin("detector", plan.mode, revision, by_worker=False)
    weights = train_revision(store, training.id, lambda: False, device=plan.device)
    seconds = round(time.monotonic() - started)
    candidate = register_candidate(store, training.id, weights)
    champion = store.models.champion("detector")
    comparison = compare_candidate(store, training.id, candidate.id)
    epochs = store.trainings.get(training.id).settings["recipe"]["epochs"]
    finish_training(store, training.id, "done")
    outcome: dict[str, Any] = {"seconds": seconds, "epochs": epochs, "promoted": True, "gate": ""}
    try:
        store.promotions.promote(
            candidate.id,
            expected_champion=champion.id,
            request=uuid4().hex,
            comparison_id=comparison.id,
        )
    except PromotionRefused as refused:
        outcome |= {"promoted": False, "gate": str(refused)}
    return candidate, outcome


def on_validation(
    store: Store, before: ModelRow, after: ModelRow, val: DetectionDataset, device: str = "cpu"
) -> dict[str, Any]:
    """mAP at IoU 0.5 of a model on the validation photos, and its paired difference to another."""
    sides = [Detector.load(store.models.file_of(row), device) for row in (before, after)]
    (former, truths), (latter, _) = (predictions_on(side, val) for side in sides)
    thresholds = (sides[0].card.score_threshold, sides[1].card.score_threshold)
    compared = compare_detection(former, latter, truths, sides[1].card.categories, thresholds)
    return compared.metrics["mAP50"].as_dict()


def rounds(
    begun: Project,
    champion: Path,
    val: DetectionDataset,
    plan: Plan,
    save: Callable[[list[dict[str, Any]]], None] = lambda rows: None,
) -> list[dict[str, Any]]:
    """All rounds, the first champion's row first; differences are to the first champion."""
    store = begun.store
    first = enthrone(store, champion, store.revisions.create(ANNOTATOR, "The beginning").number)
    measured = {"round": 0, "photos": store.revisions.all()[0].photos}
    rows = [measured | on_validation(store, first, first, val, plan.device)]
    for number in range(1, plan.rounds + 1):
        arms = correct(begun, store.models.champion("detector"), plan.each, plan.device)
        revision = store.revisions.create(ANNOTATOR, f"Round {number}")
        candidate, outcome = train(store, revision.number, plan)
        figures = on_validation(store, first, candidate, val, plan.device)
        rows.append({"round": number, "photos": revision.photos, "arms": arms} | figures | outcome)
        print(line(rows[-1]), file=sys.stderr, flush=True)
        save(rows)
    return rows


@dataclass(frozen=True)
class Chain:
    """One seed and arm: where it works, and what it begins with."""

    seed: int
    arm: str
    out: Path
    champion: Path | None
    backbone: Path | None
    plan: Plan
    workers: int = 0

    def run(self) -> tuple[str, int, list[dict[str, Any]]]:
        """Train the champion unless another arm of the seed did, then all rounds."""
        street = data_folder() / "street"
        dataset, val = (read_fitted(street / f"{part}.json").dataset for part in ("train", "val"))
        order = np.random.default_rng(self.seed).permutation(len(dataset.photos))
        dataset = replace(dataset, photos=tuple(dataset.photos[i] for i in order))
        if self.plan.most is not None:
            val = replace(val, photos=val.photos[: self.plan.most])
        with FileLock(self.out / f"champion-{self.seed}.lock"):
            champion = self.champion or self.trained_champion(dataset, street)
        quick = FINETUNE_RECIPES["detector", "quick"]
        changed = {("detector", "quick"): ARMS[self.arm](quick)}
        with mock.patch.dict(FINETUNE_RECIPES, changed), tempfile.TemporaryDirectory() as folder:  # type: ignore[arg-type]
            begun = project(Path(folder), dataset, self.plan)
            rows = rounds(begun, champion, val, self.plan, self.save)
            begun.store.close()
        return self.arm, self.seed, rows

    def save(self, rows: list[dict[str, Any]]) -> None:
        """Write the rounds so far."""
        document = {"arm": self.arm, "seed": self.seed, "rounds": rows}
        with atomic_write(self.out / f"{self.arm.replace(' ', '-')}-{self.seed}.json") as handle:
            handle.write(json.dumps(document).encode())

    def trained_champion(self, dataset: DetectionDataset, street: Path) -> Path:
        """A detector of the first photos alone; its EMA weights after the last epoch."""
        folder = self.out / f"champion-{self.seed}"
        weights = folder / "final.safetensors"
        if not (folder / "done").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "first.json"
            write_coco(replace(dataset, photos=dataset.photos[: self.plan.first]), file)
            if not (folder / "photos").exists():
                (folder / "photos").symlink_to((street / "photos").resolve(), target_is_directory=True)
            changes = {"seed": self.seed} | ({"epochs": 1, "clean_epochs": 0} if self.plan.most else {})
            recipe = choose_recipe("detector", "street", **changes)
            recipe = replace(recipe, validate_every=recipe.epochs)  # type: ignore[arg-type,union-attr]
            options = TrainingOptions(
                file,
                file,
                pretrained=self.backbone,
                device=self.plan.device,
                out=folder,
                workers=self.workers,
            )
            train_detector(recipe, options)  # type: ignore[arg-type]
            (folder / "done").touch()
        return weights


def summary(results: Sequence[tuple[str, int, list[dict[str, Any]]]]) -> dict[str, Any]:
    """By arm and round: the mean gain over the first champion, with Student's 95 % interval over seeds."""
    result: dict[str, Any] = {}
    for arm in dict.fromkeys(arm for arm, _, _ in results):
        runs = [rows for name, _, rows in results if name == arm]
        entry = []
        for number in range(1, min(map(len, runs))):
            gains = [rows[number]["difference"] for rows in runs]
            mean, spread = float(np.mean(gains)), 0.0
            if len(gains) > 1:
                spread = float(stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains))
            entry.append(
                {
                    "photos": [rows[number]["photos"] for rows in runs],
                    "gain": round(mean, 4),
                    "low": round(mean - spread, 4),
                    "high": round(mean + spread, 4),
                    "gains": [round(gain, 4) for gain in gains],
                    "seconds": [rows[number]["seconds"] for rows in runs],
                }
            )
        result[arm] = {"champions": [round(rows[0]["candidate"], 4) for rows in runs], "rounds": entry}
    return result


def line(row: Mapping[str, Any]) -> str:
    """A round as a line for people."""
    gain = row.get("difference", 0.0)
    gate = "" if row.get("promoted", True) else f"  refused: {row['gate']}"
    return f"round {row['round']}: {row['photos']} photos, mAP50 {row['candidate']:.3f} ({gain:+.3f}){gate}"


def run_chain(chain: Chain) -> tuple[str, int, list[dict[str, Any]]]:
    """A chain in a process of its own, with one thread where several run."""
    return chain.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop; without photos it says so and measures nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--champion", type=Path, help="a detector of the first photos alone")
    parser.add_argument("--backbone", type=Path, help="a distilled backbone to train the champions from")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them, to add to a former run")
    parser.add_argument("--arms", default="quick", help=f"with commas: {', '.join(ARMS)}")
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--each", type=int, default=Plan.each, help="corrections a round")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--jobs", type=int, default=1, help="seeds and arms at a time")
    parser.add_argument("--out", type=Path, help="folder for champions and results; a later run goes on")
    parser.add_argument("--quick", action="store_true", help="few photos, one round: only shows that it runs")
    chosen = parser.parse_args(arguments)
    arms = [name.strip() for name in chosen.arms.split(",")]
    if unknown := [name for name in arms if name not in ARMS]:
        parser.error(f"expected arms of {', '.join(ARMS)}, got {', '.join(unknown)}")
    plan = Plan(20, 1, 6, 60) if chosen.quick else Plan(rounds=chosen.rounds, each=chosen.each)
    plan = replace(plan, device=chosen.device)
    champion = chosen.champion
    if champion is None and chosen.backbone is None:
        champion = WEIGHTS_FOLDER / "detector.safetensors"
    result: dict[str, Any] = {"benchmark": "loop", "commit": current_commit()}
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = chosen.out or Path(folder)
            out.mkdir(parents=True, exist_ok=True)
            full = replace(plan, mode="full", rounds=1, each=plan.each * plan.rounds)
            at_once = min(chosen.jobs, chosen.seeds)  # champions: the arms of a seed share theirs
            workers = max((os.cpu_count() or 1) // at_once - 1, 0) if at_once > 1 else 0
            seeds = range(chosen.first_seed, chosen.first_seed + (1 if chosen.quick else chosen.seeds))
            chains = [
                Chain(seed, arm, out, champion, chosen.backbone, full if arm == "full" else plan, workers)
                for seed in seeds
                for arm in arms
            ]
            results = list(run_all(chains, chosen.jobs))
        result |= {"arms": summary(results), "rounds": {f"{arm} {seed}": rows for arm, seed, rows in results}}
        print(table(result["arms"]), file=sys.stderr)
    except LapelError as error:
        print(error, file=sys.stderr)
        result["skipped"] = str(error)
    print(machine_line(PACKAGES), file=sys.stderr)
    print(json.dumps(result | {"machine": describe_machine(PACKAGES)}, ensure_ascii=False))
    return 0


def run_all(chains: Sequence[Chain], jobs: int) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """The chains' results, ``jobs`` at a time."""
    if jobs <= 1:
        yield from map(run_chain, chains)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(run_chain, chains)


def table(arms: Mapping[str, Any]) -> str:
    """The summary for people: a line a round, by arm."""
    lines = []
    for arm, result in arms.items():
        lines.append(f"{arm}: champions {', '.join(f'{value:.3f}' for value in result['champions'])}")
        for number, row in enumerate(result["rounds"], start=1):
            interval = f"{row['low']:+.3f} to {row['high']:+.3f}"
            lines.append(f"  round {number}: gain {row['gain']:+.3f} ({interval}), {row['seconds']} s")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
