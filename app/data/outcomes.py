"""What an import came to, in words and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from app.text import counted
from core.datasets.export import neutral
from core.store.imports import RefusedFile

STATES = {
    "waiting": "waiting",
    "running": "running",
    "done": "done",
    "failed": "stopped by an error",
    "cancelled": "cancelled",
}


def outcomes(counts: Mapping[str, int]) -> list[str]:
    """A sentence for each thing that became of an import's files, the good news first."""
    said = [
        _new(counts.get("new", 0)),
        _near(counts.get("near", 0)),
        _annotated(counts.get("annotated", 0)),
        _exact(counts.get("exact", 0)),
        _holdout(counts.get("holdout", 0)),
        _refused(counts.get("refused", 0)),
    ]
    return [sentence for sentence in said if sentence]


def summary(counts: Mapping[str, int]) -> str:
    """The same in a few words, for a line of a list."""
    came = counts.get("new", 0) + counts.get("near", 0)
    known = counts.get("exact", 0) + counts.get("holdout", 0)
    parts = [f"{counted(came, 'photo')} came in"]
    parts += [f"{known:,} known already"] if known else []
    parts += [f"{counts['refused']:,} refused"] if counts.get("refused") else []
    return " · ".join(parts)


def refusals_csv(refusals: Sequence[RefusedFile]) -> str:
    """The refused files as CSV; no cell of it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["file", "reason"])
    writer.writerows([neutral(refused.name), neutral(refused.reason)] for refused in refusals)
    return out.getvalue()


def _new(number: int) -> str:
    return f"{counted(number, 'photo')} came in." if number else ""


def _near(number: int) -> str:
    if not number:
        return ""
    looks = "photo came in that looks" if number == 1 else "photos came in that look"
    return f"{number:,} more {looks} nearly like one that was here; each says which."


def _annotated(number: int) -> str:
    return f"{counted(number, 'photo')} came with boxes." if number else ""


def _exact(number: int) -> str:
    if not number:
        return ""
    verb = "photo was" if number == 1 else "photos were"
    return f"{number:,} {verb} here already, to the byte; nothing is stored twice."


def _holdout(number: int) -> str:
    if not number:
        return ""
    verb = "photo is a copy" if number == 1 else "photos are copies"
    return (
        f"{number:,} {verb} of holdout photos and stayed out: what measures the models must not teach them."
    )


def _refused(number: int) -> str:
    return (
        f"{counted(number, 'file')} {'was' if number == 1 else 'were'} refused, as listed." if number else ""
    )
