"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from core.errors import StoreError, StoreFullError
from core.files import PARTIAL, atomic_write, disk_errors


def test_a_file_gets_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with atomic_write(path, sync=True) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old" and len(list(tmp_path.glob(PARTIAL))) == 1
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(ValueError, match="cut off"), atomic_write(path) as file:
        file.write(b"half")
        raise ValueError("cut off")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a", private=True), atomic_write(tmp_path / "b"):
        pass
    modes = [(tmp_path / name).stat().st_mode & 0o077 for name in ("a", "b")]
    assert modes == [0, 0o066 & ~_umask()]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [
        (errno.ENOSPC, StoreFullError, "^There is no room.$"),
        (errno.EDQUOT, StoreFullError, "^There is no room.$"),
        (errno.EACCES, StoreError, "^It cannot be written: Permission denied.$"),
    ],
)
def test_the_disks_errors_are_sentences(number: int, kind: type[StoreError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence), disk_errors("There is no room.", "It cannot be written"):
        raise OSError(number, os.strerror(number))
