"""The detector trained further: the champion's backbone, neck and heads, and the champion as a teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.datasets.detection import BoxedPhoto, DetectionDataset, boxed_photo
from core.models.cards import ModelCard
from core.models.checkpoints import GHOST_OF
from core.models.fuse import fuse_for_inference
from core.models.weights import check_state, read_tensors
from core.models.yolov4 import YOLOv4
from core.store.revisions import RevisionItem
from core.training.datasets import TrainingScenes
from core.training.detector import DetectorData, DetectorTraining
from core.training.finetune.data import Classes, Portion, grown_detector
from core.training.finetune.distillation_loss import detector_guard
from core.training.finetune.recipes import Retraining
from core.training.finetune.run_directory import picture_name
from core.training.recipes import DetectorRecipe
from core.training.yolo_loss import Targets

MULTIPLE = 32


class DetectorRetraining(DetectorTraining):
    """A champion that learns on; the teacher is hidden from checkpoints and optimisers by a list.

    With a frozen backbone, champion and candidate share its features: they are computed once, by the folded
    and quick copy that labels in use.
    """

    def __init__(self, retraining: Retraining, classes: Classes, card: ModelCard, weights: Path) -> None:
        recipe = detector_recipe(retraining)
        super().__init__(recipe, classes.names, card.anchors_wh)
        self.retraining = retraining
        state, known = read_tensors(weights), len(card.categories)
        check_state(grown_detector(state, self.model.state_dict(), known), self.model, weights.name)
        teacher = YOLOv4(card.preset, known, ghost=GHOST_OF[card.model], anchors_wh=card.anchors_wh)
        check_state(state, teacher, weights.name)
        fuse_for_inference(teacher.requires_grad_(False))
        self.teacher = [teacher]

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.retraining.keep_statistics:
            hold_statistics(self.model)

    def losses(self, pictures: Tensor, targets: Targets) -> dict[str, Tensor]:
        teacher, inputs = self.teacher[0].to(pictures.device), pictures.float() / 255
        with torch.no_grad():
            features = teacher.backbone(inputs.contiguous(memory_format=torch.channels_last))
            taught = teacher.heads_of(teacher.neck(features)) if self.retraining.guard else []
        if not self.retraining.is_backbone_frozen:
            features = self.model.backbone(inputs)
        raw, anchors_wh = self.model.heads_of(self.model.neck(features)), self._anchors_for(pictures)
        losses = self.loss(raw, anchors_wh, targets)
        if not taught:
            return losses
        guard = detector_guard(raw, taught, anchors_wh, targets)
        return losses | {"guard": guard, "loss": losses["loss"] + self.retraining.guard * guard}


def detector_recipe(retraining: Retraining) -> DetectorRecipe:
    """The detector's recipe in a retraining of one."""
    if not isinstance(retraining.recipe, DetectorRecipe):
        raise TypeError(f"expected a detector's recipe, got {type(retraining.recipe).__name__}")
    return retraining.recipe


def hold_statistics(model: nn.Module) -> None:
    """Leave the means and variances of batch norm as they are; its scales and shifts still learn."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def canvas_for(items: Sequence[RevisionItem], long_side: int) -> tuple[int, int]:
    """The canvas of this long side whose shape suits the middle one of the photos, in steps of 32."""
    ratio = float(np.median([item.photo.width / item.photo.height for item in items]))
    short = min(long_side, MULTIPLE * round(long_side * min(ratio, 1 / ratio) / MULTIPLE + 0.25))
    short = max(MULTIPLE, short)
    return (short, long_side) if ratio <= 1 else (long_side, short)


def detector_plan(retraining: Retraining, portion: Portion, card: ModelCard, seed: int) -> Retraining:
    """With the canvas, the share of the others that an epoch takes, and the epochs for these photos."""
    corrected, others = len(portion.corrected), len(portion.replayed)
    share = 1.0
    if retraining.replay is not None and others:
        share = min(1.0, retraining.replay * corrected / others)
    canvas_wh = canvas_for(portion.photos, card.input_size)
    recipe = replace(detector_recipe(retraining), extra_share=share, input_wh=canvas_wh)
    return replace(retraining, recipe=recipe).for_photos(round(corrected + share * others), seed)


def detector_data(
    portion: Portion,
    classes: Classes,
    pictures: Path,
    retraining: Retraining,
    watch: Callable[[Iterable[Any]], Iterable[Any]],
) -> DetectorData:
    """Loaders: an epoch takes the corrected photos and as many others as the recipe replays."""
    recipe = detector_recipe(retraining)
    sets = [_dataset(items, classes, pictures) for items in (portion.corrected, portion.replayed)]
    scenes = TrainingScenes([dataset for dataset in sets if dataset.photos], recipe, watch=watch)
    return DetectorData(scenes, _dataset(portion.validation, classes, pictures), recipe)


def _dataset(items: Sequence[RevisionItem], classes: Classes, pictures: Path) -> DetectionDataset:
    return DetectionDataset(classes.names, tuple(_boxed(item, classes) for item in items), pictures)


def _boxed(item: RevisionItem, classes: Classes) -> BoxedPhoto:
    rows = (
        (*box.box_xyxy, classes.index_of[box.category_id], box.label)
        for box in item.annotation.boxes
        if box.category_id in classes.index_of
    )
    return boxed_photo(picture_name(item), item.photo.width, item.photo.height, rows)[0]
