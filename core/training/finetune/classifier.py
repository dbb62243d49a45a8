"""The classifier trained further on garments' crops: its head alone or more of it, the champion beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from core.datasets.classification import LabelledPhoto
from core.errors import DatasetError
from core.images.crops import crop_garment
from core.models.cards import ModelCard
from core.models.checkpoints import CLASSIFIERS
from core.models.fuse import fuse_for_inference
from core.models.mobilenet import MobileNet, MobileNetMHA
from core.models.weights import check_state, read_tensors
from core.store.revisions import RevisionItem
from core.training.classifier import ClassifierData, ClassifierTraining, Wanted
from core.training.datasets import CACHED_SIZE
from core.training.finetune.data import Classes, Portion, grown_classifier, label_key
from core.training.finetune.detector import hold_statistics
from core.training.finetune.distillation_loss import classifier_guard
from core.training.finetune.recipes import Retraining
from core.training.finetune.run_directory import picture_name, write_whole
from core.training.recipes import ClassifierRecipe

Crops = tuple[LabelledPhoto, ...]


class ClassifierRetraining(ClassifierTraining):
    """A champion that learns on; the teacher is hidden from checkpoints and optimisers by a list.

    With a frozen backbone only the head learns, and the pooled features come from the teacher, folded and
    quick: embeddings stay what they were.
    """

    def __init__(self, retraining: Retraining, classes: Classes, card: ModelCard, weights: Path) -> None:
        recipe = classifier_recipe(retraining)
        super().__init__(recipe, classes.names)
        self.retraining = retraining
        state = read_tensors(weights)
        check_state(grown_classifier(state, len(classes.names), recipe.seed), self.model, weights.name)
        teacher = CLASSIFIERS[card.model](len(card.categories))
        check_state(state, teacher, weights.name)
        fuse_for_inference(teacher.requires_grad_(False))
        self.teacher: list[MobileNet | MobileNetMHA] = [teacher]
        if retraining.is_backbone_frozen:
            freeze_up_to_the_head(self.model)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.retraining.keep_statistics:
            hold_statistics(self.model)

    def _forward(self, inputs: Tensor) -> Tensor:
        if self.retraining.is_backbone_frozen:
            return self.model.head(self._pooled(inputs)).float()
        return super()._forward(inputs)

    def loss_of(self, inputs: Tensor, wanted: Wanted) -> Tensor:
        if not self.retraining.guard:
            return super().loss_of(inputs, wanted)
        pooled = self._pooled(inputs)
        taught = self.teacher[0].head(pooled)
        frozen = self.retraining.is_backbone_frozen
        logits = self.model.head(pooled).float() if frozen else self._forward(inputs)
        targets = wanted[0][1] if len(wanted) == 1 else None
        guard = classifier_guard(logits, taught, targets)
        return self.label_loss(logits, wanted) + self.retraining.guard * guard

    def _pooled(self, inputs: Tensor) -> Tensor:
        """The champion's features of inputs (B, 3, H, W), pooled: (B, 1024)."""
        with torch.no_grad():
            teacher = self.teacher[0].to(inputs.device)
            return teacher.embed(inputs.contiguous(memory_format=torch.channels_last))


def freeze_up_to_the_head(model: MobileNet | MobileNetMHA) -> None:
    """Freeze all that lies before the pooled features."""
    model.requires_grad_(False)
    heads: list[nn.Module] = [model.classifier, *([model.hidden] if isinstance(model, MobileNetMHA) else [])]
    for head in heads:
        head.requires_grad_(True)


def classifier_recipe(retraining: Retraining) -> ClassifierRecipe:
    """The classifier's recipe in a retraining of one."""
    if not isinstance(retraining.recipe, ClassifierRecipe):
        raise TypeError(f"expected a classifier's recipe, got {type(retraining.recipe).__name__}")
    return retraining.recipe


def labelled(items: Iterable[RevisionItem]) -> tuple[RevisionItem, ...]:
    """The photos that have a box with a label."""
    return tuple(item for item in items if any(box.label for box in item.annotation.boxes))


def labelled_only(portion: Portion) -> Portion:
    """The part of a portion that a classifier can learn. Raises DatasetError where there is nothing."""
    corrected, replayed = labelled(portion.corrected), labelled(portion.replayed)
    if not corrected and not replayed:
        raise DatasetError("No box outside the holdout has a label: a classifier has nothing to learn here.")
    return Portion(corrected, replayed, labelled(portion.validation) or (corrected or replayed)[:1])


def classifier_plan(retraining: Retraining, portion: Portion, card: ModelCard, seed: int) -> Retraining:
    """With the epochs for the portion's crops."""
    corrected, others = _label_count(portion.corrected), _label_count(portion.replayed)
    if retraining.replay is not None:
        others = min(others, round(retraining.replay * corrected))
    return retraining.for_photos(corrected + others, seed)


def classifier_data(
    portion: Portion,
    classes: Classes,
    pictures: Path,
    retraining: Retraining,
    watch: Callable[[Iterable[Any]], Iterable[Any]],
) -> ClassifierData:
    """Loaders: an epoch takes the corrected garments and as many others as the recipe replays."""
    recipe, folder = classifier_recipe(retraining), pictures.parent / "crops"
    folder.mkdir(parents=True, exist_ok=True)
    corrected, others, val = (
        tuple(crop for item in watch(items) for crop in _crops(item, classes, pictures, folder))
        for items in (portion.corrected, portion.replayed, portion.validation)
    )
    share = 1.0
    if retraining.replay is not None and others:
        share = min(1.0, retraining.replay * len(corrected) / len(others))
    shares = [1.0] * len(corrected) + [share] * len(others)
    return ClassifierData((*corrected, *others), val, classes.names, recipe, shares=shares)


def _label_count(items: Sequence[RevisionItem]) -> int:
    return sum(1 for item in items for box in item.annotation.boxes if box.label)


def _crops(item: RevisionItem, classes: Classes, pictures: Path, folder: Path) -> list[LabelledPhoto]:
    """The garments of a photo that have a label, as small pictures in a folder."""
    boxes = [box for box in item.annotation.boxes if box.label and label_key(box.label) in classes.index_of]
    found, image = [], None
    for place, box in enumerate(boxes):
        path = folder / f"{item.photo.blob}-{item.annotation.id}-{place}.jpg"
        if not path.is_file():
            if image is None:
                with Image.open(pictures / picture_name(item)) as opened:
                    image = opened.convert("RGB")
            write_whole(path, _small_jpeg(crop_garment(image, box.box_xyxy)))
        label = classes.names[classes.index_of[label_key(box.label or "")]]
        found.append(LabelledPhoto(path, label, item.photo.digest))
    return found


def _small_jpeg(crop: Image.Image) -> bytes:
    crop.thumbnail((CACHED_SIZE, CACHED_SIZE), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    crop.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
