"""No training learns from photos that its dataset sets apart, in any format that Lapel exports."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.reading import read_detection
from core.datasets.splits import photos_of_part
from core.errors import DatasetError
from core.images.decode import read_photo
from core.store import Store, sqlite_url
from core.store.exports import export_revision
from tests.core.store.rows import box


@pytest.mark.parametrize(
    ("splits", "train", "val"),
    [
        (["train", "val", "test", None], [0, 3], [1]),
        (["training", "valid", "holdout"], [0], [1]),
        (["train", "holdout"], [0], [0]),
        ([None, None], [0, 1], [0, 1]),
    ],
)
def test_a_training_and_its_validation_read_their_own_photos(splits, train, val):
    assert (photos_of_part(splits, "train"), photos_of_part(splits, "val")) == (train, val)
    assert photos_of_part(splits, "test") == list(range(len(splits)))


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> Path:
    """A revision of 40 photos, some of them the holdout's, as an unpacked folder of each format."""
    import io

    folder = tmp_path_factory.mktemp("exports")
    store = Store.open(sqlite_url(folder), folder)
    for seed in range(40):
        patches = np.random.default_rng(seed).integers(0, 256, (16, 17, 3), np.uint8)
        out = io.BytesIO()
        Image.fromarray(patches).resize((96, 128), Image.Resampling.BICUBIC).save(out, "JPEG", quality=92)
        row = store.photos.add(read_photo(out.getvalue(), f"{seed}.jpg"), by="ann").row
        boxes = [box(10, 10, 60, 90)]
        store.annotations.submit(row.id, boxes, author="ann", base_version=0, request=str(seed))
    number = store.revisions.create("ann").number
    assert 0 < store.photos.count(holdout=True) < 20
    for format in ("yolo", "voc", "csv"):
        with (folder / "export.zip").open("wb") as out:
            export_revision(store, number, format, out, pictures=True)
        zipfile.ZipFile(folder / "export.zip").extractall(folder / format)
    (folder / "holdouts").write_text(str(store.photos.count(holdout=True)))
    store.close()
    return folder


@pytest.mark.parametrize("place", ["yolo/data.yaml", "yolo", "voc", "csv/annotations.csv"])
def test_the_holdout_is_in_no_training(exports, place, caplog):
    found = {part: read_detection(exports / place, part=part).photos for part in ("train", "val", None)}
    names = {part: {photo.file_name for photo in photos} for part, photos in found.items()}
    holdouts = int((exports / "holdouts").read_text())
    assert not names["train"] & names["val"] and len(names["val"]) >= 1
    assert len(names["train"] | names["val"]) == 40 - holdouts and len(names[None]) == 40
    assert f"{holdouts} of holdout" in caplog.text


def test_what_is_set_apart_alone_is_nothing_to_learn_from(tmp_path):
    rows = "photo,width,height,x0,y0,x1,y1,category,split\n1.jpg,96,128,1,2,30,40,top,holdout\n"
    (tmp_path / "boxes.csv").write_text(rows)
    Image.new("RGB", (96, 128)).save(tmp_path / "1.jpg")
    with pytest.raises(DatasetError, match="all are set apart: 1 of holdout"):
        read_detection(tmp_path / "boxes.csv", part="train")
