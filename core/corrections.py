"""A person's corrections of labeled photos, apart from the models' output, with undo and redo by steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.garments import Garment
from core.taxonomy import categories_of_labels, load_taxonomy

DETECTOR_TAXONOMY = "street13"


@dataclass(frozen=True)
class Edit:
    """One change of one garment of one photo; ``None`` stands for a garment that is not there.

    ``uid`` is the name that a box editor gave a box that a person drew.
    """

    photo: int
    garment: int
    before: Garment | None
    after: Garment | None
    uid: str = ""


Step = tuple[Edit, ...]
"""What is done and undone at once."""


@dataclass
class Corrections:
    """The corrected garments of a batch, with undo and redo.

    Photos and garments go by their number: the photo's in the batch, the garment's among the photo's
    candidates, behind which garments that a person drew go on. ``drawn`` has those of each photo by the name
    that the editor gave them.
    """

    changed: dict[int, dict[int, Garment | None]] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)
    drawn: dict[int, dict[str, int]] = field(default_factory=dict)

    def of(self, photo: int) -> dict[int, Garment | None]:
        """The changed garments of one photo by number."""
        return self.changed.get(photo, {})

    def apply(self, *edits: Edit) -> bool:
        """Apply edits as one step; those that change nothing are left out. Whether anything changed."""
        step = tuple(edit for edit in edits if edit.before != edit.after)
        if not step:
            return False
        self._set((edit, edit.after) for edit in step)
        self.done.append(step)
        self.undone.clear()
        return True

    def undo(self) -> Step:
        """Undo the last step; empty where there is none."""
        return self._move(self.done, self.undone, lambda edit: edit.before)

    def redo(self) -> Step:
        """Redo the step that was undone last; empty where there is none."""
        return self._move(self.undone, self.done, lambda edit: edit.after)

    def _move(self, source: list[Step], target: list[Step], value: Callable[[Edit], Garment | None]) -> Step:
        if not source:
            return ()
        step = source.pop()
        self._set((edit, value(edit)) for edit in step)
        target.append(step)
        return step

    def _set(self, values: Iterable[tuple[Edit, Garment | None]]) -> None:
        for edit, garment in values:
            self.changed.setdefault(edit.photo, {})[edit.garment] = garment
            if edit.uid:
                self.drawn.setdefault(edit.photo, {})[edit.uid] = edit.garment


def fits(label: str, category: str) -> bool:
    """Whether a label may stand for a garment of this category; where either is unknown, it may.

    >>> fits("Skirt", "skirt"), fits("Skirt", "top"), fits("Skirt", "apron"), fits("Poncho", "top")
    (True, False, True, True)
    """
    known = categories_of_labels().get(label)
    return known is None or category in known or category not in load_taxonomy(DETECTOR_TAXONOMY).categories


def contradicts(garment: Garment) -> bool:
    """Whether a garment's label belongs to another category than its own."""
    return not fits(garment.best_label, garment.category)


def with_category(garment: Garment, category: str, *, keep_label: bool = True) -> Garment:
    """The garment in another category; a label that the model chose follows it.

    The first of its labels that belongs to the category takes its place, or the category's name. A person's
    own label stays, unless ``keep_label`` is false.
    """
    after = garment.correct(category=category)
    if not contradicts(after) or (keep_label and garment.label is not None):
        return after
    known = categories_of_labels()
    found = (label for label, _ in garment.top5 if category in known.get(label, ()))
    return after.correct(label=next(found, category))


def with_label(garment: Garment, label: str, *, category_follows: bool = False) -> Garment:
    """The garment with another label, and by choice in the category that the label belongs to."""
    after = garment.correct(label=label)
    if not category_follows or not contradicts(after):
        return after
    return after.correct(category=categories_of_labels()[label][0])
