"""The photos of a batch as they are shown: threshold, corrections with undo, filters and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from app.preview.batch import Item
from core.garments import Garment, LabeledPhoto


@dataclass(frozen=True)
class Edit:
    """One change of one garment of one photo; ``None`` stands for a deleted garment."""

    photo: int
    garment: int
    before: Garment | None
    after: Garment | None


@dataclass
class Corrections:
    """The corrected garments of a batch, with undo and redo.

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
        """Apply an edit; one that changes nothing is not recorded."""
        if edit.before == edit.after:
            return
        self._set(edit.photo, edit.garment, edit.after)
        self.done.append(edit)
        self.undone.clear()

    def undo(self) -> Edit | None:
        """Undo the last edit; None where there is none."""
        if not self.done:
            return None
        edit = self.done.pop()
        self._set(edit.photo, edit.garment, edit.before)
        self.undone.append(edit)
        return edit

    def redo(self) -> Edit | None:
        """Redo the edit that was undone last; None where there is none."""
        if not self.undone:
            return None
        edit = self.undone.pop()
        self._set(edit.photo, edit.garment, edit.after)
        self.done.append(edit)
        return edit

    def _set(self, photo: int, garment: int, value: Garment | None) -> None:
        self.changed.setdefault(photo, {})[garment] = value


def edit_text(edit: Edit) -> str:
    """An edit as text for a button's help."""
    if edit.after is None:
        return f"delete {edit.before.category if edit.before else 'a garment'}"
    if edit.before is None:
        return f"restore {edit.after.category}"
    if edit.before.category != edit.after.category:
        return f"category {edit.before.category} → {edit.after.category}"
    return f"label {edit.before.best_label} → {edit.after.best_label}"


NEAR_THRESHOLD = 0.05
NARROW_MARGIN = 0.15

ALL, NOTHING_FOUND, UNCERTAIN = "All", "Nothing found", "Uncertain"
SHOWS = (ALL, NOTHING_FOUND, UNCERTAIN)


@dataclass(frozen=True)
class PhotoView:
    """A photo as it is shown: its item, and its garments above the threshold, corrected, by number.

    ``hidden`` are the garments that a lower threshold would show.
    """

    item: Item
    garments: dict[int, Garment]
    uncertain: bool
    hidden: dict[int, Garment] = field(default_factory=dict)

    @property
    def labeled(self) -> LabeledPhoto:
        """The photo with just these garments, as it is downloaded."""
        return replace(self.item.labeled, garments=tuple(self.garments.values()))


@dataclass(frozen=True)
class Filters:
    """What the gallery shows; no category means every category, scores are in 0..1 and inclusive."""

    categories: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 1.0)
    show: str = ALL
    order: str = "As uploaded"


def is_uncertain(candidates: Sequence[Garment | None], score_threshold: float) -> bool:
    """Whether the photo needs a check: uncertainty of the detector or of the classifier.

    The detector is uncertain where the best score lies within ``NEAR_THRESHOLD`` of the threshold, the
    classifier where a visible garment's margin is less than ``NARROW_MARGIN``. ``candidates`` are all of the
    photo's garments; None is a deleted one. Corrected garments are certain.
    """
    untouched = [garment for garment in candidates if garment is not None and not garment.corrected]
    if candidates and len(untouched) == len(candidates):
        best = max(garment.score for garment in untouched)
        if abs(best - score_threshold) <= NEAR_THRESHOLD:
            return True
    return any(g.score >= score_threshold and margin(g) < NARROW_MARGIN for g in untouched)


def margin(garment: Garment) -> float:
    """The margin between the best two labels' probabilities, 0..1; 1 where there is only one."""
    if len(garment.top5) < 2:
        return 1.0
    return garment.top5[0][1] - garment.top5[1][1]


def view_of(item: Item, corrections: Corrections, score_threshold: float) -> PhotoView:
    """The photo at a threshold with its corrections, without deleted garments."""
    changed = corrections.of(item.number)
    candidates = [changed.get(number, garment) for number, garment in enumerate(item.labeled.garments)]
    garments = {
        number: garment
        for number, garment in enumerate(candidates)
        if garment is not None and (garment.corrected or garment.score >= score_threshold)
    }
    hidden = {
        number: garment
        for number, garment in enumerate(candidates)
        if garment is not None and number not in garments
    }
    return PhotoView(item, garments, is_uncertain(candidates, score_threshold), hidden)


def matches(view: PhotoView, filters: Filters) -> bool:
    """Whether a photo passes the filters; category and score must meet in one and the same garment."""
    if filters.show == NOTHING_FOUND:
        return not view.garments
    if filters.show == UNCERTAIN and not view.uncertain:
        return False
    low, high = filters.scores
    if not filters.categories and (low, high) == (0.0, 1.0):
        return True
    return any(
        low <= garment.score <= high and (not filters.categories or garment.category in filters.categories)
        for garment in view.garments.values()
    )


def _best_score(view: PhotoView) -> float:
    return max((garment.score for garment in view.garments.values()), default=0.0)


ORDERS: dict[str, Callable[[PhotoView], tuple[float | str, ...]]] = {
    "As uploaded": lambda view: (view.item.number,),
    "Name": lambda view: (view.item.spooled.name.casefold(), view.item.number),
    "Most uncertain first": lambda view: (not view.uncertain, _best_score(view), view.item.number),
    "Most garments first": lambda view: (-len(view.garments), view.item.number),
}


def chosen(photos: Sequence[PhotoView], filters: Filters) -> list[PhotoView]:
    """The photos that pass the filters, in the order asked for."""
    return sorted((view for view in photos if matches(view, filters)), key=ORDERS[filters.order])


def neighbor(photos: Sequence[PhotoView], number: int | None, step: int) -> int | None:
    """The number of the photo ``step`` places on, within the ends; the first where ``number`` is missing."""
    numbers = [view.item.number for view in photos]
    if not numbers:
        return None
    if number not in numbers:
        return numbers[0]
    place = min(max(numbers.index(number) + step, 0), len(numbers) - 1)
    return numbers[place]
