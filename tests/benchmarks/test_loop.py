"""The loop's measurement: what its store begins with, and how a round is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.loop import Plan, line, project
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.store.photos import in_holdout


@pytest.fixture
def dataset(tmp_path) -> DetectionDataset:
    """Thirty photos of colored fields, none like another, with one box each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photos = []
    for number in range(30):
        fields = np.random.default_rng(number).integers(0, 256, (8, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(fields).resize((90, 120), Image.Resampling.NEAREST)
        picture.save(folder / f"{number}.jpg", "JPEG")
        box = np.array([[10, 10, 60, 80]])
        photos.append(BoxedPhoto(f"{number}.jpg", 90, 120, box, np.array([0])))
    return DetectionDataset(("top", "dress"), tuple(photos), folder)


def test_the_champions_photos_begin_annotated_without_a_holdout_and_the_pools_holdout_with_boxes(
    dataset: DetectionDataset, tmp_path: Path
) -> None:
    begun = project(tmp_path / "store", dataset, Plan(first=15))
    rows = [begun.store.photos.get(id) for id in begun.truths]
    known = {f"{number}.jpg" for number in range(15)}
    assert {row.name for row in rows} >= {f"{number}.jpg" for number in range(15, 30)}
    assert any(row.holdout for row in rows)
    for row in rows:
        latest = begun.store.annotations.latest(row.id)
        assert row.holdout == in_holdout(row.digest) and not (row.holdout and row.name in known)
        assert (latest is not None) == (row.holdout or row.name in known)
    begun.store.close()


def test_a_round_is_told_in_a_line() -> None:
    row = {"round": 2, "photos": 400, "candidate": 0.3456, "difference": 0.0123}
    assert line(row) == "round 2: 400 photos, mAP50 0.346 (+0.012)"
    refused = line(row | {"promoted": False, "gate": "dress loses."})
    assert refused.endswith("(+0.012)  refused: dress loses.")
