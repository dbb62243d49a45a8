"""What of a data set an import does not keep is said in its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.voc import voc_document
from core.store import Store
from tests.core.store.test_importing import SIZE_WH, brought_in, picture, pictures, reasons


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


def test_an_annotation_file_alone_annotates_stored_photos_by_name(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number, name in enumerate(("men/1.jpg", "women/1.jpg", "2.jpg", "3.jpg")):
        picture(folder / name, number)
    brought_in(store, folder)
    boxes, photos = np.array([[10, 20, 60, 100]]), []
    for name in ("women/1.jpg", "kids/2.jpg", "photos/3.jpg", "4.jpg", "1.jpg"):
        photos.append(BoxedPhoto(name, *SIZE_WH, boxes, np.zeros(1)))
    photos.append(BoxedPhoto("men/1.jpg", *SIZE_WH, np.empty((0, 4)), np.empty(0)))
    (tmp_path / "alone").mkdir()
    write_coco(DetectionDataset(("dress",), tuple(photos)), tmp_path / "alone" / "labels.json")
    row = brought_in(store, tmp_path / "alone" / "labels.json")
    counts = {row.name: store.annotations.latest(row.id) for row in store.photos.page(0, 9)}
    found = {name: None if latest is None else len(latest.boxes) for name, latest in counts.items()}
    assert found == {"men/1.jpg": 0, "women/1.jpg": 1, "2.jpg": 1, "3.jpg": 1}
    assert set(reasons(store, row)) == {"4.jpg", "1.jpg"}, "one is not there, the other fits two"
    assert (row.counts["annotated"], row.counts["negatives"], row.counts["refused"]) == (4, 1, 2)


def test_flags_and_fine_labels_come_with_the_boxes(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg", 1)
    flags = frozenset({"difficult", "truncated", "occluded"})
    photo = BoxedPhoto("a.jpg", *SIZE_WH, np.array([[10, 20, 60, 100]]), np.zeros(1), ("tee",), (flags,))
    (tmp_path / "set" / "a.xml").write_bytes(voc_document(photo, ("shirt",)))
    brought_in(store, tmp_path / "set")
    latest = store.annotations.latest(1)
    assert latest is not None
    assert [(box.label, box.flags) for box in latest.boxes] == [("tee", flags)]


def test_categories_that_the_store_cannot_have_cost_their_boxes(store: Store, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.jpg", 1)
    boxes = np.array([[10, 20, 60, 100], [1, 2, 30, 40]])
    photo = BoxedPhoto("a.jpg", *SIZE_WH, boxes, np.array([0, 1]))
    write_coco(DetectionDataset(("shirt", "x" * 100), (photo,)), tmp_path / "set" / "a.json")
    row = brought_in(store, tmp_path / "set")
    latest = store.annotations.latest(1)
    assert latest is not None and len(latest.boxes) == 1
    assert (row.counts["boxes"], row.counts["dropped"]) == (1, 1)
    assert "60 characters" in reasons(store, row)["a.jpg"]
