"""What one person has on the desk: the photo at hand, its task, the draft, and what went wrong with it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

import streamlit as st

from app.editor import Act
from core.store.annotations import Annotation
from core.store.boxes import AnnotatedBox
from core.store.photos import PhotoRow
from core.store.queue import QueueCounts, Task

KEY = "annotate-desk"


@dataclass(frozen=True)
class Opened:
    """A photo on the desk, as it was laid there.

    ``base_version`` is the version that the person has seen, 0 where there was none; ``boxes`` are the
    draft's, else the version's, else the models' proposals; ``sequence`` is the draft's. ``task`` is None
    where somebody else holds the photo, and ``held_by`` says who. ``notice`` is a sentence for the person.
    """

    photo: PhotoRow
    base_version: int
    boxes: tuple[AnnotatedBox, ...]
    sequence: int
    person: str
    task: Task | None = None
    notice: str = ""
    held_by: str = ""

    @property
    def key(self) -> str:
        """The editor's name for this piece of work: the same after a reload, another one for other work.

        The browser keeps unsent work under it, so photo, version, person and the photo's content have a part.
        """
        person = hashlib.sha256(self.person.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{self.photo.id}.{self.base_version}.{self.photo.digest[:8]}.{person}"

    @property
    def second_look(self) -> bool:
        """Whether the person annotates what another has annotated, without seeing it."""
        return self.task is not None and self.task.kind == "second"

    @property
    def holds(self) -> bool:
        """Whether the photo is kept for this person; one that was done already is not."""
        return self.task is not None and self.task.state == "open"


@dataclass(frozen=True)
class Conflict:
    """Two versions of one photo: mine, the one that came before mine, and what both began with.

    ``request`` names the save that the merging will end in, the same however often it is sent.
    """

    base: tuple[AnnotatedBox, ...]
    mine: tuple[AnnotatedBox, ...]
    theirs: Annotation
    seconds: float
    request: str


@dataclass
class Desk:
    """One person's place at the page, kept between its runs.

    ``boxes`` are the photo's as the store has them, with ``saved_sequence`` as the last change in them, 0 for
    none. ``unsaved`` is an act that the store was too busy for. ``said`` is a sentence about what just
    happened, ``hold_lost`` one about a lease that ran out. ``back_from`` is the task that "back" goes on
    from, ``skipped`` the photo that it leads to where that was skipped just now; ``address`` the photo that
    the page's address named last; ``ahead`` the photo that will probably come next, worked out once a photo.
    """

    person: str
    opened: Opened | None = None
    boxes: tuple[AnnotatedBox, ...] = ()
    saved_sequence: int = 0
    unsaved: Act | None = None
    conflict: Conflict | None = None
    counts: QueueCounts | None = None
    said: str = ""
    hold_lost: str = ""
    back_from: int | None = None
    skipped: int | None = None
    address: str | None = None
    started: bool = False
    ahead: tuple[str, int | None] | None = None
    renewed_at: float = field(default_factory=time.monotonic)

    def lay(self, opened: Opened | None) -> None:
        """Put another photo on the desk; what concerned the last one is taken away."""
        self.opened, self.conflict, self.unsaved, self.hold_lost = opened, None, None, ""
        self.boxes = opened.boxes if opened else ()
        self.saved_sequence = opened.sequence if opened else 0
        self.renewed_at = time.monotonic()


def desk_of(person: str) -> Desk:
    """The desk of whoever works in this tab; another person finds an empty one."""
    found: Desk | None = st.session_state.get(KEY)
    if found is None or found.person != person:
        found = st.session_state[KEY] = Desk(person)
    return found
