"""A training that is to stop does so between two pieces of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from core.errors import LapelError

Item = TypeVar("Item")

CHECK_SECONDS = 0.5


class TrainingStopped(LapelError):
    """The training was cancelled; nothing of it is to be kept."""


class Brake:
    """Asks now and then whether to go on; ``stop`` says True where not."""

    def __init__(self, stop: Callable[[], bool], seconds: float = CHECK_SECONDS) -> None:
        self._stop, self._seconds = stop, seconds
        self._asked = float("-inf")

    def check(self) -> None:
        """Raises TrainingStopped where the training is to stop."""
        if time.monotonic() - self._asked < self._seconds:
            return
        if self._stop():
            raise TrainingStopped("The training was cancelled.")
        self._asked = time.monotonic()

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a look at the brake before each."""
        for item in items:
            self.check()
            yield item
