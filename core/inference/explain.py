"""Explanations of a photo's labels: SimAM attention, multi-head attention and class activation (Grad-CAM).

The detector gives a SimAM map a stage, the classifier a class activation map and attention heads a garment.
Maps are written as PNG overlays with an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.garments import Box, Garment, LabeledPhoto
from core.images.crops import crop_rectangle
from core.images.decode import Photo
from core.images.drawing import explained_table, overlay_heat
from core.images.letterbox import Letterboxed
from core.inference.classifier import Classifier, batches
from core.inference.detector import Detector
from core.inference.labeler import Labeler

SIMAM = "simam_"
CLASS_ACTIVATION, ATTENTION = "class_activation", "attention"
MAP_SIZE = 56  # garment maps are smoothed from 7 x 7 to this before the box is cut out


@dataclass(frozen=True, eq=False)
class GarmentMaps:
    """A garment with its maps by name, each float32 (h, w) in 0..1 over the garment's box.

    ``class_activation``; where the classifier has multi-head attention also ``attention`` (the mean of the
    heads) and ``attention_head_1`` to ``_8``.
    """

    garment: Garment
    maps: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class DetectorMap:
    """The detector's attention at one stage (``stride8``, ...), float32 (h, w) in 0..1 over all the photo."""

    stage: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Explanation:
    """A photo's maps, garments in the order of its labels."""

    photo: str
    garments: tuple[GarmentMaps, ...]
    detector_maps: tuple[DetectorMap, ...]


def explain(labeler: Labeler, photo: Photo, labeled: LabeledPhoto) -> Explanation:
    """All maps of a labeled photo: both models run once more, on the photo and on its garments' crops.

    A detector other than YOLOv4 and YOLOv4-GS has none; then ``detector_maps`` is empty.
    """
    garments = _garment_maps(labeler.classifier, photo, labeled.garments)
    return Explanation(labeled.photo, garments, _detector_maps(labeler.detector, photo))


def _detector_maps(detector: Detector, photo: Photo) -> tuple[DetectorMap, ...]:
    names = [name for name in detector.engine.outputs if name.startswith(SIMAM)]
    if not names:
        return ()
    boxed, pictures = detector.input_of(photo)
    found = detector.engine.run({"images": pictures}, names)
    return tuple(DetectorMap(name.removeprefix(SIMAM), _over_photo(found[name][0], boxed)) for name in names)


def _over_photo(weights: np.ndarray, boxed: Letterboxed) -> np.ndarray:
    """A stage's map (h, w) without the letterbox's border, scaled to 0..1."""
    canvas_w, canvas_h = boxed.image.size
    fine = _resized(weights, (canvas_w // 4, canvas_h // 4), Image.Resampling.BILINEAR)
    left, top = boxed.offset_xy[0] // 4, boxed.offset_xy[1] // 4
    right = left + max(1, round(boxed.placed_wh[0] / 4))
    bottom = top + max(1, round(boxed.placed_wh[1] / 4))
    return to_unit(fine[top:bottom, left:right])


def _resized(values: np.ndarray, size_wh: tuple[int, int], resampling: Image.Resampling) -> np.ndarray:
    """A map (h, w) at another size."""
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size_wh, resampling))


def _garment_maps(
    classifier: Classifier, photo: Photo, garments: tuple[Garment, ...]
) -> tuple[GarmentMaps, ...]:
    names = [name for name in (CLASS_ACTIVATION, ATTENTION) if name in classifier.engine.outputs]
    entries: list[GarmentMaps] = []
    for chunk in batches(classifier.crops(photo, [garment.box_xyxy for garment in garments])):
        mine = garments[len(entries) : len(entries) + len(chunk)]
        targets = [_target(classifier.card.categories, garment) for garment in mine]
        found = classifier.engine.run(classifier.inputs_of(chunk, targets), names)
        for row, garment in enumerate(mine):
            maps = _named_maps({name: found[name][row] for name in names})
            over_box = {name: _over_box(values, garment.box_xyxy, photo) for name, values in maps.items()}
            entries.append(GarmentMaps(garment, over_box))
    return tuple(entries)


def _target(labels: tuple[str, ...], garment: Garment) -> int:
    """The target class of a garment's class activation map: its chosen label, or -1, the model's first."""
    return labels.index(garment.best_label) if garment.best_label in labels else -1


def _named_maps(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A garment's maps (h, w) by name, from class activation (h, w) and attention (heads, h*w, h*w)."""
    maps = {CLASS_ACTIVATION: np.maximum(found[CLASS_ACTIVATION], 0)}
    if ATTENTION in found:
        shape = maps[CLASS_ACTIVATION].shape
        heads = found[ATTENTION].mean(axis=1).reshape(-1, *shape)  # what each position receives
        maps[ATTENTION] = heads.mean(axis=0)
        maps |= {f"{ATTENTION}_head_{number}": head for number, head in enumerate(heads, start=1)}
    return maps


def maps_missing(classifier: Classifier) -> str | None:
    """A sentence on the maps that a classifier does not have; None for one that has all of them."""
    if ATTENTION in classifier.engine.outputs:
        return None
    return f"{classifier.card.model} has no multi-head attention: a garment has a class activation map alone."


def _over_box(values: np.ndarray, box: Box, photo: Photo) -> np.ndarray:
    """A map (7, 7) over a garment's crop, with its margin, to one over its box alone."""
    left, top, right, bottom = crop_rectangle(photo.size_wh, box)
    fine = _resized(values, (MAP_SIZE, MAP_SIZE), Image.Resampling.BICUBIC)
    x0, x1 = _span(box[0] - left, box[2] - left, right - left)
    y0, y1 = _span(box[1] - top, box[3] - top, bottom - top)
    return to_unit(fine[y0:y1, x0:x1])


def _span(start: float, end: float, crop: int) -> tuple[int, int]:
    """A box's side, in pixels of a crop ``crop`` pixels long, in rows or columns of the map: at least one."""
    first = min(max(0, int(start * MAP_SIZE / crop)), MAP_SIZE - 1)
    return first, min(max(first + 1, int(np.ceil(end * MAP_SIZE / crop))), MAP_SIZE)


def to_unit(values: np.ndarray) -> np.ndarray:
    """Stretch a map to 0..1, float32; an even one becomes all zero."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-8:
        return np.zeros(values.shape, dtype=np.float32)
    return ((values - low) / (high - low)).astype(np.float32)


def write_maps(explanation: Explanation, photo: Photo, folder: Path) -> dict[str, Any]:
    """Write every map as a PNG overlay into the folder; returns the contract's index of them.

    A garment's map lies over its box's part of the photo, ``garment_001_class_activation.png``; a
    detector's map over all of it, ``detector_stride16.png``. The index names files without their folder.
    """
    garments = []
    for number, entry in enumerate(explanation.garments, start=1):
        crop = _crop_of(photo, entry.garment.box_xyxy)
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


def table_of(explanation: Explanation, photo: Photo) -> Image.Image:
    """A row a garment: the garment, its class activation map, its five likeliest labels."""
    rows = []
    for entry in explanation.garments:
        crop = _crop_of(photo, entry.garment.box_xyxy)
        lines = [f"{label}  {share:.0%}" for label, share in entry.garment.top5]
        rows.append((crop, overlay_heat(crop, entry.maps[CLASS_ACTIVATION]), lines))
    return explained_table(rows)


def _crop_of(photo: Photo, box: Box) -> Image.Image:
    """The part of a photo in a box, at least one pixel."""
    x0, y0, x1, y1 = box
    return photo.image.crop((floor(x0), floor(y0), ceil(x1), ceil(y1)))
