"""The labeler is loaded once, and what stays in memory does not slow every run of a page."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from app import models
from core.errors import WeightsError
from core.labeler import Labeler


@pytest.fixture(autouse=True)
def thawed():
    """Leave the collector as it was found."""
    models.labeler.clear()
    yield
    models.labeler.clear()
    gc.unfreeze()


def test_the_labeler_is_loaded_once(monkeypatch):
    loads = []
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls: loads.append(1) or object()))
    assert models.labeler() is models.labeler()
    assert loads == [1]


def test_missing_weights_are_not_remembered(monkeypatch):
    def missing(cls):
        raise WeightsError(f"Expected weights, found none in {Path('assets')}.")

    monkeypatch.setattr(Labeler, "load", classmethod(missing))
    with pytest.raises(WeightsError):
        models.labeler()
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls: "loaded"))
    assert models.labeler() == "loaded"


def test_what_is_loaded_is_left_alone_by_the_collector_and_new_garbage_is_not(monkeypatch):
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls: object()))
    before = len(gc.get_objects())
    models.labeler()
    assert gc.get_freeze_count() > 0.9 * before
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
