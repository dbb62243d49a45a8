"""What every classifier network can do: features, labels, class activation, freezing, pretrained weights.

Training, engines and explanations know networks by this interface alone. A new network is a subclass and a
row of :mod:`core.models.registry`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import WeightsError
from core.models.registry import classifier_config


class ClassifierNetwork(nn.Module):
    """A classifier of pictures (B, 3, S, S) in -1..1: logits (B, classes).

    ``last_layer`` is the name of the dense layer that has a row a class, ``sized`` are the parameters whose
    shape follows from the input's size, ``maps`` names what explains a prediction: the outputs of
    :meth:`activation_maps`, in their order.
    """

    last_layer = "classifier"
    maps: tuple[str, ...] = ("class_activation",)
    sized: tuple[str, ...] = ()

    def feature_maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The last maps (B, C, h, w), then what else the network knows of them (multi-head attention)."""
        raise NotImplementedError

    def embed_maps(self, maps: Tensor) -> Tensor:
        """The last maps (B, C, h, w) to the embedding (B, F): by default their mean over positions."""
        return maps.mean(dim=(2, 3))

    def head(self, embedding: Tensor) -> Tensor:
        """Embedding (B, F) to logits (B, classes)."""
        raise NotImplementedError

    def channel_weights(self, maps: Tensor, rows: Tensor) -> Tensor:
        """The gradient of each row's class (B,) by the means of the last maps' channels: (B, C)."""
        raise NotImplementedError

    @property
    def convolutions(self) -> nn.Module:
        """The convolutions that pretrained weights are for; a recipe may train them at a lower rate."""
        raise NotImplementedError

    @property
    def head_parts(self) -> tuple[nn.Module, ...]:
        """The layers of :meth:`head`."""
        raise NotImplementedError

    def frozen_parts(self, trainable: str) -> tuple[nn.Module, ...]:
        """What a recipe's ``trainable`` ("poster", "late", "all") leaves as it is; by default nothing."""
        return ()

    def load_imagenet(self, path: Path) -> None:
        """Put ImageNet weights into the convolutions. Raises WeightsError for a file of another network."""
        raise WeightsError(f"expected weights of {type(self).__name__} with their card, got {path.name}")

    def calibrate(self, inputs: Tensor) -> None:
        """Fit batch norm of ImageNet weights to pictures (B, 3, S, S) in -1..1; by default nothing."""

    def embed(self, x: Tensor) -> Tensor:
        """Pictures to embeddings (B, F), which are the head's input."""
        return self.embed_maps(self.feature_maps(x)[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))

    def class_activation(self, maps: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
        """Evidence for a class at each position, signed (B, h, w), from last maps (B, C, h, w), logits.

        Grad-CAM (Selvaraju et al. 2017) before its ReLU, in closed form: what follows the maps are means
        and dense layers, so the logit's gradient needs no backward pass. Where a single dense layer follows
        the means, it is the class activation map of Zhou et al. 2016. ``targets`` (B,) names each row's
        class, -1 takes the row's best. The map is not scaled.
        """
        rows = torch.where(targets < 0, logits.argmax(dim=1), targets)
        return (maps * self.channel_weights(maps, rows)[:, :, None, None]).sum(dim=1)

    def explained(self, x: Tensor, targets: Tensor | None = None) -> tuple[Tensor, ...]:
        """Logits, embedding, and the maps that ``maps`` names, in one pass."""
        features, *more = self.feature_maps(x)
        embedding = self.embed_maps(features)
        logits = self.head(embedding)
        targets = logits.argmax(dim=1) if targets is None else targets
        return logits, embedding, self.class_activation(features, logits, targets), *more

    def freeze(self, trainable: str) -> None:
        """Freeze what a recipe's ``trainable`` leaves as it is, and nothing else."""
        self.requires_grad_(True)
        for part in self.frozen_parts(trainable):
            part.requires_grad_(False)

    def set_dropout(self, share: float) -> None:
        """The share of units that every dropout layer drops."""
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = share


def build_classifier(name: str, classes: int, *, preset: str = "full", size: int = 224) -> ClassifierNetwork:
    """A classifier of the registry, with random weights, nothing of it frozen. Raises RecipeError."""
    model: Any = classifier_config(name, classes, preset, size).build()
    network: ClassifierNetwork = model.requires_grad_(True)
    return network


def is_frozen(network: nn.Module) -> bool:
    """Whether any weight stays as it is."""
    return any(not parameter.requires_grad for parameter in network.parameters())
