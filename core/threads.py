"""Compute threads: how many a process may use at a time, and how they wait for each other.

OpenMP's threads spin between two operations by default. On a machine that does other work as well they burn
what the others wait for: a forward pass of 0.12 s took 4.8 s. Passive threads sleep until they are woken.

App, worker and training share the cores. A forward pass in an exported network takes one thread and one
*slot*, PyTorch all slots that are free. A process has as many slots as it may use cores: all of them while
nothing else computes on this machine, half of them while the other side does (in the foreground people wait:
app, demo, command line; in the background works a worker with its trainings). The processes of a side share
what it has, at least one each, so that more processes than cores exceed them. Each leaves a mark, a file's
time in the user's cache folder, while it computes, so that no process has to answer: processes of other
accounts or with another ``LAPEL_CACHE`` are not seen. ``core train`` leaves marks but keeps its threads, as
its weights repeat to the bit: others make room for it. Only one thread at a time imports PyTorch.
"""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from core.files import CACHE_VARIABLE, cache_folder

Item = TypeVar("Item")
Result = TypeVar("Result")

IMPORTS = threading.RLock()
"""Held around imports inside functions that bring PyTorch or another large package.

Python locks each module for itself. Of two threads that import one package from two ends, one is told of a
deadlock or is handed half a module, and fails.
"""

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP, and for LLVM's and Intel's, which wait 200 ms before they sleep."""

BACKGROUND_VARIABLE = "LAPEL_BACKGROUND"
"""Set to 1 in workers and in what they start."""

MARK_SECONDS, FORGOTTEN_SECONDS = 0.5, 3600.0
ACTIVE_SECONDS = {"foreground": 3.0, "background": 10.0}
"""A process counts as computing for so long after its last mark: a training marks once a step."""


def use_passive_waiting() -> None:
    """Set the environment that OpenMP reads when it is loaded; what a person has set stays.

    The launchers call it first; processes that they start inherit it.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


def work_in_background() -> None:
    """Have this process, and those that it starts, leave half of the cores to a foreground that computes."""
    os.environ[BACKGROUND_VARIABLE] = "1"


def cores() -> int:
    """Cores for this process: ``OMP_NUM_THREADS`` where that is set, else its affinity and its quota."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return allowed


def compute_threads() -> int:
    """Threads that this process may compute with now, at least one; marks it as computing.

    Half of the cores are each side's while both compute, and the processes of a side share what it has.
    """
    total = cores()
    own, other = ("background", "foreground") if is_background() else ("foreground", "background")
    _mark(own)
    if _active(other):
        background = max(1, total // 2)
        total = background if own == "background" else total - background
    return max(1, total // max(1, _active(own)))


def share_the_cores(most: int) -> None:
    """Give PyTorch ``compute_threads``, at most ``most``: before a step of a training on the CPU."""
    import torch

    threads = min(most, compute_threads())
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def is_background() -> bool:
    """Whether this process is a worker, or was started by one."""
    return os.environ.get(BACKGROUND_VARIABLE) == "1"


class ComputeSlots:
    """The threads that forward passes of this process compute on: never more than ``compute_threads``."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._taken = 0

    @contextmanager
    def taken(self, most: int = 1) -> Iterator[int]:
        """Wait for a slot and hold it, with others that are free then, ``most`` in all; gives how many."""
        with self._free:
            while self._taken >= (slots := compute_threads()):
                self._free.wait(0.2)  # the other side may have stopped meanwhile
            held = min(most, slots - self._taken)
            self._taken += held
        try:
            yield held
        finally:
            with self._free:
                self._taken -= held
                self._free.notify(held)


SLOTS = ComputeSlots()
"""This process's slots, which all of its engines share."""

_torch = threading.Lock()


@contextmanager
def torch_computes() -> Iterator[None]:
    """Compute in PyTorch on the CPU: one thread of this process at a time, on all slots that are free.

    A thread that is within must not enter it again.
    """
    import torch

    with _torch, SLOTS.taken(cores()) as threads:
        if torch.get_num_threads() != threads:  # each thread has a number of its own
            torch.set_num_threads(threads)
        yield


