"""Corrections between two revisions in words."""

from __future__ import annotations

from app.models.figures import sentence
from core.store.corrections import RevisionChanges


def test_new_and_corrected_photos_are_told_apart():
    found = RevisionChanges(12, 1, 2, 30, {"moved": 3, "added": 1})
    assert sentence(found) == (
        "12 photos annotated for the first time, with 30 boxes; 1 photo corrected again: boxes 1 added, "
        "3 moved; 2 photos taken out."
    )


def test_nothing_is_said_where_nothing_was_done():
    assert sentence(RevisionChanges(0, 0, 0, 0, {})) == "nothing was changed."
