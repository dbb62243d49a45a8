"""Colors of maps: lightness says the order of the values, and zero is in the middle of signed ones."""

from __future__ import annotations

import numpy as np
import pytest

from core.images.color_maps import STOPS, color_table, colored, hex_stops


def lightness(table: np.ndarray) -> np.ndarray:
    """Oklab's lightness of sRGB colors (N, 3)."""
    share = table / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_lms = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    )  # fmt: skip
    return np.cbrt(linear @ to_lms.T) @ np.array([0.2104542553, 0.7936177850, -0.0040720468])


def test_lightness_rises_evenly_from_low_to_high():
    steps = np.diff(lightness(color_table("sequential"))[::15])
    assert steps.min() > 0 and steps.max() < 3 * steps.mean()


def test_signed_colors_are_lightest_at_zero_and_alike_on_both_sides():
    light = lightness(color_table("diverging"))
    below, above = light[:128], light[128:][::-1]
    assert (np.diff(below[::8]) > 0).all() and (np.diff(above[::8]) > 0).all()
    np.testing.assert_allclose(below, above, atol=0.02)
    blue, brown = color_table("diverging")[0].astype(int), color_table("diverging")[-1].astype(int)
    assert blue[2] > blue[0] and brown[0] > brown[2]


@pytest.mark.parametrize("name", list(STOPS))
def test_ends_of_a_scale_have_the_ends_of_the_colors(name):
    stops = STOPS[name]
    drawn = colored(np.array([[-9.0, -1.0, 1.0, 9.0, np.nan]]), -1.0, 1.0, name)
    assert [tuple(color) for color in drawn[0].tolist()] == [
        stops[0],
        stops[0],
        stops[-1],
        stops[-1],
        stops[0],
    ]
    assert hex_stops(name)[0] == "#{:02x}{:02x}{:02x}".format(*stops[0])
    assert colored(np.zeros((2, 3)), 0.0, 0.0, name).shape == (2, 3, 3)