_marked: dict[Path, float] = {}
"""When this process last left each mark, by ``time.monotonic``."""


def _mark_file(side: str, process: int | None = None) -> Path:
    """A process's mark: of this machine, as a cache folder may lie on several."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:64]
    return _marks(os.environ.get(CACHE_VARIABLE)) / f"{host}-{side}-{process or os.getpid()}.mark"


@cache
def _marks(named: str | None) -> Path:
    """The folder of the marks, by the variable that names it: this user's own."""
    folder = cache_folder() / "computing"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _mark(side: str) -> None:
    with suppress(OSError):  # without a place for marks each process uses all cores
        mark, now = _mark_file(side), time.monotonic()
        if now - _marked.get(mark, -1e9) < MARK_SECONDS:
            return
        _marked[mark] = now
        file = os.open(mark, os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600)
        os.utime(file)
        os.close(file)


def _active(side: str) -> int:
    """How many processes of a side compute on this machine; marks of those that are gone are removed."""
    count = 0
    with suppress(OSError):
        own = _mark_file(side)
        for mark in own.parent.glob(own.name.replace(f"-{os.getpid()}.", "-*.")):
            with suppress(OSError):
                age = time.time() - mark.stat().st_mtime
                count += 0 <= age < ACTIVE_SECONDS[side]
                if not -FORGOTTEN_SECONDS < age < FORGOTTEN_SECONDS:
                    mark.unlink()
    return count


def parallel_map(
    items: Iterable[Item], work: Callable[[Item], Result], threads: int | None = None
) -> Generator[Result, None, None]:
    """``work`` of each item, in order, on as many threads as there are cores.

    One thread at a time takes the next item, so that reading one overlaps with the work on others; at most
    twice as many items as threads are ahead of the reader. An error of ``items`` or ``work`` is raised in its
    place, and ends the rest. Closing the generator ends it after the items in work.
    """
    yield from _ParallelMap(iter(items), work, threads or cores())


class _ParallelMap(Generic[Item, Result]):
    def __init__(self, items: Iterator[Item], work: Callable[[Item], Result], threads: int) -> None:
        self._items, self._work, self._threads = items, work, threads
        self._reading = threading.Lock()
        self._changed = threading.Condition()
        self._done: dict[int, Result | BaseException] = {}
        self._taken = self._given = 0
        self._is_over = False

    def __iter__(self) -> Iterator[Result]:
        workers = [threading.Thread(target=self._run, daemon=True) for _ in range(self._threads)]
        for worker in workers:
            worker.start()
        try:
            while (found := self._next()) is not _END:
                if isinstance(found, BaseException):
                    raise found
                yield cast(Result, found)
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()
            for worker in workers:
                worker.join()

    def _next(self) -> Any:
        """The next result in order, or the error in its place; ``_END`` after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._given in self._done or self._ended())
            if self._given not in self._done:
                return _END
            self._given += 1
            self._changed.notify_all()
            return self._done.pop(self._given - 1)

    def _ended(self) -> bool:
        return self._is_over and self._given == self._taken

    def _run(self) -> None:
        while True:
            with self._reading:
                number, item = self._take()
            if item is _END:
                return
            try:
                result: Result | BaseException = self._work(item)
            except BaseException as error:
                result = error
            self._put(number, result)

    def _take(self) -> tuple[int, Any]:
        """The next item with its number, once there is room for it; ``_END`` where there is none."""
        with self._changed:
            room = 2 * self._threads
            self._changed.wait_for(lambda: self._is_over or self._taken - self._given < room)
            if self._is_over:
                return self._taken, _END
        try:
            item: Any = next(self._items, _END)
        except BaseException as error:
            with self._changed:
                self._taken += 1
            self._put(self._taken - 1, error)
            item = _END
        with self._changed:
            if item is _END:
                self._is_over = True
                self._changed.notify_all()
            else:
                self._taken += 1
            return self._taken - 1, item

    def _put(self, number: int, result: Result | BaseException) -> None:
        with self._changed:
            self._done[number] = result
            self._changed.notify_all()


_END = object()
