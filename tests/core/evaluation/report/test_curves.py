"""Training curves from cards and from history.jsonl, alone and several in one chart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import LapelError
from core.evaluation.report.curves import TrainingRun, run_of_card, run_of_file, training_curves
from core.models.cards import ModelCard


def test_a_history_is_read_without_the_line_that_was_cut_off(tmp_path: Path):
    lines = [json.dumps({"epoch": n, "train_loss": 1.0 / n}) for n in (1, 2)]
    (tmp_path / "history.jsonl").write_text("\n".join([*lines, '{"epoch": 3, "tra']))
    run = run_of_file(tmp_path)
    assert run.name == tmp_path.name and [point["epoch"] for point in run.points] == [1, 2]
    assert run_of_file(tmp_path / "history.jsonl", "mine").name == "mine"


def test_what_is_no_history_is_one_sentence(tmp_path: Path):
    with pytest.raises(LapelError, match=r"expected a training's history\.jsonl at .*No such file"):
        run_of_file(tmp_path / "none")
    (tmp_path / "history.jsonl").write_text("[1]\nnothing\n")
    with pytest.raises(LapelError, match="expected a JSON object a line"):
        run_of_file(tmp_path)


def test_losses_are_raw_smoothed_and_of_validation_and_metrics_apart():
    points = [
        {"epoch": n, "train_loss": float(n), "val_loss": 1.0, "val_map50": 0.5, "seconds": 3} for n in (1, 3)
    ]
    curves = training_curves([TrainingRun("run", points)])
    assert curves is not None and curves["axis"] == "epoch"
    assert [(s["name"], s["kind"]) for s in curves["loss"]] == [
        ("train_loss", "raw"), ("train_loss", "smoothed"), ("val_loss", "validation"),
    ]  # fmt: skip
    assert curves["loss"][1]["y"] == pytest.approx([1.0, (0.6 * 0.4 * 1 + 0.4 * 3) / 0.64], abs=1e-5)
    assert curves["metrics"][0]["x"] == [1.0, 3.0]


def test_several_runs_share_an_axis_that_all_of_them_have():
    one = TrainingRun(
        "one", [{"epoch": 1, "images": 10, "loss": 1.0}, {"epoch": 2, "images": 20, "loss": 0.5}]
    )
    two = TrainingRun("two", [{"images": 5, "loss": 1.0}, {"images": 25, "loss": 0.5}])
    three = TrainingRun("three", [{"images": 9, "loss": 1.0}, {"images": 3, "loss": 0.5}])
    assert training_curves([one, two])["axis"] == "images"  # type: ignore[index]
    both = training_curves([one, three])
    assert both is not None and both["axis"] == "validation" and both["runs"] == ["one", "three"]
    assert both["loss"][0]["x"] == [1.0, 2.0], "images fall in the third, so the points are counted"


def test_a_card_may_have_a_curve_or_not():
    card = ModelCard("detector", "yolov4-gs", "small", ("a",), 480)
    assert run_of_card("x", card) is None and training_curves([]) is None
    card = ModelCard("detector", "yolov4-gs", "small", ("a",), 480, training={"curve": [{"loss": 1.0}, 3]})
    assert len(run_of_card("x", card).points) == 1  # type: ignore[union-attr]
    nothing = TrainingRun("x", [{"loss": float("nan"), "stage": "warmup"}])
    assert training_curves([nothing]) is None
