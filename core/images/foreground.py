"""A box tightened to what lies in it: GrabCut separates the garment from what surrounds the box."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.garments import Box
from core.images.crops import crop_rectangle

SIDE = 256
"""The longer side that a crop is resized to, in pixels: what is thinner than a 256th of it does not count."""

MARGIN = 0.15
"""How much of the box's size around it is certainly not the garment."""

CENTER = 0.3
"""The part of the box around its middle, of each side, that certainly is."""

ITERATIONS = 5
LEAST_AREA = 0.4
"""A result that covers less of the box is a part of the garment, such as a print, or the wearer's skin."""

SEED = 0


def tighten_box(image: Image.Image, box_xyxy: Box) -> Box | None:
    """The box around the garment in a box that is somewhat too wide, in pixels; never beyond the box.

    GrabCut (Rother, Kolmogorov and Blake 2004) learns the colors of the surroundings from a margin around the
    box, and those of the garment from its middle. None where it finds nothing, or too little to be believed.
    """
    import cv2

    left, top, right, bottom = crop_rectangle(image.size, box_xyxy, MARGIN)
    scale = SIDE / max(right - left, bottom - top)
    size_wh = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    scales = np.array([size_wh[0] / (right - left), size_wh[1] / (bottom - top)] * 2)
    box = (np.array(box_xyxy) - [left, top, left, top]) * scales
    crop = image.convert("RGB").resize(size_wh, Image.Resampling.BOX, (left, top, right, bottom))
    labels = _seeds(size_wh, box)
    if not (labels == cv2.GC_BGD).any() or not (labels == cv2.GC_PR_FGD).any():
        return None
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(SEED)
    try:
        pixels = np.ascontiguousarray(np.asarray(crop)[:, :, ::-1])
        cv2.grabCut(pixels, labels, (0, 0, 1, 1), *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # too few colors to tell apart
        return None
    found = _around((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    if found is None or _area(found) < LEAST_AREA * _area(box):
        return None
    x0, y0, x1, y1 = (found / scales + [left, top, left, top]).tolist()
    return max(x0, box_xyxy[0]), max(y0, box_xyxy[1]), min(x1, box_xyxy[2]), min(y1, box_xyxy[3])


def _seeds(size_wh: tuple[int, int], box: np.ndarray) -> np.ndarray:
    """What is known of each pixel (H, W): surroundings outside of the box, the garment in its middle."""
    import cv2

    labels = np.full(size_wh[::-1], cv2.GC_BGD, np.uint8)
    x0, y0, x1, y1 = np.round(box).astype(int)
    labels[max(0, y0) : y1, max(0, x0) : x1] = cv2.GC_PR_FGD
    middle, half = (box[:2] + box[2:]) / 2, CENTER * (box[2:] - box[:2]) / 2
    (left, top), (right, bottom) = (middle - half).astype(int), np.ceil(middle + half).astype(int)
    labels[max(0, top) : bottom, max(0, left) : right] = cv2.GC_FGD
    return labels


def _around(mask: np.ndarray) -> np.ndarray | None:
    """The box (4,) around what is set in a mask (H, W); None where nothing is."""
    across, along = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(across):
        return None
    return np.array([across[0], along[0], across[-1] + 1, along[-1] + 1], dtype=float)


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
