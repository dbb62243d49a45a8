"""Compute threads: both sides together never take more than the cores, and photos overlap in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import threads
from core.threads import ComputeSlots, compute_threads, cores, overlapped


@pytest.fixture(autouse=True)
def own_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(threads, "_marked", {})
    monkeypatch.delenv("LAPEL_BACKGROUND", raising=False)


def as_side(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_BACKGROUND", "1" if side == "background" else "0")


@pytest.mark.parametrize(("total", "foreground", "background"), [(1, 1, 1), (2, 1, 1), (5, 3, 2), (16, 8, 8)])
def test_two_sides_that_compute_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, total: int, foreground: int, background: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(total))
    assert compute_threads() == total, "nothing computes in the background"
    as_side("background", monkeypatch)
    assert compute_threads() == background, "the foreground has just computed"
    as_side("foreground", monkeypatch)
    assert compute_threads() == foreground
    assert foreground + background == max(2, total)


def test_a_side_that_stopped_leaves_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    compute_threads()
    as_side("background", monkeypatch)
    assert compute_threads() == 2
    long_ago = time.time() - threads.ACTIVE_SECONDS["foreground"] - 1
    os.utime(threads._mark_file("foreground"), (long_ago, long_ago))
    assert compute_threads() == 4


def test_without_a_place_for_marks_all_cores_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(threads.tempfile, "gettempdir", lambda: str(tmp_path / "missing"))
    assert compute_threads() == 3


def test_the_cores_are_at_least_one_and_what_a_person_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, expected in (("7", 7), ("0", None), ("many", None)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert cores() == expected if expected else cores() >= 1


def test_no_more_passes_run_at_once_than_there_are_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    slots, running, most, lock = ComputeSlots(), [0], [0], threading.Lock()

    def work(_: int) -> None:
        with slots.taken():
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.01)
            with lock:
                running[0] -= 1

    list(overlapped(range(24), work, threads=6))
    assert most[0] == 2


def test_results_come_in_order_and_the_work_overlaps() -> None:
    both = threading.Barrier(2, timeout=60)

    def work(number: int) -> int:
        if number < 2:
            both.wait()  # passes only where the first two are in work at the same time
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(overlapped(range(40), work, threads=2)) == [n * n for n in range(40)]
    assert list(overlapped([], work, threads=2)) == []


def test_items_are_read_one_by_one_and_not_far_ahead() -> None:
    read, given = [0], [0]
    reading = threading.Lock()

    def items() -> Iterator[int]:
        for number in range(50):
            assert reading.acquire(blocking=False), "two threads read at once"
            read[0] += 1
            reading.release()
            assert read[0] - given[0] <= 2 * 3 + 1
            yield number

    for result in overlapped(items(), lambda item: item, threads=3):
        assert result == given[0]
        given[0] += 1
    assert given[0] == 50


def test_an_error_comes_in_its_place_and_ends_the_rest() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk is gone")

    found = []
    with pytest.raises(OSError, match="gone"):
        for result in overlapped(items(), lambda item: item, threads=2):
            found.append(result)
    assert found == [0, 1, 2, 3, 4]

    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    found = []
    with pytest.raises(ValueError, match="three"):
        for result in overlapped(range(100), work, threads=2):
            found.append(result)
    assert found == [0, 1, 2]


def test_a_reader_that_stops_ends_the_threads() -> None:
    before = threading.active_count()
    results = overlapped(range(10**9), lambda item: item, threads=3)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before
