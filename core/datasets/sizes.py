"""Photo sizes: a dataset's boxes are in pixels of the size in its file, which need not be the photo's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.report import named
from core.errors import DatasetError
from core.images.decode import upright_size

SAME_SHAPE = 0.01
"""How far a photo's scale across may lie from that down, as a share, for it to be a resized copy."""

MOST_LISTED = 100
"""Photos of the wrong size that the JSON lists."""

SizeWH = tuple[int, int]

log = logging.getLogger("lapel.datasets")


@dataclass(frozen=True)
class SizeMismatch:
    """A photo that has not the size in pixels that the dataset's file says."""

    file_name: str
    listed_wh: SizeWH
    photo_wh: SizeWH

    def __str__(self) -> str:
        listed, found = ("{} x {}".format(*size) for size in (self.listed_wh, self.photo_wh))
        return f"{self.file_name} (expected {listed}, got {found})"


@dataclass(frozen=True, eq=False)
class FittedDataset:
    """A dataset with boxes in pixels of the upright photos.

    ``resized`` are the photos whose boxes were scaled to the photo's size, ``left_out`` those that have
    another shape than the file says, and are not in ``dataset``.
    """

    dataset: DetectionDataset
    resized: tuple[SizeMismatch, ...] = ()
    left_out: tuple[SizeMismatch, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: both counts, and the first photos with the size that was expected and that came."""
        wrong = (*self.left_out, *self.resized)[:MOST_LISTED]
        return {
            "resized": len(self.resized),
            "left_out": len(self.left_out),
            "wrong_sizes": [
                {
                    "photo": mismatch.file_name,
                    "expected": list(mismatch.listed_wh),
                    "got": list(mismatch.photo_wh),
                    "left_out": mismatch in self.left_out,
                }
                for mismatch in wrong
            ],
        }


def fit_to_photos(dataset: DetectionDataset, name: str) -> FittedDataset:
    """Compare each photo's size with that in the file, and scale the boxes where the photo was resized.

    ``name`` is the file's. A photo of another shape, such as one that lies on its side in the file, is left
    out, as its boxes would lie somewhere else; a photo that cannot be opened stays, for whoever opens it to
    say so. What was done is logged as a warning. Raises DatasetError where no photo is left.
    """
    fitted: list[BoxedPhoto] = []
    resized: list[SizeMismatch] = []
    left_out: list[SizeMismatch] = []
    for photo in dataset.photos:
        photo_wh = _size_of(dataset, photo)
        listed_wh = (photo.width, photo.height)
        if photo_wh in (None, listed_wh):
            fitted.append(photo)
            continue
        factors = resize_factors(listed_wh, photo_wh)
        mismatch = SizeMismatch(photo.file_name, listed_wh, photo_wh)
        if factors is None:
            left_out.append(mismatch)
        else:
            resized.append(mismatch)
            fitted.append(_scaled(photo, photo_wh, factors))
    told = _sentences(name, len(dataset.photos), resized, left_out)
    if left_out and not fitted:
        raise DatasetError(told[-1])
    for sentence in told:
        log.warning(sentence)
    return FittedDataset(replace(dataset, photos=tuple(fitted)), tuple(resized), tuple(left_out))


def resize_factors(listed_wh: SizeWH, photo_wh: SizeWH) -> tuple[float, float] | None:
    """What boxes are multiplied by across and down where a photo is a resized copy; None for another shape.

    Sides that were rounded to whole pixels count as the same shape, a photo turned by 90° does not.

    >>> resize_factors((1000, 330), (500, 165)), resize_factors((300, 200), (200, 300))
    ((0.5, 0.5), None)
    """
    across, down = photo_wh[0] / listed_wh[0], photo_wh[1] / listed_wh[1]
    if photo_wh == listed_wh[::-1] != listed_wh:
        return None
    lowest = max((side - 1) / listed for side, listed in zip(photo_wh, listed_wh, strict=True))
    highest = min((side + 1) / listed for side, listed in zip(photo_wh, listed_wh, strict=True))
    rounded = lowest <= highest and min(photo_wh) > 1
    return (across, down) if rounded or abs(across - down) <= SAME_SHAPE * across else None


def _size_of(dataset: DetectionDataset, photo: BoxedPhoto) -> SizeWH | None:
    path = dataset.path_of(photo)
    try:
        return upright_size(path)
    except DatasetError:  # missing or damaged
        return None


def _scaled(photo: BoxedPhoto, photo_wh: SizeWH, factors: tuple[float, float]) -> BoxedPhoto:
    width, height = photo_wh
    scale, limit = np.array([*factors, *factors]), np.array([*photo_wh, *photo_wh])
    boxes_xyxy, crowd_xyxy = (
        np.minimum(boxes * scale, limit) for boxes in (photo.boxes_xyxy, photo.crowd_xyxy)
    )
    return replace(photo, width=width, height=height, boxes_xyxy=boxes_xyxy, crowd_xyxy=crowd_xyxy)


def _sentences(
    name: str, photos: int, resized: Sequence[SizeMismatch], left_out: Sequence[SizeMismatch]
) -> list[str]:
    """What is wrong with the sizes and what was done about it; what was left out comes last."""
    told = []
    if resized:
        told.append(
            f"{name}: {len(resized)} of {photos} photos have another size than the file says, and their "
            f"boxes were scaled to it: {named(resized)}"
        )
    if left_out:
        told.append(
            f"{name}: {len(left_out)} of {photos} photos have another shape than the file says, as if they "
            f"had been turned or cut, and were left out: {named(left_out)}"
        )
    return told
