"""The detector's training pictures: photos with their boxes, placed, mixed and changed at random.

Mosaic (YOLOv4), copy-paste with pixel masks (Ghiasi et al. 2021), rotation and masking (the YOLOv4-GS paper),
flips and colour. Everything depends on one random generator, so that a sample can be drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from core.images.crops import CROP_SIZE as INPUT_SIZE

GREY = (114, 114, 114)
SMALLEST_SIDE = 3.0
VISIBLE_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with boxes xyxy (N, 4) float32 in its pixels and class ids (N,)."""

    image: Image.Image
    boxes_xyxy: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class Cutout:
    """A garment cut out along its pixel label: an RGBA picture and its class id."""

    image: Image.Image
    category: int


def clip_scene(image: Image.Image, boxes: np.ndarray, classes: np.ndarray) -> Scene:
    """Clip boxes to the picture; a garment of which less than 30 % or 3 pixels remain is dropped."""
    width, height = image.size
    clipped = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    size, whole = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    share = size.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-6)
    keep = (size.min(axis=1, initial=np.inf) >= SMALLEST_SIDE) & (share >= VISIBLE_SHARE)
    return Scene(image, clipped[keep], classes[keep])


def fit_factor(image_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> float:
    """The factor by which a picture just fits into a canvas."""
    return min(canvas_wh[0] / image_wh[0], canvas_wh[1] / image_wh[1])


def place(
    scene: Scene, canvas_wh: tuple[int, int], rng: Generator, low: float = 0.65, high: float = 1.25
) -> Scene:
    """Scale a photo to ``low`` to ``high`` times its fit and put it anywhere on a grey canvas."""
    factor = fit_factor(scene.image.size, canvas_wh) * rng.uniform(low, high)
    stretch = rng.uniform(0.9, 1.1)
    size = (max(8, round(scene.image.width * factor * stretch)), max(8, round(scene.image.height * factor)))
    x, y = (int(rng.uniform(min(0, c - s), max(0, c - s))) for c, s in zip(canvas_wh, size, strict=True))
    canvas = Image.new("RGB", canvas_wh, GREY)
    canvas.paste(scene.image.resize(size, Image.Resampling.BILINEAR), (x, y))
    scale = np.array([size[0] / scene.image.width, size[1] / scene.image.height] * 2, dtype=np.float32)
    return clip_scene(
        canvas, scene.boxes_xyxy * scale + np.array([x, y, x, y], dtype=np.float32), scene.classes
    )


def mosaic(scenes: list[Scene], canvas_wh: tuple[int, int], rng: Generator) -> Scene:
    """Four photos around a random centre, each cut to its quarter (YOLOv4)."""
    width, height = canvas_wh
    cx, cy = int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.35, 0.65))
    canvas = Image.new("RGB", canvas_wh, GREY)
    boxes, classes = [], []
    for index, scene in enumerate(scenes):
        right, below = index % 2, index // 2
        tile = (width - cx if right else cx, height - cy if below else cy)
        placed = place(scene, tile, rng, 1.1, 2.1)
        left, top = (cx if right else 0), (cy if below else 0)
        canvas.paste(placed.image, (left, top))
        boxes.append(placed.boxes_xyxy + np.array([left, top, left, top], dtype=np.float32))
        classes.append(placed.classes)
    return Scene(canvas, np.concatenate(boxes), np.concatenate(classes))


def flip(scene: Scene) -> Scene:
    """Mirror left and right."""
    boxes = scene.boxes_xyxy.copy()
    boxes[:, [0, 2]] = scene.image.width - boxes[:, [2, 0]]
    return Scene(F.horizontal_flip(scene.image), boxes, scene.classes)


def rotate(scene: Scene, degrees: float) -> Scene:
    """Rotate counter-clockwise about the centre; a box becomes that of the ellipse it holds.

    The corners' own bounds would grow with the angle; garments seldom fill their boxes' corners.
    """
    angle = np.deg2rad(degrees)
    width, height = scene.image.size
    centre = np.array([width / 2, height / 2])
    middle = (scene.boxes_xyxy[:, :2] + scene.boxes_xyxy[:, 2:]) / 2 - centre
    half = (scene.boxes_xyxy[:, 2:] - scene.boxes_xyxy[:, :2]) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.stack(
        (middle[:, 0] * cos + middle[:, 1] * sin, middle[:, 1] * cos - middle[:, 0] * sin), axis=1
    )
    reach = np.sqrt(half**2 * cos**2 + half[:, ::-1] ** 2 * sin**2)
    boxes = np.concatenate((turned - reach, turned + reach), axis=1) + np.tile(centre, 2)
    image = scene.image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=GREY)
    return clip_scene(image, boxes.astype(np.float32), scene.classes)


