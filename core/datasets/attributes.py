"""What annotation files say of a box beside its category: the usual flags, and attributes of their own.

An own attribute that is true is kept by its name, one with another value as ``name:value``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.boxes import BOX_FLAGS, FINE_LABEL, MOST_TAG, MOST_TAGS, BoxFlags, flag_name
from core.datasets.listed_photos import is_flagged
from core.datasets.report import ReadReport

NOT_OWN = frozenset(
    {FINE_LABEL, "label", "keyframe", "outside", "crowd", "iscrowd", "is_crowd", "ignore", "rotation"}
)
"""Attributes that tools write for themselves, or that are read as something else."""

OF_VALUE = ":"
"""Between an attribute's name and its value; a name has no ``=``."""

NO = ("0", "0.0", "no", "none", "unspecified")
"""Texts that say that one of ``BOX_FLAGS`` is not so."""

MOST_WHOLE = 1e15
"""Of a number that is written without a fraction."""

UNSAID = ("", "false")
"""Texts that say no more than that an attribute is not there; for one of ``BOX_FLAGS`` 0 and "no" as well."""


def box_flags(
    *attributes: Mapping[Any, Any], source: Path | None = None, report: ReadReport | None = None
) -> BoxFlags:
    """The flags that a box's attributes set: some of ``BOX_FLAGS``, own ones that are true, and values.

    Of the usual ones 1 and "yes" count as well; an own one is true, or the text "true", as a number may be a
    count. Other texts and numbers are kept as ``name:value``, several of one attribute one by one. Blanks
    become ``_``, Unicode NFC. What cannot be kept so is counted in the ``report``, under ``source``.

    >>> sorted(box_flags({"occluded": "1", "wet": True, "color": "dark red", "pairs": 2, "dry": False}))
    ['color:dark_red', 'occluded', 'pairs:2', 'wet']
    """
    flags: set[str] = set()
    for given in attributes:
        for name, value in given.items():
            if value is None or value is False or value == "" or (value == "0" and name in BOX_FLAGS):
                continue  # what most attributes say
            if not isinstance(name, str) or name.strip() in NOT_OWN:
                continue
            found = list(_flags_of(name, value))
            if report is not None and not (name.isascii() and str(value).isascii()):
                report.one_form(name)
                report.one_form(value if isinstance(value, str) else "")
            flags.update(filter(None, found))
            if "" in found and report is not None and source is not None:
                report.leave_attribute(source, name)
    return frozenset(flags)


def _flags_of(name: str, value: Any) -> Iterator[str]:
    """The flags of one attribute; an empty one for a value that cannot be kept."""
    usual = " ".join(name.split()).lower()
    if usual in BOX_FLAGS and is_flagged(value):
        yield usual
    elif is_true(value):
        yield usual_name(name)
    elif isinstance(value, Mapping):  # choices, as VIA's checkboxes
        yield from (_with_value(name, key) for key, is_set in value.items() if is_flagged(is_set))
        yield from ("" for is_set in value.values() if isinstance(is_set, dict | list))
    elif isinstance(value, list):
        yield from (_with_value(name, entry) for entry in value)
    elif _says_something(value) and not (usual in BOX_FLAGS and _is_no(value)):
        yield _with_value(name, value)


def _says_something(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in UNSAID
    return value is not None and value is not False


def _is_no(value: Any) -> bool:
    return value == 0 or (isinstance(value, str) and value.strip().lower() in NO)


def _with_value(name: str, value: Any) -> str:
    """An attribute with its value as one name; empty where it can be none."""
    if isinstance(value, float) and abs(value) < MOST_WHOLE and value == int(value):
        value = int(value)
    if not isinstance(value, str | int | float) or not str(value).strip() or not flag_name(name):
        return ""
    return usual_name(f"{name.strip()}{OF_VALUE}{str(value)[:1000].strip()}")


def by_attribute(pairs: Iterable[tuple[str | None, str]]) -> dict[str, str | list[str]]:
    """Attributes as files list them; the values of one that is listed several times together.

    >>> by_attribute([("fit", "loose"), ("color", "red"), ("fit", "long")])
    {'fit': ['loose', 'long'], 'color': 'red'}
    """
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name or "", []).append(value.strip())
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def first_text(*values: str | list[str] | None) -> str | None:
    """The first text that says something, of several of one attribute the first."""
    texts = (value[0] if isinstance(value, list) else value for value in values)
    return next((text for text in texts if text), None)


def attribute_values(flags: Iterable[str]) -> dict[str, str | bool]:
    """Flags as attributes with values, for files: ``color:red`` is "red" of "color", others are true.

    ``box_flags`` gives the same flags back: of an attribute with several values, and of a name or a value
    that it reads otherwise, the whole is a name that is true.

    >>> attribute_values({"color:red", "torn", "fit:loose", "fit:long"})
    {'color': 'red', 'fit:long': True, 'fit:loose': True, 'torn': True}
    """
    parted = {flag: flag.partition(OF_VALUE) for flag in sorted(flags)}
    names = [name for name, sign, _ in parted.values() if sign]
    found: dict[str, str | bool] = {}
    for flag, (name, _, value) in parted.items():
        has_value = names.count(name) == 1 and name not in flags and box_flags({name: value}) == {flag}
        found |= {name: value} if has_value else {flag: True}
    return found


def usual_name(text: str) -> str:
    """An attribute's name as it is kept, in NFC; one of ``BOX_FLAGS`` in whatever case is that one."""
    name = flag_name(unicodedata.normalize("NFC", text))
    return name.lower() if name.lower() in BOX_FLAGS else name


def photo_tags(texts: Any) -> tuple[str, ...]:
    """A photo's tags out of a list of texts, or a text with semicolons between them; others are left out."""
    given = texts.split(";") if isinstance(texts, str) else texts if isinstance(texts, list) else []
    names = (unicodedata.normalize("NFC", " ".join(text.split())) for text in given if isinstance(text, str))
    fitting = (name for name in names if name.isprintable() and ";" not in name and 0 < len(name) <= MOST_TAG)
    return tuple(dict.fromkeys(fitting))[:MOST_TAGS]


def attribute_tags(attributes: Mapping[Any, Any]) -> list[str]:
    """A photo's own attributes as tags: the names of those that are true, others as ``name:value``.

    >>> attribute_tags({"outdoor": True, "weather": "sunny", "blurry": False})
    ['outdoor', 'weather:sunny']
    """
    several = ((name, value if isinstance(value, list) else [value]) for name, value in attributes.items())
    pairs = [(name, value) for name, values in several for value in values]
    said = [(name, value) for name, value in pairs if is_true(value) or _says_something(value)]
    return [str(name) if is_true(value) else f"{name}{OF_VALUE}{value}" for name, value in said]


def parse_tags(given: Any, photo: str, path: Path, report: ReadReport) -> tuple[str, ...]:
    """The photo's tags as :func:`photo_tags` keeps them, with a remark where some of them are left out."""
    kept = photo_tags(given)
    count = len(set(map(str, given))) if isinstance(given, list) else len(kept)
    if count > len(kept):
        which = f"texts of at most {MOST_TAG} characters without semicolons are tags, {MOST_TAGS} of a photo"
        report.remark(path, f"{photo}: {count - len(kept)} of {count} tags were left out: {which}")
    return kept


def is_true(value: Any) -> bool:
    """Whether a value is plainly true."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def is_own(name: Any, value: Any) -> bool:
    """Whether an attribute is a dataset's own, and true."""
    return is_true(value) and isinstance(name, str) and name not in NOT_OWN and bool(flag_name(name))
