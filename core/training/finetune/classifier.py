"""Fine-tuning the classifier on annotated crops: the head or all of it, distilled from the champion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from core.datasets.classification import ClassificationSample
from core.errors import DatasetError
from core.images.crops import crop_garment
from core.models.cards import ModelCard
from core.models.classifier import ClassifierNetwork, build_classifier
from core.models.loading import fuse_for_inference
from core.models.weights import check_state, read_tensors
from core.store.revisions import RevisionItem
from core.training.classifier import ClassifierData, ClassifierTraining, MixedTargets
from core.training.datasets import CACHED_SIZE
from core.training.finetune.data import Classes, TrainingSubset, extended_classifier, label_key
from core.training.finetune.detector import freeze_bn
from core.training.finetune.distillation_loss import classifier_distillation_loss
from core.training.finetune.recipes import FinetuneRecipe
from core.training.finetune.run_directory import photo_file_name, write_photo
from core.training.recipes import ClassifierRecipe

Crops = tuple[ClassificationSample, ...]


class ClassifierFinetuning(ClassifierTraining):
    """Fine-tunes the champion, which is also the teacher of the distillation loss.

    With a frozen backbone only the head learns, on features of the teacher, whose batch norm is fused:
    embeddings stay what they were. A list hides the teacher from checkpoints and optimizers.
    """

    def __init__(self, finetune: FinetuneRecipe, classes: Classes, card: ModelCard, weights: Path) -> None:
        recipe = classifier_recipe(finetune)
        super().__init__(recipe, classes.names)
        self.finetune = finetune
        state = read_tensors(weights)
        grown = extended_classifier(state, self.model.last_layer, len(classes.names), recipe.seed)
        check_state(grown, self.model, weights.name)
        teacher = build_classifier(card.model, len(card.categories), preset=card.preset, size=card.input_size)
        check_state(state, teacher, weights.name)
        fuse_for_inference(teacher.requires_grad_(False))
        self.teacher: list[ClassifierNetwork] = [teacher]
        if finetune.is_backbone_frozen:
            freeze_up_to_the_head(self.model)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.finetune.freeze_bn:
            freeze_bn(self.model)

    def _forward(self, inputs: Tensor) -> Tensor:
        if self.finetune.is_backbone_frozen:
            return self.model.head(self._pooled(inputs)).float()
        return super()._forward(inputs)

    def loss_of(self, inputs: Tensor, mixed_targets: MixedTargets) -> Tensor:
        if not self.finetune.distillation_weight:
            return super().loss_of(inputs, mixed_targets)
        pooled = self._pooled(inputs)
        teacher_logits = self.teacher[0].head(pooled)
        frozen = self.finetune.is_backbone_frozen
        logits = self.model.head(pooled).float() if frozen else self._forward(inputs)
        targets = mixed_targets[0][1] if len(mixed_targets) == 1 else None
        distillation = classifier_distillation_loss(logits, teacher_logits, targets)
        return self.label_loss(logits, mixed_targets) + self.finetune.distillation_weight * distillation

    def _pooled(self, inputs: Tensor) -> Tensor:
        """The champion's features of inputs (B, 3, H, W), pooled: (B, F)."""
        with torch.no_grad():
            teacher = self.teacher[0].to(inputs.device)
            return teacher.embed(inputs.contiguous(memory_format=torch.channels_last))


def freeze_up_to_the_head(model: ClassifierNetwork) -> None:
    """Freeze all that the embedding comes from."""
    model.requires_grad_(False)
    for part in model.head_parts:
        part.requires_grad_(True)


def classifier_recipe(finetune: FinetuneRecipe) -> ClassifierRecipe:
    """The recipe of a classifier's fine-tuning."""
    if not isinstance(finetune.recipe, ClassifierRecipe):
        raise TypeError(f"expected a classifier's recipe, got {type(finetune.recipe).__name__}")
    return finetune.recipe


def labeled(items: Iterable[RevisionItem]) -> tuple[RevisionItem, ...]:
    """The photos that have a box with a label."""
    return tuple(item for item in items if any(box.label for box in item.annotation.boxes))


def labeled_only(subset: TrainingSubset) -> TrainingSubset:
    """The photos of a subset that have labels. Raises DatasetError where none has."""
    corrected, replayed = labeled(subset.corrected), labeled(subset.replayed)
    if not corrected and not replayed:
        raise DatasetError("No box outside the holdout has a label: a classifier has nothing to learn here.")
    return TrainingSubset(corrected, replayed, labeled(subset.validation) or (corrected or replayed)[:1])


def plan_classifier(finetune: FinetuneRecipe, subset: TrainingSubset, seed: int) -> FinetuneRecipe:
    """The recipe with its epochs for the subset's crops."""
    corrected, others = _label_count(subset.corrected), _label_count(subset.replayed)
    if finetune.replay is not None:
        others = min(others, round(finetune.replay * corrected))
    return finetune.for_photos(corrected + others, seed)


def classifier_data(
    subset: TrainingSubset,
    classes: Classes,
    pictures: Path,
    finetune: FinetuneRecipe,
    iterate: Callable[[Iterable[Any]], Iterable[Any]],
) -> ClassifierData:
    """Data loaders: an epoch takes the corrected garments and as many others as the recipe replays."""
    recipe, folder = classifier_recipe(finetune), pictures.parent / "crops"
    folder.mkdir(parents=True, exist_ok=True)
    corrected, others, val = (
        tuple(crop for item in iterate(items) for crop in _crops(item, classes, pictures, folder))
        for items in (subset.corrected, subset.replayed, subset.validation)
    )
    share = 1.0
    if finetune.replay is not None and others:
        share = min(1.0, finetune.replay * len(corrected) / len(others))
    shares = [1.0] * len(corrected) + [share] * len(others)
    return ClassifierData((*corrected, *others), val, classes.names, recipe, shares=shares)


def _label_count(items: Sequence[RevisionItem]) -> int:
    return sum(1 for item in items for box in item.annotation.boxes if box.label)


def _crops(item: RevisionItem, classes: Classes, pictures: Path, folder: Path) -> list[ClassificationSample]:
    """Crops of a photo's labeled garments, written into a folder once.

    They are PNGs: the stored photo's JPEG stays the only lossy encoding before the classifier sees them.
    """
    boxes = [box for box in item.annotation.boxes if box.label and label_key(box.label) in classes.index_of]
    found, image = [], None
    for place, box in enumerate(boxes):
        path = folder / f"{item.photo.blob}-{item.annotation.id}-{place}.png"
        if not path.is_file():
            if image is None:
                with Image.open(pictures / photo_file_name(item)) as opened:
                    image = opened.convert("RGB")
            write_photo(path, _small_png(crop_garment(image, box.box_xyxy)))
        label = classes.names[classes.index_of[label_key(box.label or "")]]
        found.append(ClassificationSample(path, label, item.photo.digest))
    return found


def _small_png(crop: Image.Image) -> bytes:
    crop.thumbnail((CACHED_SIZE, CACHED_SIZE), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    crop.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
