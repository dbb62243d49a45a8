"""A garment inspected: heads from a point, two labels, maps before and after; without Gradio.

The same numbers as on the page Attention, from the networks in PyTorch, which is
loaded at the first inspection.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from app.demo.view import CROP_SIDE, Shown
from core.errors import RecipeError, WeightsError
from core.images.color_maps import hex_stops, overlay_values
from core.images.crops import crop_garment
from core.images.decode import Photo
from core.models.cards import shipped_weights
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.attribution import ClassifierInspector, DetectorInspector, GarmentInspection

SMALL_SIDE = 240
GARMENT_MAPS = {
    "class_activation": "Class activation of its best label, signed",
    "attention": "Attention, mean of the heads",
    "rollout_2x": "Attention rolled out to 14 x 14 (a reconstruction)",
    "rollout_4x": "Attention rolled out to 28 x 28 (a reconstruction)",
}
SIMAM = "simam:"
BAR_STEPS = 5
Captioned = list[tuple[Image.Image, str]]


class Inspectors:
    """Both models in PyTorch, by default those that ship, loaded when they are first asked for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._classifier: ClassifierInspector | None = None
        self._detector: DetectorInspector | None = None

    @property
    def are_loaded(self) -> bool:
        """Whether an inspection needs no more loading."""
        return self._classifier is not None

    @property
    def classifier(self) -> ClassifierInspector:
        """Raises WeightsError for one without attention."""
        with self._lock:
            if self._classifier is None:
                with IMPORTS:
                    from core.inference.attribution import ClassifierInspector
                self._classifier = ClassifierInspector.load(shipped_weights("classifier"))
            return self._classifier

    @property
    def detector(self) -> DetectorInspector:
        """Raises WeightsError for another than YOLOv4 and YOLOv4-GS."""
        with self._lock:
            if self._detector is None:
                with IMPORTS:
                    from core.inference.attribution import DetectorInspector
                self._detector = DetectorInspector.load(shipped_weights("detector"))
            return self._detector

    @property
    def simam_modules(self) -> list[tuple[str, str]]:
        """SimAM's modules as titles and choices, from the first stage to the last."""
        from core.models.blocks import GSModule  # PyTorch is there, as a garment is inspected

        stages = self.detector.network.backbone.stages
        counts = [sum(isinstance(part, GSModule) for part in stage.modules()) for stage in stages]
        return [
            (
                f"SimAM, stage {stage}, module {module}: before and after",
                f"{SIMAM}stage{stage}_module{module}",
            )
            for stage, count in enumerate(counts, start=1)
            for module in range(1, count + 1)
        ]


@dataclass(frozen=True, eq=False)
class ColorBar:
    """What the colors of a figure stand for: ``low`` to ``high``, in words that say the unit."""

    low: float
    high: float
    signed: bool
    title: str

    def html(self) -> str:
        """The bar with its numbers, in the page's own text color."""
        stops = ", ".join(hex_stops("diverging" if self.signed else "sequential"))
        numbers = "".join(
            f"<b>{value:.3g}</b>" for value in np.linspace(self.low, self.high, BAR_STEPS) + 0.0
        )
        return (
            f'<div class="color-bar"><i style="background: linear-gradient(to right, {stops})"></i>'
            f"<span>{numbers}</span>{html.escape(self.title)}</div>"
        )


@dataclass(frozen=True, eq=False)
class InspectedGarment:
    """A garment of a session that is inspected, and the point (row, column) that was chosen on it.

    ``crop`` is the garment with its margin to scale, ``square`` the same as the classifier sees it; maps lie
    over either. Both are cut from the session's small picture.
    """

    index: int
    crop: Image.Image
    square: Image.Image
    inspection: GarmentInspection
    point: tuple[int, int]

    @property
    def places(self) -> int:
        """Places along a side of what attention connects."""
        return int(self.inspection.activations.shape[-1])

    def at(self, place_xy: Any) -> InspectedGarment:
        """The same from another point, given in pixels of ``crop``. Raises RecipeError for what is none."""
        numbers = place_xy if isinstance(place_xy, list | tuple) and len(place_xy) == 2 else (None, None)
        places = []
        for value, pixels in zip(numbers, self.crop.size, strict=True):
            if not _is_within(value, pixels):
                width, height = self.crop.size
                raise RecipeError(f"Expected a point within {width} x {height} pixels of the garment.")
            places.append(min(int(value * self.places / pixels), self.places - 1))
        return replace(self, point=(places[1], places[0]))

    def label(self, name: Any) -> int:
        """A label's place. Raises WeightsError for one that the model does not know."""
        if not isinstance(name, str):
            raise WeightsError("Expected a label that the model knows.")
        return self.inspection.index_of(name[:60])


def _is_within(value: Any, pixels: int) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= pixels


def inspect(inspectors: Inspectors, shown: Shown, index: int | None) -> InspectedGarment | None:
    """Inspect one of the garments, from its middle; None where it is not there. Raises WeightsError."""
    garments = shown.labeled.garments
    if not isinstance(index, int) or not 0 <= index < len(garments):
        return None
    picture = shown.preview
    box = _on_preview(shown, picture, index)
    crop = _enlarged(crop_garment(picture, box), CROP_SIDE)
    square = inspectors.classifier.crop(_as_photo(shown, picture), box)
    inspection = inspectors.classifier.inspect(square)
    middle = inspection.activations.shape[-1] // 2
    return InspectedGarment(index, crop, square, inspection, (middle, middle))


