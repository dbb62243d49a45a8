"""Charts: where lines, bars and intervals lie, gaps, and the numbers at the axes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from core.evaluation.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Line,
    Row,
    bar_chart,
    line_chart,
    reliability_diagram,
    row_bars,
    row_intervals,
)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Axis("", 0.5, 1), [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        (Axis("", 0, 123_520), [0, 25_000, 50_000, 75_000, 100_000]),
        (Axis("", -0.3, 0.3), [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]),
        (Axis("", 2, 2), [2]),
    ],
)
def test_ticks_are_few_and_round(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


def test_a_line_goes_from_corner_to_corner_and_breaks_at_gaps():
    line = Line("a & b", [0, 0.5, 0.75, 1], [0, None, 0.5, 1], "#123456")
    svg = line_chart([line], Axis("x"), Axis("y"), "a chart", [(0.9, "mark <here>")])
    pieces = [group.get("points") for group in ElementTree.fromstring(svg).iter("polyline")]
    assert pieces[0] == f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f}"
    assert pieces[1].split()[-1] == f"{WIDTH - RIGHT:.1f},{TOP:.1f}"
    assert 'data-x="0.0 1.0"' in svg and "mark &lt;here&gt;" in svg and 'data-name="a &amp; b"' in svg


def test_bars_are_as_high_as_their_values():
    svg = bar_chart([0, 0.5, 1], [1.0, 0.25], Axis("x"), Axis("y"), "bars", ["one", "two"])
    heights = [float(bar.get("height", "")) for bar in ElementTree.fromstring(svg).iter("rect")]
    assert heights == pytest.approx([HEIGHT - BOTTOM - TOP, (HEIGHT - BOTTOM - TOP) / 4], abs=0.1)
    assert "<title>one</title>" in svg


def test_a_reliability_diagram_shows_counts_and_no_dot_for_an_empty_bin():
    svg = reliability_diagram([0, 0.5, 1], [0, 1234], [None, 0.8], [None, 0.7], "reliability")
    assert svg.count('class="dot"') == 1 and ">1.2k<" in svg and "1,234 with mean score 0.80" in svg


def test_rows_have_their_names_and_intervals_are_cut_to_the_axis():
    rows = [Row("a very long name of a category", 0.5, (-0.5, 0.9), "0.5"), Row("none", None)]
    svg = row_intervals([("model", "#111111", rows)], Axis("AP"), "AP")
    (interval,) = ElementTree.fromstring(svg).findall("g")
    low = float(interval.find("line").get("x1", ""))  # type: ignore[union-attr]
    assert low == pytest.approx(150.0) and "a very long name of …" in svg
    bars = row_bars([Row("gain", 0.1, None, "0.100"), Row("nothing", None)], Axis("dAP", 0, 0.1), "dAP")
    assert len(re.findall("<rect", bars)) == 2 and ">0.100<" in bars
