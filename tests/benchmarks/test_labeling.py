"""The labeling's benchmark measures every stage apart, and the command line in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks import labeling
from core.inference.engines.export_cache import exported
from core.models.cards import read_card


def test_it_prints_one_json_line_with_every_stage(
    tiny_weights: Path,
    exported_here: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("LAPEL_ENGINE", "pytorch")  # and so again afterwards
    monkeypatch.setattr(labeling, "SAMPLES", labeling.SAMPLES[:2])
    files = [tiny_weights / f"{kind}.safetensors" for kind in ("detector", "classifier")]
    for file in files:  # with an export, the command's processes need not load PyTorch
        assert exported(file, read_card(file), "onnxruntime") is not None
    weights = ["--weights", str(files[0]), "--weights", str(files[1])]
    few = ["--repeats", "1", "--rounds", "1", "--photos", "2", "--engines", "onnxruntime"]
    monkeypatch.setattr(sys, "argv", ["labeling", *few, *weights])
    labeling.main()
    printed = capsys.readouterr()
    line = json.loads(printed.out)
    assert line["models"] == {"detector": "tiny detector", "classifier": "tiny classifier"}
    rows = {name: row["median"] for name, row in line["rows"]["onnxruntime"].items()}
    assert set(rows) == {
        "reading", "detector", "classifier", "classifier, a garment", "detector's maps", "all maps",
        "crops (count)",
    }  # fmt: skip
    assert all(value > 0 for value in rows.values()), "a photo without garments is classified as a whole"
    process = line["process"]["onnxruntime"]
    assert {case: row["photos"] for case, row in process.items()} == {
        "one photo": 1, "all photos": 2, "beside load": 2
    }  # fmt: skip
    assert all(row["first_photo_s"] > 0 and row["photos_per_s"] > 0 for row in process.values())
    assert "2 drawn photos" in printed.err and line["machine"]["processor"] in printed.err


def test_the_median_stands_between_its_quartiles() -> None:
    assert labeling.row_of([5.0, 1.0, 4.0, 2.0, 3.0]) == {"median": 3.0, "low": 1.5, "high": 4.5}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_read_of_a_running_process_and_is_none_of_a_gone_one() -> None:
    assert labeling.peak_mib(os.getpid()) > 20
    assert labeling.peak_mib(2**22 + 1) == 0


def test_a_run_that_loses_photos_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(SystemExit, match="expected 1 photos to be labeled, got 0"):
        labeling.fresh(labeling.SAMPLES[:1], [], "pytorch")
