"""Input and output of commands: JSON on stdout, progress on stderr, output files, the store they act on."""

from __future__ import annotations

import getpass
import json
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn, TypeVar

import typer

from core.errors import LapelError
from core.files import atomic_write

if TYPE_CHECKING:
    from core.store import Store

Item = TypeVar("Item")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[
    Path | None, typer.Option(help="Folder of the store; LAPEL_DATA or the user's share folder by default.")
]
By = Annotated[str | None, typer.Option(help="The user in whose name; the shell's account by default.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, or cuda:N for one of several GPUs.")]


def pass_data_on(context: typer.Context, data: Path | None) -> None:
    """Have ``--data`` before a subcommand's name count as if it stood behind it."""
    if context.invoked_subcommand is not None and data is not None:
        context.default_map = {context.invoked_subcommand: {"data": str(data)}}


def print_json(value: object) -> None:
    """Write a line of JSON to stdout, in ASCII where stdout is not UTF-8."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8)
    # Paths that are no UTF-8 hold half characters, which JSON has a form for and stdout has not.
    print(text if text.isascii() else text.encode("utf-8", "backslashreplace").decode(), flush=True)


class ProgressBar:
    """A progress bar on stderr with rate and remaining time; nothing is shown where stderr is no terminal."""

    def __init__(self, unit: str = "photo", total: int | None = None) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]

        self._bar: Any = tqdm(total=total, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, done: int, total: int | None, message: str = "") -> None:
        """Set the number done out of ``total``, and what is being done."""
        if self._bar.total != total:
            self._bar.reset(total=total)
        if message:
            self._bar.set_description(message.rstrip("."), refresh=False)
        self._bar.update(done - self._bar.n)


def track(items: Iterable[Item], total: int | None = None, unit: str = "photo") -> Iterator[Item]:
    """The items, with a progress bar; ``total`` is by default their number, where they have one."""
    total = len(items) if total is None and isinstance(items, Sized) else total
    with ProgressBar(unit, total) as bar:
        for done, item in enumerate(items, start=1):
            yield item
            bar.show(done, total)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM ends the program as an exception does: what is written in part is removed."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # where no signal comes
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    """Create the folder. Raises LapelError for OSErrors here and inside the block."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise LapelError(
            f"expected a folder to write to at {folder}, got: {error.strerror or error}"
        ) from error


@contextmanager
def output_file(file: Path) -> Iterator[BinaryIO]:
    """A file opened for writing, which appears under its name once it is complete. Raises LapelError."""
    try:
        with atomic_write(file) as out:
            yield out
    except OSError as error:
        raise LapelError(f"expected a file to write at {file}, got: {error.strerror or error}") from error


def open_store(data: Path | None, by: str | None = None) -> Store:
    """The store in a folder, acting for ``by`` or the shell's account, which has all rights."""
    from core.store.projects import open_chosen

    store = open_chosen(data)
    return store.acting(store.actor.known_as(by or account_name()))


def account_name() -> str:
    """The name of the shell's account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return "local"


def is_row_number(text: str) -> bool:
    """Whether a text can be the number of a row; longer ones are beyond what databases count to."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def iso_time(seconds: float) -> str:
    """A time stamp in ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