def pointed(inspected: InspectedGarment) -> Image.Image:
    """The garment with the chosen place outlined."""
    picture = inspected.crop.copy()
    row, column = inspected.point
    width, height = (side / inspected.places for side in picture.size)
    box = (column * width, row * height, (column + 1) * width - 1, (row + 1) * height - 1)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(box, outline="#ffffff", width=5)
    draw.rectangle(
        tuple(side + step for side, step in zip(box, (1, 1, -1, -1), strict=True)), outline="#111111", width=3
    )
    return picture


def heads(inspected: InspectedGarment) -> tuple[Captioned, ColorBar]:
    """What each head attends to from the chosen point, their mean first, all in one scale of shares."""
    places = inspected.places
    row, column = inspected.point
    attention = inspected.inspection.attention[:, row * places + column].reshape(-1, places, places)
    maps = [attention.mean(axis=0), *attention]
    titles = ["Mean", *(f"Head {number}" for number in range(1, len(attention) + 1))]
    bar = ColorBar(
        0.0, 100 * float(attention.max()), False, f"% of the attention, of {places * places} places"
    )
    return _figures(inspected, [100 * values for values in maps], titles, bar), bar


def compared(inspected: InspectedGarment, label: Any, other: Any) -> tuple[Captioned, ColorBar]:
    """Signed class activation of a label, of another, and their difference, all in one scale."""
    found = inspected.inspection
    chosen = [inspected.label(name) for name in (label, other) if name]
    maps = [found.activations[place] for place in chosen]
    titles = [f"{found.labels[place]}, {found.probabilities[place]:.0%}" for place in chosen]
    if len(maps) == 2:
        maps.append(maps[0] - maps[1])
        titles.append(f"{found.labels[chosen[0]]} - {found.labels[chosen[1]]}")
    most = max((float(np.abs(values).max()) for values in maps), default=0.0) or 1.0
    bar = ColorBar(-most, most, True, "contribution to the label's logit; below zero it speaks against it")
    return _figures(inspected, maps, titles, bar), bar


def best_labels(inspected: InspectedGarment, shown: Shown) -> tuple[str, str]:
    """The garment's best label that the model knows, and the likeliest other one."""
    found = inspected.inspection
    by_chance = [found.labels[place] for place in np.argsort(-found.probabilities)]
    best = shown.labeled.garments[inspected.index].best_label
    first = best if best in found.labels else by_chance[0]
    return first, next((label for label in by_chance if label != first), first)


def compared_pictures(
    inspectors: Inspectors, shown: Shown, inspected: InspectedGarment, choice: Any
) -> tuple[tuple[Image.Image, Image.Image], ColorBar]:
    """Two pictures to slide between: the garment without and with a map, or SimAM before and after.

    Raises RecipeError for another choice than ``GARMENT_MAPS`` and the inspectors' ``simam_modules``.
    """
    if isinstance(choice, str) and choice.startswith(SIMAM):
        return _simam(inspectors, shown, choice.removeprefix(SIMAM))
    if not isinstance(choice, str) or choice not in GARMENT_MAPS:
        raise RecipeError(f"Expected one of the maps in the menu, got {str(choice)[:60]!r}.")
    best, _ = best_labels(inspected, shown)
    values = inspectors.classifier.map_of(choice, inspected.square, best, inspected.inspection)
    if choice == "class_activation":
        most = float(np.abs(values).max()) or 1.0
        bar = ColorBar(-most, most, True, f"contribution to the logit of {best}")
    else:
        values = 100 * values
        bar = ColorBar(0.0, float(values.max()), False, "% of the attention that a place receives")
    return (inspected.crop, _overlaid(inspected.crop, values, bar)), bar


def _simam(
    inspectors: Inspectors, shown: Shown, name: str
) -> tuple[tuple[Image.Image, Image.Image], ColorBar]:
    picture = shown.preview
    modules = {module.name: module for module in inspectors.detector.simam(_as_photo(shown, picture))}
    if name not in modules:
        raise RecipeError(f"Expected one of the SimAM modules in the menu, got {name[:60]!r}.")
    module = modules[name]
    before, after = module.maps["before"], module.maps["after"]
    bar = ColorBar(0.0, float(max(before.max(), after.max())), False, "mean magnitude over channels")
    small = _enlarged(picture, 2 * CROP_SIDE)
    return (_overlaid(small, before, bar, module.extent), _overlaid(small, after, bar, module.extent)), bar


def _figures(
    inspected: InspectedGarment, maps: Sequence[np.ndarray], titles: Sequence[str], bar: ColorBar
) -> Captioned:
    small = _enlarged(inspected.crop, SMALL_SIDE)
    return [(_overlaid(small, values, bar), title) for values, title in zip(maps, titles, strict=True)]


def _overlaid(
    picture: Image.Image, values: np.ndarray, bar: ColorBar, extent: Sequence[float] = (0.0, 0.0, 1.0, 1.0)
) -> Image.Image:
    """A picture under a map, which covers ``extent`` of it in shares and may go a little beyond."""
    width, height = picture.size
    x0, y0 = round(extent[0] * width), round(extent[1] * height)
    x1, y1 = round(extent[2] * width), round(extent[3] * height)
    wide = picture.crop((x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)))
    over = overlay_values(wide, values, bar.low, bar.high, signed=bar.signed)
    return over.crop((-x0, -y0, width - x0, height - y0))


def _enlarged(picture: Image.Image, side: int) -> Image.Image:
    zoom = side / max(picture.size)
    size = max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _on_preview(shown: Shown, picture: Image.Image, index: int) -> tuple[float, float, float, float]:
    scale = picture.width / shown.labeled.width
    x0, y0, x1, y1 = shown.labeled.garments[index].box_xyxy
    return x0 * scale, y0 * scale, x1 * scale, y1 * scale


def _as_photo(shown: Shown, picture: Image.Image) -> Photo:
    return Photo(shown.labeled.photo, picture, "")
