import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.images.letterbox import GRAY, letterbox, tight_canvas


def test_a_landscape_photo_by_hand():
    boxed = letterbox(Image.new("RGB", (200, 100), "red"), (96, 96))
    assert boxed.scale_xy == (0.48, 0.48) and boxed.offset_xy == (0, 24) and boxed.photo_wh == (200, 100)
    assert boxed.image.size == (96, 96)
    assert boxed.image.getpixel((48, 23)) == GRAY and boxed.image.getpixel((48, 24)) == (255, 0, 0)
    assert boxed.image.getpixel((48, 71)) == (255, 0, 0) and boxed.image.getpixel((48, 72)) == GRAY
    assert boxed.to_photo(np.array([[0.0, 24.0, 48.0, 72.0]])).tolist() == [[0, 0, 100, 100]]


@pytest.mark.parametrize("photo_wh", [(640, 480), (333, 777), (50, 40), (1000, 3), (1, 1)])
@pytest.mark.parametrize("canvas_wh", [(416, 416), (288, 416)])
def test_boxes_go_to_the_canvas_and_back(photo_wh, canvas_wh):
    boxed = letterbox(Image.new("RGB", photo_wh), canvas_wh)
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 1, (20, 2, 2)), axis=1) * photo_wh
    boxes = corners.reshape(20, 4)
    on_canvas = boxed.to_canvas(boxes)
    assert np.all(on_canvas >= 0) and np.all(on_canvas <= [*canvas_wh] * 2 + np.array(1e-6))
    assert np.allclose(boxed.to_photo(on_canvas), boxes, atol=1e-6)


@pytest.mark.parametrize("photo_wh", [(3000, 2000), (2000, 3000), (3001, 1999), (4000, 301), (607, 403)])
def test_the_photos_own_border_comes_back_at_any_size(photo_wh):
    """With one factor for two rounded sides a border of 3000 x 2000 came back 2.4 pixels off."""
    boxed = letterbox(Image.new("RGB", photo_wh, "red"), tight_canvas(photo_wh, 416))
    red = np.argwhere(np.asarray(boxed.image)[..., 0] == 255)
    (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0) + 1
    border = boxed.to_photo(np.array([[left, top, right, bottom]], dtype=float))
    assert np.allclose(border, [[0, 0, *photo_wh]], atol=1e-6)


def test_boxes_are_clipped_to_the_photo():
    boxed = letterbox(Image.new("RGB", (200, 100)), (96, 96))
    assert boxed.to_photo(np.array([[-5.0, 0.0, 500.0, 96.0]])).tolist() == [[0, 0, 200, 100]]
    assert boxed.to_photo(np.zeros((0, 4))).shape == (0, 4)


def test_the_pixels_go_where_the_boxes_go():
    photo = Image.new("RGB", (300, 500), "white")
    ImageDraw.Draw(photo).rectangle((60, 100, 179, 399), fill="blue")
    boxed = letterbox(photo, (288, 416))
    pixels = np.asarray(boxed.image).astype(int)
    rows, columns = np.nonzero((pixels[..., 2] > 200) & (pixels[..., 0] < 100))
    found = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], dtype=float)
    assert np.allclose(boxed.to_photo(found), [[60, 100, 180, 400]], atol=2)


@pytest.mark.parametrize(
    ("photo_wh", "expected"),
    [
        ((400, 600), (288, 416)),  # 277.3 to the next multiple
        ((600, 400), (416, 288)),
        ((500, 500), (416, 416)),
        ((416, 416), (416, 416)),
        ((10, 4000), (32, 416)),
        ((599, 600), (416, 416)),
    ],
)
def test_a_tight_canvas_by_hand(photo_wh, expected):
    assert tight_canvas(photo_wh, 416) == expected


@pytest.mark.parametrize("long_side", [64, 320, 416])
@pytest.mark.parametrize("seed", range(3))
def test_a_tight_canvas_is_of_multiples_and_never_larger_than_the_long_side(long_side, seed):
    rng = np.random.default_rng(seed)
    for width, height in rng.integers(1, 3000, (200, 2)).tolist():
        canvas_wh = tight_canvas((width, height), long_side)
        assert max(canvas_wh) == long_side and min(canvas_wh) >= 32
        assert not any(side % 32 for side in canvas_wh)
        factor = min(canvas_wh[0] / width, canvas_wh[1] / height)
        assert factor == pytest.approx(long_side / max(width, height), rel=0.02)
