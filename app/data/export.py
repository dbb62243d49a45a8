"""A revision as a file to take away: what is wanted of it, and the file once it is ready."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import StoreFullError
from core.store import Store
from core.store.exports import export_revision, is_zip

FORMATS = {
    "coco": "COCO (one JSON file)",
    "voc": "Pascal VOC (an XML file a photo)",
    "yolo": "YOLO (a text file a photo)",
    "csv": "CSV (a row a box)",
}
PARTS: dict[str, bool | None] = {
    "all photos": None,
    "without the holdout, to train on": False,
    "only the holdout, to measure on": True,
}


@dataclass(frozen=True)
class Wanted:
    """What is to be taken away."""

    number: int
    format: str
    pictures: bool
    holdout: bool | None

    @property
    def file_name(self) -> str:
        """The name to save it under."""
        part = {None: "", False: "-training", True: "-holdout"}[self.holdout]
        ending = "zip" if is_zip(self.format, self.pictures) else {"coco": "json"}.get(self.format, "csv")
        return f"lapel-r{self.number}{part}-{self.format}.{ending}"


@dataclass(frozen=True)
class Prepared:
    """A file that is ready; its folder goes when the session does."""

    wanted: Wanted
    path: Path
    home: tempfile.TemporaryDirectory[str] = field(repr=False, compare=False)


def prepare(store: Store, wanted: Wanted, report: Callable[[float], object]) -> Prepared:
    """Write the file; ``report`` is told the part that is done, 0..1. Raises StoreError, StoreFullError."""
    home = tempfile.TemporaryDirectory(prefix="lapel-export-", ignore_cleanup_errors=True)
    path = Path(home.name) / wanted.file_name
    try:
        with path.open("wb") as out:
            export_revision(
                store,
                wanted.number,
                wanted.format,
                out,
                pictures=wanted.pictures,
                holdout=wanted.holdout,
                report=report,
            )
    except OSError as error:
        raise StoreFullError(f"The file could not be written: {error.strerror}.") from error
    return Prepared(wanted, path, home)
