"""Classifier inference: crops of garments to label probabilities and embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from core.garments import Box, RankedLabels
from core.images.crops import CROP_SIZE, crop_garment, to_array, to_square
from core.images.decode import Photo
from core.inference.engines.engine import Engine, open_engine
from core.models.cards import WEIGHTS_FOLDER, ModelCard
from core.threads import cores

FEATURES = 1024
"""Numbers of an embedding of MobileNet's, and of the embeddings of no picture."""

BATCH_SIZE = 32
PART_SIZES = (4, 1)
"""Crops of a forward pass on one core: few sizes, for OpenVINO compiles each; parts run at the same time."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier with its card. Safe to share between threads, as its engine is."""

    engine: Engine
    card: ModelCard

    @classmethod
    def load(cls, path: Path | None = None, device: str = "auto", engine: str | None = None) -> Classifier:
        """Weights with their card, by default those that ship; see :func:`open_engine`.

        Raises WeightsError with a sentence, EngineError where the engine is not there.
        """
        path = path or WEIGHTS_FOLDER / "classifier.safetensors"
        return cls(*open_engine(path, "classifier", device, engine))

    def inputs_of(
        self, pictures: Sequence[Image.Image], targets: Sequence[int] | None = None
    ) -> dict[str, np.ndarray]:
        """RGB pictures of any size as the network's inputs: ``images``, float32 (N, 3, S, S) in -1..1.

        ``targets`` (N,) are the labels that class activation maps are of, -1 (the default) the likeliest.
        """
        images = np.stack([to_array(to_square(picture, self.card.input_size)) for picture in pictures])
        wanted = np.full(len(pictures), -1) if targets is None else np.asarray(targets)
        return {"images": images.astype(np.float32) / 127.5 - 1, "targets": wanted.astype(np.int64)}

    def predict(self, pictures: Sequence[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
        """Each picture's probability of each label (N, C) and its embedding (N, F), in one pass.

        Probabilities are calibrated by the card's temperature (Guo et al. 2017). An embedding is the head's
        input, float32, normalized to length one.
        """
        temperature = self.card.calibration.get("temperature", 1.0)
        probabilities, embeddings = [], []
        for found in self._outputs(pictures, ("logits", "embedding")):
            probabilities.append(softmax(found["logits"] / np.float32(temperature)))
            embeddings.append(_normalized(found["embedding"]))
        if not probabilities:
            none = (np.zeros((0, width), np.float32) for width in (len(self.card.categories), FEATURES))
            return next(none), next(none)
        return np.concatenate(probabilities), np.concatenate(embeddings)

    def _outputs(
        self, pictures: Sequence[Image.Image], outputs: Sequence[str]
    ) -> Iterable[dict[str, np.ndarray]]:
        """The network's outputs of the pictures in order, batch by batch."""

        def run(batch: Sequence[Image.Image]) -> dict[str, np.ndarray]:
            return self.engine.run(self.inputs_of(batch), outputs)

        parts = list(batches(pictures, PART_SIZES if self.engine.parallel else (BATCH_SIZE,)))
        return _workers().map(run, parts) if len(parts) > 1 and self.engine.parallel else map(run, parts)

    def probabilities(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Each picture's probability of each label (N, C)."""
        return self.predict(pictures)[0]

    def embed(self, photo: Photo, boxes_xyxy: Sequence[Box] | None = None) -> np.ndarray:
        """Embeddings of the boxes, or of the whole photo where none are named: float32 (N, F)."""
        boxes = [whole_photo(photo)] if boxes_xyxy is None else boxes_xyxy
        return self.predict(self.crops(photo, boxes))[1]

    def crops(self, photo: Photo, boxes_xyxy: Sequence[Box]) -> list[Image.Image]:
        """Each box's crop of the photo, at the size of the network's input."""
        return square_crops(photo, boxes_xyxy, self.card.input_size)

    def classify(self, photo: Photo, boxes_xyxy: Sequence[Box]) -> list[RankedLabels]:
        """The five likeliest labels of each box with their probabilities, best first."""
        return [self.rank(row) for row in self.probabilities(self.crops(photo, boxes_xyxy))]

    def rank(self, probabilities: np.ndarray) -> RankedLabels:
        """Probabilities (C,) to the five likeliest labels."""
        best = np.argsort(-probabilities, kind="stable")[:5].tolist()
        return tuple((self.card.categories[index], float(probabilities[index])) for index in best)


def softmax(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits (..., C) over the last axis, in the logits' precision."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result


def _normalized(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) at length one; those of length zero stay."""
    result: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return result


def whole_photo(photo: Photo) -> Box:
    """The box that holds all of the photo."""
    return (0.0, 0.0, float(photo.width), float(photo.height))


def square_crops(photo: Photo, boxes_xyxy: Sequence[Box], size: int = CROP_SIZE) -> list[Image.Image]:
    """Each box's crop of the photo, resized to squares of ``size`` pixels.

    Crops are resized one by one: a hundred crops of a large photo at full size would be gigabytes.
    """
    return [to_square(crop_garment(photo.image, box), size) for box in boxes_xyxy]


def batches(
    items: Sequence[Image.Image], sizes: Sequence[int] = (BATCH_SIZE,)
) -> Iterator[Sequence[Image.Image]]:
    """Batches in order, each of the largest of ``sizes`` that fits; a rest may be smaller than all."""
    start = 0
    while start < len(items):
        left = len(items) - start
        end = start + next((size for size in sizes if size <= left), left)
        yield items[start:end]
        start = end


@cache
def _workers() -> ThreadPoolExecutor:
    """Threads that classify parts of one photo at the same time; ``SLOTS`` says how many of them compute."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="lapel-classifier")
