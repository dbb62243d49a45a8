"""The state of the page Label photos between its runs, under one key of Streamlit's session state."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.attention.maps import Maps
from app.preview.batch import Batch, Source, Spool
from app.preview.selection import Corrections, Edit, PhotoView
from core.garments import Garment

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

KEY = "session"


@dataclass
class PreviewSession:
    """One browser tab's state: the batch, the open photo and garment, corrections and the shop's names.

    ``incoming`` are files that wait to be labeled; ``uploads`` counts uploaders, as a new one is shown once
    its files are taken; ``notice`` is a sentence for the next run; ``archive`` is the zip with a digest of
    its content; ``paged_to`` is the photo whose gallery page is shown.
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
    free_photos_requested: bool = False
    maps_requested: bool = False
    zip_requested: bool = False
    page: int = 1
    paged_to: int | None = None

    def start_labeling(self, labeler: Labeler, wait_seconds: float) -> Batch | None:
        """Add the incoming files to the batch, and wait a little for the first result.

        After a promotion the remaining photos are labeled by the new models.
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
            # A single photo is waited for to its end, so that the page need not poll.
            self.batch.wait(
                lambda now: not now.running or (now.done > before and now.total > before + 1), wait_seconds
            )
        return self.batch

    def open(self, number: int | None) -> None:
        """Open another photo."""
        if number != self.photo:
            self.photo, self.garment = number, None

    def correct(self, view: PhotoView, *, category: str | None = None, label: str | None = None) -> None:
        """Correct the selected garment's category or label."""
        number, before = self._chosen(view)
        if before is not None:
            after = before.correct(category=category, label=label)
            self.corrections.apply(Edit(view.item.number, number, before, after))

    def choose_ranked(self, view: PhotoView, rank: int) -> None:
        """Set the selected garment's label to one of its top five, by rank from 0."""
        _, garment = self._chosen(view)
        if garment is not None and 0 <= rank < len(garment.top5):
            self.correct(view, label=garment.top5[rank][0])

    def delete_garment(self, view: PhotoView) -> None:
        """Delete the selected garment from its photo."""
        number, before = self._chosen(view)
        if before is not None:
            self.corrections.apply(Edit(view.item.number, number, before, None))
            self.garment = None

    def request_zip(self) -> None:
        """Request the zip from the next run."""
        self.zip_requested = True

    def undo(self) -> None:
        """Undo the last correction, and open its photo."""
        self._show_edit(self.corrections.undo())

    def redo(self) -> None:
        """Redo the correction that was undone last, and open its photo."""
        self._show_edit(self.corrections.redo())

    def start_over(self) -> None:
        """Forget the batch and its corrections; the shop's names stay."""
        if self.batch is not None:
            self.batch.close()
        self.batch = self.maps = self.photo = self.garment = self.archive = self.paged_to = None
        self.corrections = Corrections()
        self.incoming = []

    def _chosen(self, view: PhotoView) -> tuple[int, Garment | None]:
        """Number and garment that are selected; by default the photo's first."""
        number = self.garment if self.garment in view.garments else next(iter(view.garments), -1)
        return (-1 if number is None else number), view.garments.get(-1 if number is None else number)

    def _show_edit(self, edit: Edit | None) -> None:
        if edit is not None:
            self.photo, self.garment = edit.photo, edit.garment


def preview_session() -> PreviewSession:
    """The state of this browser tab."""
    if KEY not in st.session_state:
        st.session_state[KEY] = PreviewSession()
    found: PreviewSession = st.session_state[KEY]
    return found
