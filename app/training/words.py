"""Trainings in words: what they are called, how they stand, how long they took."""

from __future__ import annotations

from collections.abc import Sequence

from app.batch import time_left
from app.wording import literal
from core.store.trainings import TrainingRow

STATES = {
    "waiting": "waiting",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}
MODES = {"quick": "Quick", "full": "Full"}
KINDS = {"detector": "Detector", "classifier": "Classifier"}
EXPLAINED = {
    ("detector", "quick"): (
        "Goes on from the champion: its backbone stays as it is, the rest learns the photos corrected since, "
        "with older ones replayed and the champion's answers held on to."
    ),
    ("detector", "full"): "Goes on from the champion, and all of it learns from all photos of the revision.",
    ("classifier", "quick"): (
        "Goes on from the champion: its backbone stays as it is, attention and last layer learn the garments "
        "labelled since, with older ones replayed and the champion's answers held on to."
    ),
    ("classifier", "full"): (
        "Goes on from the champion, and all of it learns from all labelled garments of the revision."
    ),
}
USUAL = {
    "quick": "With 50 corrected photos it takes a few minutes on two cores.",
    "full": "On two cores it takes hours, with a GPU minutes.",
}
PATIENCE_SECONDS = 20.0
NO_WORKER = (
    "No worker has taken it yet. The workspace brings one along; where it was started without, or its worker "
    "is busy, `python -m core worker` starts another."
)


def title(row: TrainingRow) -> str:
    """A training by number, kind and mode: "No. 3: detector, quick"."""
    return f"No. {row.id}: {row.kind}, {row.mode}"


def standing(row: TrainingRow, left: float | None) -> str:
    """Where a going training is, for the text of its bar (Markdown)."""
    said = f" · {literal(row.message)}" if row.message else ""
    if row.state == "waiting":
        return f"Waiting for a worker{said}"
    if not row.steps or not row.step:
        return f"Getting ready{said}"
    return f"{row.step:,} of {row.steps:,} batches · {time_left(left)}{said}"


def time_remaining(row: TrainingRow, steps_a_second: float | None) -> float | None:
    """Seconds until the last batch at the pace of the latest ones."""
    if not steps_a_second or not row.steps:
        return None
    return max(0, row.steps - row.step) / steps_a_second


def explained(kind: str, mode: str, past: Sequence[TrainingRow]) -> str:
    """What a training does, and about how long it takes: as the last of its kind and mode did."""
    last = next((row for row in past if (row.kind, row.mode, row.state) == (kind, mode, "done")), None)
    took = seconds_of(last) if last else None
    usual = USUAL[mode] if took is None else f"The last one took {lasting(took)}."
    return f"{EXPLAINED[kind, mode]} {usual}"


def seconds_of(row: TrainingRow) -> float | None:
    """How long a training ran; None while it does, and where it never did."""
    if row.started_at is None or row.ended_at is None:
        return None
    return max(0.0, row.ended_at - row.started_at)


def lasting(seconds: float) -> str:
    """A time span as people say it.

    >>> lasting(42.4), lasting(200), lasting(7500)
    ('42 s', '3 min 20 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
