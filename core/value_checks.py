"""Checks of single values from files that may come from anywhere: numbers, texts, and the shapes of JSON.

Each takes a value and raises ValueError that says what was expected. Nothing is converted: true is no number.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Any

LARGEST_INTEGER, LARGEST_BIG_INTEGER = 2**31 - 1, 2**63 - 1
LARGEST_NUMBER = 1e300
DEEPEST_JSON = 64

Check = Callable[[Any], None]

_NO_UNICODE = re.compile("[\0\ud800-\udfff]")
_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def strict_json(text: str | bytes, *, nan_as_null: bool = False) -> Any:
    """JSON without what not all readers take alike: NaN and infinity, names that come twice in an object.

    With ``nan_as_null``, numbers that are not finite are null, as a training that was stopped early may leave
    them. Raises ValueError, and RecursionError for JSON that is nested too deeply.
    """
    constant = (lambda name: None) if nan_as_null else _refuse_constant
    return json.loads(text, parse_constant=constant, object_pairs_hook=_without_doubles)


def integer(value: Any, least: int = 0, most: int = LARGEST_INTEGER) -> None:
    """A whole number in a range."""
    require(type(value) is int and least <= value <= most, f"a whole number from {least} to {most}")


def number(value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """A finite number in a range, both ends in it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = is_number and abs(value) <= LARGEST_NUMBER and least <= value <= most
    require(fits, "a number" if math.isinf(least) else f"a number in {least:g}..{most:g}")


def text(value: Any, longest: int | None = None) -> None:
    """A text that any database can hold and any page can show."""
    require(isinstance(value, str), "a text")
    require(longest is None or len(value) <= longest, f"at most {longest} characters")
    if value.isascii() and value.isprintable():
        return
    odd = any(c in _DIRECTIONS or unicodedata.category(c) in ("Cc", "Cs") for c in value)
    require(not odd, "a text without control characters")


def json_value(value: Any, depth: int = 0) -> None:
    """JSON of bearable depth whose numbers are finite and whose texts any database can hold.

    Pages check whole cards at every run, so what fits is passed without a call for each value.
    """
    if depth > DEEPEST_JSON:
        raise ValueError(f"expected JSON of at most {DEEPEST_JSON} levels")
    if isinstance(value, str):
        if _NO_UNICODE.search(value):
            raise ValueError("expected a text of Unicode")
    elif type(value) is int:
        if abs(value) > LARGEST_BIG_INTEGER:
            integer(value, -LARGEST_BIG_INTEGER, LARGEST_BIG_INTEGER)
    elif isinstance(value, float):
        if not abs(value) <= LARGEST_NUMBER:
            number(value)
    elif isinstance(value, dict):
        for name, entry in value.items():
            json_value(name, depth + 1)
            json_value(entry, depth + 1)
    elif isinstance(value, list):
        for entry in value:
            json_value(entry, depth + 1)


def fields(value: Any, checks: Mapping[str, Check], needed: Collection[str]) -> None:
    """An object with these entries, of which some may be missing, and no others."""
    require(isinstance(value, dict), "an object")
    known = value.keys() <= checks.keys() and needed <= value.keys()
    require(known, f"an object of {', '.join(checks)}")
    for name, entry in value.items():
        try:
            checks[name](entry)
        except ValueError as error:
            raise ValueError(f"{error} as {name}") from error


def share(value: Any) -> None:
    """A number in 0..1."""
    number(value, 0.0, 1.0)


def truth(value: Any) -> None:
    """True or false."""
    require(isinstance(value, bool), "true or false")


def name(value: Any) -> None:
    """A text of 1 to 200 characters that is not blank."""
    text(value, 200)
    require(bool(value.strip()), "a name")


def or_none(check: Check) -> Check:
    """The check of a value that may be None."""

    def checked(value: Any) -> None:
        if value is not None:
            check(value)

    return checked


def one_of(known: Collection[str]) -> Check:
    """The check of a word."""

    def checked(value: Any) -> None:
        require(isinstance(value, str) and value in known, f"one of {', '.join(known)}")

    return checked


def list_of(check: Check, exactly: int | None = None) -> Check:
    """The check of a list."""

    def checked(value: Any) -> None:
        require(isinstance(value, list), "a list")
        require(exactly is None or len(value) == exactly, f"{exactly} entries")
        for entry in value:
            check(entry)

    return checked


def pair(first: Check, second: Check) -> Check:
    """The check of a list of two."""

    def checked(value: Any) -> None:
        require(isinstance(value, list) and len(value) == 2, "a pair")
        first(value[0])
        second(value[1])

    return checked


def map_of(check: Check) -> Check:
    """The check of an object with any names."""

    def checked(value: Any) -> None:
        require(isinstance(value, dict), "an object")
        for name, entry in value.items():
            text(name, 1000)
            check(entry)

    return checked


def any_object(value: Any) -> None:
    """An object of JSON."""
    require(isinstance(value, dict), "an object")


def corners(value: Any) -> None:
    """A box: x0, y0, x1, y1."""
    require(isinstance(value, list) and len(value) == 4, "four corners")
    for corner in value:
        number(corner)
    require(value[0] < value[2] and value[1] < value[3], "corners with x0 < x1 and y0 < y1")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"expected finite numbers, got {name}")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("expected each name of an object once")
    return found


def require(fits: bool, expected: str) -> None:
    """Raise ValueError where a value does not fit."""
    if not fits:
        raise ValueError(f"expected {expected}")


def positive(value: Any) -> None:
    """A whole number from 1 on."""
    integer(value, 1)
