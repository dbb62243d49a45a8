"""The classifier's pictures on the GPU: squares of photos and garments' crops, and random views of them.

A garment is cut out with more around it than the product shows its classifier (:func:`crop_rectangle`), and
squeezed to a square as ``to_square`` does; the product's own cut is kept as the base rectangle within it,
from which random views depart. A catalog photo gives two pictures: the whole photo, as the official measure
takes it, and its garment's crop, as the product does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from core.images.crops import crop_rectangle

CONTEXT_MARGIN = 0.3
"""How much of a box's size is kept around it in the cache; the product's own margin is 0.1."""
SMALLEST_BOX = 11  # pixels of the packed photo, 14 of one with a long side of 608
WHOLE_FROM = 0.85  # a box of this share of its photo gives no picture of its own
UNLABELED = -1
SETTLED_LABELS = {
    "bag": "Bag", "belt": "Belt", "boots": "Shoes", "footwear": "Shoes", "dress": "Dress",
    "sunglasses": "Sunglasses", "pants": "Pants", "shorts": "Shorts", "skirt": "Skirt", "headwear": "Hat",
}  # fmt: skip
"""Labels that follow from a box's category alone; tops, outerwear, and scarves and ties need a finer name."""


class Item(NamedTuple):
    """One picture: a photo's place in the pack, its box (None: the whole photo), its label's id or -1."""

    photo: int
    box_xyxy: tuple[float, float, float, float] | None
    label: int
    source: str  # "catalog", "catalog-crop", "street" or "chictopia"
    split: str  # "train" or "val"


def items_of(
    photos: Sequence[Mapping[str, Any]], categories: Sequence[str], labels: Sequence[str]
) -> list[Item]:
    """Every picture that a pack's photos give, in their order. Photos of other sets or splits give none.

    ``categories`` are the names behind the photos' ``category_ids``.
    """
    items: list[Item] = []
    for index, photo in enumerate(photos):
        if photo.get("split") not in ("train", "val"):
            continue
        if photo["set"] == "catalog":
            items += _of_catalog(index, photo, labels)
        elif photo["set"] in ("street", "chictopia"):
            items += _of_people(index, photo, categories, labels)
    return items


def _of_catalog(index: int, photo: Mapping[str, Any], labels: Sequence[str]) -> list[Item]:
    known = [name for name in photo.get("labels") or () if name in labels]
    if not known:
        return []
    label = labels.index(known[0])
    items = [Item(index, None, label, "catalog", photo["split"])]
    boxes = [] if photo.get("box") == "none" else photo.get("boxes") or []
    if len(boxes) == 1 and photo["split"] == "train" and _share(boxes[0], photo) < WHOLE_FROM:
        items.append(Item(index, _box(boxes[0]), label, "catalog-crop", photo["split"]))
    return items


def _of_people(
    index: int, photo: Mapping[str, Any], categories: Sequence[str], labels: Sequence[str]
) -> list[Item]:
    items = []
    boxes, names = photo.get("boxes") or [], photo.get("labels") or []
    for number, (box, category) in enumerate(zip(boxes, photo["category_ids"], strict=True)):
        if min(box[2] - box[0], box[3] - box[1]) < SMALLEST_BOX:
            continue
        settled = SETTLED_LABELS.get(categories[category])
        name = names[number] if number < len(names) else None
        if photo["set"] == "chictopia" or name not in labels:  # one name of chictopia's holds many a garment
            name = settled
        label = labels.index(name) if name in labels else UNLABELED
        items.append(Item(index, _box(box), label, photo["set"], photo["split"]))
    return items


