"""The whole loop on real photos: what each round of corrections through the queue brings.

Run with ``python -m benchmarks.loop --champion WEIGHTS``; a table goes to stderr, one line of JSON to stdout.
Needs the street photos (``LAPEL_TEST_DATA``, by default ``../shared/data``). WEIGHTS is a detector of the
first 300 photos of ``street/train.json`` and nothing else of the street: ``python -m core distill`` for its
backbone, then ``python -m core train detector --preset street --data FIRST300 --pretrained BACKBONE``.
Without it the detector that ships plays the part, which has seen all of these photos: that shows that the
loop runs, and no gain.

A store gets the first 300 as annotated (those that its holdout would take are left out: the champion has
learned them) and the others as its pool; the pool's holdout is annotated at once, as a project would begin.
Each round the champion looks at the pool, the queue is put in order, the known boxes play the annotator for
100 tasks, a revision is frozen, and the champion trained quickly. The gate decides on the holdout which model
goes on. ``street/val.json``, which nothing here learns from or decides by, is what the report is about.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.machine import describe_machine, machine_line
from benchmarks.replay.places import data_folder
from core.active_learning.queue_order import reorder
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_fitted
from core.errors import LapelError
from core.evaluation.comparison import compare_detection
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
from core.training.finetune.run import compare_candidate, finish_training, register_candidate, train_revision
from core.training.run import current_commit

PACKAGES = ("torch", "lightning", "numpy")
ANNOTATOR = "known boxes"


@dataclass(frozen=True)
class Plan:
    """How many photos the champion knows, how many rounds, how many tasks each; ``most`` cuts all short."""

    first: int = 300
    rounds: int = 3
    each: int = 100
    most: int | None = None


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


def correct(begun: Project, champion: ModelRow, tasks: int) -> dict[str, int]:
    """One round of annotating: the champion looks, the queue is put in order, the next tasks are done."""
    store, done = begun.store, {"selected": 0, "control": 0, "cold": 0}
    labeler = Labeler(Detector.load(store.models.file_of(champion)), Classifier.load())
    for photo_id in begun.truths:
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


def train(store: Store, revision: int) -> tuple[ModelRow, dict[str, Any]]:
    """A quick training of the champion, and the gate's word; the model that serves afterwards."""
    started = time.monotonic()
    training = store.trainings.begin("detector", "quick", revision, by_worker=False)
    candidate = register_candidate(store, training.id, train_revision(store, training.id, lambda: False))
    champion = store.models.champion("detector")
    comparison = compare_candidate(store, training.id, candidate.id)
    finish_training(store, training.id, "done")
    said: dict[str, Any] = {"seconds": round(time.monotonic() - started), "promoted": True, "gate": ""}
    try:
        store.promotions.promote(
            candidate.id,
            expected_champion=champion.id,
            request=uuid4().hex,
            comparison_id=comparison.id,
        )
    except PromotionRefused as refused:
        said |= {"promoted": False, "gate": str(refused)}
    return candidate, said


def on_validation(store: Store, before: ModelRow, after: ModelRow, val: DetectionDataset) -> dict[str, Any]:
    """mAP at IoU 0.5 of a model on the validation photos, and its paired difference to another."""
    sides = [Detector.load(store.models.file_of(row)) for row in (before, after)]
    (former, truths), (latter, _) = (predictions_on(side, val) for side in sides)
    thresholds = (sides[0].card.score_threshold, sides[1].card.score_threshold)
    compared = compare_detection(former, latter, truths, sides[1].card.categories, thresholds)
    return compared.metrics["mAP50"].as_dict()


def rounds(begun: Project, champion: Path, val: DetectionDataset, plan: Plan) -> list[dict[str, Any]]:
    """All rounds, the champion's beginning first."""
    store = begun.store
    first = enthrone(store, champion, store.revisions.create(ANNOTATOR, "The beginning").number)
    measured = {"round": 0, "photos": store.revisions.all()[0].photos}
    told = [measured | on_validation(store, first, first, val)]
    for number in range(1, plan.rounds + 1):
        arms = correct(begun, store.models.champion("detector"), plan.each)
        revision = store.revisions.create(ANNOTATOR, f"Round {number}")
        before = store.models.champion("detector")
        candidate, said = train(store, revision.number)
        figures = on_validation(store, before, candidate, val)
        told.append({"round": number, "photos": revision.photos, "arms": arms} | figures | said)
        print(line(told[-1]), file=sys.stderr, flush=True)
    return told


def line(row: Mapping[str, Any]) -> str:
    """A round as a line for people."""
    gain = row.get("difference", 0.0)
    gate = "" if row.get("promoted", True) else f"  refused: {row['gate']}"
    return f"round {row['round']}: {row['photos']} photos, mAP50 {row['candidate']:.3f} ({gain:+.3f}){gate}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop; without photos it says so and measures nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--champion", type=Path, help="a detector of the first photos alone")
    parser.add_argument("--rounds", type=int, default=Plan.rounds)
    parser.add_argument("--quick", action="store_true", help="few photos, one round: only shows that it runs")
    chosen = parser.parse_args(arguments)
    plan = Plan(20, 1, 6, 60) if chosen.quick else Plan(rounds=chosen.rounds)
    champion = chosen.champion or WEIGHTS_FOLDER / "detector.safetensors"
    result: dict[str, Any] = {"benchmark": "loop", "commit": current_commit(), "champion": champion.name}
    try:
        street = data_folder() / "street"
        dataset, val = (read_fitted(street / f"{part}.json").dataset for part in ("train", "val"))
        if plan.most is not None:
            val = DetectionDataset(val.categories, val.photos[: plan.most], val.folder)
        with tempfile.TemporaryDirectory() as folder:
            begun = project(Path(folder), dataset, plan)
            result["rounds"] = rounds(begun, champion, val, plan)
            result["tested on"] = len(val.photos)
            begun.store.close()
    except LapelError as error:
        print(error, file=sys.stderr)
        result["skipped"] = str(error)
    for row in result.get("rounds", ()):
        print(line(row), file=sys.stderr)
    print(machine_line(PACKAGES), file=sys.stderr)
    print(json.dumps(result | {"machine": describe_machine(PACKAGES)}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
