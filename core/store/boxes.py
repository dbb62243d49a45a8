"""AnnotatedBox: a box of an annotation, where it came from, and whether a user has accepted it."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.boxes import MOST_FLAGS, NO_FLAGS, BoxFlags, flag_name
from core.datasets.parsing import MOST_BOXES
from core.errors import StoreError
from core.garments import Box, Garment

ORIGINS = ("person", "model", "import")
MOST_LABEL = 200
"""Characters of a fine label."""


def new_uid() -> str:
    """A box's name within its photo, kept through all of its changes."""
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True)
class AnnotatedBox:
    """One box of an annotation.

    ``box_xyxy`` is in pixels of the upright photo; ``category_id`` is the store's; ``label`` a finer name.
    ``origin`` is where the box came from first, ``changed`` whether a person moved or renamed it since,
    ``accepted`` whether a person stands behind it (a model's proposal begins as False). ``score`` and
    ``top5`` are the model's. ``flags`` are its attributes: some of BOX_FLAGS, and own ones.
    """

    box_xyxy: Box
    category_id: int
    label: str | None = None
    uid: str = field(default_factory=new_uid)
    origin: str = "person"
    changed: bool = False
    accepted: bool = True
    score: float | None = None
    top5: tuple[tuple[str, float], ...] = ()
    flags: BoxFlags = NO_FLAGS

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box_xyxy
        if not (all(math.isfinite(v) for v in self.box_xyxy) and x1 > x0 and y1 > y0):
            raise StoreError(f"a box needs finite corners with x0 < x1 and y0 < y1, got {self.box_xyxy}")
        if self.origin not in ORIGINS:
            raise StoreError(f"a box comes from one of {', '.join(ORIGINS)}, got {self.origin!r}")
        wrong = sorted(name for name in self.flags if flag_name(name) != name)
        if wrong or len(self.flags) > MOST_FLAGS:
            raise StoreError(
                f"a box has at most {MOST_FLAGS} attributes, names without blanks, got {wrong or self.flags}"
            )

    def as_dict(self) -> dict[str, Any]:
        """The form in the database and in the editor; ``flags`` only where there are some."""
        flags = {"flags": sorted(self.flags)} if self.flags else {}
        return {
            "uid": self.uid,
            "box": [round(value, 2) for value in self.box_xyxy],
            "category": self.category_id,
            "label": self.label,
            "origin": self.origin,
            "changed": self.changed,
            "accepted": self.accepted,
            "score": None if self.score is None else round(self.score, 4),
            "top5": [[label, round(probability, 4)] for label, probability in self.top5],
        } | flags

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> AnnotatedBox:
        """A box out of its saved form. Raises StoreError for what is none."""
        try:
            x0, y0, x1, y1 = (float(value) for value in entry["box"])
            return cls(
                (x0, y0, x1, y1),
                int(entry["category"]),
                None if entry.get("label") is None else str(entry["label"])[:MOST_LABEL],
                str(entry["uid"])[:64],
                str(entry.get("origin", "person")),
                bool(entry.get("changed", False)),
                bool(entry.get("accepted", True)),
                None if entry.get("score") is None else float(entry["score"]),
                tuple((str(label), float(share)) for label, share in entry.get("top5") or ()),
                frozenset(str(flag) for flag in entry.get("flags") or ()),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"expected a box with uid, box and category, got: {error!r}") from error

    @classmethod
    def from_garment(cls, garment: Garment, category_id: int) -> AnnotatedBox:
        """A model's garment as a proposal."""
        label = garment.top5[0][0] if garment.top5 else None
        models = (garment.score, garment.top5)
        return cls(garment.box_xyxy, category_id, label, new_uid(), "model", False, False, *models)

    def inside(self, width: int, height: int) -> AnnotatedBox | None:
        """The part of the box that lies in the photo; None where nothing does."""
        x0, y0, x1, y1 = self.box_xyxy
        cut = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
        if not (cut[2] > cut[0] and cut[3] > cut[1]):
            return None
        return self if cut == self.box_xyxy else replace(self, box_xyxy=cut)


def boxes_from(entries: Iterable[Mapping[str, Any]]) -> tuple[AnnotatedBox, ...]:
    """Boxes out of their saved form. Raises StoreError for a bad one, doubled names, or over 1,000."""
    boxes = tuple(AnnotatedBox.from_dict(entry) for entry in entries)
    if len(boxes) > MOST_BOXES:
        raise StoreError(f"expected at most {MOST_BOXES} boxes on one photo, got {len(boxes)}")
    if len({box.uid for box in boxes}) != len(boxes):
        raise StoreError("expected every box of a photo to have a uid of its own, got one twice")
    return boxes
