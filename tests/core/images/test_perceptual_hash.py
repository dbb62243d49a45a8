"""Copies in another size, compression or light are one picture; garments on the same ground are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from core.images import perceptual_hash
from core.images.perceptual_hash import (
    NEAR_BITS,
    as_columns,
    as_table,
    color_similarity,
    difference_hash,
    hamming_distances,
    near_hashes,
    same_picture,
    small_colors,
)
from tests.pictures import encoded
from tools.synthetic import draw_scene

COPIES = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "jpeg": lambda image: Image.open(io.BytesIO(encoded(image, "JPEG", quality=40))),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
}


def bits(one: Image.Image, other: Image.Image) -> int:
    return int(hamming_distances(difference_hash(one), as_table([difference_hash(other)]))[0])


def garment(color: str, print_at: tuple[int, int] | None = None) -> Image.Image:
    """A plain T-shirt laid on a red cloth, seen from above."""
    image = Image.new("RGB", (180, 240), "#a01030")
    pen = ImageDraw.Draw(image)
    pen.polygon(
        [(60, 60), (120, 60), (160, 90), (130, 100), (130, 200), (50, 200), (50, 100), (20, 90)], color
    )
    if print_at:
        pen.ellipse([*print_at, print_at[0] + 40, print_at[1] + 40], "black")
    return image


def test_a_hash_has_a_bit_for_every_step_to_the_right():
    ramp = Image.linear_gradient("L").rotate(90)
    assert difference_hash(ramp) == b"\xff" * 32
    assert difference_hash(Image.new("RGB", (50, 50), "white")) == bytes(32)


def test_distances_count_the_differing_bits():
    others = as_table([bytes(32), b"\xff" * 32, b"\x01" + bytes(31)])
    assert hamming_distances(bytes(32), others).tolist() == [0, 256, 1]
    assert hamming_distances(b"\x03" + bytes(31), others[1:]).tolist() == [254, 1]


def test_near_hashes_are_those_of_few_differing_bits_wherever_they_lie(monkeypatch):
    monkeypatch.setattr(perceptual_hash, "BLOCK_HASHES", 16)
    random = np.random.default_rng(0)
    hashes = [random.bytes(32) for _ in range(100)]
    one = hashes[40]
    for place, bits, shift in ((3, 48, 100), (47, 49, 0), (99, 1, 0)):
        flipped = int.from_bytes(one, "big") ^ (((1 << bits) - 1) << shift)
        hashes[place] = flipped.to_bytes(32, "big")
    rows, bits = near_hashes(one, as_columns(hashes))
    assert (rows.tolist(), bits.tolist()) == ([3, 40, 99], [48, 0, 1])
    distances = hamming_distances(one, as_table(hashes))
    assert distances[47] == 49 and np.flatnonzero(distances <= NEAR_BITS).tolist() == rows.tolist()
    assert [found.tolist() for found in near_hashes(one, as_columns([]))] == [[], []]


def test_no_hashes_have_no_distances():
    assert hamming_distances(bytes(32), as_table([])).shape == (0,)


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_copy_is_near_and_the_same_picture(kind, seed):
    image = draw_scene(seed, (240, 320)).image
    copy = COPIES[kind](image)
    assert bits(image, copy) <= NEAR_BITS and same_picture(small_colors(image), small_colors(copy))


def test_garments_on_the_same_ground_are_near_but_not_the_same():
    plain, printed, other = garment("#d0d0d8"), garment("#d0d0d8", (70, 100)), garment("#e0c060")
    assert bits(plain, printed) <= NEAR_BITS and bits(plain, other) <= NEAR_BITS
    assert not same_picture(small_colors(plain), small_colors(printed))
    assert not same_picture(small_colors(plain), small_colors(other))


def test_likeness_is_blind_to_gain_and_offset_and_sees_reversal():
    one = np.random.default_rng(0).integers(60, 120, (32, 32, 3), dtype=np.uint8)
    assert color_similarity(one, one) == pytest.approx(1)
    assert color_similarity(one, (one * 1.5 + 10).astype(np.uint8)) == pytest.approx(1, abs=1e-3)
    assert color_similarity(one, 180 - one) == pytest.approx(-1)


def test_what_is_blown_out_is_left_out():
    one = np.random.default_rng(0).integers(60, 200, (32, 32, 3), dtype=np.uint8)
    brighter = np.minimum(one * 1.6, 255).astype(np.uint8)
    assert color_similarity(one, brighter) > 0.999 > np.corrcoef(one.ravel(), brighter.ravel())[0, 1]


def test_pictures_of_one_color_are_the_same_where_the_color_is():
    def flat(value: int) -> np.ndarray:
        return np.full((32, 32, 3), value, dtype=np.uint8)

    assert same_picture(flat(200), flat(203)) and not same_picture(flat(200), flat(20))
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    assert not same_picture(flat(128), noise)
