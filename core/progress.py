"""How long work says how far it is: one callback for the library, the pages and the command line."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with how much is done, out of how much, now and then; what it raises ends the work.

    ``message`` says what is being done, where that changes. A total of 0 is one that is not known yet.
    """

    def __call__(self, done: int, total: int, message: str = "", /) -> object: ...


def ignore_progress(done: int, total: int, message: str = "", /) -> None:
    """The callback of work that nobody watches."""
