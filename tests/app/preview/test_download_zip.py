"""The zip holds what is shown, corrected, under the shop's names."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from app.preview import selection
from app.preview.batch import Batch
from app.preview.download import fingerprint, make_zip
from core.corrections import Corrections, Edit
from core.files import DATA_VARIABLE
from core.progress import ignore_progress
from core.store.photo_spools import Spool
from tests.fakes import FakeLabeler
from tests.pictures import jpeg


@pytest.fixture
def batch(tmp_path, monkeypatch) -> Batch:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg(3)), ("b.jpg", jpeg(1)), ("empty.jpg", jpeg(0))])
    batch.wait(lambda now: not now.running, 10)
    return batch


def view(batch: Batch, corrections: Corrections, threshold: float = 0.5) -> list[selection.PhotoView]:
    return [selection.view_of(item, corrections, threshold) for item in batch.items]


def rows_of(path) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"), "utf-8")))


def test_the_zip_holds_what_is_seen_and_nothing_that_was_taken_out(batch, tmp_path):
    corrections = Corrections()
    first = batch.items[0].labeled.garments
    corrections.apply(Edit(0, 0, first[0], None))
    corrections.apply(Edit(0, 1, first[1], first[1].correct(category="footwear", label="Hat")))
    path = tmp_path / "out.zip"
    told: list[tuple[int, int]] = []
    photos = view(batch, corrections)
    names = {"top": "Oberteil"}
    make_zip(photos, names, FakeLabeler.categories, path, lambda *so_far: told.append(so_far))
    rows = rows_of(path)
    assert [(row["photo"], row["category"], row["shop_category"]) for row in rows] == [
        ("a.jpg", "footwear", "footwear"),
        ("b.jpg", "top", "Oberteil"),
        ("empty.jpg", "", ""),
    ]
    assert rows[0]["label"] == "Hat" and rows[0]["corrected"] == "true"
    with zipfile.ZipFile(path) as archive:
        assert sum(name.startswith("crops/") for name in archive.namelist()) == 2
    assert told == sorted(told) and told and all(0 < done <= of == 3 for done, of in told)


def test_the_threshold_decides_what_goes_along(batch, tmp_path):
    path = tmp_path / "out.zip"
    counts = []
    for threshold in (0.1, 0.5, 0.95):
        make_zip(view(batch, Corrections(), threshold), {}, FakeLabeler.categories, path, ignore_progress)
        counts.append(sum(bool(row["garment"]) for row in rows_of(path)))
    assert counts == [4, 3, 0]


def test_anything_that_changes_the_zip_changes_its_fingerprint(batch):
    def state(threshold=0.5, names=None, corrections=None):
        return fingerprint(view(batch, corrections or Corrections(), threshold), names or {})

    edited = Corrections()
    garment = batch.items[0].labeled.garments[0]
    edited.apply(Edit(0, 0, garment, garment.correct(label="Hat")))
    states = [state(), state(0.95), state(names={"top": "Oberteil"}), state(corrections=edited)]
    assert len(set(states)) == 4
    shown = view(batch, Corrections())
    assert fingerprint(shown, {}, with_photos=True) != fingerprint(shown, {})
    edited.undo()
    assert state(corrections=edited) == states[0]
    assert state(0.51) == states[0]
