"""Every map of a photo as a picture: detector's stages over the photo, classifier's heads over a garment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image

from core.images.decode import Photo
from core.images.drawing import overlay_heat
from core.images.encode import downscaled

if TYPE_CHECKING:
    from core.inference.explain import Explanation, GarmentMaps

SIDE = 420
NAMES = {
    "stride8": "Detector, stride 8 (small garments)",
    "stride16": "Detector, stride 16",
    "stride32": "Detector, stride 32 (large garments)",
    "class_activation": "Class activation",
    "attention": "Attention, mean of the heads",
}


def stage_pictures(
    photo: Photo, explanation: Explanation, opacity: float
) -> Iterator[tuple[str, Image.Image]]:
    """The photo under each stage's SimAM attention, with the stage's name."""
    small = downscaled(photo.image, SIDE)
    for stage in explanation.detector_maps:
        yield caption_of(stage.stage), overlay_heat(small, stage.values, opacity=opacity)


def garment_pictures(photo: Photo, maps: GarmentMaps, opacity: float) -> Iterator[tuple[str, Image.Image]]:
    """The garment under each of its maps, with the map's name."""
    x0, y0, x1, y1 = (round(value) for value in maps.garment.box_xyxy)
    crop = photo.image.crop((x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    small = downscaled(crop, SIDE)
    for name, values in maps.maps.items():
        yield caption_of(name), overlay_heat(small, values, opacity=opacity)


def caption_of(name: str) -> str:
    """A map's name on the page."""
    if name.startswith("attention_head_"):
        return f"Head {name.removeprefix('attention_head_')}"
    return NAMES.get(name, name)
