"""Efficiency of many workers, worked out by hand."""

from __future__ import annotations

from benchmarks.scale import with_efficiency


def test_efficiency_is_the_rate_by_as_many_times_one_workers():
    rows = with_efficiency([{"workers": 1, "rate": 8.0}, {"workers": 4, "rate": 24.0}])
    assert [row["efficiency"] for row in rows] == [1.0, 0.75]
