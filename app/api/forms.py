"""The API's JSON: what requests hold and answers say.

Times are ISO 8601 in UTC, boxes pixels of the upright photo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from core.errors import StoreError
from core.store import Store
from core.store.boxes import MOST_LABEL, AnnotatedBox, new_uid
from core.store.versions import Annotation

Corners = tuple[float, float, float, float]
MOST_BOXES = 1000
REQUEST = Field(
    None, max_length=64, min_length=1, description="Names the save: sent twice it is one version."
)


class Form(BaseModel):
    """A request's body: fields that it does not know are refused, not passed over."""

    model_config = ConfigDict(extra="forbid")


class BoxIn(Form):
    """A box of an annotation: ``category`` is a name of the store's categories."""

    box: Corners = Field(description="x0, y0, x1, y1 in pixels")
    category: str
    label: str | None = Field(None, max_length=MOST_LABEL)
    uid: str | None = Field(None, max_length=64, description="Kept from the version that it was in before.")
    flags: list[str] = []


class AnnotationIn(Form):
    """A photo's boxes; none says that nothing is to be seen."""

    boxes: Annotated[list[BoxIn], Field(max_length=MOST_BOXES)]
    base_version: int = Field(0, ge=0, description="The version that this is based on; 0: none.")
    seconds: float | None = Field(None, ge=0, le=86400)
    note: str = Field("", max_length=2000)
    request: str | None = REQUEST


class RevisionIn(Form):
    """A revision to be made of the newest annotations."""

    note: str = Field("", max_length=2000)


class TrainingIn(Form):
    """A fine-tuning: ``kind`` detector or classifier, ``mode`` quick or full.

    A detector's ``anchors`` are its champion's (null), "own" (fitted to what it learns from), or nine pairs
    of width and height as shares of the input's long side.
    """

    kind: str
    mode: str = "quick"
    revision: int
    anchors: str | list[tuple[float, float]] | None = None


class PromotionIn(Form):
    """Which champion the caller has seen, and why a gate that says no is overruled (empty: it is not)."""

    expected_champion: int
    overrule_reason: str = Field("", max_length=2000)
    request: str | None = REQUEST


class RollbackIn(Form):
    """Which champion the caller has seen."""

    expected_champion: int | None = None
    request: str | None = REQUEST


class CategoryIn(Form):
    """A category to be added."""

    name: str = Field(min_length=1, max_length=200)


class WebhookIn(Form):
    """An address and the events that it is told."""

    url: str
    events: list[str]


class WebhookChange(Form):
    """Pause a webhook, or go on with it."""

    active: bool


def iso(seconds: float | None) -> str | None:
    """A time of the store."""
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )


def timed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row, its times in ISO 8601."""
    return {
        name: iso(value) if name == "at" or name.endswith(("_at", "_until")) else value
        for name, value in values.items()
    }


def boxes_of(store: Store, boxes: Sequence[BoxIn], before: Annotation | None = None) -> list[AnnotatedBox]:
    """Boxes of a request as the store takes them; a known ``uid`` keeps where its box came from.

    Raises StoreError for a category that is none, and for bad boxes.
    """
    ids = {category.name.casefold(): category.id for category in store.categories.all()}
    known = {} if before is None else {box.uid: box for box in before.boxes}
    made = []
    for number, box in enumerate(boxes, start=1):
        category_id = ids.get(box.category.strip().casefold())
        if category_id is None:
            raise StoreError(f"box {number}: expected a category of the store, got {box.category[:100]!r}")
        new = AnnotatedBox(box.box, category_id, box.label, box.uid or new_uid(), flags=frozenset(box.flags))
        old = known.get(new.uid)
        if old is not None:
            same: dict[str, Any] = {"score": old.score, "top5": old.top5, "origin": old.origin}
            new = replace(new, **same, changed=old.changed or _differs(new, old))
        made.append(new)
    return made


def _differs(box: AnnotatedBox, old: AnnotatedBox) -> bool:
    moved = any(abs(a - b) > 0.01 for a, b in zip(box.box_xyxy, old.box_xyxy, strict=True))
    return moved or (box.category_id, box.label) != (old.category_id, old.label)


def annotation_out(store: Store, annotation: Annotation) -> dict[str, Any]:
    """A version with its boxes, categories by name."""
    names = {id: category.name for id, category in store.categories.by_id().items()}
    values = {
        name: getattr(annotation, name) for name in ("version", "base_version", "kind", "author", "note")
    }
    values |= {"photo": annotation.photo_id, "at": iso(annotation.at), "seconds": annotation.seconds}
    boxes = [box.as_dict() | {"category": names[box.category_id]} for box in annotation.boxes]
    return values | {"boxes": boxes}
