"""Training a detector: Lightning module and data loaders, validation by mAP.

What a network learns from is its own (:class:`core.models.detection.DetectionNetwork`); YOLOv4's loss, whose
weights are the recipe's, is beside it in :class:`YoloObjective`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from core.boxes import Detections, GroundTruth
from core.datasets.detection import DetectionDataset
from core.errors import RecipeError
from core.evaluation.detection import evaluate_detection
from core.models.cards import ModelCard, write_card
from core.models.decode import decode
from core.models.detection import DetectionNetwork, Targets, backbone_body
from core.models.nms import nms
from core.models.registry import build_detector_network, has_anchors
from core.models.weights import check_state, save_weights
from core.models.yolov4 import Backbone, YOLOv4
from core.training.datasets import DetectionTrainingDataset, DetectionValidationDataset, collate
from core.training.recipes import DetectorRecipe
from core.training.resuming import ANCHORS_KEY
from core.training.starting_weights import is_whole_detector
from core.training.trainer import (
    TrainingData,
    parameter_groups,
    training_memory_format,
    warmup_and_cosine,
)
from core.training.yolo_loss import YoloLoss

OBJECTNESS_PRIOR, CLASS_PRIOR = 0.01, 0.05
SCORE_THRESHOLD = 0.25


def build_detector(recipe: DetectorRecipe, classes: int, anchors_wh: Sequence[Sequence[float]]) -> Any:
    """The recipe's detector; YOLOv4's heads start from low priors of objectness and classes (RetinaNet)."""
    model = build_detector_network(recipe.model, recipe.preset, classes, max(recipe.input_wh), anchors_wh)
    if isinstance(model, YOLOv4):
        init_prior_bias(model)
    return model


@torch.no_grad()
def init_prior_bias(model: YOLOv4) -> None:
    """Set the heads' last layers to expect few garments, and none of a category in particular."""
    for head in model.heads:
        last = head[1]  # type: ignore[index]
        last.weight.normal_(0, 0.01)
        bias = last.bias.zero_().view(3, -1)
        bias[:, 4] = float(np.log(OBJECTNESS_PRIOR / (1 - OBJECTNESS_PRIOR)))
        bias[:, 5:] = float(np.log(CLASS_PRIOR / (1 - CLASS_PRIOR)))


