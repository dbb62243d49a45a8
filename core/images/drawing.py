"""Drawing on photos: boxes with category and score, and heat map overlays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.garments import Box, Garment
from core.taxonomy import color_of

Rect = tuple[int, int, int, int]
Rgb = tuple[int, int, int]

# Ten evenly spaced stops of matplotlib's plasma (CC0). Its lightness only ever rises, so the order of the
# values survives a gray print and color blindness, and unlike inferno it has color at both ends: a hot
# spot shows on white.
_HEAT_STOPS = np.array(
    [
        (13, 8, 135), (70, 3, 159), (114, 1, 168), (156, 23, 158), (189, 55, 134),
        (216, 87, 107), (237, 121, 83), (251, 159, 58), (253, 202, 38), (240, 249, 33),
    ],
    dtype=np.float32,
)  # fmt: skip
_OPAQUE_FROM = 0.5  # below this value the heat fades out, so that cold areas leave the photo clear
_DARK: Rgb = (17, 17, 17)
_LIGHT: Rgb = (255, 255, 255)
_RULE: Rgb = (205, 205, 205)
CELL, CELL_MARGIN = 224, 14
TABLE_HEADS = ("Image", "Class activation map", "Top-5 labels")


def annotate(
    image: Image.Image,
    garments: Sequence[Garment],
    names: Mapping[str, str] | None = None,
    *,
    tags: Sequence[str] | None = None,
) -> Image.Image:
    """A copy of the photo with every garment's box, category and score drawn on it.

    ``names`` maps Lapel's categories to the words to write instead; ``tags`` are whole texts instead, one a
    garment. Lines and text grow with the photo;
    tags stay inside the picture and keep off each other where there is room. Garments come best first, and
    the best are drawn on top.
    """
    picture = image.convert("RGB")  # a copy also where the picture is RGB already
    draw = ImageDraw.Draw(picture)
    line = line_width(picture.size)
    font = ImageFont.load_default(_font_size(picture.size))
    texts = [_tag_text(garment, names or {}) for garment in garments] if tags is None else tags
    visible = [
        (garment, text, rect)
        for garment, text in zip(garments, texts, strict=True)
        if (rect := _inside(garment.box_xyxy, picture.size)) is not None
    ]
    for garment, _, rect in reversed(visible):
        _draw_box(draw, rect, hex_to_rgb(color_of(garment.category)), line)
    placed: list[tuple[Rect, str, Rgb]] = []
    for garment, whole, rect in visible:
        text = _shorten(whole, font, picture.width - line)
        place = place_tag(_tag_size(text, font), rect, picture.size, [tag for tag, _, _ in placed])
        placed.append((place, text, hex_to_rgb(color_of(garment.category))))
    for place, text, color in reversed(placed):
        draw.rectangle(_pillow_rect(place), fill=color)
        middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
        draw.text(middle, text, fill=text_color(color), font=font, anchor="mm")
    return picture


def overlay_heat(
    image: Image.Image, values: np.ndarray, box_xyxy: Box | None = None, opacity: float = 0.5
) -> Image.Image:
    """A copy of the photo with a heat map over all of it, or inside one box.

    ``values`` is (h, w) in 0..1 and is stretched over the area; ``opacity`` in 0..1 is that of the hottest
    places. Raises ValueError for a map that is not two-dimensional or an opacity outside 0..1.
    """
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f"an opacity lies in 0..1, got {opacity}")
    left, top, right, bottom = _whole_pixels(box_xyxy or (0, 0, *image.size))
    layer = heat_layer(values, (right - left, bottom - top))
    layer.putalpha(layer.getchannel("A").point(lambda alpha: round(alpha * opacity)))
    picture = image.convert("RGB")
    picture.paste(layer, (left, top), mask=layer)  # clips what lies beyond the photo
    return picture


def heat_layer(values: np.ndarray, size_wh: tuple[int, int]) -> Image.Image:
    """A heat map alone, RGBA of the given size, to be blended by whoever shows it.

    ``values`` is (h, w) in 0..1; what lies outside is clipped and NaN counts as cold. Color runs from blue
    over red to yellow, and alpha from 0 at cold to 255 at half heat. Raises ValueError for a map that is
    not (h, w).
    """
    heat = np.asarray(values, dtype=np.float32)
    if heat.ndim != 2 or heat.size == 0:
        raise ValueError(f"a heat map has the shape (h, w), got {heat.shape}")
    heat = np.clip(np.nan_to_num(heat, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    stretched = Image.fromarray(heat).resize(size_wh, Image.Resampling.BICUBIC)
    level = np.clip(np.asarray(stretched), 0.0, 1.0)  # (H, W); bicubic overshoots at edges
    # A table of 256 colors looked up is many times faster than interpolating three channels a pixel.
    return Image.fromarray(_heat_table()[np.rint(level * 255).astype(np.uint8)])  # (H, W, 4)


def explained_table(rows: Sequence[tuple[Image.Image, Image.Image, Sequence[str]]]) -> Image.Image:
    """A row each of a picture, the same under its heat map, and lines of text, as papers show classifiers.

    Pictures fit into squares; the first row are the columns' names.
    """
    font, small = ImageFont.load_default(18), ImageFont.load_default(16)
    step, head = CELL + 2 * CELL_MARGIN, 44
    table = Image.new("RGB", (3 * step, head + len(rows) * step), _LIGHT)
    draw = ImageDraw.Draw(table)
    for column, name in enumerate(TABLE_HEADS):
        draw.text((column * step + step / 2, head / 2), name, fill=_DARK, font=font, anchor="mm")
    for number, (picture, heat, lines) in enumerate(rows):
        top = head + number * step
        draw.line((0, top, table.width, top), fill=_RULE)
        for column, shown in enumerate((picture, heat)):
            fitted = ImageOps.contain(shown.convert("RGB"), (CELL, CELL))
            left = column * step + (step - fitted.width) // 2
            table.paste(fitted, (left, top + (step - fitted.height) // 2))
        for line, text in enumerate(lines):
            place = (2 * step + CELL_MARGIN, top + step / 2 + (line - (len(lines) - 1) / 2) * 30)
            draw.text(place, text, fill=_DARK, font=small, anchor="lm")
    return table


def text_color(background: Rgb) -> Rgb:
    """Black or white, whichever has the higher contrast on the background (WCAG 2.2 relative luminance)."""
    luminance = _luminance(background)
    on_light = (_luminance(_LIGHT) + 0.05) / (luminance + 0.05)
    on_dark = (luminance + 0.05) / (_luminance(_DARK) + 0.05)
    return _LIGHT if on_light > on_dark else _DARK


def line_width(size_wh: tuple[int, int]) -> int:
    """Pixels of a box's line, alike to the eye on photos of every size: 2 at least, 12 on 12 megapixels."""
    return max(2, round(math.sqrt(size_wh[0] * size_wh[1]) / 280))


