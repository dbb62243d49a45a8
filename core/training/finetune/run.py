"""One fine-tuning run, from a revision to a candidate: plan, train or resume, register, compare, finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule, seed_everything

from core.errors import LapelError, StoreError
from core.files import current_commit
from core.models.cards import ModelCard, write_card
from core.models.weights import save_weights
from core.progress import Progress, ignore_progress
from core.store import Store
from core.store.models import ModelRow
from core.store.trainings import ANCHORS, TrainingRow
from core.training.finetune.anchors import Pairs, resolve_anchors
from core.training.finetune.classifier import (
    ClassifierFinetuning,
    classifier_data,
    labeled_only,
    plan_classifier,
)
from core.training.finetune.data import (
    Classes,
    TrainingSubset,
    classifier_classes,
    detector_classes,
    remember_classes,
    select_subset,
)
from core.training.finetune.detector import DetectorFinetuning, detector_data, plan_detector, sizes_learned
from core.training.finetune.progress import ProgressCallback, ProgressReporter
from core.training.finetune.recipes import FinetuneRecipe, finetune_recipe
from core.training.finetune.run_directory import CancelToken, RunDirectory, TrainingCancelled, fetch_photos
from core.training.recipes import DetectorRecipe
from core.training.resuming import finished_epochs
from core.training.trainer import fit

if TYPE_CHECKING:
    from core.store.promotions import ComparisonRow

FINAL = "final.safetensors"
MONITORS = {
    "detector": ("val_map50", "val_map", "val_loss"),
    "classifier": ("val_top1", "val_top5", "val_loss"),
}


@dataclass(frozen=True)
class FinetunePlan:
    """What a training learns from, starting where, by which recipe."""

    row: TrainingRow
    parent: ModelRow
    weights: Path
    recipe: FinetuneRecipe
    subset: TrainingSubset
    classes: Classes
    anchors: Mapping[str, Any] = field(default_factory=dict)
    """What is recorded of a detector's anchors; empty for a classifier."""

    @property
    def anchors_wh(self) -> Pairs:
        """A detector's anchors in pixels of the champion's input; none for a classifier."""
        return tuple((width, height) for width, height in self.anchors.get("anchors_wh", ()))

    def card(self, metric: float) -> ModelCard:
        """The candidate's card: the champion's, with what it learned from."""
        card, row, mode = self.parent.card, self.row, self.row.mode
        training = {
            "recipe": self.recipe.as_dict(),
            "mode": mode,
            "revision": row.revision,
            "parent": self.parent.name,
            "seed": self.recipe.recipe.seed,
            "commit": current_commit(),
            "photos": self.subset.counts(),
        }
        if self.anchors:
            training["anchors"] = dict(self.anchors)
        return replace(
            card,
            anchors_wh=self.anchors_wh or card.anchors_wh,
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
    is_cancelled: Callable[[], bool],
    *,
    device: str = "auto",
    progress: Progress = ignore_progress,
) -> Path:
    """Run a training, or resume it from its checkpoint; returns the candidate's weights, card beside them.

    The weights lie in the run directory until it is cleared. Raises TrainingCancelled, with nothing left
    behind, where ``is_cancelled`` returns True, and LapelError for what a person can mend.
    """
    reporter, token = ProgressReporter(store, training, progress), CancelToken(is_cancelled)
    directory = RunDirectory.of(store, training)
    try:
        row = store.trainings.get(training)
        reporter.progress(row.step, row.steps, "Looking through the revision.")
        plan = make_plan(store, training, token)
        reporter.progress(row.step, row.steps, "Fetching photos.")
        plan = _with_photos(store, plan, directory, token)
        return _fit(store, plan, directory, reporter, token, device)
    except TrainingCancelled:
        reporter.log("Cancelled.")
        directory.clear()
        raise


def make_plan(store: Store, training: int, token: CancelToken) -> FinetunePlan:
    """Settle what a training does, and record it; repeated after a crash, the plan is the same.

    The seed is the revision's number, so that revisions differ in which photos validate. Raises DatasetError
    where there is nothing to learn.
    """
    row = store.trainings.get(training)
    parent = store.models.champion(row.kind) if row.parent_id is None else store.models.get(row.parent_id)
    recipe, seed = finetune_recipe(row.mode, parent.card), row.revision
    anchors: dict[str, Any] = {}
    subset = select_subset(store, row.revision, parent.revision, replay=recipe.replay, seed=seed, token=token)
    if row.kind == "classifier":
        subset = labeled_only(subset)
        classes = classifier_classes(parent.card.categories, subset.photos)
        recipe = plan_classifier(recipe, subset, seed)
    else:
        named = store.revisions.get(row.revision).categories
        classes = detector_classes(store, parent.card.categories, named, subset.photos)
        recipe, size = plan_detector(recipe, subset, parent.card, seed), parent.card.input_size
        sizes = sizes_learned(subset, classes, size)
        anchors = resolve_anchors(row.settings.get(ANCHORS), sizes, parent.card.anchors_wh, size, seed)[1]
    settings = recipe.as_dict() | {"seed": seed, "photos": subset.counts(), "parent": parent.name}
    if ANCHORS in row.settings:
        settings[ANCHORS] = row.settings[ANCHORS]
    store.trainings.prepared(training, parent_id=parent.id, settings=settings)
    return FinetunePlan(row, parent, store.models.file_of(parent), recipe, subset, classes, anchors)


