"""Efficiency of many workers, worked out by hand; rows that get pictures for the real models."""

from __future__ import annotations

from pathlib import Path

from benchmarks.load.many import add_photos
from benchmarks.scale import SAMPLES, put_pictures, with_efficiency
from core.store import Store, sqlite_url


def test_efficiency_is_the_rate_by_as_many_times_one_workers():
    rows = with_efficiency([{"workers": 1, "rate": 8.0}, {"workers": 4, "rate": 24.0}])
    assert [row["efficiency"] for row in rows] == [1.0, 0.75]


def test_each_row_gets_one_of_the_samples_as_its_picture(tmp_path: Path):
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    add_photos(store, 2 * len(SAMPLES))
    put_pictures(store)
    rows = store.photos.page(0, 99)
    assert len({row.blob for row in rows}) == len(SAMPLES)
    assert all(store.photos.open(row.id).size_wh == (row.width, row.height) for row in rows)
    store.close()
