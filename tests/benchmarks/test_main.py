"""All benchmarks in turn: gathered with the machine, and one that fails stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks

LINE = {
    "benchmark": "anchors",
    "boxes": 20_000,
    "rows": {"ours": {"seconds": 1.5, "ratio": 1.0, "low": 1.0, "high": 2.0}},
    "machine": {"cores": 2},
    "exact": True,
    "note": "none",
}


def test_every_module_with_a_measurement_is_among_them() -> None:
    there = {path.stem for path in benchmarks.FOLDER.glob("[a-z]*.py")} - {"machine"}
    assert set(benchmarks.names()) == there
    assert benchmarks.names()[:3] == ("anchors", "models", "labeling")


def test_results_are_gathered_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def run(name: str, arguments: tuple[str, ...] = ()) -> dict | None:
        asked.append((name, arguments))
        return None if name == "models" else LINE

    monkeypatch.setattr(benchmarks, "run", run)
    status = benchmarks.main(["models", "anchors", "--quick", "--out", str(tmp_path / "results.json")])
    assert status == 1
    assert asked == [("models", benchmarks.QUICK["models"]), ("anchors", benchmarks.QUICK["anchors"])]
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["results"] == {"anchors": LINE}
    assert document["machine"]["processor"] and document["measured"].endswith("+00:00")
    printed = capsys.readouterr()
    assert printed.err == "failed: models\n"
    assert document["machine"]["processor"] in printed.out.splitlines()[0]
    assert "rows · ours · seconds" in printed.out and "20,000" in printed.out
    asked.clear()
    assert benchmarks.main(["anchors", "--out", str(tmp_path / "results.json")]) == 0
    assert asked == [("anchors", ())]


def test_numbers_are_shown_and_nothing_else() -> None:
    shown = dict(benchmarks.figures(LINE))
    assert shown == {"boxes": 20_000, "rows · ours · seconds": 1.5, "rows · ours · ratio": 1.0}


def test_a_benchmark_runs_in_a_process_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    line = benchmarks.run("anchors", ("--boxes", "500", "--repeats", "1"))
    assert line is not None and line["boxes"] == 500
    assert "mean IoU" in capfd.readouterr().err
    assert benchmarks.run("anchors", ("--boxes", "3", "--repeats", "1")) is None, "fewer boxes than anchors"


def test_an_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        benchmarks.main(["speed"])
    assert left.value.code == 2
    assert "got speed" in capsys.readouterr().err
