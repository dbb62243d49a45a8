"""A person's corrections to a batch: each can be taken back, and put back again."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.garments import Garment


@dataclass(frozen=True)
class Edit:
    """One change of one garment of one photo; ``None`` stands for a garment that was taken out."""

    photo: int
    garment: int
    before: Garment | None
    after: Garment | None


@dataclass
class Corrections:
    """The changed garments of a batch, with the way there and back.

    Photos and garments go by their number: the photo's in the batch, the garment's among the photo's
    candidates.
    """

    changed: dict[int, dict[int, Garment | None]] = field(default_factory=dict)
    done: list[Edit] = field(default_factory=list)
    undone: list[Edit] = field(default_factory=list)

    def of(self, photo: int) -> dict[int, Garment | None]:
        """The changed garments of one photo by number."""
        return self.changed.get(photo, {})

    def apply(self, edit: Edit) -> None:
        """Make a change; an edit that changes nothing leaves no trace."""
        if edit.before == edit.after:
            return
        self._set(edit.photo, edit.garment, edit.after)
        self.done.append(edit)
        self.undone.clear()

    def undo(self) -> Edit | None:
        """Take the last change back; None where there is none."""
        if not self.done:
            return None
        edit = self.done.pop()
        self._set(edit.photo, edit.garment, edit.before)
        self.undone.append(edit)
        return edit

    def redo(self) -> Edit | None:
        """Put the last change that was taken back in again; None where there is none."""
        if not self.undone:
            return None
        edit = self.undone.pop()
        self._set(edit.photo, edit.garment, edit.after)
        self.done.append(edit)
        return edit

    def _set(self, photo: int, garment: int, value: Garment | None) -> None:
        self.changed.setdefault(photo, {})[garment] = value


def described(edit: Edit) -> str:
    """What a change did, in words for a button's help."""
    if edit.after is None:
        return f"take out {edit.before.category if edit.before else 'a garment'}"
    if edit.before is None:
        return f"put back {edit.after.category}"
    if edit.before.category != edit.after.category:
        return f"category {edit.before.category} → {edit.after.category}"
    return f"label {edit.before.best_label} → {edit.after.best_label}"
