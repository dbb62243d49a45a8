"""The state of the page Label photos between its runs, under one key of Streamlit's session state.

What a person would miss (photos, corrections, names, settings) is in ``PreviewDraft``, which all tabs of the
person share and a restart finds again; what only a tab shows is in ``PreviewSession``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.attention.maps import Maps
from app.auth.visitor import owner_of_draft
from app.editor import Tightened
from app.preview.batch import Batch, Source
from app.preview.draft import DRAFTS, PreviewDraft
from app.preview.selection import PhotoView
from app.text import flash
from core.corrections import Corrections, Edit, Step, contradicts, with_category, with_label
from core.errors import LapelError
from core.garments import Garment, Refusal
from core.store.photo_spools import Spool
from core.taxonomy import categories_of_labels

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

KEY = "session"
Target = tuple[PhotoView, int]
"""A garment: its photo, and its number there."""

PROBLEM = "preview-problem"
OPEN = "open"
"""Of the kept settings: the number of the photo that was opened last, where a reload goes on."""


@dataclass(frozen=True)
class Question:
    """What is asked before a label contradicts its category, and what each answer would do."""

    text: str
    answers: tuple[tuple[str, tuple[Edit, ...]], ...]


@dataclass
class PreviewSession:
    """One browser tab's state: the open photo and garment, what was asked for, and whose draft it shows.

    ``owner`` stands for the person, whose draft is kept; without one it goes with the tab. ``incoming`` are
    files that wait to be labeled, ``refused`` those that did not arrive; ``uploads`` counts uploaders, as a
    new one is shown once its files are taken; ``notice`` is a sentence for the next run; ``archive`` is the
    zip with a digest of its content; ``paged_to`` is the photo whose gallery page is shown.
    """

    owner: str | None = None
    maps: Maps | None = None
    names_edition: int = 0
    photo: int | None = None
    garment: int | None = None
    incoming: list[Source] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    uploads: int = 0
    notice: str = ""
    archive: tuple[str, Path] | None = None
    free_photos_requested: bool = False
    maps_requested: bool = False
    zip_requested: bool = False
    page: int = 1
    paged_to: int | None = None
    question: Question | None = None
    tightened: Tightened | None = None
    _own: PreviewDraft = field(default_factory=PreviewDraft)
    _files: Spool | None = None

    @property
    def draft(self) -> PreviewDraft:
        """The person's draft as it is now, in whichever tab it was changed."""
        return self._own if self.owner is None else DRAFTS.of(self.owner)

    @property
    def batch(self) -> Batch | None:
        """The photos; None where there are none."""
        return self.draft.batch

    @property
    def corrections(self) -> Corrections:
        """What the person corrected."""
        return self.draft.corrections

    @property
    def names(self) -> dict[str, str]:
        """The shop's names by Lapel's; ``set_names`` changes them."""
        return self.draft.names

    @property
    def files(self) -> Path:
        """A folder for what this tab makes to be downloaded, removed with it."""
        self._files = self._files or Spool()
        return self._files.folder

    def start_labeling(self, labeler: Labeler, wait_seconds: float) -> Batch | None:
        """Add the incoming files to the batch, and wait a little for the first result.

        After a promotion the remaining photos are labeled by the new models.
        """
        if self.maps is None:
            self.maps = Maps(labeler)
        self.maps.use(labeler)
        sources, self.incoming = self.incoming, []
        refused, self.refused = self.refused, []
        if self.batch is None and not sources:
            return None
        batch = self.draft.start(labeler)
        batch.refuse(refused)
        if sources:
            before = batch.progress().done
            batch.add(sources)
            # A single photo is waited for to its end, so that the page need not poll.
            batch.wait(
                lambda now: not now.running or (now.done > before and now.total > before + 1), wait_seconds
            )
        return batch

    def open(self, number: int | None) -> None:
        """Open another photo, which a reload opens again."""
        if number != self.photo:
            self.photo, self.garment, self.question = number, None, None
            self.set(OPEN, number)

    def open_first(self, numbers: Sequence[int]) -> None:
        """Open the photo that was open last, where this tab has none, else the first of these."""
        last = None if self.photo is not None else self.draft.settings.get(OPEN)
        self.photo = last if last in numbers else next(iter(numbers), None)
        self.garment = self.question = None

    def apply(self, *edits: Edit, sequence: int = 0) -> None:
        """Correct garments as one step; where that cannot be kept, the page says so.

        A question that waits is withdrawn: its answers were about the garments as they were.
        """
        self.question = None
        self._keep(lambda: self.draft.apply(*edits, sequence=sequence))

    def change(
        self, targets: Sequence[Target], *, category: str | None = None, label: str | None = None
    ) -> None:
        """Set the category or the label of garments as one step.

        Where a label would contradict its category, ``question`` asks first.
        """
        self.question = None
        afters = [_changed(_garment(target), category, label) for target in targets]
        edits = tuple(_edit(target, after) for target, after in zip(targets, afters, strict=True))
        clashes = [after for after in afters if contradicts(after)]
        if clashes and label is not None:
            self.question = _about_label(targets, label, len(clashes), edits)
        elif clashes and category is not None:
            self.question = _about_category(targets, category, clashes, edits)
        else:
            self.apply(*edits)

    def answer(self, edits: Sequence[Edit]) -> None:
        """Do what was chosen of a question; nothing for no edits."""
        self.apply(*edits)

    def correct(self, view: PhotoView, *, category: str | None = None, label: str | None = None) -> None:
        """Correct the selected garment's category or label."""
        number, garment = self._chosen(view)
        if garment is not None:
            self.change([(view, number)], category=category, label=label)

    def choose_ranked(self, view: PhotoView, rank: int) -> None:
        """Set the selected garment's label to one of its top five, by rank from 0."""
        _, garment = self._chosen(view)
        if garment is not None and 0 <= rank < len(garment.top5):
            self.correct(view, label=garment.top5[rank][0])

    def accept(self, targets: Sequence[Target]) -> None:
        """Stand behind garments as they are, as one step."""
        self.apply(*(_edit(target, _garment(target).correct()) for target in targets))

    def take_out(self, targets: Sequence[Target]) -> None:
        """Take garments out of their photos, as one step."""
        self.apply(*(_edit(target, None) for target in targets))

    def accept_garment(self, view: PhotoView) -> None:
        """Accept the selected garment, and select the next one."""
        number, garment = self._chosen(view)
        if garment is not None:
            self.accept([(view, number)])
            self.garment = number
            self.step_garment(view, 1)

    def delete_garment(self, view: PhotoView) -> None:
        """Delete the selected garment from its photo."""
        number, garment = self._chosen(view)
        if garment is not None:
            self.take_out([(view, number)])
            self.garment = None

    def step_garment(self, view: PhotoView, step: int) -> None:
        """Select the garment ``step`` places on, around the ends."""
        numbers = list(view.garments)
        if numbers:
            place = numbers.index(self.garment) + step if self.garment in numbers else 0
            self.garment = numbers[place % len(numbers)]

    def request_zip(self) -> None:
        """Request the zip from the next run."""
        self.zip_requested = True

    def undo(self) -> None:
        """Undo the last step, and open its photo; withdraw a question that waits, as nothing was done yet."""
        if self.question is not None:
            self.question = None
            return
        self._keep(lambda: self._show_step(self.draft.undo()))

    def redo(self) -> None:
        """Redo the step that was undone last, and open its photo."""
        self.question = None
        self._keep(lambda: self._show_step(self.draft.redo()))

    def set_names(self, names: dict[str, str]) -> None:
        """Have these names of the shop."""
        self._keep(lambda: self.draft.set("names", names))

    def set(self, name: str, value: Any) -> None:
        """Set something else that stays."""
        self._keep(lambda: self.draft.set(name, value))

    def start_over(self, *, everything: bool = False) -> None:
        """Forget the photos and their corrections; the shop's names and settings stay, but for everything."""
        self.draft.clear(everything=everything)
        self.maps = self.photo = self.garment = self.archive = self.paged_to = self.question = None
        self.incoming = []

    def _keep(self, change: Any) -> None:
        try:
            change()
        except LapelError as error:
            flash(PROBLEM, str(error), error=True)

    def _chosen(self, view: PhotoView) -> tuple[int, Garment | None]:
        """Number and garment that are selected; by default the photo's first."""
        number = self.garment if self.garment in view.garments else next(iter(view.garments), -1)
        return (-1 if number is None else number), view.garments.get(-1 if number is None else number)

    def _show_step(self, step: Step) -> None:
        if step and self.photo not in {edit.photo for edit in step}:
            self.open(step[0].photo)
        edit = next((edit for edit in step if edit.photo == self.photo), None)
        if edit is not None:
            self.garment = edit.garment


