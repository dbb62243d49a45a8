"""Draws ``assets/samples``, which the page and the demo offer where there is no network.

From the root of the repository: ``python -m tools.make_samples``
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tools.synthetic import draw_scene

FOLDER = Path(__file__).parents[1] / "assets" / "samples"
SIZE_WH = (480, 640)
JPEG_QUALITY = 88

SAMPLES: dict[str, tuple[str, int]] = {
    "01-walk-with-a-bag.jpg": ("person", 5),
    "02-jeans-and-sunglasses.jpg": ("person", 15),
    "03-hand-on-the-hip.jpg": ("person", 11),
    "04-t-shirt.jpg": ("t-shirt", 5),
    "05-striped-shirt.jpg": ("shirt", 1),
    "06-hoodie.jpg": ("hoodie", 3),
    "07-dress.jpg": ("dress", 1),
    "08-skirt.jpg": ("skirt", 4),
    "09-jeans.jpg": ("pants", 1),
    "10-coat-on-a-hanger.jpg": ("hanger", 3),
    "11-boots.jpg": ("shoes from the side", 5),
    "12-handbag.jpg": ("bag", 2),
}
"""Each sample's file with the kind and the seed that it is drawn from."""


def draw_sample(name: str) -> Image.Image:
    """The sample of this file name, drawn anew."""
    kind, seed = SAMPLES[name]
    return draw_scene(seed, SIZE_WH, kind).image


def main() -> None:
    """Draw all samples into their folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        draw_sample(name).save(FOLDER / name, quality=JPEG_QUALITY, optimize=True)
        print(FOLDER / name)


if __name__ == "__main__":
    main()
