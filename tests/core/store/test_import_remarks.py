"""What of a data set an import does not keep is said in its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.store import Store
from tests.core.store.test_importing import SIZE_WH, brought_in, pictures, reasons


def marked(count: int) -> DetectionDataset:
    """Photos 000.jpg and so on with a dress, a difficult one, and a region with a crowd of them."""
    boxes = np.array([[10, 20, 60, 100], [5, 5, 20, 30]])
    regions = {"crowd_xyxy": np.array([[0, 0, 90, 60]]), "crowd_ids": np.array([0])}
    flags = (frozenset(), frozenset({"difficult"}))
    photos = [
        BoxedPhoto(f"{number:03d}.jpg", *SIZE_WH, boxes, np.zeros(2), flags=flags, **regions)
        for number in range(count)
    ]
    return DetectionDataset(("dress",), tuple(photos))


def test_crowd_regions_do_not_become_boxes_and_the_report_names_them(store: Store, tmp_path: Path) -> None:
    pictures(tmp_path / "set" / "images", 7)
    write_coco(marked(7), tmp_path / "set" / "train.json")
    row = brought_in(store, tmp_path / "set")
    kept = [store.annotations.latest(id) for id in range(1, store.photos.count() + 1)]
    assert {tuple(box.flags for box in version.boxes) for version in kept if version} == {
        (frozenset(), frozenset({"difficult"}))
    }
    names = "000.jpg, 001.jpg, 002.jpg, 003.jpg, 004.jpg and 2 more"
    assert reasons(store, row) == {
        "train.json": f"7 crowd regions (iscrowd) were left out, as each covers several garments: in {names}."
    }
    assert (row.counts["annotated"], row.counts["refused"]) == (7, 0)
