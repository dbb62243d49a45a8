"""A training's curve: smoothing, pace, and what is drawn."""

from __future__ import annotations

import pytest

from app.train import curves
from core.store.trainings import Point


def points(*losses: float | None, seconds: float = 2.0) -> list[Point]:
    return [Point(step, {"loss": loss}, seconds * step) for step, loss in enumerate(losses, start=1)]


def test_an_even_loss_is_smoothed_to_itself_from_the_beginning():
    assert curves.smoothed([3.0] * 5) == pytest.approx([3.0] * 5)
    assert curves.smoothed([]) == []


def test_gaps_are_left_out_of_the_curve():
    assert curves.series(points(2.0, None, 1.0), "loss") == ([1, 3], [2.0, 1.0])


def test_the_pace_is_that_of_the_latest_steps():
    assert curves.steps_a_second(points(1.0)) is None
    assert curves.steps_a_second(points(1.0, 1.0, 1.0)) == pytest.approx(0.5)
    quicker = points(*[1.0] * 100) + [Point(101 + n, {}, 200 + 0.1 * n) for n in range(curves.RECENT_POINTS)]
    assert curves.steps_a_second(quicker) == pytest.approx(10.0)


def test_the_loss_is_drawn_raw_and_smoothed_and_validations_beside_it():
    drawn = [*points(2.0, 1.0), Point(3, {"val_loss": 1.5}, 6.0)]
    traces = {trace.name: list(trace.y) for trace in curves.loss_chart(drawn, 10).data}
    assert traces["raw"] == [2.0, 1.0] and traces["validation"] == [1.5]
    assert traces["smoothed"][1] == pytest.approx((0.9 * 2.0 + 1.0) / 1.9)
    assert list(curves.loss_chart(drawn, 10).layout.xaxis.range) == [0, 10]


def test_a_long_curve_is_thinned_but_keeps_its_end():
    (raw, *_) = curves.loss_chart(points(*[float(n) for n in range(5000)]), 5000).data
    assert len(raw.x) <= curves.MAX_POINTS and raw.x[-1] == 5000


def test_what_validation_measures_is_in_percent():
    drawn = [Point(5, {"val_map50": 0.25, "val_map": 0.1, "loss": 1.0}, 1.0)]
    traces = {trace.name: list(trace.y) for trace in curves.validation_chart(drawn, 10).data}
    assert traces == {"mAP50": [25.0], "mAP": [10.0]}


def test_a_curve_that_is_read_in_pieces_is_whole_and_its_last_steps_are_new():
    curve = curves.Curve()
    curve.join(points(*[1.0] * 100), 0)
    assert curve.read_from == 50
    joined = curve.join([Point(step, {"loss": 2.0}, 0.0) for step in range(51, 121)], 50)
    assert [point.step for point in joined] == list(range(1, 121))
    assert joined[49].values["loss"] == 1.0 and joined[50].values["loss"] == 2.0


def test_a_curve_that_went_back_to_a_checkpoint_forgets_what_is_gone():
    curve = curves.Curve()
    curve.join(points(*[1.0] * 60), 0)
    assert [point.step for point in curve.join([], curve.read_from)] == list(range(1, 11))
