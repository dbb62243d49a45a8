"""A pack's photos in the memory of a GPU, and batched augmentation there: no loop over pictures.

All photos lie one after another in one tensor of pixels. A batch is one pass of bilinear sampling: each
output pixel belongs to a tile (one for a plain scene, four for a mosaic), each tile has its photo and its
affine map (scale, stretch, flip, rotation), and boxes go the same way. Photos are kept at half and quarter
size as well, so that small tiles do not alias.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.images import letterbox
from core.training.yolo_loss import PaddedTargets
from tools.photo_files import decode_pack, decoded_folder, first_pixels, read_index

GRAY = letterbox.GRAY[0] / 255
SMALLEST_SIDE = 3.0
VISIBLE_SHARE = 0.3
MOST_COVERED = 0.6
LEVELS = 3
MOST_BOXES = 16  # of one photo
MOST_IN_SCENE = 32
LUMA = (0.299, 0.587, 0.114)
TO_YIQ = (LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@lru_cache(maxsize=64)
def constant(values: Any, device: torch.device) -> Tensor:
    """A small tensor that is copied to the device once."""
    return torch.tensor(values, dtype=torch.float32, device=device)


class Images(Sequence[Tensor]):
    """Each photo as (3, h, w) uint8, a view of the pixels."""

    def __init__(self, pixels: Tensor, firsts: Sequence[int], photos: Sequence[dict[str, Any]]) -> None:
        self.pixels, self.firsts, self.photos = pixels, firsts, photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        width, height = self.photos[index]["width"], self.photos[index]["height"]
        first = self.firsts[index]
        return self.pixels[first : first + width * height].view(height, width, 3).permute(2, 0, 1)


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack's categories and photos (entries of its index), and their pixels (P, 3) uint8 on a device."""

    categories: tuple[str, ...]
    photos: list[dict[str, Any]]
    pixels: Tensor
    firsts: list[int]

    @cached_property
    def images(self) -> Images:
        """Each photo as (3, h, w) uint8 on the device."""
        return Images(self.pixels, self.firsts, self.photos)

    def numbers(self, *, sets: Sequence[str] | None = None, split: str | None = None) -> list[int]:
        """The numbers of the photos of some sets and a split."""
        return [
            number
            for number, photo in enumerate(self.photos)
            if (sets is None or photo["set"] in sets) and (split is None or photo["split"] == split)
        ]


def load_pack(folder: Path, device: str | torch.device, limit: int | None = None) -> Pack:
    """A pack with its photos decoded and on the device; photos that could not be decoded are left out."""
    folder = Path(folder)
    if not (decoded_folder(folder, limit) / "failed.json").is_file():
        # In a process of its own: decoding forks, and a process that holds a GPU must not.
        command = [sys.executable, "-m", "tools.photo_files", str(folder)]
        command += ["--limit", str(limit)] if limit is not None else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    decoded = decode_pack(folder, limit)
    categories, photos = read_index(folder, limit)
    firsts = first_pixels(photos)
    mapped = np.memmap(decoded / "pixels.bin", dtype=np.uint8, mode="r").reshape(-1, 3)
    pixels = torch.empty(mapped.shape, dtype=torch.uint8, device=device)
    step = 1 << 26
    for start in range(0, len(mapped), step):
        pixels[start : start + step] = torch.from_numpy(np.array(mapped[start : start + step]))
    failed = set(json.loads((decoded / "failed.json").read_text()))
    kept = [number for number in range(len(photos)) if number not in failed]
    return Pack(categories, [photos[i] for i in kept], pixels, [firsts[i] for i in kept])


@dataclass(frozen=True)
class Augmentation:
    """How photos are augmented; ranges are factors, chances lie in 0..1."""

    mosaic: float = 0.6
    zoom: tuple[float, float] = (0.5, 1.6)  # of the scale at which the photo fits the canvas
    tile_zoom: tuple[float, float] = (0.9, 2.0)
    stretch: float = 1.15
    flip: float = 0.5
    rotation: float = 0.4
    degrees: float = 6.0
    color: float = 0.8
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4
    hue: float = 0.03  # of a full turn
    masking: float = 0.2


