"""What both models look at in one photo, for research: all terms, labels and modules, as arrays.

:mod:`core.inference.explain` gives maps by the engine that labels; here the networks run in PyTorch, as
gradients and the inner terms are wanted. Garments' maps lie over the square crop that the classifier sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image

from core.errors import RecipeError, WeightsError
from core.garments import Box
from core.images.crops import crop_garment, crop_rectangle, to_array, to_square
from core.images.decode import Photo
from core.images.letterbox import Letterboxed, letterbox, tight_canvas
from core.inference.classifier import softmax
from core.models import attribution, library_cams
from core.models.cards import ModelCard
from core.models.loading import load_classifier_network, load_detector_network
from core.models.mobilenet import MobileNetMHA
from core.models.yolov4 import YOLOv4
from core.threads import torch_computes

FINER = tuple(attribution.FINER)
LIBRARY_METHODS = {name: method.title for name, method in library_cams.METHODS.items()}
SLOW_METHOD = library_cams.SLOW
METHODS = {
    "class_activation": "Class activation (signed Grad-CAM)",
    "attention": "Attention, mean of the heads",
    "rollout_2x": "Attention rolled out, twice as fine",
    "rollout_4x": "Attention rolled out, four times as fine",
    **LIBRARY_METHODS,
}
"""Maps of a garment that :meth:`ClassifierInspector.map_of` gives, with their titles."""


@dataclass(frozen=True, eq=False)
class GarmentInspection:
    """All that one pass of the classifier tells of a square crop.

    ``content`` and ``position`` (heads, n, n) are the two terms of the attention's logits, from each
    position (rows) to each (columns). ``activations`` (C, h, w) are signed, one a label; a label's logit is
    the mean of its map plus its constant. ``probabilities`` (C,) are calibrated.
    """

    labels: tuple[str, ...]
    content: np.ndarray
    position: np.ndarray
    activations: np.ndarray
    logits: np.ndarray
    constants: np.ndarray
    probabilities: np.ndarray

    @property
    def attention(self) -> np.ndarray:
        """(heads, 49, 49), rows sum to one: the softmax of both terms' sum."""
        return softmax(self.content + self.position)

    @property
    def received(self) -> np.ndarray:
        """What each place receives from all places on average: (heads, h, w), each sums to one."""
        attention = self.attention.mean(axis=1)
        return attention.reshape(len(attention), *self.activations.shape[1:])

    def index_of(self, label: str) -> int:
        """A label's place. Raises WeightsError for one that the model does not know."""
        if label not in self.labels:
            raise WeightsError(f"expected a label that the model knows, got {label!r}")
        return self.labels.index(label)


