"""The training's benchmark measures the plain and the fused way in one run."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import training


def test_it_prints_photos_a_second_and_shares_of_each_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--steps", "1", "--preset", "pico", "--batch", "2", "--width", "64", "--height", "96"]
    monkeypatch.setattr(sys, "argv", ["training", *small])
    training.main()
    printed = capsys.readouterr()
    line = json.loads(printed.out)
    assert set(line["rows"]) == set(line["shares"]) == {"plain", "fused", "frozen"}
    for name in line["rows"]:
        assert line["rows"][name]["photos_per_second"] > 0
        assert sum(line["shares"][name].values()) == pytest.approx(1, abs=0.01)
    assert "share of a step" in printed.err and line["machine"]["processor"] in printed.err
