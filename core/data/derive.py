"""Boxes for photos that show one garment on a plain ground: what differs from the colours of the border.

A merchant's photo has no box, but its ground reaches the border. The border's colours are clustered; a
pixel's distance to the nearest of them, split by Otsu's threshold (Otsu 1979), gives a foreground, and the
foreground's main part a box. Photos where that is doubtful give none: a missing box costs one photo, a false
one teaches wrongly.
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
    lab = _small_lab(image)
    height, width = lab.shape[:2]
    distance = _distance_to_ground(lab)
    main = _main_parts(_foreground(distance))
    if main is None or main.all():
        return None
    rows, columns = np.nonzero(main)
    x0, y0, x1, y1 = (int(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    fill = float(ndimage.binary_fill_holes(main)[y0:y1, x0:x1].mean())
    contrast = float(distance[main].mean() - distance[~main].mean())
    if not _plausible((x0, y0, x1, y1), (width, height), fill, contrast):
        return None
    across, down = image.width / width, image.height / height
    return DerivedBox((x0 * across, y0 * down, x1 * across, y1 * down), fill, contrast)


def _small_lab(image: Image.Image) -> np.ndarray:
    """The picture at working size in CIELAB (H, W, 3), lightness weighted down: shadows change it most."""
    scale = WORKING_SIZE / max(image.size)
    size_wh = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    small = image.convert("RGB").resize(size_wh, Image.Resampling.BOX).filter(ImageFilter.MedianFilter(3))
    lab = np.asarray(small.convert("LAB"), dtype=np.float32)
    lab = np.where(np.arange(3) > 0, (lab + 128) % 256, lab)  # a and b are signed bytes
    return lab * np.array([0.6, 1.0, 1.0], dtype=np.float32)


def _distance_to_ground(lab: np.ndarray) -> np.ndarray:
    """Each pixel's distance to the nearest of the border's main colours (H, W)."""
    height, width = lab.shape[:2]
    rim = max(2, round(BORDER_SHARE * max(height, width)))
    border = np.ones((height, width), dtype=bool)
    border[rim:-rim, rim:-rim] = False
    colours = lab[border]
    clusters = min(GROUND_COLOURS, len(np.unique(colours, axis=0)))
    found = KMeans(clusters, n_init=1, random_state=0).fit(colours)
    share = np.bincount(found.labels_, minlength=clusters) / len(colours)
    centres = found.cluster_centers_[share > 0.12]  # a sleeve that touches the border is no ground
    distance = np.sqrt(((lab[:, :, None] - centres) ** 2).sum(axis=-1)).min(axis=-1)
    return ndimage.gaussian_filter(distance, 1.0)


def _foreground(distance: np.ndarray) -> np.ndarray:
    """What stands out from the ground (H, W), specks and gaps of a few pixels evened out."""
    mask = ndimage.binary_opening(distance > otsu_threshold(distance), iterations=1)
    return ndimage.binary_closing(np.pad(mask, 4), iterations=3)[4:-4, 4:-4]


def otsu_threshold(values: np.ndarray) -> float:
    """The threshold that parts values into two classes of least inner variance (Otsu 1979), on 128 bins.

    Values above it are the upper class.
    """
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
    return float(edges[int(between.argmax()) + 1])


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
