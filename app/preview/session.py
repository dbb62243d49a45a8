"""One person's workspace between the runs of a page: typed, in one place of Streamlit's session state.

A person's corrections to a batch: each can be taken back, and put back again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from app.attention.maps import Maps
from app.preview.batch import Batch, Source, Spool
from app.preview.selection import Corrections, Edit, Seen
from core.garments import Garment
from core.inference.labeler import Labeler

KEY = "workspace"


@dataclass
class Workspace:
    """What a person has in hand: the batch, where they are in it, their corrections and their shop's names.

    ``incoming`` are files that wait to be labelled; ``uploads`` counts the uploader's rounds, since a fresh
    one has to be shown once its files are taken; ``notice`` is a sentence for the next run; ``archive`` is
    the zip with the digest of what is in it; ``paged_to`` is the photo that the gallery's page has followed.
    """

    batch: Batch | None = None
    maps: Maps | None = None
    corrections: Corrections = field(default_factory=Corrections)
    names: dict[str, str] = field(default_factory=dict)
    names_edition: int = 0
    photo: int | None = None
    garment: int | None = None
    incoming: list[Source] = field(default_factory=list)
    uploads: int = 0
    notice: str = ""
    archive: tuple[str, Path] | None = None
    wants_samples: bool = False
    wants_maps: bool = False
    wants_zip: bool = False
    page: int = 1
    paged_to: int | None = None

    def take_in(self, labeler: Labeler, wait_seconds: float) -> Batch | None:
        """Hand what came in to the batch, and wait a little for its first result.

        After a promotion the photos that are still to come are labelled by the new models.
        """
        if self.batch is not None and self.maps is not None:
            self.batch.use(labeler)
            self.maps.use(labeler)
        if self.incoming:
            if self.batch is None:
                self.batch, self.maps = Batch(labeler, Spool()), Maps(labeler)
            sources, self.incoming = self.incoming, []
            before = self.batch.progress().done
            self.batch.add(sources)
            # A single photo is waited for to its end, so that the page need not look again.
            self.batch.wait(
                lambda now: not now.running or (now.done > before and now.total > before + 1), wait_seconds
            )
        return self.batch

    def open(self, number: int | None) -> None:
        """Look at another photo."""
        if number != self.photo:
            self.photo, self.garment = number, None

    def correct(self, seen: Seen, *, category: str | None = None, label: str | None = None) -> None:
        """Put the chosen garment's category or label right."""
        number, before = self._chosen(seen)
        if before is not None:
            after = before.correct(category=category, label=label)
            self.corrections.apply(Edit(seen.item.number, number, before, after))

    def choose_ranked(self, seen: Seen, rank: int) -> None:
        """Take the chosen garment's label from its best five, by rank from 0."""
        _, garment = self._chosen(seen)
        if garment is not None and 0 <= rank < len(garment.top5):
            self.correct(seen, label=garment.top5[rank][0])

    def take_out(self, seen: Seen) -> None:
        """Take the chosen garment out of its photo."""
        number, before = self._chosen(seen)
        if before is not None:
            self.corrections.apply(Edit(seen.item.number, number, before, None))
            self.garment = None

    def ask_for_zip(self) -> None:
        """Have the next run make the zip."""
        self.wants_zip = True

    def go_back(self) -> None:
        """Take the last correction back, and look at where it was."""
        self._look_at(self.corrections.undo())

    def go_forward(self) -> None:
        """Put the last correction that was taken back in again, and look at it."""
        self._look_at(self.corrections.redo())

    def start_over(self) -> None:
        """Forget the batch and its corrections; the shop's names stay."""
        if self.batch is not None:
            self.batch.close()
        self.batch = self.maps = self.photo = self.garment = self.archive = self.paged_to = None
        self.corrections = Corrections()
        self.incoming = []

    def _chosen(self, seen: Seen) -> tuple[int, Garment | None]:
        """The number of the chosen garment, the photo's first where none is, and the garment itself."""
        number = self.garment if self.garment in seen.garments else next(iter(seen.garments), -1)
        return (-1 if number is None else number), seen.garments.get(-1 if number is None else number)

    def _look_at(self, edit: Edit | None) -> None:
        if edit is not None:
            self.photo, self.garment = edit.photo, edit.garment


def workspace() -> Workspace:
    """The workspace of the person whose page this is."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Workspace()
    found: Workspace = st.session_state[KEY]
    return found
