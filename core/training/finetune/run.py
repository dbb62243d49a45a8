"""One training from a revision to a candidate's weights: prepared, run, gone on with, ended.

What follows a training: its weights become a candidate, which is compared with the champion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule, seed_everything

from core.errors import LapelError, StoreError
from core.models.cards import ModelCard, write_card
from core.models.weights import save_weights
from core.store import Store
from core.store.models import ModelRow
from core.store.trainings import TrainingRow
from core.training.finetune.classifier import (
    ClassifierRetraining,
    classifier_data,
    classifier_plan,
    labelled_only,
)
from core.training.finetune.data import (
    Classes,
    Portion,
    classifier_classes,
    detector_classes,
    portion_of,
    remember_classes,
)
from core.training.finetune.detector import DetectorRetraining, detector_data, detector_plan
from core.training.finetune.progress import Reporter, Watch
from core.training.finetune.recipes import Retraining, retraining_of
from core.training.finetune.run_directory import Brake, TrainingStopped, Workplace, bring_pictures
from core.training.recipes import DetectorRecipe
from core.training.run import current_commit
from core.training.trainer import finished_epochs, fit

if TYPE_CHECKING:
    from core.store.models import ModelRow
    from core.store.promotions import ComparisonRow


FINAL = "final.safetensors"
MONITORS = {
    "detector": ("val_map50", "val_map", "val_loss"),
    "classifier": ("val_top1", "val_top5", "val_loss"),
}


@dataclass(frozen=True)
class Plan:
    """All that a training is about to do."""

    row: TrainingRow
    parent: ModelRow
    weights: Path
    retraining: Retraining
    portion: Portion
    classes: Classes

    def card(self, metric: float) -> ModelCard:
        """The candidate's card: the champion's, with what it learned from."""
        card, row, mode = self.parent.card, self.row, self.row.mode
        training = {
            "recipe": self.retraining.as_dict(),
            "mode": mode,
            "revision": row.revision,
            "parent": self.parent.name,
            "seed": self.retraining.recipe.seed,
            "commit": current_commit(),
            "photos": self.portion.counts(),
        }
        return replace(
            card,
            categories=self.classes.names,
            name=f"{card.model} {card.preset} r{row.revision} {mode}"[:80],
            training=training,
            data={"revision": row.revision, "before": card.data},
            metrics={f"validation_{MONITORS[row.kind][0].removeprefix('val_')}": round(metric, 4)},
            notes=f"Learned revision {row.revision} ({mode}) from {self.parent.name}; its holdout is unseen.",
        )


def train_revision(
    store: Store,
    training: int,
    stop: Callable[[], bool],
    *,
    device: str = "auto",
    told: Callable[[int, int, str], None] = lambda step, steps, message: None,
) -> Path:
    """Do a training, or go on with it from its checkpoint; gives the candidate's weights, card beside them.

    The weights lie in the training's folder until ``Workplace.clear``.
    ``stop`` is asked at least twice a second of work, ``told`` hears of progress. Raises TrainingStopped,
    with nothing left behind, where ``stop`` says so, and LapelError for what a person can mend.
    """
    reporter, brake = Reporter(store, training, told), Brake(stop)
    place = Workplace.of(store, training)
    try:
        row = store.trainings.get(training)
        reporter.progress(row.step, row.steps, "Looking through the revision.")
        plan = prepare(store, training, brake)
        reporter.progress(row.step, row.steps, "Fetching photos.")
        plan = _with_pictures(store, plan, place, brake)
        return _learn(store, plan, place, reporter, brake, device)
    except TrainingStopped:
        reporter.say("Cancelled.")
        place.clear()
        raise


def prepare(store: Store, training: int, brake: Brake) -> Plan:
    """Settle what a training does, and note it down; asked again after a crash, it is the same.

    Its seed is the revision's number: other photos watch over each. Raises DatasetError where there is
    nothing to learn.
    """
    row = store.trainings.get(training)
    parent = store.models.champion(row.kind) if row.parent_id is None else store.models.get(row.parent_id)
    retraining, seed = retraining_of(row.mode, parent.card), row.revision
    portion = portion_of(
        store, row.revision, parent.revision, replay=retraining.replay, seed=seed, brake=brake
    )
    if row.kind == "classifier":
        portion = labelled_only(portion)
        classes = classifier_classes(parent.card.categories, portion.photos)
        retraining = classifier_plan(retraining, portion, parent.card, seed)
    else:
        named = store.revisions.get(row.revision).categories
        classes = detector_classes(store, parent.card.categories, named, portion.photos)
        retraining = detector_plan(retraining, portion, parent.card, seed)
    settings = retraining.as_dict() | {"seed": seed, "photos": portion.counts(), "parent": parent.name}
    store.trainings.prepared(training, parent_id=parent.id, settings=settings)
    return Plan(row, parent, store.models.file_of(parent), retraining, portion, classes)


def _with_pictures(store: Store, plan: Plan, place: Workplace, brake: Brake) -> Plan:
    """The plan for the photos whose pictures could be fetched; they are in the training's folder now."""
    there = {item.photo.id for item in bring_pictures(store, plan.portion.photos, place.pictures, brake)}
    parts = (plan.portion.corrected, plan.portion.replayed, plan.portion.validation)
    corrected, replayed, val = (tuple(item for item in part if item.photo.id in there) for part in parts)
    if not (corrected or replayed):
        raise StoreError("The pictures of all photos to learn from are missing.")
    return replace(plan, portion=Portion(corrected, replayed, val or (corrected or replayed)[:1]))


