"""The photos that a report lists: those of the confusion matrix's cells, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHOTOS_OF_A_CELL, WORST_PHOTOS = 60, 200
"""The most photos that a cell of the confusion matrix opens, and of those with errors that are listed."""

BACKGROUND_NAME, MISSED_NAME = "background", "missed"
"""The last row and the last column of a detector's confusion matrix."""

Cells = Mapping[tuple[int, int], Sequence[int]]
"""The photo of each entry of the confusion matrix, by row and column."""


@dataclass(frozen=True)
class ReportPhoto:
    """A photo of the measured data: its number in the store or its place, its name, its size in pixels."""

    id: int
    name: str
    width: int
    height: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def listed_photos(cells: Cells, photos: int) -> list[int]:
    """The places of the photos that are listed, by their entries off the diagonal, most first.

    These are at most ``WORST_PHOTOS`` with such entries, and at most ``PHOTOS_OF_A_CELL`` of each cell.
    """
    wrong, right = np.zeros(photos, dtype=int), np.zeros(photos, dtype=int)
    for (row, column), entries in cells.items():
        np.add.at(right if row == column else wrong, np.asarray(entries, dtype=int), 1)
    ordered = np.lexsort((right, -wrong)).tolist()
    rank = {place: number for number, place in enumerate(ordered)}
    listed = {place for place in ordered[:WORST_PHOTOS] if wrong[place]}
    for entries in cells.values():
        listed |= set(sorted(set(entries), key=rank.__getitem__)[:PHOTOS_OF_A_CELL])
    return sorted(listed, key=rank.__getitem__)


def confusion_entry(
    counts: NDArray[np.int64],
    cells: Cells,
    places: Sequence[int],
    rows: Sequence[str],
    columns: Sequence[str],
) -> dict[str, Any]:
    """A confusion matrix (N, N) as JSON, without classes that occur nowhere.

    The last class of both sides may have two names (background, missed), and then stays. ``places`` are the
    listed photos; a cell points to those of them that it counts, by their place in that list.
    """
    kept = [
        place
        for place in range(len(rows))
        if counts[place].any() or counts[:, place].any() or rows[place] != columns[place]
    ]
    listed = {place: number for number, place in enumerate(places)}
    new = {place: number for number, place in enumerate(kept)}
    entries = []
    for (row, column), photos in sorted(cells.items()):
        shown = sorted({listed[photo] for photo in photos if photo in listed})[:PHOTOS_OF_A_CELL]
        entries.append({"row": new[row], "column": new[column], "count": len(photos), "photos": shown})
    return {
        "rows": [rows[place] for place in kept],
        "columns": [columns[place] for place in kept],
        "counts": counts[np.ix_(kept, kept)].tolist(),
        "cells": entries,
    }


def corners(box_xyxy: Any) -> list[float]:
    """A box's corners, in tenths of a pixel."""
    return [round(float(side), 1) for side in box_xyxy]
