"""Which photos of a batch a person looks at: what is seen at a threshold, filters, and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from app.preview.batch import Item
from core.garments import Garment, LabeledPhoto


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


NEAR_THRESHOLD = 0.05
NARROW_MARGIN = 0.15

EVERYTHING, NOTHING_FOUND, UNSURE = "All", "Nothing found", "Unsure"
SHOWS = (EVERYTHING, NOTHING_FOUND, UNSURE)


@dataclass(frozen=True)
class Seen:
    """A photo as it is seen now: its item, and its garments above the threshold, corrected, by number.

    ``hidden`` are the garments that a lower threshold would show.
    """

    item: Item
    garments: dict[int, Garment]
    unsure: bool
    hidden: dict[int, Garment] = field(default_factory=dict)

    @property
    def labeled(self) -> LabeledPhoto:
        """The photo with just these garments: what is taken away."""
        return replace(self.item.labeled, garments=tuple(self.garments.values()))


@dataclass(frozen=True)
class Filters:
    """What the gallery shows; no category means every category, scores are in 0..1 and inclusive."""

    categories: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 1.0)
    show: str = EVERYTHING
    order: str = "As uploaded"


def is_unsure(candidates: Sequence[Garment | None], score_threshold: float) -> bool:
    """Whether a person should look: a doubt about what is there, or about what it is.

    The first doubt is a best score within ``NEAR_THRESHOLD`` of the threshold on either side; the second a
    visible garment whose best two labels lie less than ``NARROW_MARGIN`` apart. ``candidates`` are all of a
    photo's, as they are now; None is one that was taken out. What a person has touched is beyond doubt.
    """
    untouched = [garment for garment in candidates if garment is not None and not garment.corrected]
    if candidates and len(untouched) == len(candidates):
        best = max(garment.score for garment in untouched)
        if abs(best - score_threshold) <= NEAR_THRESHOLD:
            return True
    return any(g.score >= score_threshold and margin(g) < NARROW_MARGIN for g in untouched)


def margin(garment: Garment) -> float:
    """How far the best label lies before the second, 0..1; 1 where there is nothing to confuse it with."""
    if len(garment.top5) < 2:
        return 1.0
    return garment.top5[0][1] - garment.top5[1][1]


def see(item: Item, corrections: Corrections, score_threshold: float) -> Seen:
    """The photo at a threshold, with the corrections in force and what was taken out left out."""
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
    return Seen(item, garments, is_unsure(candidates, score_threshold), hidden)


def matches(seen: Seen, filters: Filters) -> bool:
    """Whether a photo passes the filters; category and score must meet in one and the same garment."""
    if filters.show == NOTHING_FOUND:
        return not seen.garments
    if filters.show == UNSURE and not seen.unsure:
        return False
    low, high = filters.scores
    if not filters.categories and (low, high) == (0.0, 1.0):
        return True
    return any(
        low <= garment.score <= high and (not filters.categories or garment.category in filters.categories)
        for garment in seen.garments.values()
    )


def _best_score(seen: Seen) -> float:
    return max((garment.score for garment in seen.garments.values()), default=0.0)


ORDERS: dict[str, Callable[[Seen], tuple[float | str, ...]]] = {
    "As uploaded": lambda seen: (seen.item.number,),
    "Name": lambda seen: (seen.item.kept.name.casefold(), seen.item.number),
    "Least sure first": lambda seen: (not seen.unsure, _best_score(seen), seen.item.number),
    "Most garments first": lambda seen: (-len(seen.garments), seen.item.number),
}


def chosen(photos: Sequence[Seen], filters: Filters) -> list[Seen]:
    """The photos that pass the filters, in the order asked for."""
    return sorted((seen for seen in photos if matches(seen, filters)), key=ORDERS[filters.order])


def neighbour(photos: Sequence[Seen], number: int | None, step: int) -> int | None:
    """The number of the photo ``step`` places on, stopping at the ends; the first where ``number`` is not
    there.
    """
    numbers = [seen.item.number for seen in photos]
    if not numbers:
        return None
    if number not in numbers:
        return numbers[0]
    place = min(max(numbers.index(number) + step, 0), len(numbers) - 1)
    return numbers[place]
