"""The charts of the page Models draw what was measured."""

from __future__ import annotations

import pytest

from app.models import charts
from core.active_learning.effect import ArmResult, Batch
from core.evaluation.comparison import ClassComparison, PairedMetric


def entry(name: str, boxes: int, difference: float | None, spread: float = 0.01) -> ClassComparison:
    if difference is None:
        return ClassComparison(name, boxes, PairedMetric(None, None, None))
    interval = (difference - spread, difference + spread)
    return ClassComparison(name, boxes, PairedMetric(0.5, 0.5 + difference, difference, None, None, interval))


def test_the_class_that_lost_most_is_on_top_with_its_interval():
    chart = charts.class_differences([entry("hat", 30, 0.04), entry("bag", 30, -0.08), entry("tie", 0, None)])
    (dots,) = chart.data
    assert list(dots.y) == ["bag", "hat"] and list(dots.x) == pytest.approx([-8.0, 4.0])
    assert list(dots.error_x.array) == pytest.approx([1.0, 1.0]) == list(dots.error_x.arrayminus)
    assert list(dots.marker.color) == [charts.LOST, charts.GAINED]


def test_what_cannot_be_told_from_nothing_is_grey():
    assert charts.color_of(entry("hat", 30, 0.005)) == charts.UNSURE
    assert charts.color_of(entry("hat", 5, 0.2)) == charts.GAINED


def test_names_of_classes_are_text():
    (dots,) = charts.class_differences([entry("<b>hat</b>", 30, 0.1)]).data
    assert list(dots.y) == ["&lt;b&gt;hat&lt;/b&gt;"]


def test_models_stand_in_the_order_of_what_they_learned_from():
    models = [
        charts.Measured("second", 200, 0.5, (0.45, 0.55)),
        charts.Measured("<first>", 100, 0.4),
    ]
    (line,) = charts.correction_gains(models, "mAP50").data
    assert list(line.x) == [100, 200] and list(line.y) == pytest.approx([40.0, 50.0])
    assert list(line.error_y.array) == pytest.approx([0.0, 5.0])
    assert line.customdata[0][0] == "&lt;first&gt;"


def test_the_arms_of_the_queue_stand_beside_each_other():
    batches = [
        Batch(2, {"selected": ArmResult(40, 2.5, (2.0, 3.1), {}), "control": ArmResult(10, 1.0, None, {})}),
        Batch(None, {"selected": ArmResult(3, 2.0, None, {})}),
    ]
    bars, random = charts.arms(batches).data
    assert list(random.x) == ["revision 2"] and list(bars.x) == ["revision 2", "since"]
    assert list(bars.y) == [2.5, 2.0] and list(bars.customdata) == [40, 3]
    assert list(bars.error_y.array) == pytest.approx([0.6, 0.0])
