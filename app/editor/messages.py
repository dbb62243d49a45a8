"""What the editor in the browser says, checked and typed: a draft after every change, and what was asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import StoreError
from core.store.boxes import AnnotatedBox, boxes_from

ACTIONS = ("submit", "skip", "back", "history", "attention", "keys", "options", "tighten")
MOST_KEYS = 100
MOST_SECONDS = 86_400.0


@dataclass(frozen=True)
class EditorDraft:
    """The boxes after a change.

    ``key`` names the task that was open; ``sequence`` rises with every change (milliseconds of the browser's
    clock, never twice the same); ``seconds`` is how long the person has worked on the task; ``attempt``
    counts how often this state was sent, from 1.
    """

    key: str
    sequence: int
    boxes: tuple[AnnotatedBox, ...]
    seconds: float
    attempt: int = 1


@dataclass(frozen=True)
class EditorAction:
    """What a person asked for, with the boxes as they were then: one of ``ACTIONS``.

    ``request`` is the same where the browser asks again, as it has had no answer. ``keys`` maps actions to
    chosen keys where ``name`` is "keys", ``options`` names settings where it is "options". ``attention`` asks
    for the map that was not there, ``tighten`` for a tighter place for the box ``uid``.
    """

    name: str
    key: str
    sequence: int
    boxes: tuple[AnnotatedBox, ...]
    request: str
    seconds: float
    keys: Mapping[str, str] = field(default_factory=dict, hash=False)
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    uid: str = ""


@dataclass(frozen=True)
class Edited:
    """What one run of the page got from the editor, for the task that is open; None where nothing came."""

    work: EditorDraft | None = None
    action: EditorAction | None = None


def draft_from(entry: Any) -> EditorDraft:
    """The draft out of the browser's message. Raises StoreError for what is none."""
    fields = _fields(entry)
    return EditorDraft(
        _text(fields, "key"),
        _count(fields, "sequence"),
        boxes_from(_entries(fields)),
        _seconds(fields),
        _count(fields, "attempt", 1),
    )


def action_from(entry: Any) -> EditorAction:
    """The action out of the browser's message. Raises StoreError for what is none."""
    fields = _fields(entry)
    if fields.get("name") not in ACTIONS:
        raise StoreError(f"expected one of {', '.join(ACTIONS)}, got {fields.get('name')!r}")
    return EditorAction(
        fields["name"],
        _text(fields, "key"),
        _count(fields, "sequence"),
        boxes_from(_entries(fields)),
        _text(fields, "request", most=64),
        _seconds(fields),
        _texts(fields.get("keys") or {}, "a key for each action"),
        _texts(fields.get("options") or {}, "a choice for each setting"),
        _text(fields, "uid", most=64) if fields.get("uid") else "",
    )


def _fields(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise StoreError(f"expected the editor's fields, got {type(entry).__name__}")
    return entry


def _entries(fields: Mapping[str, Any]) -> list[Any]:
    boxes = fields.get("boxes")
    if not isinstance(boxes, list) or not all(isinstance(box, Mapping) for box in boxes):
        raise StoreError("expected a list of boxes from the editor")
    return boxes


def _text(fields: Mapping[str, Any], name: str, most: int = 500) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise StoreError(f"expected {name} as a text of up to {most} characters, got {value!r:.80}")
    return value


def _count(fields: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise StoreError(f"expected {name} as a whole number from 0, got {value!r:.80}")
    return int(value)


def _seconds(fields: Mapping[str, Any]) -> float:
    value = fields.get("seconds", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise StoreError(f"expected seconds as a number, got {value!r:.80}")
    return min(max(float(value), 0.0), MOST_SECONDS)


def _texts(entries: Any, what: str) -> dict[str, str]:
    if not isinstance(entries, Mapping) or len(entries) > MOST_KEYS:
        raise StoreError(f"expected {what}")
    for name, value in entries.items():
        if not (isinstance(name, str) and isinstance(value, str) and len(name) <= 40 and len(value) <= 40):
            raise StoreError(f"expected {what}, got {name!r:.60}: {value!r:.60}")
    return dict(entries)
