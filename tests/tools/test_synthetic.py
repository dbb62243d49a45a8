"""Drawn garments: the same every time, boxed by what can be seen, of every category."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.datasets.coco import read_coco
from core.errors import DatasetError
from core.taxonomy import load_taxonomy
from tools.synthetic import CATEGORIES, GARMENTS, draw_dataset, draw_scene
from tools.synthetic.__main__ import main
from tools.synthetic.canvas import Canvas, Part, Stroke, blur
from tools.synthetic.fabrics import PATTERNS, Fabric, color_from, distance, dyed, noise
from tools.synthetic.outlines import Placement, curve, ellipse, limb, mirrored, start_of

SMALL = (96, 128)
RED = dyed("#cc1a1a", wrinkle=0.0)
BLACK, WHITE = color_from("black"), color_from("white")


def test_the_same_seed_gives_the_same_picture():
    one, other = draw_scene(7, SMALL), draw_scene(7, SMALL)
    assert one.image.tobytes() == other.image.tobytes()
    assert np.array_equal(one.boxes_xyxy, other.boxes_xyxy)
    assert one.categories == other.categories
    assert draw_scene(8, SMALL).image.tobytes() != one.image.tobytes()


@pytest.mark.parametrize("kind", [None, "flat", "hanger", "person"])
def test_a_box_is_tight_around_its_mask(kind):
    for seed in range(3):
        scene = draw_scene(seed, SMALL, kind)
        assert scene.image.size == SMALL
        assert scene.image.mode == "RGB"
        assert scene.boxes_xyxy.dtype == np.float32
        assert scene.masks.shape == (len(scene.categories), SMALL[1], SMALL[0])
        assert len(scene.boxes_xyxy) == len(scene.categories) == len(scene.labels) > 0
        for mask, (x0, y0, x1, y1) in zip(scene.masks, scene.boxes_xyxy.astype(int), strict=True):
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
            assert mask[y0].any() and mask[y1 - 1].any() and mask[:, x0].any() and mask[:, x1 - 1].any()


def test_a_pixel_shows_one_garment_at_most():
    scene = draw_scene(1, SMALL, "person")
    assert len(scene.masks) >= 2
    assert scene.masks.sum(axis=0).max() == 1


def test_the_names_are_those_of_the_taxonomies():
    assert load_taxonomy("street13").categories == CATEGORIES
    catalog, seen = load_taxonomy("catalog"), set()
    for kind in GARMENTS:
        scene = draw_scene(3, SMALL, kind)
        assert len(scene.categories) == 1, kind
        assert scene.categories[0] in CATEGORIES
        label = scene.labels[0]
        if label is not None:
            assert label in catalog.categories
            if label != "Shoes":  # boots are one of the shoes
                assert catalog.parents[label] == scene.categories[0]
        seen.add(scene.categories[0])
    shoes = {draw_scene(seed, SMALL, "shoes from the side").categories[0] for seed in range(6)}
    assert shoes == {"boots", "footwear"}
    assert seen | shoes == set(CATEGORIES)


def test_a_garment_stands_out_from_its_ground():
    for seed in range(4):
        scene = draw_scene(seed, SMALL, "t-shirt")
        pixels, mask = np.asarray(scene.image, dtype=float), scene.masks[0]
        assert np.abs(pixels[mask].mean(axis=0) - pixels[~mask].mean(axis=0)).max() > 12


def test_an_unknown_kind_and_a_tiny_size_are_refused():
    with pytest.raises(ValueError, match="t-shirt.*got 'toga'"):
        draw_scene(0, SMALL, "toga")
    with pytest.raises(ValueError, match="at least 32"):
        draw_scene(0, (31, 200))


def test_a_dataset_can_be_read_back(tmp_path):
    shown = []
    written = draw_dataset(
        tmp_path, 3, seed=5, size_wh=SMALL, progress=lambda done, total: shown.append((done, total))
    )
    assert shown == [(1, 3), (2, 3), (3, 3)]
    read = read_coco(tmp_path / "train.json")
    assert read.categories == CATEGORIES
    for photo, again in zip(written.photos, read.photos, strict=True):
        np.testing.assert_allclose(again.boxes_xyxy, photo.boxes_xyxy, atol=1e-3)
        assert again.labels == photo.labels
        assert Image.open(read.path_of(again)).size == SMALL


def test_a_dataset_of_no_photos_is_refused(tmp_path, capsys):
    with pytest.raises(DatasetError, match="count of 0"):
        draw_dataset(tmp_path, 0)
    assert main(["--out", str(tmp_path), "--count", "0"]) == 1
    assert "count of 0" in capsys.readouterr().err


def test_the_command_line_draws_a_kind(tmp_path):
    assert main(["--out", str(tmp_path), "--count", "1", "--kind", "scarf"]) == 0
    assert [box.category_ids.tolist() for box in read_coco(tmp_path / "train.json").photos] == [[12]]


def test_a_curve_meets_its_knots_and_keeps_straight_lines_straight():
    knots = [(0, 0, 1), (4, 0, 1), (4, 3, 1)]
    points = curve(knots, samples=8)
    assert np.allclose(points[[0, 8, 16]], [(0, 0), (4, 0), (4, 3)])
    assert np.allclose(points[:9, 1], 0)


def test_a_curve_makes_no_loop_where_a_short_way_meets_a_long_one():
    points = curve([(0.0, 0.0, 1), (0.1, 0.0), (5.0, 0.0, 1)], closed=False)
    assert (np.diff(points[:, 0]) > 0).all()


def test_a_mirrored_outline_is_symmetric():
    outline = mirrored([(0.0, 0.0), (1.0, 0.5, 1), (0.0, 2.0)])
    assert abs(outline[:, 0].sum()) < 1e-9
    assert np.isclose(outline[:, 0].max(), -outline[:, 0].min())


def test_a_tube_has_the_widths_it_was_given():
    tube = limb([(0, 0), (0, 10)], [1.0, 2.0], samples=4)
    assert np.isclose(np.ptp(tube[[0, -1], 0]), 2.0)
    assert np.isclose(np.ptp(tube[[len(tube) // 2 - 1, len(tube) // 2], 0]), 4.0)


def test_a_share_of_a_path_has_that_share_of_its_length():
    cut = start_of(np.array([(0.0, 0.0), (3.0, 0.0), (3.0, 5.0)]), 0.5)
    assert np.allclose(cut, [(0, 0), (3, 0), (3, 1)])


def test_a_placement_and_its_grid_are_inverse():
    placement = Placement(10.0, 0.4, (30.0, 20.0))
    x, y = placement.to_pixels(np.array([(1.5, -0.5)]))[0]
    u, v = placement.grid((slice(0, 64), slice(0, 64)))
    row, column = round(y), round(x)
    assert abs(u[row, column] - 1.5) < 0.1
    assert abs(v[row, column] + 0.5) < 0.1


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_every_pattern_gives_colors_near_its_two(pattern):
    cloth = Fabric(color_from("#334d66"), color_from("#ccb399"), pattern, seed=3)
    v, u = np.mgrid[-1:1:40j, -1:1:30j]
    colors = cloth.colors(u, v)
    assert colors.shape == (40, 30, 3)
    assert colors.min() > -0.1
    assert colors.max() < 1.1


def test_stripes_repeat_with_their_period():
    cloth = Fabric(BLACK, WHITE, "stripes", period=0.5)
    v = np.arange(0.05, 2.0, 0.1)[:, None]
    column = cloth.colors(np.zeros_like(v), v)[:, 0, 0]
    assert np.array_equal(column[:5], column[5:10])
    assert {0.0, 1.0} == set(column.tolist())


def test_colors_are_as_far_apart_as_worked_out_by_hand():
    assert color_from("#ff0080").tolist() == [1.0, 0.0, 128 / 255]
    assert distance(BLACK, WHITE) == 1.0
    assert distance(RED.color, RED.color) == 0.0


def test_a_blur_keeps_flat_areas_and_the_mean():
    assert np.allclose(blur(np.full((40, 50), 0.3, np.float32), 9), 0.3, atol=1e-5)
    spot = np.zeros((65, 65), np.float32)
    spot[32, 32] = 1
    assert abs(blur(spot, 3).sum() - 1) < 1e-4
    assert np.unravel_index(blur(spot, 3).argmax(), spot.shape) == (32, 32)


def test_noise_is_smooth_and_stays_in_range():
    field = noise((60, 80), 16, np.random.default_rng(0))
    assert field.shape == (60, 80)
    assert np.abs(field).max() < 1.5
    assert np.abs(np.diff(field, axis=1)).max() < 0.3


def test_the_canvas_remembers_what_lies_on_top():
    canvas = Canvas(np.ones((80, 80, 3)), np.random.default_rng(0))
    place = Placement(20.0, 0.0, (40.0, 40.0))
    canvas.paint(Part(ellipse(0, 0, 1, 1)), place, RED, 1)
    canvas.paint(Stroke(np.array([(-1.9, 0.0), (1.9, 0.0)]), 0.2, color=color_from("blue")), place, RED, 2)
    assert canvas.owner[30, 40] == 1
    assert canvas.owner[40, 40] == 2
    assert canvas.owner[2, 2] == 0
    assert canvas.pixels[30, 40, 0] > 0.5 > canvas.pixels[30, 40, 1]


def test_a_part_outside_the_picture_changes_no_owner():
    canvas = Canvas(np.ones((40, 40, 3)), np.random.default_rng(0))
    canvas.paint(Part(ellipse(9, 9, 1, 1)), Placement(20.0), RED, 1)
    assert not canvas.owner.any()