class YoloObjective:
    """YOLOv4 as a :class:`DetectionNetwork`, with the recipe's loss weights.

    Anchors are in pixels of the recipe's full canvas, and shrink with a smaller one.
    """

    def __init__(self, model: YOLOv4, recipe: DetectorRecipe) -> None:
        self.model, self.full_height = model, recipe.input_wh[1]
        self.loss = YoloLoss(
            recipe.box_weight,
            recipe.class_weight,
            recipe.objectness_weight,
            recipe.objectness_target,
            recipe.label_smoothing,
        )

    def anchors_for(self, pictures: Tensor) -> Tensor:
        """The anchors (3, 3, 2) on the canvas of pictures (B, 3, H, W)."""
        return self.model.anchors_wh * (pictures.shape[2] / self.full_height)

    def encode(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        return self.model(pictures), self.anchors_for(pictures)

    def losses(self, encoded: tuple[list[Tensor], Tensor], targets: Targets) -> dict[str, Tensor]:
        return self.loss(*encoded, targets)

    def candidates(self, encoded: tuple[list[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        return decode(*encoded)


def objective_of(model: Any, recipe: DetectorRecipe) -> DetectionNetwork:
    """What a network learns from: itself, or YOLOv4 with the recipe's loss."""
    found: DetectionNetwork = YoloObjective(model, recipe) if isinstance(model, YOLOv4) else model
    return found


class DetectorTraining(LightningModule):
    """The detector under training; batches are images (B, 3, H, W) uint8 and :class:`Targets`."""

    def __init__(
        self, recipe: DetectorRecipe, categories: tuple[str, ...], anchors_wh: Sequence[Sequence[float]]
    ) -> None:
        super().__init__()
        self.recipe, self.categories = recipe, categories
        given = anchors_wh if has_anchors(recipe.model) else ()  # the other models have their own
        self.anchors = tuple((float(w), float(h)) for w, h in given)
        self.model = build_detector(recipe, len(categories), given)
        self.save_hyperparameters(
            {"recipe": asdict(recipe), ANCHORS_KEY: [list(pair) for pair in self.anchors]}
        )
        self.objective = objective_of(self.model, recipe)
        for part in self._frozen():
            part.requires_grad_(False)
        self.detections: list[Detections] = []
        self.truths: list[GroundTruth] = []

    def _frozen(self) -> list[torch.nn.Module]:
        count, trunk = self.recipe.frozen_stages, backbone_body(self.model)
        if not count:
            return []
        if not isinstance(trunk, Backbone):
            raise RecipeError(f"{self.recipe.model} {self.recipe.preset} has no stages that can be frozen")
        return [trunk.stem, *trunk.stages[:count]]

    def load_pretrained(self, state: dict[str, Tensor]) -> None:
        """Start from a pretrained backbone, or a whole detector of the same shape. Raises WeightsError.

        A detector's anchors and categories are its card's: see :func:`start_detector`. Of a torchvision
        network that is a backbone here, the classifying layer is left out.
        """
        whole = is_whole_detector(state)
        left_out = ("num_batches_tracked",) if whole else ("num_batches_tracked", "fc.weight", "fc.bias")
        state = {name: value for name, value in state.items() if not name.endswith(left_out)}
        check_state(state, self.model if whole else backbone_body(self.model), "the pretrained file")

    def setup(self, stage: str) -> None:
        """Order the weights before DDP wraps them: later, it sums kernels' gradients in disorder."""
        self.order_weights(self.trainer.strategy.root_device)

    def order_weights(self, device: torch.device) -> None:
        """Put the weights into the memory format in which a device trains."""
        self.model.to(memory_format=training_memory_format(device))  # type: ignore[call-overload]

    def on_train_epoch_start(self) -> None:
        for part in self._frozen():
            part.eval()

    def inputs(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) uint8 as the network takes them, in its memory format."""
        return pictures.to(memory_format=training_memory_format(pictures.device)).float() / 255

    def losses(self, pictures: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The losses of pictures (B, 3, H, W) uint8; ``loss`` is their weighted sum."""
        return self.objective.losses(self.objective.encode(self.inputs(pictures)), targets)

    def training_step(self, batch: tuple[Tensor, Targets], _: int) -> Tensor:
        pictures, targets = batch
        losses = self.losses(pictures, targets)
        for name, value in losses.items():
            label = "train_loss" if name == "loss" else f"train_{name}"
            self.log(
                label, value, on_step=False, on_epoch=True, prog_bar=name == "loss", batch_size=len(pictures)
            )
        return losses["loss"]

    def on_validation_epoch_start(self) -> None:
        """Validate at the input size of this epoch's training (progressive resizing)."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, DetectorData):
            data.val_set.input_wh = self.recipe.canvas_of(self.current_epoch)

    def validation_step(self, batch: tuple[Tensor, Targets], _: int) -> None:
        pictures, targets = batch
        encoded = self.objective.encode(self.inputs(pictures))
        losses = self.objective.losses(encoded, targets)
        self.log("val_loss", losses["loss"], batch_size=len(pictures), sync_dist=True)
        boxes, scores = (values.cpu().numpy() for values in self.objective.candidates(encoded))
        for index in range(len(pictures)):
            mine = targets.images == index
            self.detections.append(nms(boxes[index], scores[index], score_threshold=0.01))
            self.truths.append(
                GroundTruth(targets.boxes_xyxy[mine].cpu().numpy(), targets.classes[mine].cpu().numpy())
            )

    def on_validation_epoch_end(self) -> None:
        report = evaluate_detection(
            self.detections, self.truths, self.categories, SCORE_THRESHOLD, n_bootstrap=0
        )
        self.log("val_map50", report.map50, prog_bar=True, sync_dist=True)
        self.log("val_map", report.map, sync_dist=True)
        self.detections, self.truths = [], []

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        pictures, targets = batch
        return pictures.to(device, non_blocking=True), targets.to(device)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        groups = parameter_groups(self.model, recipe.learning_rate, recipe.weight_decay, None, 1.0)
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        return warmup_and_cosine(optimizer, self.trainer, recipe.warmup_epochs, recipe.epochs)


class DetectorData(TrainingData):
    """Data loaders: augmented samples for training, letterboxed photos for validation."""

    def __init__(
        self, train: DetectionTrainingDataset, val: DetectionDataset, recipe: DetectorRecipe, workers: int = 0
    ) -> None:
        super().__init__()
        self.train_set, self.recipe, self.workers = train, recipe, workers
        self.val_set = DetectionValidationDataset(val, recipe.input_wh)

    def train_dataloader(self) -> DataLoader[Any]:
        taken = (self.train_set.repeats(), self.recipe.seed, self.recipe.batch)
        more: dict[str, Any] = {"num_workers": self.workers, "collate_fn": collate}
        return self.training_loader(self.train_set, *taken, **more)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val_set, batch_size=8, collate_fn=collate)


def export_detector(training: dict[str, Any]) -> Any:
    """The export of weights and card for :class:`core.training.trainer.ExportBestWeights`."""

    def export(module: LightningModule, path: Path, metric: float) -> None:
        save_weights(module.model, path)  # type: ignore[arg-type]
        recipe: DetectorRecipe = module.recipe  # type: ignore[assignment]
        canvas_wh = recipe.canvas_of(module.current_epoch)
        shrink = canvas_wh[1] / recipe.input_wh[1]
        card = ModelCard(
            kind="detector",
            model=recipe.model,
            preset=recipe.preset,
            categories=module.categories,  # type: ignore[arg-type]
            input_size=max(canvas_wh),
            anchors_wh=tuple((w * shrink, h * shrink) for w, h in module.anchors),  # type: ignore[union-attr]
            name=f"{recipe.model} {recipe.preset} {recipe.name}",
            training={"recipe": asdict(recipe), "epoch": module.current_epoch + 1, **training},
            metrics={"validation_mAP50": round(metric, 4)},
        )
        write_card(card, path)

    return export
