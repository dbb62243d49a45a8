"""What annotation files say of a box beside its category: the usual flags, and attributes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.boxes import BOX_FLAGS, FINE_LABEL, MOST_TAG, MOST_TAGS, BoxFlags, flag_name
from core.datasets.listed import is_flagged
from core.datasets.report import ReadReport

NOT_OWN = frozenset({FINE_LABEL, "label", "keyframe", "outside", "crowd", "iscrowd", "ignore", "rotation"})
"""Attributes that tools write for themselves, or that are read as something else."""


def box_flags(*attributes: Mapping[Any, Any]) -> BoxFlags:
    """The flags that a box's attributes set: some of ``BOX_FLAGS``, and others that are plainly true.

    Of the usual ones 1 and "yes" count as well; an own one is true, or the text "true", as a number may be a
    count. What an own attribute says otherwise is not kept. Blanks in its name become ``_``.
    """
    usual = {name for name in BOX_FLAGS if any(is_flagged(given.get(name)) for given in attributes)}
    return frozenset(usual.union(*map(own_flags, attributes)))


def usual_name(text: str) -> str:
    """An attribute's name as it is kept; one of ``BOX_FLAGS`` in whatever case is that one."""
    name = flag_name(text)
    return name.lower() if name.lower() in BOX_FLAGS else name


def photo_tags(texts: Any) -> tuple[str, ...]:
    """A photo's tags out of a list of texts, or a text with semicolons between them; others are left out."""
    given = texts.split(";") if isinstance(texts, str) else texts if isinstance(texts, list) else []
    names = (" ".join(text.split()) for text in given if isinstance(text, str))
    fitting = (name for name in names if name.isprintable() and ";" not in name and 0 < len(name) <= MOST_TAG)
    return tuple(dict.fromkeys(fitting))[:MOST_TAGS]


def told_tags(given: Any, photo: str, path: Path, report: ReadReport) -> tuple[str, ...]:
    """The photo's tags as :func:`photo_tags` keeps them, with a remark where some of them are left out."""
    kept = photo_tags(given)
    count = len(set(map(str, given))) if isinstance(given, list) else len(kept)
    if count > len(kept):
        which = f"texts of at most {MOST_TAG} characters without semicolons are tags, {MOST_TAGS} of a photo"
        report.remark(path, f"{photo}: {count - len(kept)} of {count} tags were left out: {which}")
    return kept


def own_flags(attributes: Mapping[Any, Any]) -> Iterator[str]:
    """The names of own attributes that are true."""
    for name, value in attributes.items():
        if is_own(name, value):
            yield usual_name(name)


def is_own(name: Any, value: Any) -> bool:
    """Whether an attribute is a dataset's own, and true."""
    is_true = value is True or (isinstance(value, str) and value.strip().lower() == "true")
    return is_true and isinstance(name, str) and name not in NOT_OWN and bool(flag_name(name))
