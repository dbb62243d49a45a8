"""An explanation as files: every map as a PNG over the photo, and the index that names them."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.drawing import overlay_heat

if TYPE_CHECKING:
    from core.explain import Explanation
    from core.photos import Photo


def write_maps(explanation: Explanation, photo: Photo, folder: Path) -> dict[str, Any]:
    """Write every map as a PNG overlay into the folder; returns the contract's index of them.

    A garment's map lies over its box's part of the photo, ``garment_001_class_activation.png``; a
    detector's map over all of it, ``detector_stride16.png``. The index names files without their folder.
    """
    garments = []
    for number, entry in enumerate(explanation.garments, start=1):
        x0, y0, x1, y1 = entry.garment.box_xyxy
        crop = photo.image.crop((floor(x0), floor(y0), ceil(x1), ceil(y1)))  # at least one pixel of any box
        maps = {name: f"garment_{number:03d}_{name}.png" for name in entry.maps}
        for name, file in maps.items():
            overlay_heat(crop, entry.maps[name]).save(folder / file)
        shown = entry.garment.as_dict()
        garments.append({key: shown[key] for key in ("box", "category", "top5")} | {"maps": maps})
    stages = []
    for detector_map in explanation.detector_maps:
        file = f"detector_{detector_map.stage}.png"
        overlay_heat(photo.image, detector_map.values).save(folder / file)
        stages.append({"stage": detector_map.stage, "file": file})
    return {"photo": explanation.photo, "garments": garments, "detector_maps": stages}