def _with_photos(
    store: Store, plan: FinetunePlan, directory: RunDirectory, token: CancelToken
) -> FinetunePlan:
    """The plan for the photos that could be fetched; they are in the run directory now."""
    fetched = {item.photo.id for item in fetch_photos(store, plan.subset.photos, directory.photos, token)}
    parts = (plan.subset.corrected, plan.subset.replayed, plan.subset.validation)
    corrected, replayed, val = (tuple(item for item in part if item.photo.id in fetched) for part in parts)
    if not (corrected or replayed):
        raise StoreError("The pictures of all photos to learn from are missing.")
    return replace(plan, subset=TrainingSubset(corrected, replayed, val or (corrected or replayed)[:1]))


def _fit(
    store: Store,
    plan: FinetunePlan,
    directory: RunDirectory,
    reporter: ProgressReporter,
    token: CancelToken,
    device: str,
) -> Path:
    recipe = plan.recipe.recipe
    seed_everything(recipe.seed, workers=True, verbose=False)  # the initial weights of new classes follow it
    is_detector = isinstance(recipe, DetectorRecipe)
    load = detector_data if is_detector else classifier_data
    begun = (plan.recipe, plan.classes, plan.parent.card, plan.weights)
    module: Any = DetectorFinetuning(*begun, plan.anchors_wh) if is_detector else ClassifierFinetuning(*begun)
    data = load(plan.subset, plan.classes, directory.photos, plan.recipe, token.iterate)
    directory.fetch_checkpoint()
    _log_start(plan, directory, reporter)
    monitors = MONITORS[plan.row.kind]
    fit(
        module,
        data,
        epochs=recipe.epochs,
        out=directory.folder,
        monitor=monitors[0],
        export=lambda module, path, metric: _export(plan, module, path, metric),
        ema_decay=recipe.ema_decay,
        ema_warmup_steps=plan.recipe.ema_warmup_steps,
        seed=recipe.seed,
        device=device,
        resume=True,
        validate_every=recipe.validate_every if isinstance(recipe, DetectorRecipe) else 1,
        progress_bar=False,
        log=reporter.log,
        extra_callbacks=[ProgressCallback(reporter, token, directory, monitors)],
    )
    if plan.row.kind == "detector":
        remember_classes(store, plan.classes)
    return _final_weights(plan, module, directory)


def _log_start(plan: FinetunePlan, directory: RunDirectory, reporter: ProgressReporter) -> None:
    counts, epochs = plan.subset.counts(), plan.recipe.recipe.epochs
    finished = finished_epochs(directory.checkpoint) if directory.checkpoint.is_file() else 0
    if finished:
        reporter.log(f"Going on after epoch {finished} of {epochs}.")
        return
    reporter.log(
        f"{plan.parent.name} learns revision {plan.row.revision}: {counts['corrected']} corrected photos, "
        f"{counts['replayed']} others, {counts['validation']} for validation; {epochs} epochs."
    )
    if plan.anchors.get("from") not in (None, "champion"):
        reporter.log(
            f"Other anchors: mean best IoU {plan.anchors['mean_iou']:.3f}, with the champion's "
            f"{plan.anchors['champions_mean_iou']:.3f}."
        )
    new = plan.classes.names[len(plan.parent.card.categories) :]
    if new:
        reporter.log(f"New classes: {', '.join(new)}.")


def _export(plan: FinetunePlan, module: LightningModule, path: Path, metric: float) -> None:
    save_weights(module.model, path)  # type: ignore[arg-type]
    write_card(plan.card(metric), path)


def _final_weights(plan: FinetunePlan, module: Any, directory: RunDirectory) -> Path:
    """The EMA weights after the last epoch, from the checkpoint where another machine exported them."""
    path = directory.folder / FINAL
    if not path.is_file():
        saved = torch.load(directory.checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(saved["state_dict"])  # EMA saves the average here
        _export(plan, module, path, 0.0)
    return path


def register_candidate(store: Store, training: int, weights: Path) -> ModelRow:
    """Add a training's weights to the store as a candidate, once. Raises WeightsError."""
    row = store.trainings.get(training)
    return store.models.add(weights, parent_id=row.parent_id, revision=row.revision, training_id=training)


def compare_candidate(
    store: Store,
    training: int,
    candidate: int,
    progress: Progress = ignore_progress,
    *,
    device: str = "auto",
) -> ComparisonRow:
    """Compare a candidate with the champion on its revision's holdout. Raises DatasetError."""
    from core.training.comparison import compare_models

    row = store.trainings.get(training)
    champion = store.models.champion(row.kind)
    return compare_models(store, candidate, champion.id, row.revision, progress=progress, device=device)


def compare_and_summarize(
    store: Store,
    training: int,
    candidate: int,
    progress: Progress = ignore_progress,
    *,
    device: str = "auto",
) -> str:
    """Compare, and return the result as a sentence or two, also where comparing fails.

    Raises TrainingCancelled where ``progress`` does.
    """
    name = store.models.get(candidate).name
    try:
        verdict = compare_candidate(store, training, candidate, progress, device=device).verdict
    except TrainingCancelled:
        raise
    except LapelError as error:
        summary = f"{name} was not compared with the champion: {error}"
    else:
        summary = f"{name} {'may take over' if verdict.passes else 'may not take over'}: {verdict.sentence}"
    store.trainings.log(training, summary)
    return summary
