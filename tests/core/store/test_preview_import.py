"""A preview's zip with its photos comes back into a store: every photo has its own boxes."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from core.datasets.export import write_zip
from core.garments import Garment, LabeledPhoto
from core.store import Store
from tests.core.store.test_importing import SIZE_WH, brought_in, reasons
from tests.databases import on_sqlite

NAMES = (
    ("a.png", "a.jpg", "A.JPG", "a_2.jpg"),
    ("men/1.jpg", "women/1.jpg", "1.jpg", "1_2.jpg", "images/men/1.jpg"),
    ("x?.jpg", "x:.jpg", "x_.jpg", "=x.png"),
    ("yolo/images/a.jpg", "a.jpg", "photos/a.jpg", "a_1_top.jpg"),
    ("../a.jpg", "a.jpg", "a.jpg", "b.jpg/c.jpg", "\ud800.jpg", " d.jpg"),
)


def photo_of(seed: int) -> Image.Image:
    patches = np.random.default_rng(seed).integers(0, 256, (16, 17, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(SIZE_WH, Image.Resampling.BICUBIC)


def preview(path: Path, names: tuple[str, ...]) -> Path:
    """A zip whose photo of seed N has a box from (N, N); the second one has none."""
    labeled = []
    for seed, name in enumerate(names):
        garments = () if seed == 1 else (Garment((seed, seed, 50 + seed, 60), "top", 0.9),)
        labeled.append(LabeledPhoto(name, *SIZE_WH, 0.1, garments=garments))
    pictures = iter(range(len(names)))
    with path.open("wb") as out:
        write_zip(labeled, lambda name: photo_of(next(pictures)), out, photos=True)
    return path


def seed_of(store: Store, photo_id: int, count: int) -> int:
    """Which of the photos the store's picture shows."""
    shown = np.asarray(store.photos.open(photo_id).image.convert("RGB"), dtype=float)
    return int(np.argmin([np.abs(shown - np.asarray(photo_of(seed), float)).mean() for seed in range(count)]))


@on_sqlite
@pytest.mark.parametrize("kind", ["zip", "coco.json", "voc", "yolo", "labels.csv"])
@pytest.mark.parametrize("names", NAMES)
def test_every_photo_has_its_own_boxes_again(
    store: Store, tmp_path: Path, names: tuple[str, ...], kind: str
) -> None:
    path = preview(tmp_path / "preview.zip", names)
    if kind != "zip":  # one format alone with the pictures
        ZipFile(path).extractall(tmp_path / "all")
        path = tmp_path / "alone"
        shutil.copytree(tmp_path / "all" / "yolo" / "images", path / "yolo" / "images")
        if kind in ("voc", "yolo"):
            shutil.copytree(tmp_path / "all" / kind, path / kind, dirs_exist_ok=True)
        else:
            shutil.copy(tmp_path / "all" / kind, path)
    row = brought_in(store, path)
    lost = {name: row.counts[name] for name in ("refused", "unread", "dropped")}
    assert not any(lost.values()), reasons(store, row)
    found = {}
    for photo in store.photos.page(0, 99):
        latest = store.annotations.latest(photo.id)
        assert latest is not None, photo.name
        found[seed_of(store, photo.id, len(names))] = [round(box.box_xyxy[0]) for box in latest.boxes]
    assert found == {seed: [] if seed == 1 else [seed] for seed in range(len(names))}
