"""The classifier's pictures: photos or garments' crops as 224 x 224, plain or augmented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from core.data.labelled import LabelledPhoto
from core.data.listed import open_listed
from core.data.sampling import Request
from core.models.mobilenet import INPUT_SIZE

CROP_MARGIN = 0.1
CACHED_SIZE = 288


def to_square(image: Image.Image, size: int = INPUT_SIZE) -> Image.Image:
    """Resize to a square without keeping the aspect: what the classifier sees in training and in use."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def crop_rectangle(
    photo_wh: tuple[int, int], box_xyxy: Sequence[float], margin: float = CROP_MARGIN
) -> tuple[int, int, int, int]:
    """A garment's box with ``margin`` of its size around it: whole pixels inside the photo, at least one."""
    x0, y0, x1, y1 = box_xyxy
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    left = min(max(0, int(x0 - dx)), photo_wh[0] - 1)
    top = min(max(0, int(y0 - dy)), photo_wh[1] - 1)
    right = max(min(photo_wh[0], int(np.ceil(x1 + dx))), left + 1)
    bottom = max(min(photo_wh[1], int(np.ceil(y1 + dy))), top + 1)
    return left, top, right, bottom


def crop_garment(image: Image.Image, box_xyxy: Sequence[float], margin: float = CROP_MARGIN) -> Image.Image:
    """Cut a garment out with ``margin`` of its size around it: what the classifier is shown."""
    return image.crop(crop_rectangle(image.size, box_xyxy, margin))


def to_tensor(image: Image.Image) -> Tensor:
    """RGB picture to (3, H, W) uint8."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()


def normalise(pictures: Tensor) -> Tensor:
    """uint8 0..255 to float32 -1..1, MobileNet's input."""
    return pictures.float() / 127.5 - 1.0


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


class LabelledPictures(Dataset[tuple[Tensor, int]]):
    """Pictures and class ids; ``(epoch, index)`` gives an augmented picture, a plain index the plain one.

    Pictures are kept as small JPEGs in memory: (3, 224, 224) uint8 comes out. ``watch`` sees the photos pass
    while they are read. Raises DatasetError where one cannot be.
    """

    def __init__(
        self,
        photos: Sequence[LabelledPhoto],
        labels: Sequence[str],
        *,
        strength: str = "rich",
        seed: int = 0,
        watch: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    ) -> None:
        ids = {label: index for index, label in enumerate(labels)}
        self.targets = [ids[photo.label] for photo in photos]
        self.transform, self.seed = augmentation(strength), seed
        self.encoded = [_encode(photo) for photo in watch(photos)]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, request: int | Request) -> tuple[Tensor, int]:
        if isinstance(request, int):
            return to_tensor(to_square(self._picture(request))), self.targets[request]
        epoch, index = request
        picture = to_tensor(self._picture(index))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng((self.seed, epoch, index)).integers(2**31)))
            return self.transform(picture), self.targets[index]

    def _picture(self, index: int) -> Image.Image:
        return Image.open(BytesIO(self.encoded[index])).convert("RGB")


def _encode(photo: LabelledPhoto) -> bytes:
    image = open_listed(photo.path).image
    image.thumbnail((CACHED_SIZE, CACHED_SIZE), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
