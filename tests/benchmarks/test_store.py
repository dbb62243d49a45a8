"""The store's benchmark: its people save what can be read again; its figures are worked out by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import store as benchmark
from benchmarks.load import beside, many, people
from benchmarks.load.people import DRAFTS_A_SUBMIT, Measurements, annotate
from core.store import Store
from core.store.importing import import_all


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store.open(f"sqlite:///{tmp_path}/lapel.db", tmp_path)


def test_the_median_the_95th_percentile_and_the_longest() -> None:
    assert benchmark.spread([float(n) for n in range(1, 101)], "a_") == {
        "a_median_ms": 50.5,
        "a_p95_ms": 96.0,
        "a_longest_ms": 100.0,
    }
    assert benchmark.spread([7.0])["p95_ms"] == 7.0


def test_the_times_of_all_processes_are_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    first = {"milliseconds": {"draft": [1.0, 2.0], "next": [9.0]}, "errors": ["draft: busy"]}
    second = {"milliseconds": {"draft": [3.0], "submit": [4.0]}, "errors": []}
    row = benchmark.people_row([first, second])
    assert (row["saves"], row["save_longest_ms"], row["nexts"], row["errors"]) == (4, 4.0, 1, 1)
    assert "draft: busy" in capsys.readouterr().err


def test_many_photos_are_a_store_that_can_be_worked_with(store: Store) -> None:
    many.add_photos(store, 40)
    many.annotate_all(store, 40)
    revision = store.revisions.create("benchmark")
    assert (store.photos.count(), store.queue.fill()) == (40, 40)
    assert (revision.photos, revision.boxes) == (40, 40 * many.BOXES)
    assert 0 < store.photos.count(holdout=True) < 20


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    perf_counter = monotonic

    def time_ns(self) -> int:
        return round(self.seconds * 1e9)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_person_saves_drafts_and_then_submits_and_goes_on_to_the_next_photo(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "time", Clock())
    many.add_photos(store, 3)
    store.queue.fill()
    measured = Measurements()
    annotate(store, "Anna", measured, seconds=(2 * DRAFTS_A_SUBMIT + 2) * 4.0 - 2.0, every=4.0)
    assert measured.errors == []
    saves = {name: len(milliseconds) for name, milliseconds in measured.milliseconds.items()}
    assert saves == {"next": 2, "draft": 2 * DRAFTS_A_SUBMIT, "submit": 2}
    assert store.annotations.annotated_count() == 2


def test_the_photos_that_run_beside_are_all_new(store: Store, tmp_path: Path) -> None:
    source = beside.draw_photos(tmp_path / "source", 6)
    ended = import_all(store, store.imports.begin("a", "b", str(source)), trusted=True)
    assert ended.counts["new"] + ended.counts["near"] == 6
    assert beside.progress(store) == {"imported": 6, "labeled": 0}
    beside.pretend_labeled(store)
    assert beside.progress(store) == {"imported": 6, "labeled": 6}


def test_it_prints_one_json_line_with_the_exports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["store", "--photos", "40", "--imported", "0", "--parts", "export"])
    benchmark.main()
    printed = capsys.readouterr()
    line = json.loads(printed.out)
    for photos in (4, 40):
        rows = line[f"export of {photos}"]
        assert rows["coco"]["peak_mib"] > 20 and rows["csv"]["seconds"] > 0
    assert "coco" in printed.err and line["machine"]["processor"] in printed.err