def hex_to_rgb(color: str) -> Rgb:
    """``"#rrggbb"`` as three numbers in 0..255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _font_size(size_wh: tuple[int, int]) -> int:
    return max(11, round(math.sqrt(size_wh[0] * size_wh[1]) / 38))


def _heat_table() -> np.ndarray:
    """The 256 colors of the ramp with their alpha: (256, 4) uint8."""
    level = np.linspace(0.0, 1.0, 256)
    stops = np.linspace(0.0, 1.0, len(_HEAT_STOPS))
    channels = [np.interp(level, stops, _HEAT_STOPS[:, channel]) for channel in range(3)]
    alpha = 255 * np.clip(level / _OPAQUE_FROM, 0.0, 1.0)
    return np.rint(np.stack([*channels, alpha], axis=1)).astype(np.uint8)


def _luminance(color: Rgb) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _whole_pixels(box_xyxy: Box | Rect) -> Rect:
    left, top, right, bottom = (round(value) for value in box_xyxy)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _inside(box_xyxy: Box, size_wh: tuple[int, int]) -> Rect | None:
    """The part of a box that lies on the photo, in whole pixels; None where there is none."""
    left, top, right, bottom = _whole_pixels(box_xyxy)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, size_wh[0]), min(bottom, size_wh[1])
    return (left, top, right, bottom) if right > left and bottom > top else None


def _pillow_rect(rect: Rect) -> Rect:
    return rect[0], rect[1], rect[2] - 1, rect[3] - 1  # Pillow draws the last row and column as well


def _draw_box(draw: ImageDraw.ImageDraw, rect: Rect, color: Rgb, line: int) -> None:
    draw.rectangle(_pillow_rect(rect), outline=color, width=line)
    inner = (rect[0] + line, rect[1] + line, rect[2] - line, rect[3] - line)
    if inner[2] - inner[0] > 2 and inner[3] - inner[1] > 2:
        # A hair of contrast inside the line keeps it visible on a garment of its own color.
        draw.rectangle(_pillow_rect(inner), outline=text_color(color), width=1)


def _tag_text(garment: Garment, names: Mapping[str, str]) -> str:
    name = " ".join(names.get(garment.category, garment.category).split()).replace("_", " ")
    return f"{name} {garment.score:.0%}"


def _tag_size(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    ascent_to_descent = font.getbbox("Ag")  # the same height for every tag, whatever its letters
    height = ascent_to_descent[3] - ascent_to_descent[1]
    padding = max(3, round(height * 0.3))
    return math.ceil(font.getlength(text)) + 2 * padding, math.ceil(height) + padding


def _shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, cut at the end of its name until its tag fits into ``width`` pixels."""
    name, _, score = text.rpartition(" ")
    while name and _tag_size(text, font)[0] > width:
        name = name[:-1].rstrip()
        text = f"{name}… {score}" if name else score
    return text


def place_tag(size_wh: tuple[int, int], box: Rect, photo_wh: tuple[int, int], taken: Iterable[Rect]) -> Rect:
    """Where a tag goes: the first free of the usual places around its box, else the one that hides least."""
    width, height = size_wh
    left, top, right, bottom = box
    corners = [
        (left, top - height), (left, top), (right - width, top - height), (right - width, top),
        (left, bottom), (left, bottom - height), (right - width, bottom), (right - width, bottom - height),
        *((left, top + step * height) for step in range(1, 4)),
    ]  # fmt: skip
    occupied = list(taken)
    places = [_pushed_inside(corner, size_wh, photo_wh) for corner in corners]
    # min() keeps the first of equals, so the usual place wins wherever it is free.
    return min(places, key=lambda place: sum(_overlap(place, other) for other in occupied))


def _pushed_inside(corner: tuple[int, int], size_wh: tuple[int, int], photo_wh: tuple[int, int]) -> Rect:
    left = max(0, min(corner[0], photo_wh[0] - size_wh[0]))
    top = max(0, min(corner[1], photo_wh[1] - size_wh[1]))
    return left, top, min(left + size_wh[0], photo_wh[0]), min(top + size_wh[1], photo_wh[1])


def _overlap(a: Rect, b: Rect) -> int:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0, width) * max(0, height)
