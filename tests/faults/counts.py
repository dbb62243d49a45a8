"""How often the tests do harm: a few times in the suite, ``LAPEL_FAULTS`` times in ``make faults``."""

from __future__ import annotations

import os

VARIABLE = "LAPEL_FAULTS"
SECONDS_EACH = 60
"""What a test may take for each time, beyond the suite's own limit."""


def times(few: int) -> int:
    """How often to do it: ``few`` in the suite. Raises ValueError for no number above 0."""
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        return few
    if not said.isdecimal() or int(said) < 1:
        raise ValueError(f"expected a whole number above 0 in {VARIABLE}, got {said!r}")
    return int(said)


def timeout_seconds() -> int:
    """How long one test may take: the suite's five minutes, and more for more than a few times."""
    return 300 + SECONDS_EACH * times(0)
