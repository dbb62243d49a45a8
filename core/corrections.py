"""A person's corrections of labeled photos, apart from the models' output, with undo and redo by steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.garments import Garment


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