@dataclass(frozen=True, eq=False)
class ClassifierInspector:
    """A classifier with attention in PyTorch, for one garment at a time. Safe to share between threads."""

    network: MobileNetMHA
    card: ModelCard

    @classmethod
    def load(cls, path: Path) -> ClassifierInspector:
        """Weights with their card. Raises WeightsError, also for a classifier without attention."""
        network, card = load_classifier_network(path)
        if not isinstance(network, MobileNetMHA):
            raise WeightsError(f"maps of garments need a classifier with attention, {card.name} has none")
        attribution.with_gradients(network)
        return cls(network, card)

    def randomized(self, down_to: str, seed: int = 0) -> ClassifierInspector:
        """The same with random weights from the top down; see :func:`attribution.randomized`."""
        return ClassifierInspector(attribution.randomized(self.network, down_to, seed), self.card)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.card.categories

    @property
    def size(self) -> int:
        """Places along a side of what attention connects: 7 of a picture of 224 pixels."""
        return self.network.attention.size

    def crop(self, photo: Photo, box_xyxy: Box) -> Image.Image:
        """A garment's crop with its margin as the classifier sees it: a square, not to scale."""
        return to_square(crop_garment(photo.image, box_xyxy), self.card.input_size)

    def inspect(self, picture: Image.Image) -> GarmentInspection:
        """One pass over a square crop as :meth:`crop` gives it."""
        temperature = self.card.calibration.get("temperature", 1.0)
        with torch_computes(), torch.inference_mode():
            before = self.network.backbone(self._images(picture))
            content, position = self.network.attention.logits(before)
            mixed = self.network.attention(before)
            maps = torch.relu(self.network.norm(mixed))
            found = attribution.class_activations(self.network, maps)
            probabilities = (found.logits / temperature).softmax(dim=1)
            parts = (content, position, found.maps, found.logits, found.constants, probabilities)
            return GarmentInspection(self.labels, *(part[0].float().numpy() for part in parts))

    def _images(self, picture: Image.Image) -> torch.Tensor:
        pixels = to_array(to_square(picture, self.card.input_size))
        images = torch.from_numpy(pixels)[None].float() / 127.5 - 1
        return images.contiguous(memory_format=torch.channels_last)

    def shares(self, picture: Image.Image, factor: int) -> np.ndarray:
        """Each position's shares in a map ``factor`` times as fine: (n, n * factor^2), rows sum to one.

        A map over the positions times this is its rollout to the finer map; a reconstruction, see
        :func:`attribution.feature_shares`. Raises RecipeError for another factor than those of ``FINER``.
        """
        with torch_computes():
            return attribution.feature_shares(self.network, self._images(picture), factor).numpy()

    def map_of(
        self, method: str, picture: Image.Image, label: str, inspection: GarmentInspection | None = None
    ) -> np.ndarray:
        """One of ``METHODS``: float32 (h, w) over the crop, in the method's own scale.

        ``inspection`` spares the pass where there is one already. Raises RecipeError for another method,
        EngineError for one of TorchCAM where that is not installed, WeightsError for an unknown label.
        """
        if method not in METHODS:
            raise RecipeError(f"expected a map of {', '.join(METHODS)}, got {method!r}")
        if method in LIBRARY_METHODS:
            if label not in self.labels:
                raise WeightsError(f"expected a label that the model knows, got {label!r}")
            with torch_computes():
                target = self.labels.index(label)
                return library_cams.library_cam(self.network, self._images(picture), target, method).numpy()
        found = inspection or self.inspect(picture)
        if method == "class_activation":
            return cast(np.ndarray, found.activations[found.index_of(label)])
        received = found.received.mean(axis=0)
        if method == "attention":
            return cast(np.ndarray, received)
        factor = int(method.removeprefix("rollout_").removesuffix("x"))
        side = factor * self.size
        return (received.ravel() @ self.shares(picture, factor)).reshape(side, side).astype(np.float32)

    def confidence(self, label: str) -> Callable[[np.ndarray], np.ndarray]:
        """The probability of a label in crops (N, S, S, 3) of 0..255, as faithfulness is measured."""
        target = self.labels.index(label)
        temperature = self.card.calibration.get("temperature", 1.0)

        def score(pictures: np.ndarray) -> np.ndarray:
            with torch_computes(), torch.inference_mode():
                images = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
                logits = self.network(images.contiguous(memory_format=torch.channels_last))
                return cast(np.ndarray, (logits / temperature).softmax(dim=1)[:, target].double().numpy())

        return score


def crop_of(photo: Photo, box_xyxy: Box) -> tuple[int, int, int, int]:
    """The crop's rectangle x0, y0, x1, y1 in pixels of the photo."""
    return crop_rectangle(photo.size_wh, box_xyxy)


Extent = tuple[float, float, float, float]
"""What a map covers, x0, y0, x1, y1 in shares of the photo's width and height."""


@dataclass(frozen=True, eq=False)
class SimAMModule:
    """SimAM in one GS module: maps (h, w) are means over channels, and lie over ``extent`` of the photo.

    ``before`` and ``after`` are means of magnitudes, ``weights`` of the sigmoid of the inverse energy.
    ``counts`` (bins,) of all neurons' inverse energy between ``edges`` (bins + 1,).
    """

    name: str
    stage: int
    module: int
    maps: Mapping[str, np.ndarray]
    extent: Extent
    edges: np.ndarray
    counts: np.ndarray
    mean_weight: float


ENERGY_BINS = np.concatenate([np.linspace(0.5, 3.0, 26), [4.0, 6.0, 10.0, 20.0, np.inf]])


@dataclass(frozen=True, eq=False)
class BoxInspection:
    """Why a detector sees a box: ``maps`` by stride, signed (h, w), each over its ``extents`` of the photo.

    ``box_xyxy`` in pixels of the photo and ``score`` are those of the prediction that is explained.
    """

    maps: Mapping[int, np.ndarray]
    extents: Mapping[int, Extent]
    box_xyxy: Box
    score: float


