"""The benchmark of many annotators, all of it on SQLite: stand-ins for the server, people and processes."""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import loads, scale
from benchmarks.load.many import annotate_all
from core.inference.predictions import serving_models
from core.store import Store, sqlite_url

PHOTOS, WORKERS = 120, 2


class LabelingProcess:
    """In the place of a worker's process: it labels photos whenever somebody asks whether it has ended."""

    def __init__(self, command: list[str], **_: Any) -> None:
        folder = Path(command[command.index("--serve") + 1])
        assert command[command.index("--cost") + 1] == str(loads.COST)
        self._store = Store.open(sqlite_url(folder), folder)

    def poll(self) -> None:
        pair = serving_models(self._store)
        assert pair is not None
        for id in self._store.predictions.missing(pair, 20):
            self._store.predictions.save(id, pair, [scale.FOUND], None)

    def kill(self) -> None:
        self._store.close()

    def wait(self) -> None:
        pass


def test_all_three_parts_are_measured(
    tmp_path: Path, tiny_ships: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told_by_people(store: Store, people: int, seconds: float, every: float, *more: str) -> list[Any]:
        told = {"milliseconds": {"draft": [4.0]}, "errors": [], "acknowledged": []}
        if more:
            annotate_all(store, 8)
            told["acknowledged"] = [[1, 1], [2, 1], [1, 7]]
        return [told]

    server = SimpleNamespace(
        server=lambda: nullcontext("/server"),
        database=lambda server, name: nullcontext(sqlite_url(tmp_path)),
        stopped=lambda server: nullcontext(),
    )
    ticks = count(0.0, 10.0)
    clock = SimpleNamespace(sleep=lambda _: time.sleep(0.02), monotonic=lambda: next(ticks))
    monkeypatch.setattr(loads, "time", clock)
    monkeypatch.setattr(loads, "postgres", server)
    monkeypatch.setattr(loads, "told_by_people", told_by_people)
    monkeypatch.setattr(scale.subprocess, "Popen", LabelingProcess)
    options = argparse.Namespace(people=4, workers=WORKERS, seconds=0.1, every=0.1, outage=0.0, photos=PHOTOS)
    figures = loads.measure(tmp_path, options)
    assert list(figures) == ["alone", "beside workers", "with an outage"]
    assert figures["alone"]["save_median_ms"] == 4.0 and "labeled_per_s" in figures["beside workers"]
    outage = figures["with an outage"]
    assert (outage["acknowledged"], outage["lost"]) == (3, 1)
