"""Heat maps of photos as PNG layers, computed in the background and cached for the last photos."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from app.components.background import submit
from app.media import picture_url
from app.preview.selection import PhotoView
from core.garments import Box, LabeledPhoto
from core.images.decode import Photo
from core.images.drawing import heat_layer
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.explain import Explanation
    from core.inference.labeler import Labeler

MAX_PHOTOS = 12
LAYER_SIDE = 512
STAGES = {"stride8": "Fine", "stride16": "Medium", "stride32": "Coarse"}

logger = logging.getLogger(__name__)

Key = tuple[str, tuple[tuple[int, str, Box], ...]]


@dataclass(frozen=True)
class Layers:
    """A photo's overlays as PNG: the detector's attention by stage, class activation by garment number."""

    attention: Mapping[str, bytes]
    activation: Mapping[int, bytes]

    def urls(self, place: str) -> dict[str, Any]:
        """The same by address, for the browser."""
        attention = [
            {"name": STAGES.get(stage, stage), "url": picture_url(data, "image/png", f"{place}/{stage}")}
            for stage, data in self.attention.items()
        ]
        activation = {
            str(number): picture_url(data, "image/png", f"{place}/activation/{number}")
            for number, data in self.activation.items()
        }
        return {"attention": attention, "activation": activation}


class Maps:
    """The overlays of one session's photos: prefetched, and cached for the last few."""

    def __init__(self, labeler: Labeler) -> None:
        self._labeler = labeler
        self._futures: OrderedDict[Key, Future[Layers]] = OrderedDict()
        self._last: tuple[Key, Photo, Explanation] | None = None

    def use(self, labeler: Labeler) -> None:
        """Explain with these models what has not been explained yet."""
        self._labeler = labeler

    def prefetch(self, view: PhotoView) -> Future[Layers]:
        """Start computing a photo's overlays, unless they are there or under way."""
        key = key_of(view)
        if key not in self._futures:
            self._futures[key] = submit(layers_of, self._labeler, view)
        self._futures.move_to_end(key)
        while len(self._futures) > MAX_PHOTOS:
            self._futures.popitem(last=False)[1].cancel()
        return self._futures[key]

    def layers(self, view: PhotoView, wait_seconds: float = 0.0) -> Layers | None:
        """The overlays if they are there within the time, else None; empty ones where that failed."""
        try:
            return self.prefetch(view).result(timeout=wait_seconds)
        except (TimeoutError, CancelledError):
            return None
        except Exception:
            logger.exception("no maps for photo %d", view.item.number)
            return Layers({}, {})

    def explanation(self, view: PhotoView) -> tuple[Photo, Explanation]:
        """The photo with all of its maps, which are large: only the last photo's are kept."""
        if self._last is None or self._last[0] != key_of(view):
            photo = view.item.spooled.photo()
            self._last = (key_of(view), photo, explain(self._labeler, photo, view.labeled))
        return self._last[1:]


def explain(labeler: Labeler, photo: Photo, labeled: LabeledPhoto) -> Explanation:
    """Explain a labeled photo by ``core.inference``, which is imported at the first call."""
    with IMPORTS:
        from core.inference.explain import explain as explain_photo  # brings torch

    return explain_photo(labeler, photo, labeled)


def key_of(view: PhotoView) -> Key:
    """What a photo's maps depend on: the photo, its visible garments and their labels and boxes."""
    garments = ((number, garment.best_label, garment.box_xyxy) for number, garment in view.garments.items())
    return view.item.spooled.digest, tuple(garments)


def layers_of(labeler: Labeler, view: PhotoView) -> Layers:
    """Explain a photo and draw its maps as layers."""
    photo = view.item.spooled.photo()
    explanation: Explanation = explain(labeler, photo, view.labeled)
    activation = zip(view.garments, explanation.garments, strict=True)
    return Layers(
        {entry.stage: layer_png(entry.values, photo.size_wh) for entry in explanation.detector_maps},
        {
            number: layer_png(maps.maps["class_activation"], box_size(maps.garment.box_xyxy))
            for number, maps in activation
        },
    )


def layer_png(values: np.ndarray, size_wh: tuple[int, int]) -> bytes:
    """A map, (h, w) in 0..1, as a PNG of the given shape, its longer side at most ``LAYER_SIDE``."""
    scale = min(1.0, LAYER_SIDE / max(size_wh))
    width, height = (max(1, round(side * scale)) for side in size_wh)
    return png(heat_layer(values, (width, height)))


def box_size(box_xyxy: tuple[float, float, float, float]) -> tuple[int, int]:
    """Whole pixels of a box: width, height."""
    return max(1, round(box_xyxy[2] - box_xyxy[0])), max(1, round(box_xyxy[3] - box_xyxy[1]))


def png(image: Image.Image) -> bytes:
    """The picture as PNG; little compression, since it goes a short way."""
    out = BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
