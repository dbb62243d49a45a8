"""Boxes, tags and heat maps as a person sees them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.garments import Garment
from core.images import drawing
from core.images.drawing import annotate, explained_table, heat_layer, hex_to_rgb, overlay_heat, text_color
from core.taxonomy import color_of

GRAY = (120, 120, 120)


def photo(width: int = 400, height: int = 300) -> Image.Image:
    return Image.new("RGB", (width, height), GRAY)


def differs(a: Image.Image, b: Image.Image) -> np.ndarray:
    """Where two pictures differ: (H, W) bool."""
    return (np.asarray(a) != np.asarray(b)).any(axis=2)


def cover(a: drawing.Rect, b: drawing.Rect) -> bool:
    """Whether two rectangles have more than an edge in common."""
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


def tag_places(monkeypatch: pytest.MonkeyPatch) -> list[drawing.Rect]:
    """Collects the rectangles that annotate() chooses for its tags."""
    places: list[drawing.Rect] = []
    place_tag = drawing.place_tag

    def spy(*arguments: object) -> drawing.Rect:
        places.append(place_tag(*arguments))  # type: ignore[arg-type]
        return places[-1]

    monkeypatch.setattr(drawing, "place_tag", spy)
    return places


def test_a_box_is_drawn_on_its_own_pixels_in_its_categorys_color() -> None:
    drawn = annotate(photo(), [Garment((100, 80, 200, 220), "dress", 0.9)])
    color = hex_to_rgb(color_of("dress"))
    for corner in ((100, 219), (199, 219), (150, 219), (100, 150), (199, 150)):
        assert drawn.getpixel(corner) == color
    for outside in ((99, 150), (200, 150), (150, 220)):
        assert drawn.getpixel(outside) == GRAY
    assert drawn.getpixel((150, 150)) == GRAY, "the garment itself stays clear"


def test_the_photo_that_was_passed_in_is_left_as_it_was() -> None:
    original = photo()
    annotate(original, [Garment((10, 10, 90, 90), "top", 0.5)])
    overlay_heat(original, np.ones((4, 4)))
    assert original.getextrema() == ((120, 120),) * 3


def test_no_garment_leaves_the_photo_alone() -> None:
    assert not differs(annotate(photo(), []), photo()).any()


def test_a_shops_own_name_is_written_instead_of_lapels(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tag_places(monkeypatch)
    annotate(photo(), [Garment((100, 80, 300, 220), "top", 0.9)])
    annotate(photo(), [Garment((100, 80, 300, 220), "top", 0.9)], names={"top": "Blouses and shirts"})
    assert plain[1][2] - plain[1][0] > 2 * (plain[0][2] - plain[0][0])


@pytest.mark.parametrize(
    "box", [(-50, -40, 60, 30), (350, 260, 480, 390), (0, 0, 400, 300), (398, 0, 400, 300), (7, 298, 8, 299)]
)
@pytest.mark.parametrize("name", ["top", "scarf_tie", "a very long name of a category " * 20])
def test_tags_stay_inside_the_picture(
    box: tuple[float, float, float, float], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = tag_places(monkeypatch)
    annotate(photo(), [Garment(box, name, 0.5)])
    ((left, top, right, bottom),) = places
    assert 0 <= left < right <= 400 and 0 <= top < bottom <= 300


def test_tags_of_garments_with_one_box_do_not_cover_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    places = tag_places(monkeypatch)
    names = ("dress", "top", "skirt", "outerwear", "belt", "bag")
    annotate(photo(), [Garment((150, 100, 260, 240), name, 0.5) for name in names])
    assert len(places) == 6
    for index, place in enumerate(places):
        assert not any(cover(place, other) for other in places[:index])


def test_a_box_beyond_the_photo_draws_nothing() -> None:
    assert not differs(annotate(photo(), [Garment((500, 400, 600, 480), "top", 0.5)]), photo()).any()


def test_lines_and_tags_grow_with_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    places = tag_places(monkeypatch)
    for scale in (1, 8):
        annotate(photo(400 * scale, 300 * scale), [Garment((80, 80, 90 * scale, 90 * scale), "top", 0.5)])
    heights = [place[3] - place[1] for place in places]
    assert heights[1] > 3 * heights[0]
    assert drawing.line_width((400, 300)) == 2
    assert drawing.line_width((4000, 3000)) == 12  # sqrt(12e6) / 280 = 12.4


def test_a_picture_of_one_pixel_survives() -> None:
    assert annotate(photo(1, 1), [Garment((0, 0, 1, 1), "top", 0.5)]).size == (1, 1)


def test_text_is_black_on_light_and_white_on_dark() -> None:
    assert text_color((255, 230, 0)) == (17, 17, 17)
    assert text_color((20, 20, 120)) == (255, 255, 255)


def test_cold_areas_stay_clear_and_hot_ones_take_the_ramps_end() -> None:
    layer = heat_layer(np.array([[0.0, 1.0]]), (2, 1))
    assert layer.mode == "RGBA"
    assert layer.getpixel((0, 0)) == (13, 8, 135, 0)
    assert layer.getpixel((1, 0)) == (240, 249, 33, 255)


def test_the_ramp_only_ever_gets_lighter() -> None:
    ramp = heat_layer(np.linspace(0, 1, 256)[None, :], (256, 1)).convert("RGB").convert("L")
    lightness = np.asarray(ramp)[0].astype(int)
    assert (np.diff(lightness) >= -1).all() and lightness[-1] > lightness[0] + 150  # rounded to whole levels


def test_a_map_is_stretched_smoothly_over_its_area() -> None:
    alpha = np.asarray(heat_layer(np.array([[0.0, 0.4]]), (100, 10)).getchannel("A"))
    assert alpha.shape == (10, 100)
    assert (np.diff(alpha[0].astype(int)) >= 0).all()
    assert len(np.unique(alpha[0])) > 20


def test_heat_stays_inside_its_box() -> None:
    changed = differs(overlay_heat(photo(), np.ones((7, 7)), (100, 50, 150, 90)), photo())
    assert changed[50:90, 100:150].all()
    assert changed.sum() == 50 * 40


def test_heat_over_a_box_beyond_the_photo_is_clipped_not_squeezed() -> None:
    values = np.array([[1.0, 1.0, 0.0, 0.0]])
    changed = differs(overlay_heat(photo(), values, (-100, 0, 100, 300)), photo())
    assert not changed[:, 60:].any(), "the cold right half of the box stays clear"


def test_opacity_blends_by_hand() -> None:
    drawn = overlay_heat(photo(), np.ones((3, 3)), opacity=0.5)
    # 255 * 0.5 rounds to an alpha of 128.
    expected = [(hot * 128 + 120 * 127) / 255 for hot in (240, 249, 33)]
    assert drawn.getpixel((200, 150)) == pytest.approx(expected, abs=1)
    assert not differs(overlay_heat(photo(), np.ones((3, 3)), opacity=0.0), photo()).any()


def test_values_that_are_no_numbers_count_as_cold() -> None:
    layer = heat_layer(np.array([[np.nan, np.nan], [np.nan, np.nan]]), (8, 8))
    assert layer.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (2, 2, 2)])
def test_a_map_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        heat_layer(np.zeros(shape), (8, 8))


def test_an_opacity_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="opacity"):
        overlay_heat(photo(), np.ones((2, 2)), opacity=1.5)


def test_a_table_has_a_row_a_garment_with_picture_map_and_labels() -> None:
    wide, tall = Image.new("RGB", (448, 112), "red"), Image.new("RGB", (20, 60), "blue")
    table = explained_table([(wide, wide, ["Coat  90%", "Hat  10%"]), (tall, tall, [])])
    assert table.size == (3 * 252, 44 + 2 * 252)
    assert table.getpixel((126, 44 + 126)) == (255, 0, 0) and table.getpixel((126, 44 + 60)) == (
        255,
        255,
        255,
    )
    assert table.getpixel((252 + 126, 44 + 252 + 126)) == (0, 0, 255)
    words = np.asarray(table)[44:, 2 * 252 :]
    assert words[:252].min() < 100 and words[254:].min() == 255, "the second row has no labels"
    assert explained_table([]).size == (3 * 252, 44)
