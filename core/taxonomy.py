"""Category sets as data: their names, their colors, and which detector category a fine label belongs to."""

from __future__ import annotations

import colorsys
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from core.errors import DatasetError

FOLDER = Path(__file__).parents[1] / "assets" / "taxonomies"
NAMES = ("street13", "catalog", "deepfashion2", "deepfashion50")
"""The detector's own set comes first: its colors win where two sets share a name."""

READABLE_LUMINANCE = 0.2
"""Relative luminance (WCAG 2) with contrast of at least 4 to white and to a nearly black page."""


def category_key(name: str) -> str:
    """What two spellings of one category share: NFC, single blanks, no upper and lower case.

    Import, training and evaluation take names with one key for one category, and say so.

    >>> category_key(" Straße ") == category_key("STRASSE")
    True
    """
    return unicodedata.normalize("NFC", " ".join(unicodedata.normalize("NFC", name).split()).casefold())


@dataclass(frozen=True)
class Taxonomy:
    """A named set of categories with a color (``#rrggbb``) each; ``parents`` maps labels to ``street13``
    names, ``also`` to further ones that the label may mean as well (shoes may be boots).

    Raises ``DatasetError`` where names repeat, colors are missing or malformed, or a parent has no label.
    """

    name: str
    title: str
    categories: tuple[str, ...]
    colors: tuple[str, ...]
    parents: Mapping[str, str] = field(default_factory=dict, hash=False)
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise DatasetError(f"taxonomy {self.name}: different categories, at least one, are expected")
        if len(self.colors) != len(self.categories):
            raise DatasetError(
                f"taxonomy {self.name}: {len(self.categories)} colors are expected, got {len(self.colors)}"
            )
        for color in self.colors:
            if not re.fullmatch("#[0-9a-f]{6}", color):
                raise DatasetError(f"taxonomy {self.name}: a color as #rrggbb is expected, got {color!r}")
        strangers = (set(self.parents) | set(self.also)) - set(self.categories)
        if strangers:
            raise DatasetError(f"taxonomy {self.name}: parents of unknown labels {sorted(strangers)}")
        object.__setattr__(self, "parents", dict(self.parents))
        object.__setattr__(self, "also", dict(self.also))


def taxonomy_names() -> tuple[str, ...]:
    """The names that ``load_taxonomy`` knows."""
    return NAMES


@cache
def load_taxonomy(name: str) -> Taxonomy:
    """The taxonomy in ``assets/taxonomies/NAME.json``; raises ``DatasetError`` for a name that is none."""
    if name not in NAMES:
        raise DatasetError(f"a taxonomy out of {', '.join(NAMES)} is expected, got {name!r}")
    document = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    entries = document["categories"]
    return Taxonomy(
        name,
        document["title"],
        tuple(entry["name"] for entry in entries),
        tuple(entry["color"] for entry in entries),
        {entry["name"]: entry["parent"] for entry in entries if "parent" in entry},
        {entry["name"]: tuple(entry["also"]) for entry in entries if "also" in entry},
    )


@cache
def classifier_labels() -> tuple[str, ...]:
    """The labels of the classifier that ships, known without loading it."""
    return load_taxonomy("catalog").categories


def categories_of_labels() -> Mapping[str, tuple[str, ...]]:
    """The ``street13`` categories of every label of every taxonomy, its parent first."""
    found: dict[str, tuple[str, ...]] = {}
    for name in NAMES:
        taxonomy = load_taxonomy(name)
        for label, parent in taxonomy.parents.items():
            found.setdefault(label, (parent, *taxonomy.also.get(label, ())))
    return found


@cache
def color_of(category: str) -> str:
    """The color (``#rrggbb``) of any category name, always the same, readable on light and on dark pages.

    Names of a known taxonomy have that taxonomy's color, whatever their case; for others the name's digest
    picks the hue, and the lightness follows from ``READABLE_LUMINANCE``.
    """
    known = _known_colors().get(category.casefold())
    if known is not None:
        return known
    digest = hashlib.sha256(category.encode("utf-8", "surrogatepass")).digest()
    return _with_luminance(hue=digest[0] / 256, saturation=0.55 + digest[1] / 640)


@cache
def _known_colors() -> Mapping[str, str]:
    colors: dict[str, str] = {}
    for name in NAMES:
        taxonomy = load_taxonomy(name)
        for category, color in zip(taxonomy.categories, taxonomy.colors, strict=True):
            colors.setdefault(category.casefold(), color)
    return colors


def _with_luminance(hue: float, saturation: float) -> str:
    """The color of this hue and saturation whose luminance is ``READABLE_LUMINANCE``, by bisection over
    lightness.
    """
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        if _luminance(colorsys.hls_to_rgb(hue, middle, saturation)) < READABLE_LUMINANCE:
            low = middle
        else:
            high = middle
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, high, saturation))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _luminance(rgb: tuple[float, float, float]) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
