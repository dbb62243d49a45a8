"""Derived boxes: right on plain grounds, none where there is doubt."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import box_iou

from tools.derive_boxes import DerivedBox, derive_box, otsu_threshold
from tools.synthetic import draw_scene

KINDS = ("t-shirt", "coat", "pants", "dress", "bag", "hat")


def iou(one: object, other: object) -> float:
    boxes = [torch.tensor(np.asarray(box, dtype=np.float64)[None]) for box in (one, other)]
    return float(box_iou(*boxes))


def block(
    box: tuple[int, int, int, int], size_wh: tuple[int, int] = (300, 400), colour: str = "#204060"
) -> Image.Image:
    """A block of one colour on a light ground with a little noise."""
    image = Image.new("RGB", size_wh, "#e8e2d8")
    image.paste(colour, box)
    noise = np.random.default_rng(0).normal(0, 3, (size_wh[1], size_wh[0], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("size_wh", [(300, 400), (400, 300), (60, 80), (1200, 1600)])
def test_a_block_has_its_box_at_every_size(size_wh: tuple[int, int]) -> None:
    box = tuple(round(share * side) for share, side in zip((0.2, 0.3, 0.7, 0.8), size_wh * 2, strict=True))
    derived = derive_box(block(box, size_wh))  # type: ignore[arg-type]
    assert derived is not None
    assert iou(derived.box_xyxy, box) > 0.93
    assert derived.fill > 0.95 and derived.contrast > 40


@pytest.mark.parametrize("kind", KINDS)
def test_most_drawn_garments_are_found_on_their_ground(kind: str) -> None:
    scenes = [draw_scene(seed, (180, 240), kind) for seed in range(2)]
    derived = [(derive_box(scene.image), scene.boxes_xyxy[0]) for scene in scenes]
    found = [iou(box.box_xyxy, truth) for box, truth in derived if box is not None]
    assert found, "one of two at least"
    assert min(found) > 0.7


def test_a_garment_that_a_sleeve_takes_to_the_border_is_still_found() -> None:
    image = block((90, 100, 210, 330))
    image.paste("#204060", (0, 130, 90, 160))
    derived = derive_box(image)
    assert derived is not None and iou(derived.box_xyxy, (0, 100, 210, 330)) > 0.9


def test_a_pair_is_one_box_and_a_crumb_is_left_out() -> None:
    image = block((40, 150, 130, 260))
    image.paste("#204060", (170, 150, 260, 260))
    image.paste("#204060", (280, 380, 288, 388))
    derived = derive_box(image)
    assert derived is not None and iou(derived.box_xyxy, (40, 150, 260, 260)) > 0.9


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (300, 200), (120, 90, 30)),
        Image.new("RGB", (3000, 8), (120, 90, 30)),
        Image.new("RGB", (8, 8)),
        block((140, 190, 160, 210)),  # too small for the one garment of a photo
        block((1, 1, 299, 399)),  # all but a hair's breadth of the photo
        block((0, 0, 300, 200)),  # a horizon: three sides touched
        block((100, 100, 200, 300), colour="#e2dcd2"),  # hardly another colour than the ground
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 150, 3), np.uint8)),
    ],
    ids=["even", "thread", "speck", "small", "full", "horizon", "pale", "noise"],
)
def test_where_there_is_doubt_there_is_no_box_and_no_warning(image: Image.Image) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert derive_box(image) is None


def test_a_box_lies_inside_its_photo() -> None:
    for seed in range(6):
        size_wh = (97 + 31 * seed, 300 - 29 * seed)
        derived = derive_box(draw_scene(seed, size_wh, "flat").image)
        if derived is not None:
            x0, y0, x1, y1 = derived.box_xyxy
            assert 0 <= x0 < x1 <= size_wh[0] and 0 <= y0 < y1 <= size_wh[1]
            assert isinstance(derived, DerivedBox) and 0 < derived.fill <= 1


def test_otsus_threshold_parts_two_heaps_by_hand() -> None:
    values = np.array([0.0] * 50 + [1.0] * 10 + [9.0] * 10 + [10.0] * 30)
    # Any threshold from 1 to just below 9 parts the heaps, and no other does as well.
    threshold = otsu_threshold(values)
    assert (values > threshold).sum() == 40 and 1.0 <= threshold < 9.0


def test_otsus_threshold_is_the_best_of_all_that_can_be_tried() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(10, 2, 700), rng.normal(30, 6, 300)])

    def inner(threshold: float) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        return float(low.var() * len(low) + high.var() * len(high))

    tried = np.linspace(values.min() + 0.1, values.max() - 0.1, 400)
    assert inner(otsu_threshold(values)) <= 1.01 * min(inner(threshold) for threshold in tried)


def test_otsus_threshold_of_even_values_is_near_them() -> None:
    assert abs(otsu_threshold(np.full(100, 7.0)) - 7.0) <= 0.5
