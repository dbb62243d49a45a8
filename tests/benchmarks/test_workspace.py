"""The workspace's benchmark: what its figures are made of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from benchmarks import workspace
from benchmarks.editor import SERVER


def test_the_other_kind_of_server_differs_by_its_collection_alone() -> None:
    added = workspace.COLLECTING.replace(SERVER.partition("launcher.main(")[0], "")
    assert '"runner.postScriptGC": True' in added
    compile(workspace.COLLECTING, "program", "exec")


def test_rounds_are_put_together_and_each_keeps_its_percentile() -> None:
    rounds = [
        {"saves_ms": [10.0, 20.0], "runs_ms": [1.0], "run_ms": 40.0, "save_ms": 1.0},
        {"saves_ms": [30.0], "runs_ms": [3.0], "run_ms": 60.0, "save_ms": 2.0, "memory_mib": [1.2, 2.6]},
    ]
    figures = workspace.save_figures(rounds)
    assert figures["save"] == {"median_ms": 20.0, "p95_ms": 29.0}
    assert figures["p95_ms of each round"] == [19.5, 30.0]
    assert (figures["processor_ms_a_run"], figures["processor_ms_a_save"]) == (50.0, 1.5)
    assert figures["memory_mib"] == [1, 3]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks into /proc")
def test_a_process_has_memory_and_has_computed() -> None:
    assert workspace.resident_mib(os.getpid()) > 10
    assert workspace.processor_seconds(os.getpid()) > 0
