"""The charts of the work: what they draw is what was counted."""

from __future__ import annotations

import pytest

from app.data import charts


def test_the_category_with_most_boxes_is_on_top_in_its_own_color():
    (bars,) = charts.class_balance(
        [("hat", "#111111", 2), ("shirt", "#222222", 9), ("bag", "#333333", 0)]
    ).data
    assert list(bars.y) == ["shirt", "hat", "bag"]
    assert list(bars.x) == [9, 2, 0]
    assert list(bars.marker.color) == ["#222222", "#111111", "#333333"]


def test_box_sizes_fill_equal_bins_over_the_whole_range():
    (bars,) = charts.box_size_histogram([3, 0, 1, 2]).data
    assert list(bars.x) == pytest.approx([12.5, 37.5, 62.5, 87.5])
    assert list(bars.y) == [3, 0, 1, 2]
    assert bars.customdata[0] == "0–25 %"


def test_work_is_stacked_by_person_and_names_are_text():
    rows = [("2026-05-02", "<b>Bo</b>", 1), ("2026-05-01", "Anna", 2), ("2026-05-02", "Anna", 4)]
    figure = charts.work_by_day(rows)
    assert figure.layout.barmode == "stack"
    assert {trace.name: list(trace.y) for trace in figure.data} == {
        "Anna": [2, 4],
        "&lt;b&gt;Bo&lt;/b&gt;": [1],
    }


def test_one_day_alone_is_shown_as_a_day():
    figure = charts.work_by_day([("2026-05-02", "Anna", 1)])
    assert list(figure.layout.xaxis.range) == ["2026-04-28", "2026-05-06"]


@pytest.mark.parametrize(("most", "step"), [(0, 1), (5, 1), (6, 2), (11, 5), (42, 10), (100_000, 20_000)])
def test_counts_have_whole_grid_lines_and_few(most, step):
    assert charts.whole_step(most) == step


def test_the_origins_add_up_to_all_boxes():
    figure = charts.origin_bar({"drawn": 3, "accepted": 1, "corrected": 0})
    assert sum(trace.x[0] for trace in figure.data) == 4 == figure.layout.xaxis.range[1]
    assert [trace.text for trace in figure.data] == ["75%", "25%", ""]


def test_agreement_is_binned_over_nought_to_one():
    (bars,) = charts.agreement_histogram([1.0, 0.99, 0.0]).data
    assert bars.y[0] == 1 and bars.y[-1] == 2 and sum(bars.y) == 3


@pytest.mark.parametrize(
    "figure",
    [
        charts.class_balance([]),
        charts.box_size_histogram([0] * 20),
        charts.work_by_day([]),
        charts.origin_bar({"drawn": 0}),
        charts.agreement_histogram([]),
    ],
)
def test_nothing_counted_is_an_empty_chart_and_no_error(figure):
    assert figure.layout.height > 0
