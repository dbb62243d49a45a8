"""What a training starts from: a given file, the weights that ship, or nothing.

Layers are frozen only where trained weights are in them: a recipe that freezes layers takes the shipped
weights of the same architecture where no file is given, and freezes nothing where none fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from core.errors import RecipeError, WeightsError
from core.models.cards import ModelCard, read_card, shipped_weights
from core.models.classifier import build_classifier, is_frozen
from core.models.weights import check_state, read_tensors
from core.training.recipes import ClassifierRecipe, DetectorRecipe


@dataclass(frozen=True)
class Start:
    """A file of weights to start from (None: random weights), and a sentence on it.

    ``left_out`` are the beginnings of the names of layers that start at random all the same; ``anchors_wh``
    are those that taken heads were trained with, in pixels of the recipe's input; ``categories`` are a given
    detector's, in the order of its heads.
    """

    sentence: str
    shipped: Path | None = None
    left_out: tuple[str, ...] = ()
    anchors_wh: tuple[tuple[float, float], ...] = ()
    categories: tuple[str, ...] = ()

    def load_into(self, model: nn.Module) -> None:
        """Put the shipped weights into a model, except into the layers that are left out."""
        if self.shipped is not None:
            taken = {k: v for k, v in read_tensors(self.shipped).items() if not k.startswith(self.left_out)}
            own = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
            check_state(own | taken, model, self.shipped.name)


def start_detector(
    recipe: DetectorRecipe, categories: Sequence[str], pretrained: Path | None, anchors: str | None = None
) -> tuple[DetectorRecipe, Start]:
    """The recipe, with nothing frozen where no trained weights are to be had, and the start.

    The shipped detector's heads are left out where its categories are others, or ``anchors`` are chosen; else
    its anchors come too. A given detector comes with its anchors and the order of its categories:
    WeightsError where they are others, RecipeError where ``anchors`` are chosen.
    """
    if pretrained is not None:
        start = _start_from_file(recipe, categories, pretrained)
        if start.anchors_wh and anchors is not None:
            raise RecipeError(f"--anchors goes with new heads: those of {pretrained.name} have their own")
        return recipe, start
    if not recipe.frozen_stages:
        return recipe, Start("Starts from random weights; no layer is frozen.")
    card = _shipped_card("detector")
    if card is not None and (card.model, card.preset) == (recipe.model, recipe.preset):
        frozen = f"the stem and {recipe.frozen_stages} stages of the backbone stay as they are"
        same = card.categories == tuple(categories) and anchors is None
        part = (
            "the detector that ships, with its anchors"
            if same
            else "backbone and neck of the detector that ships"
        )
        anchors_wh = _scaled_anchors(card, recipe) if same else ()
        left_out = () if same else ("heads.",)
        return recipe, Start(
            f"Starts from {part}; {frozen}.", shipped_weights("detector"), left_out, anchors_wh
        )
    sentence = f"No trained {recipe.model} {recipe.preset} was given or ships: {_FROM_NOTHING}"
    return replace(recipe, frozen_stages=0), Start(sentence)


BEYOND_THE_BACKBONE = ("neck.", "head.", "rpn.")
"""How names of tensors begin that a detector has after its backbone: YOLOv4, SSD and RetinaNet, R-CNN."""


def is_whole_detector(names: Iterable[str]) -> bool:
    """Whether tensors of these names are a detector's, not only its backbone's."""
    return any(name.startswith(BEYOND_THE_BACKBONE) for name in names)


def _start_from_file(recipe: DetectorRecipe, categories: Sequence[str], pretrained: Path) -> Start:
    """The start from a given backbone or detector. WeightsError for a detector of other categories."""
    if not is_whole_detector(read_tensors(pretrained)):
        return Start(f"Starts from {pretrained.name}.")
    card = read_card(pretrained)
    if (card.model, card.preset) != (recipe.model, recipe.preset):
        wanted, found = f"{recipe.model} {recipe.preset}", f"{card.model} {card.preset}"
        raise WeightsError(f"expected a {wanted} in {pretrained.name}, got a {found}")
    if set(card.categories) != set(categories):
        wanted, found = ", ".join(categories), ", ".join(card.categories)
        raise WeightsError(
            f"expected a detector of the categories {wanted} in {pretrained.name}, got one of {found}"
        )
    sentence = f"Starts from the detector {pretrained.name}{', with its anchors' if card.anchors_wh else ''}."
    return Start(sentence, anchors_wh=_scaled_anchors(card, recipe), categories=card.categories)


def _scaled_anchors(card: ModelCard, recipe: DetectorRecipe) -> tuple[tuple[float, float], ...]:
    """A card's anchors in pixels of the recipe's input."""
    scale = max(recipe.input_wh) / card.input_size
    return tuple((w * scale, h * scale) for w, h in card.anchors_wh)


def start_classifier(
    recipe: ClassifierRecipe, labels: Sequence[str], pretrained: Path | None
) -> tuple[ClassifierRecipe, Start]:
    """The recipe, with nothing frozen where no trained weights are to be had, and the start.

    The shipped classifier's last layer is left out where its labels are others, its tables of positions where
    the input's size is another.
    """
    if pretrained is not None:
        return recipe, Start(f"Starts from {pretrained.name}.")
    with torch.device("meta"):
        network = build_classifier(recipe.model, len(labels), preset=recipe.preset, size=recipe.input_size)
    network.freeze(recipe.trainable)
    if not is_frozen(network):
        return recipe, Start("Starts from random weights; no layer is frozen.")
    card = _shipped_card("classifier")
    if card is not None and card.model == recipe.model:
        new: dict[str, tuple[str, ...]] = (
            {} if card.categories == tuple(labels) else {"the last layer": (f"{network.last_layer}.",)}
        )
        if card.input_size != recipe.input_size and network.sized:
            new["what has the input's size"] = network.sized
        part = f"all but {' and '.join(new)} of the classifier" if new else "the classifier"
        left_out = tuple(name for names in new.values() for name in names)
        sentence = f"Starts from {part} that ships; the recipe's frozen layers stay as they are."
        return recipe, Start(sentence, shipped_weights("classifier"), left_out)
    sentence = f"No trained {recipe.model} was given or ships: {_FROM_NOTHING}"
    return replace(recipe, trainable="all"), Start(sentence)


_FROM_NOTHING = "starts from random weights, and freezes no layer."


def _shipped_card(kind: str) -> ModelCard | None:
    path = shipped_weights(kind)
    try:
        return read_card(path) if path.is_file() else None
    except WeightsError:
        return None
