"""Compute threads: both sides share the cores, sleep while they wait, and import one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core import threads
from core.files import cache_folder
from core.threads import (
    WAITING,
    ComputeSlots,
    compute_threads,
    cores,
    parallel_map,
    use_passive_waiting,
)
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path))
    monkeypatch.delenv("LAPEL_BACKGROUND", raising=False)
    # A mark of this test is a fresh one, however busy the machine is.
    monkeypatch.setattr(threads, "ACTIVE_SECONDS", {"foreground": 1000.0, "background": 1000.0})


def mark_of(side: str, process: int | None = None) -> Path:
    """The mark that a process of a side leaves, by default this one; this one has left one before."""
    (own,) = (cache_folder() / "computing").glob(f"*-{side}-{os.getpid()}.mark")
    return own.with_name(own.name.replace(f"-{os.getpid()}.", f"-{process or os.getpid()}."))


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
    os.utime(mark_of("foreground"), (long_ago, long_ago))
    assert compute_threads() == 4
    ahead = time.time() + 1000
    os.utime(mark_of("foreground"), (ahead, ahead))
    assert compute_threads() == 4, "a clock that was set back"


def test_processes_of_one_side_share_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    as_side("background", monkeypatch)
    assert compute_threads() == 8
    for other in (1, 2):
        mark_of("background", other).touch()
    assert compute_threads() == 8 // 3, "labeling, training and ordering"
    as_side("foreground", monkeypatch)
    assert compute_threads() == 4
    mark_of("foreground", 1).touch()
    assert compute_threads() == 2


def test_a_mark_is_no_link_to_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    os.utime(victim, (1, 1))
    monkeypatch.setattr(threads, "MARK_SECONDS", 0.0)
    compute_threads()
    mark = mark_of("foreground")
    mark.unlink()
    compute_threads()
    assert mark.is_file(), "it marks each time"
    mark.unlink()
    mark.symlink_to(victim)
    compute_threads()
    assert victim.stat().st_mtime == 1


def test_without_a_place_for_marks_all_cores_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (cache_folder() / "computing").write_bytes(b"")  # a file is in the folder's place
    assert compute_threads() == 3
    as_side("background", monkeypatch)
    assert compute_threads() == 3


def test_the_cores_are_at_least_one_and_what_a_person_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, expected in (("7", 7), ("0", None), ("many", None)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert cores() == expected if expected else cores() >= 1


def test_no_more_passes_run_at_once_than_there_are_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    slots, running, most, lock = ComputeSlots(), [0], [0], threading.Lock()
    two = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def work(_: int) -> None:
        with slots.taken():
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            two.wait()  # until a second pass runs beside it
            with lock:
                running[0] -= 1

    list(parallel_map(range(12), work, threads=6))  # no more than may be ahead of the reader
    assert most[0] == 2


def test_a_pass_on_several_threads_takes_as_many_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    slots = ComputeSlots()
    with slots.taken() as one, slots.taken(2) as two, slots.taken(4) as rest:
        assert (one, two, rest) == (1, 2, 1)
    with slots.taken(4) as all_of_them:
        assert all_of_them == 4


def test_pytorch_computes_one_pass_at_a_time_on_the_slots_that_are_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two engines, of detector and classifier, and a worker's step before that has left it one thread."""
    import torch

    from core.inference.engines.pytorch import PyTorchEngine

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(threads, "SLOTS", ComputeSlots())
    running, seen, lock = [0], [], threading.Lock()

    class Slow(torch.nn.Module):
        inputs, outputs = ("x",), ("y",)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            with lock:
                running[0] += 1
                seen.append((running[0], torch.get_num_threads()))
            time.sleep(0.02)
            with lock:
                running[0] -= 1
            return (x,)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engines = [PyTorchEngine(Slow()), PyTorchEngine(Slow())]  # type: ignore[arg-type]
        given = {"x": np.zeros(1, np.int64)}
        list(parallel_map(range(8), lambda n: engines[n % 2].run(given, ["y"]), threads=4))
        assert seen == [(1, 3)] * 8
        with threads.SLOTS.taken():
            engines[0].run(given, ["y"])
        assert seen[-1] == (1, 2), "an exported network computes on the third core"
    finally:
        torch.set_num_threads(before)