def mask_out(scene: Scene, rng: Generator) -> Scene:
    """Cover one to three rectangles with grey; a garment covered by more than 60 % is dropped."""
    image = scene.image.copy()
    covered = np.zeros((image.height, image.width), dtype=bool)
    for _ in range(rng.integers(1, 4)):
        w, h = (int(side * rng.uniform(0.08, 0.3)) for side in image.size)
        x, y = int(rng.uniform(0, image.width - w)), int(rng.uniform(0, image.height - h))
        image.paste(GREY, (x, y, x + w, y + h))
        covered[y : y + h, x : x + w] = True
    corners = np.concatenate((np.floor(scene.boxes_xyxy[:, :2]), np.ceil(scene.boxes_xyxy[:, 2:])), axis=1)
    shares = [covered[y0:y1, x0:x1].mean() for x0, y0, x1, y1 in corners.astype(int)]
    keep = np.array(shares) <= 0.6
    return Scene(image, scene.boxes_xyxy[keep], scene.classes[keep])


def paste_cutout(scene: Scene, cutout: Cutout, rng: Generator, scale: float = 1.0) -> Scene:
    """Paste a cut-out garment at ``scale`` times 0.6 to 1.4 its size, anywhere.

    Garments that it hides by more than 60 % are dropped.
    """
    limit = fit_factor(cutout.image.size, scene.image.size)
    factor = min(scale * rng.uniform(0.6, 1.4), 0.9 * limit)
    size = (max(4, round(cutout.image.width * factor)), max(4, round(cutout.image.height * factor)))
    patch = cutout.image.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        patch = F.horizontal_flip(patch)
    x, y = (
        int(rng.uniform(0, max(1, whole - own))) for whole, own in zip(scene.image.size, size, strict=True)
    )
    image = scene.image.copy()
    image.paste(patch, (x, y), patch)
    box = np.array([[x, y, x + size[0], y + size[1]]], dtype=np.float32)
    low, high = (
        np.maximum(scene.boxes_xyxy[:, :2], box[:, :2]),
        np.minimum(scene.boxes_xyxy[:, 2:], box[:, 2:]),
    )
    hidden = np.clip(high - low, 0, None).prod(axis=1)
    area = (scene.boxes_xyxy[:, 2:] - scene.boxes_xyxy[:, :2]).prod(axis=1)
    keep = hidden <= 0.6 * area
    return Scene(
        image,
        np.concatenate((scene.boxes_xyxy[keep], box)),
        np.append(scene.classes[keep], cutout.category),
    )


def recolour(image: Image.Image, rng: Generator) -> Image.Image:
    """Brightness, contrast, saturation and, now and then, hue."""
    image = F.adjust_brightness(image, float(rng.uniform(0.65, 1.4)))
    image = F.adjust_contrast(image, float(rng.uniform(0.7, 1.35)))
    image = F.adjust_saturation(image, float(rng.uniform(0.4, 1.5)))
    if rng.random() < 0.3:
        image = F.adjust_hue(image, float(rng.uniform(-0.08, 0.08)))
    return image


def augmentation(strength: str) -> v2.Transform:
    """Random pictures for training: ``flip`` alone (the poster names no other) or ``rich``."""
    if strength == "flip":
        return v2.Compose([v2.Resize((INPUT_SIZE, INPUT_SIZE), antialias=True), v2.RandomHorizontalFlip()])
    return v2.Compose(
        [
            v2.RandomApply([v2.RandomRotation(15, fill=127)], p=0.3),
            v2.RandomResizedCrop(INPUT_SIZE, scale=(0.45, 1.0), ratio=(0.7, 1.43), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3, 0.05)], p=0.7),
            v2.RandomGrayscale(0.05),
            v2.RandomErasing(p=0.25, scale=(0.02, 0.2), value=127),
        ]
    )
