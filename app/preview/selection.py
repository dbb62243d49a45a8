"""The photos of a batch as they are shown: threshold, corrections with undo, filters and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from core.active_learning.uncertainty import is_uncertain, label_margin
from core.corrections import Corrections, Edit, Step
from core.garments import Garment, LabeledPhoto
from core.store.photo_spools import Item


def step_text(step: Step) -> str:
    """A step of corrections as text for a button's help."""
    texts = list(dict.fromkeys(map(edit_text, step)))
    if len(step) == 1:
        return texts[0]
    photos = len({edit.photo for edit in step})
    where = f"{len(step)} garments" + (f" of {photos} photos" if photos > 1 else "")
    return f"{texts[0]}, {where}" if len(texts) == 1 else f"changes of {where}"


def edit_text(edit: Edit) -> str:
    """An edit as text."""
    if edit.after is None:
        return f"delete {edit.before.category if edit.before else 'a garment'}"
    if edit.before is None:
        return f"restore {edit.after.category}"
    if edit.before.category != edit.after.category:
        return f"category {edit.before.category} → {edit.after.category}"
    if edit.before.box_xyxy != edit.after.box_xyxy:
        return f"box of {edit.after.category}"
    if edit.before.best_label == edit.after.best_label:
        return f"accept {edit.after.category}"
    return f"label {edit.before.best_label} → {edit.after.best_label}"


ALL, NOTHING_FOUND, UNCERTAIN = "All", "Nothing found", "Uncertain"
SHOWS = (ALL, NOTHING_FOUND, UNCERTAIN)
UNCERTAIN_FIRST = "Most uncertain first"


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
    """What the gallery shows; no category means every category, no label every label; scores are in 0..1."""

    categories: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 1.0)
    show: str = ALL
    order: str = "As uploaded"

    @property
    def narrow_garments(self) -> bool:
        """Whether not every garment passes."""
        return bool(self.categories or self.labels) or self.scores != (0.0, 1.0)


def view_of(item: Item, corrections: Corrections, score_threshold: float) -> PhotoView:
    """The photo at a threshold with its corrections, without deleted garments."""
    changed = corrections.of(item.number)
    found = item.labeled.garments
    candidates = [changed.get(number, garment) for number, garment in enumerate(found)]
    drawn = {number: garment for number, garment in sorted(changed.items()) if number >= len(found)}
    garments = {
        number: garment
        for number, garment in enumerate(candidates)
        if garment is not None and (garment.corrected or garment.score >= score_threshold)
    }
    garments |= {number: garment for number, garment in drawn.items() if garment is not None}
    hidden = {
        number: garment
        for number, garment in enumerate(candidates)
        if garment is not None and number not in garments
    }
    return PhotoView(item, garments, is_uncertain([*candidates, *drawn.values()], score_threshold), hidden)


def matches(view: PhotoView, filters: Filters) -> bool:
    """Whether a photo passes the filters; category and score must meet in one and the same garment."""
    if filters.show == NOTHING_FOUND:
        return not view.garments
    if filters.show == UNCERTAIN and not view.uncertain:
        return False
    if not filters.narrow_garments:
        return True
    return any(passes_filters(garment, filters) for garment in view.garments.values())


def passes_filters(garment: Garment, filters: Filters) -> bool:
    """Whether category, label and score of one garment pass the filters."""
    low, high = filters.scores
    return (
        low <= garment.score <= high
        and (not filters.categories or garment.category in filters.categories)
        and (not filters.labels or garment.best_label in filters.labels)
    )


def garments_chosen(
    photos: Sequence[PhotoView], filters: Filters, score_threshold: float
) -> list[tuple[PhotoView, int]]:
    """The garments that pass the filters, each with its photo, in the order of the photos.

    Where the order is by uncertainty, those with the narrowest margin between two labels come first.
    """
    found = [
        (view, number)
        for view in sorted(photos, key=ORDERS[filters.order])
        for number, garment in view.garments.items()
        if passes_filters(garment, filters)
        and (filters.show != UNCERTAIN or is_uncertain([garment], score_threshold))
    ]
    if filters.order == UNCERTAIN_FIRST:
        found.sort(
            key=lambda pair: (pair[0].garments[pair[1]].corrected, label_margin(pair[0].garments[pair[1]]))
        )
    return found


def _best_score(view: PhotoView) -> float:
    return max((garment.score for garment in view.garments.values()), default=0.0)


ORDERS: dict[str, Callable[[PhotoView], tuple[float | str, ...]]] = {
    "As uploaded": lambda view: (view.item.number,),
    "Name": lambda view: (view.item.spooled.name.casefold(), view.item.number),
    UNCERTAIN_FIRST: lambda view: (not view.uncertain, _best_score(view), view.item.number),
    "Most garments first": lambda view: (-len(view.garments), view.item.number),
}


def chosen(photos: Sequence[PhotoView], filters: Filters) -> list[PhotoView]:
    """The photos that pass the filters, in the order asked for."""
    return sorted((view for view in photos if matches(view, filters)), key=ORDERS[filters.order])


@dataclass(frozen=True)
class Place:
    """A photo among the ``count`` that pass the filters: ``place`` from 1, None where it does not.

    ``previous`` and ``next`` are the numbers of the photos that pass before and after it, None at the ends.
    One that does not pass, as after its correction, stands where it would by the order.
    """

    place: int | None
    count: int
    previous: int | None
    next: int | None


def place_of(photos: Sequence[PhotoView], filters: Filters, number: int) -> Place:
    """Where the photo of this number stands."""
    ordered = sorted(photos, key=ORDERS[filters.order])
    passing = [view.item.number for view in ordered if matches(view, filters)]
    if number in passing:
        here = passing.index(number)
        before, after = passing[:here], passing[here + 1 :]
    else:
        mine = next(place for place, view in enumerate(ordered) if view.item.number == number)
        earlier = {view.item.number for view in ordered[:mine]}
        here = None
        before = [other for other in passing if other in earlier]
        after = passing[len(before) :]
    place = None if here is None else here + 1
    return Place(place, len(passing), next(reversed(before), None), next(iter(after), None))
