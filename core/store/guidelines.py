"""Guidelines: what belongs to each category, in words, with boxes of annotated photos as examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from core.access import Right, needs
from core.errors import NotFoundError, StoreError
from core.store import Store
from core.store.search import FoundBox

SETTING = "guidelines"
MOST_TEXT = 4000
MOST_EXAMPLES = 24


@dataclass(frozen=True)
class Guideline:
    """One category's: its text, and examples as boxes of photos, by photo and uid."""

    text: str = ""
    examples: tuple[tuple[int, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The form in the settings; the text by its lines."""
        return {"lines": self.text.splitlines(), "examples": [list(example) for example in self.examples]}


@needs(Right.READ)
def guidelines(store: Store) -> dict[int, Guideline]:
    """The guidelines by category; those without any are left out."""
    kept: dict[str, Any] = store.settings.get(SETTING, {})
    return {
        int(id): Guideline("\n".join(entry["lines"]), tuple((photo, uid) for photo, uid in entry["examples"]))
        for id, entry in kept.items()
    }


@needs(Right.READ)
def examples_of(store: Store, category_id: int) -> list[FoundBox]:
    """The category's examples as they are now, without those that were deleted or renamed since."""
    wanted = guidelines(store).get(category_id, Guideline()).examples
    latest = store.annotations.latest_of([photo_id for photo_id, _ in wanted])
    found = []
    for photo_id, uid in wanted:
        boxes = latest[photo_id].boxes if photo_id in latest else ()
        for place, box in enumerate(boxes):
            if box.uid == uid and box.category_id == category_id:
                try:
                    photo = store.photos.get(photo_id)
                except NotFoundError:
                    break
                found.append(FoundBox(photo, place, box.box_xyxy, box.label, uid, category_id))
    return found


@needs(Right.TAXONOMY)
def write_guideline(store: Store, category_id: int, text: str) -> None:
    """Set a category's text. Raises StoreError for a too long one, NotFoundError for no such category."""
    text = "\n".join("".join(c for c in line if c.isprintable()) for line in text.strip().splitlines())
    if len(text) > MOST_TEXT:
        raise StoreError(f"expected a guideline of at most {MOST_TEXT:,} characters, got {len(text):,}")
    before = guidelines(store)
    _save(store, before | {category_id: Guideline(text, before.get(category_id, Guideline()).examples)})


@needs(Right.TAXONOMY)
def add_examples(store: Store, boxes: Mapping[int, Collection[str]]) -> int:
    """Make boxes, by photo and uid, examples of the categories that they have; how many there are.

    Raises StoreError where a category would have more than 24.
    """
    kept, count = guidelines(store), 0
    for photo_id, annotation in store.annotations.latest_of(list(boxes)).items():
        for box in (box for box in annotation.boxes if box.uid in boxes[photo_id]):
            before = kept.get(box.category_id, Guideline())
            examples = tuple(dict.fromkeys([*before.examples, (photo_id, box.uid)]))
            if len(examples) > MOST_EXAMPLES:
                raise StoreError(f"expected at most {MOST_EXAMPLES} examples of a category")
            kept[box.category_id] = Guideline(before.text, examples)
            count += 1
    _save(store, kept)
    return count


@needs(Right.TAXONOMY)
def remove_examples(store: Store, category_id: int, boxes: Mapping[int, Collection[str]]) -> None:
    """Take examples, by photo and uid, from a category."""
    kept = guidelines(store)
    before = kept.get(category_id, Guideline())
    left = tuple((photo, uid) for photo, uid in before.examples if uid not in boxes.get(photo, ()))
    _save(store, kept | {category_id: Guideline(before.text, left)})


def _save(store: Store, kept: Mapping[int, Guideline]) -> None:
    known = store.categories.by_id()
    unknown = kept.keys() - known.keys()
    if unknown:
        raise NotFoundError(f"There is no category number {min(unknown)}.")
    store.settings.put(SETTING, {str(id): entry.as_dict() for id, entry in kept.items()})