def _learn(store: Store, plan: Plan, place: Workplace, reporter: Reporter, brake: Brake, device: str) -> Path:
    retraining, recipe = plan.retraining, plan.retraining.recipe
    seed_everything(recipe.seed, workers=True, verbose=False)  # the first weights of new classes follow it
    is_detector = isinstance(recipe, DetectorRecipe)
    build, load = (
        (DetectorRetraining, detector_data) if is_detector else (ClassifierRetraining, classifier_data)
    )
    module: Any = build(retraining, plan.classes, plan.parent.card, plan.weights)
    data = load(plan.portion, plan.classes, place.pictures, retraining, brake.over)
    place.fetch_checkpoint()
    _say_hello(plan, place, reporter)
    monitors = MONITORS[plan.row.kind]
    fit(
        module,
        data,
        epochs=recipe.epochs,
        out=place.folder,
        monitor=monitors[0],
        export=lambda module, path, metric: _export(plan, module, path, metric),
        ema_decay=recipe.ema_decay,
        ema_warmup_steps=retraining.ema_warmup_steps,
        seed=recipe.seed,
        device=device,
        resume=True,
        validate_every=recipe.validate_every if isinstance(recipe, DetectorRecipe) else 1,
        progress_bar=False,
        say=reporter.say,
        onlookers=[Watch(reporter, brake, place, monitors)],
    )
    if plan.row.kind == "detector":
        remember_classes(store, plan.classes)
    return _weights(plan, module, place)


def _say_hello(plan: Plan, place: Workplace, reporter: Reporter) -> None:
    counts, recipe = plan.portion.counts(), plan.retraining.recipe
    behind = finished_epochs(place.checkpoint) if place.checkpoint.is_file() else 0
    if behind:
        reporter.say(f"Going on after epoch {behind} of {recipe.epochs}.")
        return
    reporter.say(
        f"{plan.parent.name} learns revision {plan.row.revision}: {counts['corrected']} corrected photos, "
        f"{counts['replayed']} others, {counts['validation']} to watch by; {recipe.epochs} epochs."
    )
    new = plan.classes.names[len(plan.parent.card.categories) :]
    if new:
        reporter.say(f"New to it: {', '.join(new)}.")


def _export(plan: Plan, module: LightningModule, path: Path, metric: float) -> None:
    save_weights(module.model, path)  # type: ignore[arg-type]
    write_card(plan.card(metric), path)


def _weights(plan: Plan, module: Any, place: Workplace) -> Path:
    """The average after the last epoch; where another machine wrote it, out of the checkpoint."""
    path = place.folder / FINAL
    if not path.is_file():
        saved = torch.load(place.checkpoint, map_location="cpu", weights_only=True)
        averages = [state for name, state in saved["callbacks"].items() if name.startswith("MovingAverage")]
        if averages and averages[0]["average"] is not None:
            module.model.load_state_dict(averages[0]["average"])
        _export(plan, module, path, 0.0)
    return path


def _unheard(*_: Any) -> None:
    """Progress that nobody asked for."""


def register(store: Store, training: int, weights: Path) -> ModelRow:
    """Take a training's weights into the store as a candidate; again, it is the same one. WeightsError."""
    row = store.trainings.get(training)
    return store.models.add(weights, parent_id=row.parent_id, revision=row.revision, training_id=training)


def compare(
    store: Store, training: int, candidate: int, progress: Callable[..., Any] = _unheard
) -> ComparisonRow:
    """Measure a candidate beside the champion on the holdout of its training's revision. DatasetError."""
    from core.training.comparison import compare_models

    row = store.trainings.get(training)
    champion = store.models.champion(row.kind)
    return compare_models(store, candidate, champion.id, row.revision, progress=progress)


def outcome(store: Store, training: int, candidate: int, progress: Callable[..., Any] = _unheard) -> str:
    """Compare, and say in a sentence or two what came out; that it cannot be compared is one as well.

    Raises TrainingStopped where ``progress`` does.
    """
    name = store.models.get(candidate).name
    try:
        verdict = compare(store, training, candidate, progress).verdict
    except TrainingStopped:
        raise
    except LapelError as error:
        told = f"{name} was not compared with the champion: {error}"
    else:
        told = f"{name} {'may take over' if verdict.passes else 'may not take over'}: {verdict.sentence}"
    store.trainings.say(training, told)
    return told


def end(store: Store, training: int, state: str, message: str = "") -> None:
    """Note down how a training ended; what it needed goes, unless it failed and may be gone on with."""
    store.trainings.finish(training, state, message)
    if store.trainings.get(training).state != "failed":
        Workplace.of(store, training).clear()
