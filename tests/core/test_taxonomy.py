"""Category sets have the names of their sources, and colors one can tell apart and read."""

from __future__ import annotations

import pytest

from core.errors import DatasetError
from core.taxonomy import Taxonomy, color_of, load_taxonomy, taxonomy_names

ALL = ("street13", "catalog", "deepfashion2", "deepfashion50")


def contrast(first: str, second: str) -> float:
    """WCAG 2's contrast ratio, 1..21."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_all_four_sets_are_there_with_their_sizes() -> None:
    assert taxonomy_names() == ALL
    assert [len(load_taxonomy(name).categories) for name in ALL] == [13, 22, 13, 50]


def test_street13_keeps_the_order_that_the_detector_was_trained_in() -> None:
    assert " ".join(load_taxonomy("street13").categories) == (
        "bag belt boots footwear outerwear dress sunglasses pants top shorts skirt headwear scarf_tie"
    )


def test_the_catalog_has_the_clothing_datasets_labels_and_five_accessories() -> None:
    categories = load_taxonomy("catalog").categories
    assert {"T-Shirt", "Longsleeve", "Outwear", "Undershirt", "Body"} < set(categories)
    assert categories[17:] == ("Bag", "Belt", "Scarf", "Tie", "Sunglasses")


def test_deepfashion_names_are_those_of_its_lists() -> None:
    assert load_taxonomy("deepfashion2").categories[0] == "short sleeve top"
    fifty = load_taxonomy("deepfashion50").categories
    assert (fifty[0], fifty[4], fifty[19], fifty[49]) == ("Anorak", "Button-Down", "Turtleneck", "Sundress")


@pytest.mark.parametrize("name", ALL[1:])
def test_every_fine_label_has_a_street_category_as_parent(name: str) -> None:
    taxonomy = load_taxonomy(name)
    assert set(taxonomy.parents) == set(taxonomy.categories)
    assert set(taxonomy.parents.values()) <= set(load_taxonomy("street13").categories)


def test_parents_are_the_garments_one_would_say() -> None:
    parents = load_taxonomy("catalog").parents
    assert (parents["Polo"], parents["Scarf"], parents["Shoes"]) == ("top", "scarf_tie", "footwear")


@pytest.mark.parametrize("name", ALL)
def test_colors_differ_and_can_be_read_on_white_and_on_dark(name: str) -> None:
    colors = load_taxonomy(name).colors
    assert len(set(colors)) == len(colors)
    assert min(contrast(color, page) for color in colors for page in ("#ffffff", "#0e1117")) >= 3


@pytest.mark.parametrize("category", ["kaftan de luxe", "", "<script>", "喪服", "\ud800", "=1+1"])
def test_any_name_has_a_readable_color(category: str) -> None:
    color = color_of(category)
    assert color == color_of(category)
    assert contrast(color, "#ffffff") >= 3
    assert contrast(color, "#0e1117") >= 3


def test_a_strangers_color_stays_what_it_was() -> None:
    color_of.cache_clear()
    first = color_of("waders")
    color_of.cache_clear()
    assert color_of("waders") == first != color_of("galoshes")


def test_the_same_garment_has_one_color_in_every_set() -> None:
    assert color_of("skirt") == color_of("Skirt") == load_taxonomy("street13").colors[10]
    for name in ALL:
        taxonomy = load_taxonomy(name)
        assert tuple(color_of(category) for category in taxonomy.categories) == taxonomy.colors


def test_an_unknown_set_is_refused_and_cannot_name_a_path() -> None:
    with pytest.raises(DatasetError, match="street13"):
        load_taxonomy("../weights/detector")


@pytest.mark.parametrize(
    ("categories", "colors", "parents"),
    [
        ((), (), {}),
        (("a", "a"), ("#000000", "#000001"), {}),
        (("a",), (), {}),
        (("a",), ("red",), {}),
        (("a",), ("#000000",), {"b": "top"}),
    ],
)
def test_sets_that_contradict_themselves_are_refused(
    categories: tuple[str, ...], colors: tuple[str, ...], parents: dict[str, str]
) -> None:
    with pytest.raises(DatasetError):
        Taxonomy("x", "X", categories, colors, parents)