def test_results_come_in_order_and_the_work_overlaps() -> None:
    both = threading.Barrier(2, timeout=60)

    def work(number: int) -> int:
        if number < 2:
            both.wait()  # passes only where the first two are in work at the same time
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(parallel_map(range(40), work, threads=2)) == [n * n for n in range(40)]
    assert list(parallel_map([], work, threads=2)) == []


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

    for result in parallel_map(items(), lambda item: item, threads=3):
        assert result == given[0]
        given[0] += 1
    assert given[0] == 50


def test_an_error_comes_in_its_place_and_ends_the_rest() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk is gone")

    found = []
    with pytest.raises(OSError, match="gone"):
        for result in parallel_map(items(), lambda item: item, threads=2):
            found.append(result)
    assert found == [0, 1, 2, 3, 4]

    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    found = []
    with pytest.raises(ValueError, match="three"):
        for result in parallel_map(range(100), work, threads=2):
            found.append(result)
    assert found == [0, 1, 2]


def test_a_reader_that_stops_ends_the_threads() -> None:
    before = threading.active_count()
    results = parallel_map(range(10**9), lambda item: item, threads=3)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before


def test_children_inherit_the_choice_and_a_persons_own_stays(monkeypatch):
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KMP_BLOCKTIME", "7")
    use_passive_waiting()
    code = "import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['KMP_BLOCKTIME'])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["PASSIVE", "7"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks GNU's OpenMP")
@pytest.mark.parametrize(
    "launch",
    ["from core.__main__ import main", "from app.__main__ import main", "from app.demo.launch import main"],
)
def test_a_launcher_chooses_before_pytorch_loads(launch):
    """OpenMP says on stderr what it read, once it is loaded: all of PyTorch takes two seconds."""
    code = f"""
import sys
{launch}
sys.argv = ["lapel", "--help"]
try:
    main()
except SystemExit:
    pass
import ctypes, sys
from importlib.util import find_spec
from pathlib import Path
assert "torch" not in sys.modules
found = [*(Path(find_spec("torch").origin).parent / "lib").glob("libgomp*")]
if found:
    ctypes.CDLL(str(found[0]))
else:
    import torch
"""
    environment = {k: v for k, v in os.environ.items() if k not in WAITING} | {"OMP_DISPLAY_ENV": "TRUE"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in ran.stderr, ran.stderr[-500:]


TWO_THREADS = """
import builtins, importlib, sys, threading, time
from contextlib import nullcontext
from core.threads import IMPORTS

sys.path.insert(0, sys.argv[1])
guard = IMPORTS if sys.argv[2] == "locked" else nullcontext()
builtins.begun = begun = threading.Event()
failed = []

def wait_for_the_other():
    # Until the main thread has the part's import lock and waits for the package's; locked, it may not import.
    while sys.argv[2] != "locked":
        waits = importlib._bootstrap._blocking_on.get(threading.main_thread().ident) or []
        if any(lock.name == "halves" for lock in (waits if isinstance(waits, list) else [waits])):
            return
        time.sleep(0.001)

builtins.wait_for_the_other = wait_for_the_other

def bring(name):
    try:
        with guard:
            importlib.import_module(name)
    except Exception as error:
        failed.append(error)

first = threading.Thread(target=bring, args=("halves",))
first.start()
begun.wait()
bring("halves.other")
first.join()
print(len(failed))
"""


@pytest.mark.parametrize(("how", "failures"), [("locked", False), ("unlocked", True)])
def test_two_threads_may_import_a_package_from_two_ends_one_at_a_time(tmp_path, how, failures):
    """One thread imports a package, which imports its part; another imports the part meanwhile."""
    package = tmp_path / "halves"
    package.mkdir()
    (package / "__init__.py").write_text(
        "begun.set()\nwait_for_the_other()\nready = True\nfrom halves.other import name\n"
    )
    (package / "other.py").write_text("import halves\nname = halves.ready\n")
    done = subprocess.run(
        [sys.executable, "-c", TWO_THREADS, str(tmp_path), how],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (int(done.stdout) > 0) is failures
