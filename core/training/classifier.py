"""Training the classifier: Lightning module and data loaders, cross-entropy on photos and crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from core.datasets.classification import ClassificationSample
from core.errors import DatasetError, WeightsError
from core.images.crops import normalize_pixels
from core.models.cards import ModelCard, card_path, read_card, write_card
from core.models.classifier import ClassifierNetwork
from core.models.classifier import build_classifier as build_network
from core.models.weights import check_state, read_tensors, save_weights
from core.training.datasets import ClassificationDataset
from core.training.recipes import ClassifierRecipe
from core.training.sampler import repeat_factors
from core.training.trainer import TrainingData, parameter_groups, warmup_and_cosine

MixedTargets = tuple[tuple[float, Tensor], ...]
"""Targets under mixup: class ids (B,), each with its weight."""


def build_classifier(recipe: ClassifierRecipe, classes: int) -> ClassifierNetwork:
    """The recipe's model, with the layers frozen that it does not train."""
    model = build_network(recipe.model, classes, preset=recipe.preset, size=recipe.input_size)
    model.freeze(recipe.trainable)
    if recipe.dropout:
        model.set_dropout(recipe.dropout)
    return model


class ClassifierTraining(LightningModule):
    """The classifier under training; batches are (B, 3, S, S) uint8 and class ids (B,)."""

    def __init__(
        self, recipe: ClassifierRecipe, labels: tuple[str, ...], pretrained: Path | None = None
    ) -> None:
        super().__init__()
        self.recipe, self.labels = recipe, labels
        self.from_imagenet = False
        # Channels last: depthwise convolutions train half again as fast on a CPU.
        self.model = build_classifier(recipe, len(labels)).to(memory_format=torch.channels_last)
        self.save_hyperparameters({"recipe": asdict(recipe), "labels": list(labels)})
        if pretrained is not None:
            self.load_pretrained(pretrained)

    def load_pretrained(self, path: Path) -> None:
        """Start from ImageNet's weights, or a whole classifier of the same labels with its card beside it.

        Raises WeightsError for weights of another network or of other labels.
        """
        if card_path(path).is_file():
            state, known = read_tensors(path), read_card(path).categories
            if known != self.labels:
                raise WeightsError(
                    f"expected a classifier of the labels {', '.join(self.labels)} in {path.name}, "
                    f"got {', '.join(known)}"
                )
            check_state(state, self.model, path.name)
        else:
            self.model.load_imagenet(path)
            self.from_imagenet = True

    def calibrate(self, pictures: Tensor) -> None:
        """Set the statistics of ImageNet's batch norm from pictures (B, 3, S, S) uint8.

        The statistics of a whole pretrained classifier are kept.
        """
        if self.from_imagenet:
            self.model.calibrate(normalize_pixels(pictures))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        pictures, targets = batch
        inputs = normalize_pixels(pictures)
        mixed_targets: MixedTargets = ((1.0, targets),)
        if self.recipe.mixup > 0:
            inputs, mixed_targets = self._mixed(inputs, targets)
        loss = self.loss_of(inputs, mixed_targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(targets))
        return loss

    def loss_of(self, inputs: Tensor, mixed_targets: MixedTargets) -> Tensor:
        """The loss of normalized images (B, 3, H, W)."""
        return self.label_loss(self._forward(inputs), mixed_targets)

    def label_loss(self, logits: Tensor, mixed_targets: MixedTargets) -> Tensor:
        """Cross-entropy of logits (B, C), with the recipe's label smoothing."""
        smoothing = self.recipe.label_smoothing
        losses = [
            share * F.cross_entropy(logits, ids, label_smoothing=smoothing) for share, ids in mixed_targets
        ]
        return torch.stack(losses).sum()

    def _mixed(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, MixedTargets]:
        """Mixup (Zhang et al. 2018): images blended with others of the batch, and the targets of both."""
        alpha = torch.tensor(self.recipe.mixup)
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        other = torch.randperm(len(targets), device=targets.device)
        mixed = share * inputs + (1 - share) * inputs[other]
        return mixed, ((share, targets), (1 - share, targets[other]))

    def _logits(self, pictures: Tensor) -> Tensor:
        return self._forward(normalize_pixels(pictures))

    def _forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs.contiguous(memory_format=torch.channels_last)).float()

    def on_train_epoch_start(self) -> None:
        """Freeze the batch norm of frozen layers as well."""
        for module in self.model.modules():
            own = list(module.parameters(recurse=False))
            if own and not any(p.requires_grad for p in own):
                module.eval()

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        pictures, targets = batch
        logits = self._logits(pictures)
        ranked = logits.topk(min(5, logits.shape[1]), dim=1).indices == targets[:, None]
        size = len(targets)
        more: dict[str, Any] = {"batch_size": size, "sync_dist": True}
        self.log("val_loss", F.cross_entropy(logits, targets), **more)
        self.log("val_top1", ranked[:, 0].float().mean(), prog_bar=True, **more)
        self.log("val_top5", ranked.any(dim=1).float().mean(), **more)

    def configure_optimizers(self) -> Any:
        recipe = self.recipe
        slow, share = self.model.convolutions, recipe.backbone_rate
        groups = parameter_groups(self.model, recipe.learning_rate, recipe.weight_decay, slow, share)
        optimizer: torch.optim.Optimizer
        if recipe.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
        if recipe.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=recipe.plateau_factor, patience=2
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
        return warmup_and_cosine(optimizer, self.trainer, recipe.warmup_epochs, recipe.epochs)