@dataclass(frozen=True, eq=False)
class DetectorInspector:
    """A detector in PyTorch, for one photo at a time. Safe to share between threads."""

    network: YOLOv4
    card: ModelCard

    @classmethod
    def load(cls, path: Path) -> DetectorInspector:
        """Weights with their card. Raises WeightsError, also for other detectors than YOLOv4 and -GS."""
        network, card = load_detector_network(path)
        if not isinstance(network, YOLOv4):
            raise WeightsError(f"maps of boxes need a YOLOv4 or YOLOv4-GS, {card.name} is a {card.model}")
        attribution.with_gradients(network)
        return cls(network, card)

    def _input_of(self, photo: Photo) -> tuple[Letterboxed, torch.Tensor]:
        boxed = letterbox(photo.image, tight_canvas(photo.size_wh, self.card.input_size))
        images = torch.from_numpy(to_array(boxed.image))[None].float() / 255
        return boxed, images.contiguous(memory_format=torch.channels_last)

    def simam(self, photo: Photo) -> list[SimAMModule]:
        """SimAM in every GS module, from the first stage to the last; none where the detector has none."""
        boxed, images = self._input_of(photo)
        with torch_computes():
            states = attribution.simam_states(self.network, images)
        return [_simam_module(state, boxed) for state in states]

    def why(self, photo: Photo, box_xyxy: Sequence[float], category: str) -> BoxInspection:
        """Which places of the stages a box's score comes from; see :func:`attribution.box_attribution`.

        Raises WeightsError for a category that the model does not know.
        """
        if category not in self.card.categories:
            raise WeightsError(f"expected a category that {self.card.name} knows, got {category!r}")
        boxed, images = self._input_of(photo)
        on_canvas = boxed.to_canvas(np.array([box_xyxy], dtype=np.float64))[0]
        with torch_computes():
            found = attribution.box_attribution(
                self.network, images, on_canvas, self.card.categories.index(category)
            )
        placed = {stride: without_border(values.numpy(), boxed) for stride, values in found.maps.items()}
        x0, y0, x1, y1 = boxed.to_photo(np.array([found.box_xyxy]))[0].tolist()
        maps = {stride: values for stride, (values, _) in placed.items()}
        extents = {stride: extent for stride, (_, extent) in placed.items()}
        return BoxInspection(maps, extents, (x0, y0, x1, y1), found.score)


def _simam_module(state: attribution.SimAMState, boxed: Letterboxed) -> SimAMModule:
    weights = torch.sigmoid(state.inverse_energy)
    means = {
        "before": state.before.abs(), "inverse_energy": state.inverse_energy, "weights": weights,
        "after": state.after.abs(), "output": state.output.abs(),
    }  # fmt: skip
    placed = {name: without_border(values.mean(dim=0).numpy(), boxed) for name, values in means.items()}
    maps = {name: values for name, (values, _) in placed.items()}
    counts = np.histogram(state.inverse_energy.numpy(), ENERGY_BINS)[0]
    return SimAMModule(
        state.name, state.stage, state.module, maps, placed["weights"][1], ENERGY_BINS, counts,
        float(weights.mean()),
    )  # fmt: skip


def without_border(values: np.ndarray, boxed: Letterboxed) -> tuple[np.ndarray, Extent]:
    """A map (h, w) over a letterboxed canvas without the cells in its border alone, and what it covers.

    Cells at the edge reach into the border: the extent then goes a little beyond the photo.
    """
    first, last, extent = [], [], []
    sizes = (boxed.image.size, boxed.offset_xy, boxed.placed_wh)
    for cells, canvas, offset, placed in zip(values.shape[::-1], *sizes, strict=True):
        cell = canvas / cells
        first.append(int(offset / cell))
        last.append(max(int(np.ceil((offset + placed) / cell - 1e-9)), first[-1] + 1))
        extent.append(((first[-1] * cell - offset) / placed, (last[-1] * cell - offset) / placed))
    (x0, x1), (y0, y1) = extent
    return values[first[1] : last[1], first[0] : last[0]], (x0, y0, x1, y1)
