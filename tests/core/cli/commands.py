"""Runs ``python -m core`` in the test's process."""

from __future__ import annotations

import sys

from core.__main__ import main


def command(*arguments: object, status: int = 0) -> None:
    """A command, which has to end with this status."""
    before, sys.argv = sys.argv, ["python -m core", *map(str, arguments)]
    ended: object = 0
    try:
        main()
    except SystemExit as left:
        ended = left.code or 0
    finally:
        sys.argv = before
    assert ended == status
