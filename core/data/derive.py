"""Boxes for photos that show one garment on a plain ground: what differs from the colours of the border.

A merchant's photo has no box, but its ground reaches the border. The border's colours are clustered; a pixel's
distance to the nearest of them, split by Otsu's threshold (Otsu 1979), gives a foreground, and the foreground's main
part a box. Photos where that is doubtful give none: a missing box costs one photo, a false one teaches wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage
from sklearn.cluster import KMeans

from core.garments import Box

WORKING_SIZE = 144
BORDER_SHARE = 0.045
GROUND_COLOURS = 4
LEAST_CONTRAST = 16.0


@dataclass(frozen=True)
class DerivedBox:
    """A box in pixels of the photo, the share of it that is foreground, and the contrast to the ground."""

    box_xyxy: Box
    fill: float
    contrast: float


def derive_box(image: Image.Image) -> DerivedBox | None:
    """The box of the one garment on a plain ground, or None where it is in doubt."""
    scale = WORKING_SIZE / max(image.size)
    size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    small = image.convert("RGB").resize(size, Image.Resampling.BOX).filter(ImageFilter.MedianFilter(3))
    lab = np.asarray(small.convert("LAB"), dtype=np.float32)
    lab = np.where(np.arange(3) > 0, (lab + 128) % 256, lab)  # a and b are signed bytes
    lab[..., 0] *= 0.6  # shadows change lightness more than colour
    distance = _distance_to_ground(lab)
    threshold = otsu_threshold(distance)
    mask = ndimage.binary_opening(distance > threshold, iterations=1)
    mask = ndimage.binary_closing(np.pad(mask, 4), iterations=3)[4:-4, 4:-4]
    main = _main_parts(mask)
    if main is None:
        return None
    rows, columns = np.nonzero(main)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    fill = float(ndimage.binary_fill_holes(main)[box[1] : box[3], box[0] : box[2]].mean())
    contrast = float(distance[main].mean() - distance[~main].mean()) if (~main).any() else 0.0
    if not _plausible(box, size, fill, contrast):
        return None
    x0, y0, x1, y1 = (float(v) / scale for v in box)
    return DerivedBox((x0, y0, min(x1, image.width), min(y1, image.height)), fill, contrast)


def _distance_to_ground(lab: np.ndarray) -> np.ndarray:
    """Each pixel's distance to the nearest of the border's main colours (H, W)."""
    height, width = lab.shape[:2]
    rim = max(2, round(BORDER_SHARE * max(height, width)))
    border = np.ones((height, width), dtype=bool)
    border[rim:-rim, rim:-rim] = False
    found = KMeans(GROUND_COLOURS, n_init=1, random_state=0).fit(lab[border])
    share = np.bincount(found.labels_, minlength=GROUND_COLOURS) / border.sum()
    centres = found.cluster_centers_[share > 0.12]  # a sleeve that touches the border is no ground
    distance = np.sqrt(((lab[:, :, None] - centres) ** 2).sum(axis=-1)).min(axis=-1)
    return ndimage.gaussian_filter(distance, 1.0)


def otsu_threshold(values: np.ndarray) -> float:
    """The threshold that parts a histogram into two classes of least inner variance (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=128)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    valid = (below > 0) & (above > 0)
    between = np.zeros(len(counts))
    mean_below = sums[valid] / below[valid]
    mean_above = (sums[-1] - sums[valid]) / above[valid]
    between[valid] = below[valid] * above[valid] * (mean_below - mean_above) ** 2
    return float(middles[int(between.argmax())])


def _main_parts(mask: np.ndarray) -> np.ndarray | None:
    """The largest connected part with those of at least a quarter of its size (a pair of shoes)."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return None
    sizes = np.bincount(parts.ravel())[1:]
    wanted = np.nonzero(sizes >= max(0.25 * sizes.max(), 12))[0] + 1
    return np.isin(parts, wanted) if len(wanted) else None


def _plausible(
    box: tuple[int, int, int, int], size_wh: tuple[int, int], fill: float, contrast: float
) -> bool:
    width, height = size_wh
    area = (box[2] - box[0]) * (box[3] - box[1]) / (width * height)
    touched = (box[0] <= 1) + (box[1] <= 1) + (box[2] >= width - 1) + (box[3] >= height - 1)
    return 0.06 <= area <= 0.93 and touched <= 2 and fill >= 0.4 and contrast >= LEAST_CONTRAST
