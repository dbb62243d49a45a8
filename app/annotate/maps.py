"""The attention map under the editor: both models' maps in one over the photo, computed on request."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from app.components.background import submit
from core.errors import LapelError
from core.garments import Box, LabeledPhoto
from core.inference.predictions import prediction_of
from core.store import Store

if TYPE_CHECKING:
    from core.inference.explain import Explanation

MAX_MAPS = 24
MAP_SIDE = 256  # the longer side of the map before it is drawn, in cells

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AttentionMap:
    """A map as a PNG, None where it could not be made, and the models that it was made with."""

    png: bytes | None
    champions: Mapping[str, int]


class AttentionMaps:
    """The maps of a store's last few photos, shared by all who annotate them."""

    def __init__(self) -> None:
        self._futures: OrderedDict[tuple[str, int], Future[AttentionMap]] = OrderedDict()

    def request(self, store: Store, photo_id: int) -> None:
        """Start working a photo's map out, unless that has been done or begun."""
        key = _key(store, photo_id)
        if key not in self._futures or self._is_stale(store, photo_id):
            self._futures[key] = submit(make_map, store, photo_id)
        self._futures.move_to_end(key)
        while len(self._futures) > MAX_MAPS:
            self._futures.popitem(last=False)[1].cancel()

    def png(self, store: Store, photo_id: int) -> bytes | None:
        """The photo's map if it is there by now, and of the models that serve now."""
        made = self._made(store, photo_id)
        return None if made is None or self._is_stale(store, photo_id) else made.png

    def pending(self, store: Store, photo_id: int) -> bool:
        """Whether the map was asked for and is not there yet."""
        found = self._futures.get(_key(store, photo_id))
        return found is not None and not found.done()

    def _made(self, store: Store, photo_id: int) -> AttentionMap | None:
        found = self._futures.get(_key(store, photo_id))
        return found.result() if found is not None and found.done() and not found.cancelled() else None

    def _is_stale(self, store: Store, photo_id: int) -> bool:
        made = self._made(store, photo_id)
        return made is not None and made.champions != champions(store)


def _key(store: Store, photo_id: int) -> tuple[str, int]:
    return str(store.database.engine.url), photo_id


def champions(store: Store) -> Mapping[str, int]:
    """The numbers of the models that serve, by kind; none where the store cannot say."""
    try:
        return store.models.champion_ids()
    except LapelError:
        return {}


def make_map(store: Store, photo_id: int) -> AttentionMap:
    """A photo's map by the models that serve now."""
    from app import resources

    with suppress(Exception):  # what is wrong with the models is for the map itself to say
        resources.labeler_of(store)  # the first call makes a new store's champions known
    serving = champions(store)
    return AttentionMap(attention_png(store, photo_id), serving)


@cache
def attention_maps() -> AttentionMaps:
    """The process's maps."""
    return AttentionMaps()


def attention_png(store: Store, photo_id: int) -> bytes | None:
    """A photo's map as a PNG layer of its shape; None, with a line in the log, where it cannot be made."""
    from app import resources
    from app.attention import maps

    try:
        labeler = resources.labeler_of(store)
        photo = store.photos.open(photo_id)
        prediction = prediction_of(store, photo_id)
        garments = prediction.garments if prediction else ()
        shown = tuple(g for g in garments if g.score >= labeler.default_threshold)
        labeled = LabeledPhoto(photo.name, photo.width, photo.height, 0.0, {}, shown)
        return maps.layer_png(over_photo(maps.explain(labeler, photo, labeled), photo.size_wh), photo.size_wh)
    except Exception:
        logger.exception("no map for photo %d", photo_id)
        return None


def over_photo(explanation: Explanation, size_wh: tuple[int, int]) -> np.ndarray:
    """One map (h, w) in 0..1 over the whole photo.

    The detector's attention, mean of its stages, as far as it is above what half of the photo gets; and each
    garment's class activation laid into its box where that is hotter.
    """
    scale = min(1.0, MAP_SIDE / max(size_wh))
    width, height = (max(1, round(side * scale)) for side in size_wh)
    stages = [_resized(entry.values, (width, height)) for entry in explanation.detector_maps]
    heat = _above_half(np.mean(stages, axis=0)) if stages else np.zeros((height, width), np.float32)
    for entry in explanation.garments:
        left, top, right, bottom = _cells(entry.garment.box_xyxy, scale, (width, height))
        inside = _resized(entry.maps["class_activation"], (right - left, bottom - top))
        heat[top:bottom, left:right] = np.maximum(heat[top:bottom, left:right], inside)
    return np.asarray(heat, np.float32)


def _above_half(heat: np.ndarray) -> np.ndarray:
    """What lies above the median, stretched to 0..1: the rest of the photo stays as clear as it is."""
    middle, most = float(np.median(heat)), float(heat.max())
    return np.clip((heat - middle) / max(most - middle, 1e-6), 0.0, 1.0)


def _resized(values: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    stretched = Image.fromarray(np.asarray(values, np.float32)).resize(size_wh, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(stretched), 0.0, 1.0)


def _cells(box: Box, scale: float, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box as cells of the map, at least one wide and high, inside it."""
    left, top = (min(max(0, int(v * scale)), most - 1) for v, most in zip(box[:2], size_wh, strict=True))
    right, bottom = (min(max(0, round(v * scale)), most) for v, most in zip(box[2:], size_wh, strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)