def _garment(target: Target) -> Garment:
    return target[0].garments[target[1]]


def _edit(target: Target, after: Garment | None) -> Edit:
    return Edit(target[0].item.number, target[1], _garment(target), after)


def _changed(garment: Garment, category: str | None, label: str | None) -> Garment:
    if category is not None:
        garment = with_category(garment, category)
    return garment if label is None else with_label(garment, label)


def _about_label(targets: Sequence[Target], label: str, clashes: int, edits: tuple[Edit, ...]) -> Question:
    category = categories_of_labels()[label][0]
    whose = f"this garment is {_garment(targets[0]).category}"
    if len(targets) > 1:
        of = "" if clashes == len(targets) else f" of {len(targets)}"
        whose = f"{clashes}{of} garments have another category"
    follow = (with_label(_garment(target), label, category_follows=True) for target in targets)
    following = tuple(_edit(target, after) for target, after in zip(targets, follow, strict=True))
    answers = (
        (f"Make {'it' if len(targets) == 1 else 'them'} {category}", following),
        ("Only the label", edits),
        ("Cancel", ()),
    )
    return Question(f"{label} is a label of {category}, and {whose}.", answers)


def _about_category(
    targets: Sequence[Target], category: str, clashes: Sequence[Garment], edits: tuple[Edit, ...]
) -> Question:
    """Of labels that a person chose: the models' follow the category by themselves."""
    follow = [with_category(_garment(target), category, keep_label=False) for target in targets]
    following = tuple(_edit(target, after) for target, after in zip(targets, follow, strict=True))
    labels = ", ".join(dict.fromkeys(after.best_label for after in clashes))
    new = ", ".join(dict.fromkeys(after.best_label for after in follow))
    answers = ((f"Take {new}", following), (f"Keep {labels}", edits), ("Cancel", ()))
    return Question(f"The label {labels} does not belong to {category}.", answers)


def preview_session() -> PreviewSession:
    """The state of this browser tab, which shows the draft of the person whose page runs."""
    if KEY not in st.session_state:
        st.session_state[KEY] = PreviewSession()
    found: PreviewSession = st.session_state[KEY]
    found.owner = owner_of_draft()
    return found
