"""Fine-tuning the detector from the champion's weights, with a distillation loss to the champion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.datasets.detection import BoxedPhoto, BoxRow, DetectionDataset, boxed_photo, letterboxed_wh
from core.models.cards import ModelCard
from core.models.detection import Targets
from core.models.loading import GHOST_OF, fuse_for_inference
from core.models.weights import check_state, read_tensors
from core.models.yolov4 import YOLOv4
from core.store.revisions import RevisionItem
from core.training.datasets import DetectionTrainingDataset
from core.training.detector import DetectorData, DetectorTraining, YoloObjective
from core.training.finetune.anchors import Pairs, with_anchors
from core.training.finetune.data import Classes, TrainingSubset, extended_detector
from core.training.finetune.distillation_loss import detector_distillation_loss
from core.training.finetune.recipes import FinetuneRecipe
from core.training.finetune.run_directory import photo_file_name
from core.training.recipes import DetectorRecipe

MULTIPLE = 32
LEAST_REPLAY = 0.5
"""Photos replayed for each corrected one where the corrected ones alone fill the sample budget."""


class DetectorFinetuning(DetectorTraining):
    """Fine-tunes the champion, which is also the teacher of the distillation loss.

    With a frozen backbone both share its features, which are computed once by the teacher, whose batch norm
    is fused. A list hides the teacher from checkpoints and optimizers. With other anchors than the champion's
    the heads begin by making its boxes all the same (:func:`with_anchors`).
    """

    objective: YoloObjective

    def __init__(
        self,
        finetune: FinetuneRecipe,
        classes: Classes,
        card: ModelCard,
        weights: Path,
        anchors_wh: Pairs | None = None,
    ) -> None:
        recipe, anchors_wh = detector_recipe(finetune), anchors_wh or card.anchors_wh
        super().__init__(recipe, classes.names, anchors_wh)
        self.finetune, self.objective = finetune, YoloObjective(self.model, recipe)
        state, known = read_tensors(weights), len(card.categories)
        grown = extended_detector(state, self.model.state_dict(), known)
        if anchors_wh != card.anchors_wh:
            grown = with_anchors(grown, card.anchors_wh, anchors_wh)
        check_state(grown, self.model, weights.name)
        teacher = YOLOv4(card.preset, known, ghost=GHOST_OF[card.model], anchors_wh=card.anchors_wh)
        check_state(state, teacher, weights.name)
        fuse_for_inference(teacher.requires_grad_(False))
        self.teacher = [teacher]

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.finetune.freeze_bn:
            freeze_bn(self.model)

    def losses(self, pictures: Tensor, targets: Targets) -> dict[str, Tensor]:
        teacher, inputs = self.teacher[0].to(pictures.device), self.inputs(pictures)
        with torch.no_grad():
            features = teacher.backbone(inputs.contiguous(memory_format=torch.channels_last))
            teacher_raw = (
                teacher.heads_of(teacher.neck(features)) if self.finetune.distillation_weight else []
            )
        if not self.finetune.is_backbone_frozen:
            features = self.model.backbone(inputs)
        raw, anchors_wh = self.model.heads_of(self.model.neck(features)), self.objective.anchors_for(pictures)
        losses = self.objective.losses((raw, anchors_wh), targets)
        if not teacher_raw:
            return losses
        teacher_wh = teacher.anchors_wh * (pictures.shape[2] / self.objective.full_height)
        distillation = detector_distillation_loss(raw, teacher_raw, anchors_wh, targets, teacher_wh)
        total = losses["loss"] + self.finetune.distillation_weight * distillation
        return losses | {"distillation": distillation, "loss": total}


def detector_recipe(finetune: FinetuneRecipe) -> DetectorRecipe:
    """The recipe of a detector's fine-tuning."""
    if not isinstance(finetune.recipe, DetectorRecipe):
        raise TypeError(f"expected a detector's recipe, got {type(finetune.recipe).__name__}")
    return finetune.recipe


def freeze_bn(model: nn.Module) -> None:
    """Freeze batch norm's running means and variances; its scales and shifts still learn."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def input_size_for(items: Sequence[RevisionItem], long_side: int) -> tuple[int, int]:
    """The network's input size with this long side and the photos' median aspect ratio, in steps of 32."""
    ratio = float(np.median([item.photo.width / item.photo.height for item in items]))
    short = min(long_side, MULTIPLE * round(long_side * min(ratio, 1 / ratio) / MULTIPLE + 0.25))
    short = max(MULTIPLE, short)
    return (short, long_side) if ratio <= 1 else (long_side, short)


def plan_detector(
    finetune: FinetuneRecipe, subset: TrainingSubset, card: ModelCard, seed: int
) -> FinetuneRecipe:
    """The recipe with its input size, the share of replayed photos an epoch takes, and the epochs."""
    corrected, others = len(subset.corrected), len(subset.replayed)
    share = 1.0
    if finetune.replay is not None and others:
        share = min(1.0, finetune.replay * corrected / others)
    if finetune.sample_budget is not None and others:
        room = finetune.sample_budget / finetune.fewest_epochs - corrected
        share = min(share, max(room, LEAST_REPLAY * corrected) / others)
    input_wh = input_size_for(subset.photos, card.input_size)
    recipe = replace(detector_recipe(finetune), extra_share=share, input_wh=input_wh)
    return replace(finetune, recipe=recipe).for_photos(round(corrected + share * others), seed)


def sizes_learned(subset: TrainingSubset, classes: Classes, size: int) -> np.ndarray:
    """Width and height (N, 2) of all boxes that are learned from, in pixels of an input of ``size`` px."""
    return letterboxed_wh(_dataset(subset.training, classes, Path()), size)


def detector_data(
    subset: TrainingSubset,
    classes: Classes,
    pictures: Path,
    finetune: FinetuneRecipe,
    iterate: Callable[[Iterable[Any]], Iterable[Any]],
) -> DetectorData:
    """Data loaders: an epoch takes the corrected photos and as many others as the recipe replays."""
    recipe = detector_recipe(finetune)
    sets = [_dataset(items, classes, pictures) for items in (subset.corrected, subset.replayed)]
    train = DetectionTrainingDataset([part for part in sets if part.photos], recipe, iterate=iterate)
    return DetectorData(train, _dataset(subset.validation, classes, pictures), recipe)


def _dataset(items: Sequence[RevisionItem], classes: Classes, pictures: Path) -> DetectionDataset:
    return DetectionDataset(classes.names, tuple(_boxed(item, classes) for item in items), pictures)


def _boxed(item: RevisionItem, classes: Classes) -> BoxedPhoto:
    rows = (
        BoxRow(*box.box_xyxy, classes.index_of[box.category_id], box.label, box.flags)
        for box in item.annotation.boxes
        if box.category_id in classes.index_of
    )
    return boxed_photo(photo_file_name(item), item.photo.width, item.photo.height, rows)[0]
