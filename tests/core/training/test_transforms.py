import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.training.transforms import (
    GRAY,
    BoxedImage,
    Cutout,
    clip_boxes,
    color_jitter,
    fit_factor,
    horizontal_flip,
    mosaic,
    paste_cutout,
    random_erasing,
    rotate,
    scale_jitter,
)

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 20)


def image_with(*shapes, size_wh=(120, 160), round_off=False):
    """A white picture with a colored shape for each (box, color); the class is the shape's number."""
    image = Image.new("RGB", size_wh, "white")
    pen = ImageDraw.Draw(image)
    for (x0, y0, x1, y1), color in shapes:
        (pen.ellipse if round_off else pen.rectangle)((x0, y0, x1 - 1, y1 - 1), fill=color)
    boxes = np.array([box for box, _ in shapes], dtype=np.float32).reshape(-1, 4)
    return BoxedImage(image, boxes, np.arange(len(shapes)))


def find(image, color):
    """The box around all pixels near a color."""
    distance = np.abs(np.asarray(image.convert("RGB")).astype(int) - color).max(axis=2)
    rows, columns = np.nonzero(distance < 70)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def share_of(image, box, color):
    """The share of a box's pixels that have exactly a color."""
    x0, y0, x1, y1 = (int(v) for v in box)
    return (np.asarray(image)[y0:y1, x0:x1] == color).all(axis=2).mean()


def assert_boxes_hold_their_shapes(sample, colors):
    for box, category in zip(sample.boxes_xyxy, sample.classes, strict=True):
        assert np.allclose(box, find(sample.image, colors[category]), atol=2), category
    width, height = sample.image.size
    assert np.all(sample.boxes_xyxy >= 0) and np.all(sample.boxes_xyxy <= [width, height] * 2)


@pytest.mark.parametrize("seed", range(12))
def test_a_placed_box_follows_its_pixels(seed):
    sample = image_with(((20, 30, 60, 90), RED), ((70, 100, 110, 150), BLUE))
    placed = scale_jitter(sample, (96, 128), np.random.default_rng(seed))
    assert placed.image.size == (96, 128)
    assert_boxes_hold_their_shapes(placed, (RED, BLUE))


def test_a_flipped_box_follows_its_pixels_and_flips_back():
    sample = image_with(((20, 30, 60, 90), RED), ((70, 100, 110, 150), BLUE))
    flipped = horizontal_flip(sample)
    assert flipped.boxes_xyxy[0].tolist() == [60, 30, 100, 90]
    assert_boxes_hold_their_shapes(flipped, (RED, BLUE))
    again = horizontal_flip(flipped)
    assert np.array_equal(again.boxes_xyxy, sample.boxes_xyxy)
    assert again.image.tobytes() == sample.image.tobytes()
    assert sample.boxes_xyxy[0].tolist() == [20, 30, 60, 90]  # the sample itself stays


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(0, [10, 20, 40, 30]), (90, [20, 60, 30, 90]), (180, [60, 70, 90, 80]), (-90, [70, 10, 80, 40])],
)
def test_right_angles_by_hand(degrees, expected):
    turned = rotate(image_with(((10, 20, 40, 30), RED), size_wh=(100, 100)), degrees)
    assert np.allclose(turned.boxes_xyxy, [expected], atol=1e-4)
    assert np.allclose(find(turned.image, RED), expected, atol=1)


@pytest.mark.parametrize("degrees", [-30, -5, 5, 12, 45, 60])
def test_a_turned_box_holds_the_ellipse_it_held_before(degrees):
    sample = image_with(
        ((50, 40, 90, 70), RED), ((60, 90, 80, 120), BLUE), size_wh=(150, 160), round_off=True
    )
    turned = rotate(sample, degrees)
    assert len(turned.classes) == 2
    assert_boxes_hold_their_shapes(turned, (RED, BLUE))


@pytest.mark.parametrize("seed", range(12))
def test_a_mosaics_boxes_lie_on_the_canvas_and_follow_their_pixels(seed):
    colors = (RED, GREEN, BLUE, YELLOW)
    samples = []
    for number, color in enumerate(colors):
        sample = image_with(((30, 40, 90, 120), color))
        samples.append(BoxedImage(sample.image, sample.boxes_xyxy, np.array([number])))
    mixed = mosaic(samples, (192, 160), np.random.default_rng(seed))
    assert mixed.image.size == (192, 160)
    assert len(set(mixed.classes.tolist())) == len(mixed.classes) >= 1
    assert_boxes_hold_their_shapes(mixed, colors)


