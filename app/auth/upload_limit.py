"""How much may be uploaded at a time, by one session of the workspace or by all visitors of the demo."""

from __future__ import annotations

import os

from core.errors import AccessError

VARIABLE = "LAPEL_UPLOAD_MB"
DEFAULT_MB = 2048
LARGEST_MB = 2**20


def limit_from_environment() -> int:
    """The limit in bytes. AccessError for a variable that is no size."""
    text = os.environ.get(VARIABLE, "").strip() or str(DEFAULT_MB)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= LARGEST_MB):
        raise AccessError(
            f"Expected {VARIABLE} to be whole megabytes from 1 to {LARGEST_MB}, got {text[:40]!r}."
        )
    return int(text) * 2**20