class ClassifierData(TrainingData):
    """Data loaders: augmented and rebalanced for training, plain for validation.

    ``shares`` is how often an epoch takes each training photo before rebalancing (by default once).
    """

    def __init__(
        self,
        train: tuple[ClassificationSample, ...],
        val: tuple[ClassificationSample, ...],
        labels: tuple[str, ...],
        recipe: ClassifierRecipe,
        workers: int = 0,
        shares: Sequence[float] = (),
    ) -> None:
        super().__init__()
        if not train:
            raise DatasetError("expected photos to train on, got none whose label the model knows")
        self.recipe, self.workers, self.shares = recipe, workers, shares or (1.0,) * len(train)
        self.train_set = ClassificationDataset(
            train, labels, strength=recipe.augmentation, seed=recipe.seed, size=recipe.input_size
        )
        self.val_set = ClassificationDataset(val, labels, size=recipe.input_size)

    def train_dataloader(self) -> DataLoader[Any]:
        targets = self.train_set.targets
        factors = repeat_factors([[t] for t in targets], self.recipe.rebalance)
        repeats = [factor * share for factor, share in zip(factors, self.shares, strict=True)]
        recipe, workers = self.recipe, self.workers
        return self.training_loader(self.train_set, repeats, recipe.seed, recipe.batch, num_workers=workers)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val_set, batch_size=64)

    def sample(self, count: int = 128) -> Tensor:
        """Some plain training pictures (N, 3, S, S), for calibrating batch norm."""
        step = max(1, len(self.train_set) // count)
        return torch.stack([self.train_set[i][0] for i in range(0, len(self.train_set), step)][:count])


def classifier_card(module: ClassifierTraining, metric: float, training: dict[str, Any]) -> ModelCard:
    """The model card of the current weights."""
    return ModelCard(
        kind="classifier",
        model=module.recipe.model,
        preset=module.recipe.preset,
        categories=module.labels,
        input_size=module.recipe.input_size,
        name=f"{module.recipe.model} {module.recipe.name}",
        training={"recipe": asdict(module.recipe), "epoch": module.current_epoch + 1, **training},
        metrics={"validation_top1": round(metric, 4)},
    )


def export_classifier(training: dict[str, Any]) -> Any:
    """The export of weights and card for :class:`core.training.trainer.ExportBestWeights`."""

    def export(module: LightningModule, path: Path, metric: float) -> None:
        save_weights(module.model, path)  # type: ignore[arg-type]
        write_card(classifier_card(module, metric, training), path)  # type: ignore[arg-type]

    return export
