"""The editor's benchmark: what it lays before the people who are measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import editor
from benchmarks.load.learning import annotate_drawn
from core.store import Store, sqlite_url


def test_the_samples_are_in_the_queue_and_one_of_them_is_crowded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editor, "SAMPLES", editor.SAMPLES[:3])
    editor.fill(tmp_path, boxes=30)
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    crowded, other = store.queue.next(editor.CROWDED), store.queue.next("benchmark")
    assert crowded is not None and other is not None and crowded.photo_id != other.photo_id
    draft = store.drafts.load(crowded.photo_id, editor.CROWDED)
    assert draft is not None and len(draft.boxes) == 30
    assert store.predictions.get(other.photo_id) is not None


def test_a_training_beside_has_photos_to_learn_from(tmp_path: Path) -> None:
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    annotate_drawn(store, 3)
    revision = store.revisions.create("benchmark")
    assert revision.photos == 3 and revision.boxes >= 3


def test_the_median_and_the_95th_percentile() -> None:
    assert editor.summary([float(n) for n in range(101)]) == {"median_ms": 50.0, "p95_ms": 95.0}