def test_a_box_of_which_too_little_is_left_is_dropped():
    image = Image.new("RGB", (100, 100))
    boxes = np.array(
        [[-60, 0, 40, 50], [-80, 0, 20, 50], [98, 10, 110, 20], [10, 10, 50, 12.5], [0, 0, 5, 5]], np.float32
    )
    clipped = clip_boxes(image, boxes, np.arange(5))
    assert clipped.classes.tolist() == [0, 4]  # 40 % is left; 20 %; 2 pixels; 2.5 pixels high; whole
    assert clipped.boxes_xyxy.tolist() == [[0, 0, 40, 50], [0, 0, 5, 5]]


def test_the_fit_is_that_of_the_tighter_side():
    assert fit_factor((200, 100), (100, 100)) == 0.5
    assert fit_factor((100, 200), (100, 100)) == 0.5


def test_masking_drops_what_it_hides_and_nothing_else():
    shapes = [((x, y, x + 12, y + 12), RED) for x in range(0, 120, 12) for y in range(0, 156, 12)]
    sample = image_with(*shapes, size_wh=(120, 156))
    dropped = 0
    for seed in range(20):
        masked = random_erasing(sample, np.random.default_rng(seed))
        kept = set(masked.classes.tolist())
        covered = [share_of(masked.image, box, GRAY) for box in sample.boxes_xyxy]
        dropped += len(shapes) - len(kept)
        assert kept == {number for number, share in enumerate(covered) if share <= 0.6}
        for box, number in zip(masked.boxes_xyxy, masked.classes, strict=True):
            assert box.tolist() == sample.boxes_xyxy[number].tolist()
    assert dropped > 20
    assert find(sample.image, RED).tolist() == [0, 0, 120, 156]  # the sample itself stays


def green_cutout(size_wh=(30, 40)):
    """A green ellipse cut out along its edge."""
    image = Image.new("RGBA", size_wh, (*RED, 0))
    ImageDraw.Draw(image).ellipse((0, 0, size_wh[0] - 1, size_wh[1] - 1), fill=(*GREEN, 255))
    return Cutout(image, category=7)


@pytest.mark.parametrize("seed", range(12))
def test_a_pasted_garment_has_its_box_its_class_and_its_pixels(seed):
    pasted = paste_cutout(image_with(size_wh=(120, 160)), green_cutout(), np.random.default_rng(seed))
    assert pasted.classes.tolist() == [7]
    assert np.allclose(pasted.boxes_xyxy[0], find(pasted.image, GREEN), atol=2)
    corner = pasted.image.getpixel(tuple(int(v) for v in pasted.boxes_xyxy[0, :2]))
    assert min(corner) > 200  # transparent: the sample's white, not the cut-out's hidden red


def test_pasting_drops_what_it_hides():
    shapes = [((x, y, x + 12, y + 12), RED) for x in range(0, 120, 12) for y in range(0, 156, 12)]
    sample = image_with(*shapes, size_wh=(120, 156))
    solid = Cutout(Image.new("RGBA", (60, 60), (*GREEN, 255)), 200)
    for seed in range(10):
        pasted = paste_cutout(sample, solid, np.random.default_rng(seed))
        hidden = [share_of(pasted.image, box, GREEN) > 0.6 for box in sample.boxes_xyxy]
        assert pasted.classes[-1] == 200 and any(hidden)
        assert pasted.classes[:-1].tolist() == [n for n, gone in enumerate(hidden) if not gone]


@pytest.mark.parametrize("size_wh", [(500, 20), (20, 500), (400, 400), (2, 2)])
def test_a_pasted_garment_fits_into_the_image(size_wh):
    for seed in range(5):
        pasted = paste_cutout(
            image_with(size_wh=(64, 96)), green_cutout(size_wh), np.random.default_rng(seed)
        )
        box = pasted.boxes_xyxy[0]
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= 64 and box[3] <= 96
        assert box[2] > box[0] and box[3] > box[1]


def test_a_sample_without_garments_stays_empty():
    empty, rng = image_with(), np.random.default_rng(0)
    samples = [
        scale_jitter(empty, (64, 64), rng),
        mosaic([empty] * 4, (64, 64), rng),
        random_erasing(empty, rng),
    ]
    for sample in (*samples, horizontal_flip(empty), rotate(empty, 10)):
        assert sample.boxes_xyxy.shape == (0, 4) and sample.classes.shape == (0,)


def test_the_same_generator_gives_the_same_image():
    sample = image_with(((20, 30, 60, 90), RED))
    first, second = (scale_jitter(sample, (96, 96), np.random.default_rng(5)) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert np.array_equal(first.boxes_xyxy, second.boxes_xyxy)


def test_recoloring_changes_colors_and_not_the_size():
    image = image_with(((20, 30, 60, 90), RED)).image
    changed = [color_jitter(image, np.random.default_rng(seed)) for seed in range(3)]
    assert all(picture.size == image.size for picture in changed)
    assert len({picture.tobytes() for picture in (image, *changed)}) == 4
