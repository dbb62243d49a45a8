"""Attribution of a photo's garments as files: pictures in even colors with their scale, and raw numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import RecipeError
from core.file_names import portable_stem
from core.garments import Garment
from core.images.color_maps import overlay_values
from core.images.crops import crop_garment
from core.images.decode import Photo
from core.inference.attribution import (
    METHODS,
    ClassifierInspector,
    DetectorInspector,
    Extent,
    crop_of,
)

BOX = "box"
"""The method that tells why the detector sees a box."""

ALL_METHODS = (*METHODS, BOX)
SIGNED = ("class_activation", BOX)


def check_methods(methods: Sequence[str]) -> None:
    """Raises RecipeError for a method that is not among ``ALL_METHODS``."""
    for method in methods:
        if method not in ALL_METHODS:
            raise RecipeError(f"expected a method of {', '.join(ALL_METHODS)}, got {method!r}")


def write_attribution(
    photo: Photo,
    garments: Sequence[Garment],
    folder: Path,
    *,
    classifier: ClassifierInspector,
    detector: DetectorInspector | None,
    labels: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> tuple[list[list[dict[str, Any]]], dict[str, np.ndarray]]:
    """Write maps of each garment by ``methods`` (class activation by default) for ``labels`` (its own).

    Gives each garment's entries for the index, ``{"method", "label", "file", "low", "high", "area"}`` with
    what the first and the last color stand for and the rectangle that the picture shows, and all numbers by
    name, for a file of arrays. ``detector`` is needed for the method ``BOX`` alone. Raises WeightsError for a
    label that the model does not know, RecipeError for another method.
    """
    check_methods(methods)
    entries: list[list[dict[str, Any]]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, garment in enumerate(garments, start=1):
        mine: list[dict[str, Any]] = []
        stem = f"garment_{number:03d}"
        picture = classifier.crop(photo, garment.box_xyxy)
        inspection = classifier.inspect(picture)
        arrays |= {
            f"{stem}_content_logits": inspection.content,
            f"{stem}_position_logits": inspection.position,
            f"{stem}_class_activations": inspection.activations,
            f"{stem}_logits": inspection.logits,
            f"{stem}_constants": inspection.constants,
        }
        own = inspection.labels[int(inspection.probabilities.argmax())]
        wanted = labels or [garment.best_label if garment.best_label in inspection.labels else own]
        for method in methods or ("class_activation",):
            if method == BOX and detector is not None:
                mine += _box_files(photo, garment, stem, folder, detector, arrays)
                continue
            for label in wanted if "attention" not in method and "rollout" not in method else [None]:
                values = classifier.map_of(method, picture, label or own, inspection)
                name = f"{stem}_{method}" + (f"_{portable_stem(label)}" if label else "")
                crop = crop_garment(photo.image, garment.box_xyxy)
                area = list(crop_of(photo, garment.box_xyxy))
                entry = {"method": method, "label": label, "area": area}
                mine.append(entry | _file(crop, values, folder, name, signed=method in SIGNED))
                arrays[name] = values
        entries.append(mine)
    return entries, arrays


def _box_files(
    photo: Photo,
    garment: Garment,
    stem: str,
    folder: Path,
    detector: DetectorInspector,
    arrays: dict[str, np.ndarray],
) -> list[dict[str, Any]]:
    """Why the detector sees the box, stage by stage, over the whole photo."""
    found = detector.why(photo, garment.box_xyxy, garment.category)
    entries = []
    for stride, values in found.maps.items():
        name = f"{stem}_{BOX}_stride{stride}"
        inside = _cut(values, found.extents[stride])
        entry = {"method": BOX, "label": garment.category, "area": [0, 0, *photo.size_wh]}
        entries.append(entry | _file(photo.image, inside, folder, name, signed=True))
        arrays[name] = values
    return entries


def _cut(values: np.ndarray, extent: Extent) -> np.ndarray:
    """A map (h, w) over an extent that reaches beyond the photo, at eight times its size over the photo."""
    height, width = (8 * side for side in values.shape)
    fine = values.repeat(8, axis=0).repeat(8, axis=1)
    x0, y0, x1, y1 = extent
    left, right = round(-x0 / (x1 - x0) * width), round((1 - x0) / (x1 - x0) * width)
    top, bottom = round(-y0 / (y1 - y0) * height), round((1 - y0) / (y1 - y0) * height)
    return fine[top : max(bottom, top + 1), left : max(right, left + 1)]


def _file(image: Any, values: np.ndarray, folder: Path, name: str, *, signed: bool) -> dict[str, Any]:
    """Write one picture; its file with the ends of its scale."""
    high = float(np.abs(values).max() if signed else values.max()) or 1.0
    low = -high if signed else 0.0
    overlay_values(image, values, low, high, signed=signed).save(folder / f"{name}.png")
    return {"file": f"{name}.png", "low": round(low, 6), "high": round(high, 6)}


def write_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """All numbers as one file of NumPy arrays (npz)."""
    named: dict[str, Any] = dict(arrays)
    with path.open("wb") as file:
        np.savez_compressed(file, **named)