@dataclass(frozen=True, eq=False)
class PackedDataset:
    """Photos of a pack ready for sampling: RGBA pixels of three sizes, and boxes padded to sixteen a photo.

    Photo numbers are positions in ``numbers``. Tables are (levels, N) and (N, ...).
    """

    numbers: list[int]
    rgba: Tensor  # (P,) int32, four bytes a pixel
    first: Tensor
    width: Tensor
    height: Tensor
    boxes: Tensor
    classes: Tensor
    valid: Tensor
    generator: torch.Generator = field(repr=False)

    @classmethod
    def of(cls, pack: Pack, numbers: Sequence[int], seed: int = 0) -> PackedDataset:
        """The photos of these numbers, their smaller sizes made here."""
        device = pack.pixels.device
        parts: list[Tensor] = []
        tables = torch.zeros(3, LEVELS, len(numbers), dtype=torch.long)
        at = 0
        for position, number in enumerate(numbers):
            image = pack.images[number]
            for level in range(LEVELS):
                if level:
                    image = F.avg_pool2d(image[None].float(), 2, ceil_mode=True)[0].round().to(torch.uint8)
                height, width = image.shape[1:]
                tables[:, level, position] = torch.tensor((at, width, height))
                parts.append(image.permute(1, 2, 0).reshape(-1, 3))
                at += height * width
        rgb = torch.cat(parts) if parts else torch.zeros(1, 3, dtype=torch.uint8, device=device)
        del parts
        rgba = F.pad(rgb, (0, 1), value=255).contiguous().view(torch.int32).view(-1)
        boxes = torch.zeros(len(numbers), MOST_BOXES, 4)
        boxes[..., 2:] = 1.0
        classes = torch.zeros(len(numbers), MOST_BOXES, dtype=torch.long)
        valid = torch.zeros(len(numbers), MOST_BOXES, dtype=torch.bool)
        for position, number in enumerate(numbers):
            photo = pack.photos[number]
            count = min(len(photo["boxes"]), MOST_BOXES)
            if count:
                boxes[position, :count] = torch.tensor(photo["boxes"][:count])
                classes[position, :count] = torch.tensor(photo["category_ids"][:count])
                valid[position, :count] = True
        generator = torch.Generator(device).manual_seed(seed)
        moved = (table.to(device) for table in (*tables, boxes, classes, valid))
        return cls(list(numbers), rgba, *moved, generator)  # type: ignore[arg-type, call-arg]

    @property
    def device(self) -> torch.device:
        return self.rgba.device

    def draw(
        self, photos: Tensor, canvas_wh: tuple[int, int], settings: Augmentation
    ) -> tuple[Tensor, PaddedTargets, Tensor]:
        """Pictures of photos (B, 4), or (B, 1) for no mosaics: (B, 3, H, W) in 0..1, their
        garments, and which of the photos are in them (B, T).
        """
        tiles = self._tiles(photos, canvas_wh, settings)
        maps = self._maps(photos, tiles, settings, canvas_wh)
        pictures, inside = self._sample(photos, tiles, maps, canvas_wh)
        pictures = self._recolor(pictures, settings)
        pictures = torch.where(inside[..., None], pictures, GRAY)
        boxes, valid = self._boxes(photos, tiles, maps)
        if settings.masking > 0:
            pictures, valid = self._mask(pictures, boxes, valid, settings)
        order = valid.int().argsort(dim=1, descending=True, stable=True)[:, :MOST_IN_SCENE]
        empty = constant((0.0, 0.0, 1.0, 1.0), self.device)
        valid = valid.gather(1, order)
        boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
        boxes = torch.where(valid[..., None], boxes, empty)
        classes = self.classes[photos].flatten(1).gather(1, order)
        used = ((tiles[..., 2] - tiles[..., 0]) * (tiles[..., 3] - tiles[..., 1])) > 0
        return pictures.permute(0, 3, 1, 2), PaddedTargets(classes, boxes, valid), used

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, device=self.device, generator=self.generator)

    def _between(self, low: float, high: float, *shape: int) -> Tensor:
        """Log-uniform factors."""
        return torch.exp(np.log(low) + self._uniform(*shape) * float(np.log(high) - np.log(low)))

    def _tiles(self, photos: Tensor, canvas_wh: tuple[int, int], settings: Augmentation) -> Tensor:
        """Each photo's part of the canvas, xyxy (B, T, 4); a plain scene's first photo has all of it."""
        batch, count = photos.shape
        width, height = canvas_wh
        if count == 1:
            return constant((0, 0, width, height), self.device).expand(batch, 1, 4)
        middle = (0.35 + 0.3 * self._uniform(batch, 2)) * constant((width, height), self.device)
        mixed = (self._uniform(batch) < settings.mosaic)[:, None]
        corner = constant((width, height), self.device).expand(batch, 2)
        x, y = torch.where(mixed, middle.round(), corner).unbind(1)
        zero, right, below = torch.zeros_like(x), corner[:, 0], corner[:, 1]
        quarters = ((zero, zero, x, y), (x, zero, right, y), (zero, y, x, below), (x, y, right, below))
        return torch.stack([torch.stack(quarter, dim=1) for quarter in quarters], dim=1)

    def _maps(
        self, photos: Tensor, tiles: Tensor, settings: Augmentation, canvas_wh: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Each tile's map: matrices (B, T, 2, 2), the photo's middle and where it goes (B, T, 2)."""
        shape = tuple(photos.shape)
        size = torch.stack((self.width[0][photos], self.height[0][photos]), dim=-1).float()
        room = (tiles[..., 2:] - tiles[..., :2]).clamp(min=1)
        whole = (room == constant(canvas_wh, self.device)).all(dim=-1)
        zoom = torch.where(
            whole, self._between(*settings.zoom, *shape), self._between(*settings.tile_zoom, *shape)
        )
        factor = (room / size).amin(dim=-1) * zoom
        stretch = self._between(1 / settings.stretch, settings.stretch, *shape) ** 0.5
        scale = torch.stack((factor * stretch, factor / stretch), dim=-1)  # (B, T, 2)
        slack = room - size * scale
        # A plain letterbox is centered, as in evaluation.
        share = (
            self._uniform(*shape, 2) if settings.zoom[0] != settings.zoom[1] else torch.full_like(slack, 0.5)
        )
        middle = tiles[..., :2] + slack * share + size * scale / 2
        mirrored = torch.where(self._uniform(*shape) < settings.flip, -1.0, 1.0)
        turned = self._uniform(*shape) < settings.rotation
        angle = torch.deg2rad((2 * self._uniform(*shape) - 1) * settings.degrees) * turned
        cos, sin = angle.cos(), angle.sin()
        across, down = scale[..., 0] * mirrored, scale[..., 1]
        matrix = torch.stack((cos * across, sin * down, -sin * across, cos * down), dim=-1)
        return matrix.unflatten(-1, (2, 2)), size / 2, middle

    def _sample(
        self,
        photos: Tensor,
        tiles: Tensor,
        maps: tuple[Tensor, Tensor, Tensor],
        canvas_wh: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Pictures (B, H, W, 3) in 0..1, and where they show a photo (B, H, W)."""
        matrix, source, middle = maps
        width, height = canvas_wh
        (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(-2))
        size = a * d - b * c
        level = torch.log2(size.abs().clamp(min=1e-6)).mul(-0.5).round().long().clamp(0, LEVELS - 1)
        shrink = 0.5 ** level.float()
        inverse = torch.stack((d, -b, -c, a), dim=-1) * (shrink / size)[..., None]
        start = source * shrink[..., None] - 0.5
        shift = start - torch.stack(
            (
                inverse[..., 0] * middle[..., 0] + inverse[..., 1] * middle[..., 1],
                inverse[..., 2] * middle[..., 0] + inverse[..., 3] * middle[..., 1],
            ),
            dim=-1,
        )
        sizes = torch.stack((self.width[level, photos], self.height[level, photos]), dim=-1)
        x = torch.arange(width, device=self.device) + 0.5
        y = torch.arange(height, device=self.device) + 0.5
        if photos.shape[1] == 1:
            pick = torch.zeros(1, 1, 1, dtype=torch.long, device=self.device)
        else:
            right = x[None, None, :] > tiles[:, 0, 2, None, None]
            below = y[None, :, None] > tiles[:, 0, 3, None, None]
            pick = right.long() + 2 * below  # (B, H, W)
        row = torch.arange(len(photos), device=self.device)[:, None, None]
        m, t = inverse[row, pick], shift[row, pick]
        u = m[..., 0] * x + m[..., 1] * y[:, None] + t[..., 0]
        v = m[..., 2] * x + m[..., 3] * y[:, None] + t[..., 1]
        wide, high = sizes[row, pick].unbind(-1)
        inside = (u > -0.5) & (v > -0.5) & (u < wide - 0.5) & (v < high - 0.5)
        left, top = u.floor(), v.floor()
        fx, fy = (u - left)[..., None], (v - top)[..., None]
        first = self.first[level, photos][row, pick]
        left, top = left.long(), top.long()

        def tap(dx: int, dy: int) -> Tensor:
            across = torch.minimum((left + dx).clamp(min=0), wide - 1)
            down = torch.minimum((top + dy).clamp(min=0), high - 1)
            taken = self.rgba[first + down * wide + across]  # (B, H, W) int32
            return taken.view(torch.uint8).unflatten(-1, (-1, 4))[..., :3].float()

        upper = torch.lerp(tap(0, 0), tap(1, 0), fx)
        lower = torch.lerp(tap(0, 1), tap(1, 1), fx)
        return torch.lerp(upper, lower, fy) / 255, inside

    def _recolor(self, pictures: Tensor, settings: Augmentation) -> Tensor:
        """Brightness, contrast, saturation and hue of pictures (B, H, W, 3): one matrix and offset each."""
        if settings.color <= 0:
            return pictures
        batch = len(pictures)
        on = (self._uniform(batch) < settings.color).float()

        def factor(amount: float) -> Tensor:
            return 1 + (2 * self._uniform(batch) - 1) * amount * on

        bright, contrast, saturation = (
            factor(amount) for amount in (settings.brightness, settings.contrast, settings.saturation)
        )
        angle = (2 * self._uniform(batch) - 1) * 2 * np.pi * settings.hue * on
        to_yiq = constant(TO_YIQ, self.device)
        to_rgb = constant(tuple(map(tuple, np.linalg.inv(np.array(TO_YIQ)).tolist())), self.device)
        turn = torch.zeros(batch, 3, 3, device=pictures.device)
        turn[:, 0, 0] = 1.0
        turn[:, 1, 1] = turn[:, 2, 2] = angle.cos() * saturation
        turn[:, 1, 2], turn[:, 2, 1] = -angle.sin() * saturation, angle.sin() * saturation
        matrix = to_rgb @ turn @ to_yiq  # (B, 3, 3)
        gain = (bright * contrast)[:, None, None]
        mean = (pictures.mean(dim=(1, 2)) * constant(LUMA, self.device)).sum(dim=1)
        offset = (bright * (1 - contrast) * mean)[:, None, None]
        flat = pictures.flatten(1, 2) @ (matrix * gain).transpose(1, 2) + offset
        return flat.clamp_(0, 1).view_as(pictures)

    def _boxes(
        self, photos: Tensor, tiles: Tensor, maps: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Boxes (B, T * K, 4) on the canvas, cut to their tiles, and which are still to be seen.

        A turned box becomes that of the ellipse it holds.
        """
        matrix, source, middle = maps
        boxes = self.boxes[photos]  # (B, T, K, 4)
        center = (boxes[..., :2] + boxes[..., 2:]) / 2 - source[:, :, None]
        half = (boxes[..., 2:] - boxes[..., :2]) / 2
        center = (matrix[:, :, None] * center[..., None, :]).sum(dim=-1) + middle[:, :, None]
        reach = (matrix[:, :, None] * half[..., None, :]).square().sum(dim=-1).sqrt()
        low, high = tiles[:, :, None, :2], tiles[:, :, None, 2:]
        clipped = torch.cat(
            (
                torch.minimum(torch.maximum(center - reach, low), high),
                torch.minimum(torch.maximum(center + reach, low), high),
            ),
            dim=-1,
        )
        size = clipped[..., 2:] - clipped[..., :2]
        share = size.prod(dim=-1) / (4 * reach.prod(dim=-1)).clamp(min=1e-6)
        seen = (size.amin(dim=-1) >= SMALLEST_SIDE) & (share >= VISIBLE_SHARE) & self.valid[photos]
        return clipped.flatten(1, 2), seen.flatten(1)

    def _mask(
        self, pictures: Tensor, boxes: Tensor, valid: Tensor, settings: Augmentation
    ) -> tuple[Tensor, Tensor]:
        """Cover up to three rectangles with gray; a garment covered by more than 60 % is dropped."""
        batch, height, width = pictures.shape[:3]
        extent = constant((width, height), self.device)
        size = (0.08 + 0.22 * self._uniform(batch, 3, 2)) * extent
        corner = self._uniform(batch, 3, 2) * (extent - size)
        on = (self._uniform(batch) < settings.masking)[:, None] & (
            self._uniform(batch, 3) < constant((1.0, 0.67, 0.5), self.device)
        )
        low, high = corner, corner + size * on[..., None]
        x = torch.arange(width, device=pictures.device) + 0.5
        y = torch.arange(height, device=pictures.device) + 0.5
        across = (x > low[..., :1]) & (x < high[..., :1])  # (B, 3, W)
        down = (y > low[..., 1:]) & (y < high[..., 1:])  # (B, 3, H)
        covered = (down[..., :, None] & across[..., None, :]).any(dim=1)
        over = torch.minimum(boxes[:, :, None, 2:], high[:, None]) - torch.maximum(
            boxes[:, :, None, :2], low[:, None]
        )
        hidden = over.clamp(min=0).prod(dim=-1).sum(dim=-1)  # overlaps of rectangles count twice
        area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1).clamp(min=1e-6)
        return torch.where(covered[..., None], GRAY, pictures), valid & (hidden / area <= MOST_COVERED)
