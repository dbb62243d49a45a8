"""What the demo shows of one photo: pictures, labels, table rows and sentences; without Gradio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from core.garments import CANDIDATE_THRESHOLD, Box, Garment, LabeledPhoto
from core.images.decode import Photo
from core.images.drawing import annotate, overlay_heat
from core.images.encode import downscaled, jpeg

if TYPE_CHECKING:
    from core.images.decode import Photo
    from core.inference.explain import Explanation
    from core.inference.labeler import PhotoLabeler

Explain = Callable[[Any, "Photo", LabeledPhoto], "Explanation"]
VIEW_SIDE = 1280
CROP_SIDE = 480
STAGE_TITLES = {
    "stride8": "fine (stride 8)",
    "stride16": "medium (stride 16)",
    "stride32": "coarse (stride 32)",
}


@dataclass(frozen=True)
class Shown:
    """One labeled photo in a session: small picture, garments down to the lowest score, maps.

    The picture is kept as a JPEG of at most ``VIEW_SIDE`` pixels, so that a hundred sessions stay small.
    """

    preview_jpeg: bytes
    labeled: LabeledPhoto
    explanation: Explanation | None = None

    def explained(self, explanation: Explanation) -> Shown:
        """The same photo with its maps."""
        return replace(self, explanation=explanation)

    @property
    def preview(self) -> Image.Image:
        """The small picture."""
        return Image.open(BytesIO(self.preview_jpeg)).convert("RGB")

    def above(self, score_threshold: float) -> tuple[Garment, ...]:
        """The garments that reach the threshold, best first."""
        return self.labeled.above(score_threshold).garments


def lowest_threshold(labeler: PhotoLabeler) -> float:
    """The score down to which garments are looked for, so that moving the slider needs no model."""
    return min(CANDIDATE_THRESHOLD, labeler.default_threshold)


def show(photo: Photo, labeled: LabeledPhoto) -> Shown:
    """A labeled photo with its small picture."""
    return Shown(jpeg(downscaled(photo.image, VIEW_SIDE), quality=90), labeled)


def annotated(shown: Shown, score_threshold: float) -> Image.Image:
    """The small picture with the boxes of the garments above the threshold."""
    picture = shown.preview
    scale = picture.width / shown.labeled.width
    garments = [replace(g, box_xyxy=_scaled(g.box_xyxy, scale)) for g in shown.above(score_threshold)]
    return annotate(picture, garments)


def summary(shown: Shown, score_threshold: float) -> str:
    """One sentence on what was found, with the models' time in seconds."""
    found, all_found = len(shown.above(score_threshold)), len(shown.labeled.garments)
    seconds = f"{shown.labeled.seconds:.2f} s"
    if not all_found:
        return f"No garment found, in {seconds}. A photo that shows the garment larger may help."
    if not found:
        return f"No garment reaches a score of {score_threshold:.0%}. Lower it to see {_count(all_found)}."
    weaker = f" {all_found - found} more below the score." if all_found > found else ""
    return f"**{_count(found)}** found in {seconds}.{weaker}"


def choices(shown: Shown, score_threshold: float) -> list[tuple[str, int]]:
    """The garments above the threshold as entries of a menu, with their places in the list."""
    garments = shown.above(score_threshold)
    return [(f"{n + 1} · {g.category} {g.score:.0%} · {g.best_label}", n) for n, g in enumerate(garments)]


def rows(shown: Shown, score_threshold: float) -> list[list[str]]:
    """A row a garment: number, category, score, and its five labels with their probabilities."""
    table = []
    for number, garment in enumerate(shown.above(score_threshold), start=1):
        labels = [f"{label} {probability:.0%}" for label, probability in garment.top5[:5]]
        labels += [""] * (5 - len(labels))
        table.append([str(number), garment.category, f"{garment.score:.0%}", *labels])
    return table


def top5(shown: Shown, index: int | None) -> dict[str, float] | None:
    """The labels of one garment with their probabilities, best first; None where there is none."""
    garment = _garment(shown, index)
    return dict(garment.top5) if garment is not None and garment.top5 else None


def map_choices(shown: Shown) -> list[tuple[str, str]]:
    """The classifier's maps of this photo as titles and names."""
    garments = shown.explanation.garments if shown.explanation else ()
    return [(map_title(name), name) for name in garments[0].maps] if garments else []


def stage_choices(shown: Shown) -> list[tuple[str, str]]:
    """The detector's maps of this photo as titles and stages."""
    stages = [m.stage for m in shown.explanation.detector_maps] if shown.explanation else []
    return [(STAGE_TITLES.get(stage, stage), stage) for stage in stages]


def map_title(name: str) -> str:
    """A map's title: ``attention_head_3`` reads "attention, head 3"."""
    if name.startswith("attention_head_"):
        return f"attention, head {name.removeprefix('attention_head_')}"
    return "attention, all heads" if name == "attention" else name.replace("_", " ")


def classifier_map(shown: Shown, index: int | None, name: str | None, opacity: float) -> Image.Image | None:
    """One garment, cut out with a little room around it, under one of the classifier's maps."""
    garment = _garment(shown, index)
    maps = [m.maps for m in (shown.explanation.garments if shown.explanation else ()) if m.garment == garment]
    if garment is None or not maps or name not in maps[0]:
        return None
    picture = shown.preview
    box = _scaled(garment.box_xyxy, picture.width / shown.labeled.width)
    frame = _with_room(box, picture.size)
    crop = picture.crop(frame)
    zoom = max(
        1.0, CROP_SIDE / max(crop.size)
    )  # a small garment is enlarged first, so that its map stays smooth
    crop = crop.resize(
        (max(1, round(crop.width * zoom)), max(1, round(crop.height * zoom))), Image.Resampling.BICUBIC
    )
    x0, y0, x1, y1 = box
    inner = ((x0 - frame[0]) * zoom, (y0 - frame[1]) * zoom, (x1 - frame[0]) * zoom, (y1 - frame[1]) * zoom)
    return overlay_heat(crop, maps[0][name], inner, opacity)


def detector_map(shown: Shown, stage: str | None, opacity: float) -> Image.Image | None:
    """The whole photo under the detector's attention at one stage."""
    maps = [m for m in (shown.explanation.detector_maps if shown.explanation else ()) if m.stage == stage]
    return overlay_heat(shown.preview, maps[0].values, opacity=opacity) if maps else None


def _garment(shown: Shown, index: int | None) -> Garment | None:
    garments = shown.labeled.garments
    return garments[index] if index is not None and 0 <= index < len(garments) else None


def _scaled(box_xyxy: Box, scale: float) -> Box:
    x0, y0, x1, y1 = box_xyxy
    return x0 * scale, y0 * scale, x1 * scale, y1 * scale


def _with_room(box_xyxy: Box, size_wh: tuple[int, int], room: float = 0.1) -> tuple[int, int, int, int]:
    """The box with a tenth of its size around it, in whole pixels of the picture."""
    x0, y0, x1, y1 = box_xyxy
    dx, dy = (x1 - x0) * room, (y1 - y0) * room
    left = min(max(0, round(x0 - dx)), size_wh[0] - 1)
    top = min(max(0, round(y0 - dy)), size_wh[1] - 1)
    right = min(max(round(x1 + dx), left + 1), size_wh[0])
    return left, top, right, min(max(round(y1 + dy), top + 1), size_wh[1])


def _count(garments: int) -> str:
    return "1 garment" if garments == 1 else f"{garments} garments"