def _box(values: Sequence[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in values)
    return x0, y0, x1, y1


def _share(box: Sequence[float], photo: Mapping[str, Any]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) / (photo["width"] * photo["height"])


def square_of(
    image: Tensor, box_xyxy: Sequence[float] | None, side: int, margin: float
) -> tuple[Tensor, tuple[float, ...]]:
    """A photo (3, h, w) uint8, or a garment with ``margin`` around, as (3, side, side) uint8.

    Beside it the product's own cut within that square, xyxy in 0..1.
    """
    height, width = image.shape[1:]
    if box_xyxy is None:
        cut, base = image, (0.0, 0.0, 1.0, 1.0)
    else:
        x0, y0, x1, y1 = crop_rectangle((width, height), box_xyxy, margin)
        own = crop_rectangle((width, height), box_xyxy)
        w, h = x1 - x0, y1 - y0
        base = ((own[0] - x0) / w, (own[1] - y0) / h, (own[2] - x0) / w, (own[3] - y0) / h)
        cut = image[:, y0:y1, x0:x1]
    scaled = F.interpolate(cut[None].float(), (side, side), mode="bilinear", antialias=True)
    return scaled[0].round_().clamp_(0, 255).to(torch.uint8), tuple(min(max(v, 0.0), 1.0) for v in base)


@dataclass(frozen=True)
class PictureCache:
    """Squares on the device: pictures (N, 3, S, S) uint8, base rectangles (N, 4) in 0..1, label ids (N,)."""

    pictures: Tensor
    base_xyxy: Tensor
    targets: Tensor
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def weights(self, source_weights: Mapping[str, float], rebalance: float) -> Tensor:
        """How often a picture is drawn (N,): its source's weight times LVIS's factor for its rare label.

        The factor is max(1, sqrt(rebalance / f)), f the label's share of all that is drawn (Gupta et al.).
        """
        weights = torch.tensor([float(source_weights.get(s, 0.0)) for s in self.sources], dtype=torch.float64)
        targets = self.targets.cpu()
        for label in targets.unique().tolist():
            chosen = targets == label
            share = float(weights[chosen].sum() / weights.sum().clamp(min=1e-9))
            if label != UNLABELED and share > 0:
                weights[chosen] *= max(1.0, (rebalance / share) ** 0.5)
        return weights.float().to(self.targets.device)


def build_cache(
    images: Any, items: Iterable[Item], side: int, device: torch.device, margin: float = CONTEXT_MARGIN
) -> PictureCache:
    """The squares of ``items``; ``images[i]`` is photo i as (3, h, w) uint8, on whatever device.

    With margin 0.1 a square is what the product would see, and its base rectangle all of it.
    """
    items = list(items)
    pictures = torch.empty((len(items), 3, side, side), dtype=torch.uint8, device=device)
    bases = []
    for row, item in enumerate(items):
        picture, base = square_of(images[item.photo].to(device), item.box_xyxy, side, margin)
        pictures[row] = picture
        bases.append(base)
    base_xyxy = torch.tensor(bases, dtype=torch.float32).reshape(-1, 4).to(device)
    targets = torch.tensor([item.label for item in items], dtype=torch.int64, device=device)
    return PictureCache(pictures, base_xyxy, targets, tuple(item.source for item in items))


def as_input(pictures: Tensor) -> Tensor:
    """uint8 0..255 to float32 -1..1, the input of both networks."""
    return pictures.float().div_(127.5).sub_(1.0)


@dataclass(frozen=True)
class Augmentation:
    """How far random views depart from the plain one; chances and shares in 0..1."""

    area: tuple[float, float] = (0.35, 1.0)  # of the base rectangle
    aspect: float = 1.43  # a view's width to height lies between its inverse and it
    plain: float = 0.15  # views of exactly the base rectangle
    turned: float = 0.4
    degrees: float = 15.0
    shear: float = 0.15
    colored: float = 0.8
    brightness: float = 0.35
    contrast: float = 0.35
    saturation: float = 0.4
    hue_degrees: float = 18.0
    gray: float = 0.05
    sharpened: float = 0.3  # or blurred
    erased: float = 0.25
    slack: float = 0.15  # how far a view may lie outside its base rectangle, of its size


def random_views(pictures: Tensor, base_xyxy: Tensor, side: int, how: Augmentation) -> Tensor:
    """Random views (B, 3, side, side) in -1..1 of squares (B, 3, S, S) uint8: one affine sampling a batch."""
    theta = _affine(base_xyxy, how)
    grid = F.affine_grid(theta, [len(pictures), 3, side, side], align_corners=False)
    views = F.grid_sample(as_input(pictures), grid, mode="bilinear", align_corners=False)  # gray outside
    return _erased(_sharpened(_recolored(views, how), how), how)


def plain_views(pictures: Tensor, base_xyxy: Tensor, side: int) -> Tensor:
    """The base rectangles, (B, 3, side, side) in -1..1."""
    grid = F.affine_grid(
        _rectangles_as_affine(base_xyxy), [len(pictures), 3, side, side], align_corners=False
    )
    return F.grid_sample(as_input(pictures), grid, mode="bilinear", align_corners=False)


def _uniform(like: Tensor, low: float, high: float) -> Tensor:
    """As many random numbers as ``like`` has rows (B,)."""
    return torch.rand(len(like), device=like.device) * (high - low) + low


def _sometimes(like: Tensor, chance: float) -> Tensor:
    """True with a chance, for each row (B,)."""
    return torch.rand(len(like), device=like.device) < chance


def _rectangles_as_affine(xyxy: Tensor) -> Tensor:
    """Rectangles (B, 4) in 0..1 as affine maps (B, 2, 3) from the view's -1..1 to the square's -1..1."""
    x0, y0, x1, y1 = xyxy.unbind(1)
    zero = torch.zeros_like(x0)
    across = torch.stack((x1 - x0, zero, x0 + x1 - 1), dim=1)
    down = torch.stack((zero, y1 - y0, y0 + y1 - 1), dim=1)
    return torch.stack((across, down), dim=1)


def random_rectangles(base_xyxy: Tensor, how: Augmentation) -> Tensor:
    """Rectangles (B, 4) in 0..1, of a random share of the base's area and a random aspect, near the base."""
    area = _uniform(base_xyxy, *how.area)
    aspect = how.aspect ** _uniform(base_xyxy, -1.0, 1.0)
    scale = torch.stack(((area * aspect).sqrt(), (area / aspect).sqrt()), dim=1)
    low, high = base_xyxy[:, :2], base_xyxy[:, 2:]
    slack = how.slack * (high - low)
    least, most = (low - slack).clamp(min=0), (high + slack).clamp(max=1)
    size = torch.minimum(scale * (high - low), most - least)
    start = least + torch.rand_like(size) * (most - least - size)
    rectangles = torch.cat((start, start + size), dim=1)
    return torch.where(_sometimes(base_xyxy, how.plain)[:, None], base_xyxy, rectangles)


def _affine(base_xyxy: Tensor, how: Augmentation) -> Tensor:
    frame = _rectangles_as_affine(random_rectangles(base_xyxy, how))
    turned = _sometimes(base_xyxy, how.turned).float()
    angle = turned * torch.deg2rad(_uniform(base_xyxy, -how.degrees, how.degrees))
    shear = turned * _uniform(base_xyxy, -how.shear, how.shear)
    mirror = torch.where(_sometimes(base_xyxy, 0.5), -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack(
        (torch.stack((cos * mirror, shear - sin), dim=1), torch.stack((sin * mirror, cos), dim=1)), dim=1
    )
    return torch.cat((frame[:, :, :2] @ turn, frame[:, :, 2:]), dim=2)


@lru_cache
def _color_constants(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Identity, luma in every row, and the cross product with the gray axis, each (3, 3).

    Made once a device: a copy from the host in every batch would stop the device's queue.
    """
    gray = torch.tensor((0.299, 0.587, 0.114)).expand(3, 3)
    cross = torch.tensor(((0.0, -1.0, 1.0), (1.0, 0.0, -1.0), (-1.0, 1.0, 0.0))) / 3**0.5
    return torch.eye(3, device=device), gray.to(device), cross.to(device)


def _recolored(views: Tensor, how: Augmentation) -> Tensor:
    """Brightness, contrast, saturation, hue and gray as one color matrix for each picture."""
    on = _sometimes(views, how.colored).float()
    saturation = 1 + on * _uniform(views, -how.saturation, how.saturation)
    saturation = torch.where(_sometimes(views, how.gray), torch.zeros_like(saturation), saturation)
    contrast = 1 + on * _uniform(views, -how.contrast, how.contrast)
    lift = on * _uniform(views, -how.brightness, how.brightness)
    hue = on * torch.deg2rad(_uniform(views, -how.hue_degrees, how.hue_degrees))
    matrix = _saturation_matrix(saturation) @ _hue_matrix(hue) * contrast[:, None, None]  # (B, 3, 3)
    mean = views.mean(dim=(1, 2, 3))
    flat = torch.bmm(matrix, (views - mean[:, None, None, None]).flatten(2))  # (B, 3, H*W)
    return (flat + (mean + lift)[:, None, None]).clamp_(-1, 1).view_as(views)


def _saturation_matrix(amount: Tensor) -> Tensor:
    identity, gray, _ = _color_constants(amount.device)
    return amount[:, None, None] * identity + (1 - amount)[:, None, None] * gray


def _hue_matrix(angle: Tensor) -> Tensor:
    """Rotations about the gray axis (Rodrigues), (B, 3, 3)."""
    identity, _, cross = _color_constants(angle.device)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * identity + (1 - cos) / 3 + sin * cross


def _sharpened(views: Tensor, how: Augmentation) -> Tensor:
    amount = _sometimes(views, how.sharpened).float() * _uniform(views, -1.0, 1.0)
    blurred = F.avg_pool2d(views, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(blurred, views, 1 + amount[:, None, None, None]).clamp_(-1, 1)


def inside(rectangles: Tensor, side: int) -> Tensor:
    """Which pixels lie in rectangles (B, 4) in 0..1: (B, 1, side, side) bool."""
    places = (torch.arange(side, device=rectangles.device) + 0.5) / side
    x0, y0, x1, y1 = (edge[:, None] for edge in rectangles.unbind(1))
    across, down = (places >= x0) & (places < x1), (places >= y0) & (places < y1)
    return (down[:, :, None] & across[:, None, :])[:, None]


def random_patches(like: Tensor, area: Tensor) -> Tensor:
    """Rectangles (B, 4) in 0..1 of given areas (B,), half as wide to twice as wide as high, anywhere."""
    aspect = 2 ** _uniform(like, -1.0, 1.0)
    size = torch.stack(((area * aspect).sqrt(), (area / aspect).sqrt()), dim=1).clamp(max=1)
    start = torch.rand_like(size) * (1 - size)
    return torch.cat((start, start + size), dim=1)


def _erased(views: Tensor, how: Augmentation) -> Tensor:
    area = _uniform(views, 0.02, 0.2) * _sometimes(views, how.erased).float()
    return views.masked_fill(inside(random_patches(views, area), views.shape[-1]), 0.0)


def _beta(like: Tensor, alpha: float) -> Tensor:
    """Draws of the beta distribution with both parameters ``alpha``, one a row (B,)."""
    one, two = torch._standard_gamma(torch.full((2, len(like)), alpha, device=like.device))
    return one / (one + two).clamp(min=1e-9)


def mixed(views: Tensor, chance: float, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Views with others of the batch laid over them (mixup, Zhang et al. 2018) or set into them (CutMix, Yun
    et al. 2019), each kind for half of those that ``chance`` picks.

    Returns the views, the others' rows (B,) and each view's own share (B,), 1 where it was left alone.
    """
    count, side = len(views), views.shape[-1]
    other = torch.randperm(count, device=views.device)
    share = _beta(views, alpha)
    share = torch.where(_sometimes(views, chance), share, torch.ones_like(share))
    patch = inside(random_patches(views, 1 - share), side) & (share < 1)[:, None, None, None]
    cut = _sometimes(views, 0.5)
    cut_share = 1 - patch.float().mean(dim=(1, 2, 3))
    blend = share[:, None, None, None]
    weight = torch.where(cut[:, None, None, None], (~patch).to(views.dtype), blend)  # of one's own pixels
    return torch.lerp(views[other], views, weight), other, torch.where(cut, cut_share, share)
