"""Augmentation: transforms of images with boxes for the detector, and the classifier's transforms.

Scale jitter, mosaic (YOLOv4), copy-paste along pixel masks (Ghiasi et al. 2021), rotation and random erasing
(the YOLOv4-GS paper's masking), flips and color jitter. Each takes a random generator, so that a sample can
be drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from core.images.crops import CROP_SIZE
from core.images.letterbox import GRAY

SMALLEST_SIDE = 3.0
VISIBLE_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class BoxedImage:
    """An image with boxes xyxy (N, 4) float32 in its pixels and class ids (N,)."""

    image: Image.Image
    boxes_xyxy: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class Cutout:
    """A garment cut out along its pixel mask: an RGBA image and its class id."""

    image: Image.Image
    category: int


def clip_boxes(image: Image.Image, boxes: np.ndarray, classes: np.ndarray) -> BoxedImage:
    """Clip boxes to the image; those of which less than 30 % of the area or 3 pixels remain are dropped."""
    width, height = image.size
    clipped = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    size, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    share = size.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-6)
    keep = (size.min(axis=1, initial=np.inf) >= SMALLEST_SIDE) & (share >= VISIBLE_SHARE)
    return BoxedImage(image, clipped[keep], classes[keep])


def fit_factor(image_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> float:
    """The largest scale at which an image fits into a canvas."""
    return min(canvas_wh[0] / image_wh[0], canvas_wh[1] / image_wh[1])


def scale_jitter(
    sample: BoxedImage, canvas_wh: tuple[int, int], rng: Generator, low: float = 0.65, high: float = 1.25
) -> BoxedImage:
    """Scale jitter: ``low`` to ``high`` times the fit, aspect by 10 %, placed at random on gray."""
    factor = fit_factor(sample.image.size, canvas_wh) * rng.uniform(low, high)
    stretch = rng.uniform(0.9, 1.1)
    size = (max(8, round(sample.image.width * factor * stretch)), max(8, round(sample.image.height * factor)))
    x, y = (int(rng.uniform(min(0, c - s), max(0, c - s))) for c, s in zip(canvas_wh, size, strict=True))
    canvas = Image.new("RGB", canvas_wh, GRAY)
    canvas.paste(sample.image.resize(size, Image.Resampling.BILINEAR), (x, y))
    scale = np.array([size[0] / sample.image.width, size[1] / sample.image.height] * 2, dtype=np.float32)
    return clip_boxes(
        canvas, sample.boxes_xyxy * scale + np.array([x, y, x, y], dtype=np.float32), sample.classes
    )


def mosaic(samples: list[BoxedImage], canvas_wh: tuple[int, int], rng: Generator) -> BoxedImage:
    """Four images around a random center, each cropped to its quarter (mosaic, YOLOv4)."""
    width, height = canvas_wh
    cx, cy = int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.35, 0.65))
    canvas = Image.new("RGB", canvas_wh, GRAY)
    boxes, classes = [], []
    for index, sample in enumerate(samples):
        right, below = index % 2, index // 2
        tile = (width - cx if right else cx, height - cy if below else cy)
        placed = scale_jitter(sample, tile, rng, 1.1, 2.1)
        left, top = (cx if right else 0), (cy if below else 0)
        canvas.paste(placed.image, (left, top))
        boxes.append(placed.boxes_xyxy + np.array([left, top, left, top], dtype=np.float32))
        classes.append(placed.classes)
    return BoxedImage(canvas, np.concatenate(boxes), np.concatenate(classes))


def horizontal_flip(sample: BoxedImage) -> BoxedImage:
    """Flip horizontally."""
    boxes = sample.boxes_xyxy.copy()
    boxes[:, [0, 2]] = sample.image.width - boxes[:, [2, 0]]
    return BoxedImage(F.horizontal_flip(sample.image), boxes, sample.classes)


def rotate(sample: BoxedImage, degrees: float) -> BoxedImage:
    """Rotate counter-clockwise about the center; a box becomes the bounds of the rotated inscribed ellipse.

    The bounds of the rotated corners would be too large: garments seldom fill their boxes' corners.
    """
    angle = np.deg2rad(degrees)
    width, height = sample.image.size
    center = np.array([width / 2, height / 2])
    middle = (sample.boxes_xyxy[:, :2] + sample.boxes_xyxy[:, 2:]) / 2 - center
    half = (sample.boxes_xyxy[:, 2:] - sample.boxes_xyxy[:, :2]) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack(
        (middle[:, 0] * cos + middle[:, 1] * sin, middle[:, 1] * cos - middle[:, 0] * sin), axis=1
    )
    reach = np.sqrt(half**2 * cos**2 + half[:, ::-1] ** 2 * sin**2)
    boxes = np.concatenate((turned - reach, turned + reach), axis=1) + np.tile(center, 2)
    image = sample.image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=GRAY)
    return clip_boxes(image, boxes.astype(np.float32), sample.classes)


def random_erasing(sample: BoxedImage, rng: Generator) -> BoxedImage:
    """Cover one to three rectangles with gray; garments covered by more than 60 % are dropped."""
    image = sample.image.copy()
    covered = np.zeros((image.height, image.width), dtype=bool)
    for _ in range(rng.integers(1, 4)):
        w, h = (int(side * rng.uniform(0.08, 0.3)) for side in image.size)
        x, y = int(rng.uniform(0, image.width - w)), int(rng.uniform(0, image.height - h))
        image.paste(GRAY, (x, y, x + w, y + h))
        covered[y : y + h, x : x + w] = True
    corners = np.concatenate((np.floor(sample.boxes_xyxy[:, :2]), np.ceil(sample.boxes_xyxy[:, 2:])), axis=1)
    shares = [covered[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in corners.astype(int)]
    keep = np.array(shares) <= 0.6
    return BoxedImage(image, sample.boxes_xyxy[keep], sample.classes[keep])


def paste_cutout(sample: BoxedImage, cutout: Cutout, rng: Generator, scale: float = 1.0) -> BoxedImage:
    """Paste a cutout at 0.6 to 1.4 times ``scale`` at a random place (copy-paste, Ghiasi et al. 2021).

    Garments of which it hides more than 60 % are dropped.
    """
    limit = fit_factor(cutout.image.size, sample.image.size)
    factor = min(scale * rng.uniform(0.6, 1.4), 0.9 * limit)
    size = (max(4, round(cutout.image.width * factor)), max(4, round(cutout.image.height * factor)))
    patch = cutout.image.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        patch = F.horizontal_flip(patch)
    x, y = (
        int(rng.uniform(0, max(1, whole - own))) for whole, own in zip(sample.image.size, size, strict=True)
    )
    image = sample.image.copy()
    image.paste(patch, (x, y), patch)
    box = np.array([[x, y, x + size[0], y + size[1]]], dtype=np.float32)
    low, high = (
        np.maximum(sample.boxes_xyxy[:, :2], box[:, :2]),
        np.minimum(sample.boxes_xyxy[:, 2:], box[:, 2:]),
    )
    hidden = np.clip(high - low, 0, None).prod(axis=1)
    area = (sample.boxes_xyxy[:, 2:] - sample.boxes_xyxy[:, :2]).prod(axis=1)
    keep = hidden <= 0.6 * area
    return BoxedImage(
        image,
        np.concatenate((sample.boxes_xyxy[keep], box)),
        np.append(sample.classes[keep], cutout.category),
    )


def color_jitter(image: Image.Image, rng: Generator) -> Image.Image:
    """Random brightness, contrast and saturation, and hue in three of ten images."""
    image = F.adjust_brightness(image, float(rng.uniform(0.65, 1.4)))
    image = F.adjust_contrast(image, float(rng.uniform(0.7, 1.35)))
    image = F.adjust_saturation(image, float(rng.uniform(0.4, 1.5)))
    if rng.random() < 0.3:
        image = F.adjust_hue(image, float(rng.uniform(-0.08, 0.08)))
    return image


def classifier_transforms(strength: str, size: int = CROP_SIZE) -> v2.Transform:
    """The classifier's training transforms: ``flip`` alone (the poster names no other) or ``rich``."""
    if strength == "flip":
        return v2.Compose([v2.Resize((size, size), antialias=True), v2.RandomHorizontalFlip()])
    return v2.Compose(
        [
            v2.RandomApply([v2.RandomRotation(15, fill=127)], p=0.3),
            v2.RandomResizedCrop(size, scale=(0.45, 1.0), ratio=(0.7, 1.43), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.7),
            v2.RandomGrayscale(0.05),
            v2.RandomErasing(p=0.25, scale=(0.02, 0.2), value=127),
        ]
    )
