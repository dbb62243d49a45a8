"""The anchors' benchmark says what it measured and gives its ratio in the same run."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import anchors


def test_the_same_seed_makes_the_same_boxes() -> None:
    boxes_wh = anchors.synthetic_boxes(1000, seed=4)
    assert boxes_wh.shape == (1000, 2)
    assert (boxes_wh > 0).all()
    assert (boxes_wh == anchors.synthetic_boxes(1000, seed=4)).all()


def test_it_prints_one_json_line_with_a_ratio_to_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["anchors", "--boxes", "2000", "--repeats", "1"])
    anchors.main()
    printed = capsys.readouterr()
    line = json.loads(printed.out)
    ours, *others = line["rows"].values()
    assert ours["ratio"] == 1.0
    assert ours["mean_iou"] > max(row["mean_iou"] for row in others)
    assert "median of 1" in printed.err
