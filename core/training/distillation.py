"""Feature distillation: pretrains a YOLOv4 backbone on photos without labels, MobileNet being the teacher.

Adapters (1x1) take the student's features at strides 8, 16, 32 to the teacher's channels; the loss is the
mean squared error to the teacher's features, each channel standardized over the batch (FitNets, Romero et al.
2015, with whitened targets). No label is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from core.errors import DatasetError
from core.images.crops import normalize_pixels, to_tensor
from core.models.mobilenet import MobileNetFeatures, load_imagenet
from core.models.weights import write_tensors
from core.models.yolov4 import PRESETS, Backbone
from core.training.datasets import cached_jpeg
from core.training.sampler import Request
from core.training.trainer import TrainingData, cosine_with_warmup, parameter_groups, training_memory_format

TEACHER_CHANNELS = (256, 512, 1024)


def standardize(features: Tensor) -> Tensor:
    """Features (B, C, H, W) with mean 0 and variance 1 a channel."""
    variance, mean = torch.var_mean(features, dim=(0, 2, 3), keepdim=True)
    return (features - mean) / (variance + 1e-3).sqrt()


class Distillation(LightningModule):
    """Trains a backbone on a frozen MobileNet's features; batches are images (B, 3, H, W) uint8."""

    def __init__(
        self, preset: str, teacher_weights: Path, *, ghost: bool = True, learning_rate: float = 2e-3
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.backbone = Backbone(PRESETS[preset], ghost=ghost)
        self.adapters = nn.ModuleList(
            nn.Conv2d(own, theirs, 1)
            for own, theirs in zip(self.backbone.out_channels, TEACHER_CHANNELS, strict=True)
        )
        self.model = nn.ModuleList([self.backbone, self.adapters])
        teacher = MobileNetFeatures()
        load_imagenet(teacher, teacher_weights)
        # A list hides the teacher from checkpoints and optimizers.
        self.teacher = [teacher.requires_grad_(False).eval().to(memory_format=torch.channels_last)]

    def feature_loss(self, pictures: Tensor) -> Tensor:
        """Mean squared error to the standardized teacher, at the three strides; output 0 has loss 1."""
        teacher = self.teacher[0].to(pictures.device)
        with torch.no_grad():
            wanted = [
                standardize(f.float())
                for f in teacher.pyramid(
                    normalize_pixels(pictures).contiguous(memory_format=torch.channels_last)
                )
            ]
        inputs = pictures.to(memory_format=training_memory_format(pictures.device)).float() / 255
        features = self.backbone(inputs)
        losses = [
            (adapter(own).float() - target).square().mean()
            for adapter, own, target in zip(self.adapters, features, wanted, strict=True)
        ]
        return torch.stack(losses).mean()

    def on_fit_start(self) -> None:
        self.model.to(memory_format=training_memory_format(self.device))  # type: ignore[call-overload]

    def training_step(self, pictures: Tensor, _: int) -> Tensor:
        loss = self.feature_loss(pictures)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(pictures))
        return loss

    def validation_step(self, pictures: Tensor, _: int) -> None:
        self.log("val_score", -self.feature_loss(pictures), batch_size=len(pictures), prog_bar=True)

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(self.model, self.learning_rate, 0.02, None, 1.0)
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, cosine_with_warmup(min(200, total // 10), total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class UnlabeledDataset(Dataset[Tensor]):
    """Random crops of photos without labels: (3, size, size) uint8."""

    def __init__(self, paths: Sequence[Path], size: int, seed: int = 0) -> None:
        self.seed = seed
        self.encoded = [cached_jpeg(path, round(size * 1.6), 90) for path in paths]
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.25, 1.0), ratio=(0.6, 1.5), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.5),
            ]
        )
        self.plain = v2.Compose([v2.Resize((size, size), antialias=True)])

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, request: int | Request) -> Tensor:
        if isinstance(request, int):
            return self.plain(self._picture(request))
        epoch, index = request
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng((self.seed, epoch, index)).integers(2**31)))
            return self.transform(self._picture(index))

    def _picture(self, index: int) -> Tensor:
        return to_tensor(Image.open(BytesIO(self.encoded[index])))


class DistillationData(TrainingData):
    """Data loaders over photos without labels; a tenth of them, at most ``aside``, validate."""

    def __init__(
        self, paths: Sequence[Path], *, size: int = 192, batch: int = 32, seed: int = 0, aside: int = 64
    ) -> None:
        super().__init__()
        if len(paths) < 10:
            raise DatasetError(
                f"expected ten photos or more, a tenth of them for validation, got {len(paths)}"
            )
        order = np.random.default_rng(seed).permutation(len(paths))
        shuffled = [paths[i] for i in order]
        aside = min(aside, len(paths) // 10)
        self.train_set = UnlabeledDataset(shuffled[aside:], size, seed)
        self.val_set = UnlabeledDataset(shuffled[:aside], size)
        self.batch, self.seed = min(batch, len(self.train_set)), seed

    def train_dataloader(self) -> DataLoader[Any]:
        repeats = [1.0] * len(self.train_set)
        return self.training_loader(self.train_set, repeats, self.seed, self.batch)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val_set, batch_size=self.batch)


def export_backbone(module: LightningModule, path: Path, metric: float) -> None:
    """Write the backbone alone, float32 safetensors."""
    state = module.backbone.state_dict()  # type: ignore[union-attr, operator]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors({k: v.detach().cpu().contiguous() for k, v in state.items()}, path)
