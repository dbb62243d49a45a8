"""A zip from a stranger is judged before anything is read, and unpacked without filling the memory."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ArchiveError, PhotoError
from core.images.archives import ZipLimits, count_entries, is_zip, unpack
from tests.effort import count_lines

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
MOST_LINES = 2_000_000
"""What ten thousand entries take twice over; a million of them would take fifty times as many."""


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_attributes(mode: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("entry.jpg")
        entry.create_system = 3
        entry.external_attr = mode << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


def encrypted() -> bytes:
    data = bytearray(zipped({"a.jpg": b"secret"}))
    data[data.index(LOCAL) + 6] |= 1
    data[data.index(CENTRAL) + 8] |= 1
    return bytes(data)


def renamed(old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    return zipped({old.decode(): b"x", "fine.jpg": b"y"}).replace(old, new)


def overlapping() -> bytes:
    """Two entries in the table of contents for the same packed bytes."""
    data = zipped({"a.jpg": b"x" * 100})
    start, end = data.index(CENTRAL), data.index(END)
    table = data[start:end] + data[start:end].replace(b"a.jpg", b"b.jpg")
    return data[:start] + table + END + struct.pack("<4H2LH", 0, 0, 2, 2, len(table), start, 0)


def nameless() -> bytes:
    data = zipped({"x": b""})
    start = data.index(CENTRAL)
    table = bytearray(data[start : start + 46])
    table[28:30] = bytes(2)
    return data[:start] + table + END + struct.pack("<4H2LH", 0, 0, 1, 1, len(table), start, 0)


def directory_of(entries: int, claimed: int | None = None) -> bytes:
    """A zip that is all table of contents; the end record may claim another number of entries."""
    record = struct.pack("<4s6H3L5H2L", CENTRAL, 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    table = (record + b"a.jpg") * entries
    count = min(65535, entries if claimed is None else claimed)
    return LOCAL + table + END + struct.pack("<4H2LH", 0, 0, count, count, len(table), 4, 0)


def directory_of_zip64(entries: int) -> bytes:
    plain = directory_of(entries)
    start, size = 4, len(plain) - 4 - 22
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
    end = END + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return plain[:-22] + end64 + locator + end


DANGEROUS: dict[str, tuple[Callable[[], bytes], str]] = {
    "path out of the folder": (lambda: zipped({"fine.jpg": b"x", "../evil.jpg": b"x"}), "leads out"),
    "path out from within": (lambda: zipped({"a/../../evil.jpg": b"x"}), "leads out"),
    "path out in a skipped entry": (
        lambda: zipped({"__MACOSX/../../evil": b"x", "a.jpg": b"x"}),
        "leads out",
    ),
    "folder out of the folder": (lambda: zipped({"../": b"", "a.jpg": b"x"}), "leads out"),
    "absolute path": (lambda: zipped({"/etc/evil.jpg": b"x"}), "absolute"),
    "drive letter": (lambda: zipped({"C:/evil.jpg": b"x"}), "absolute"),
    "drive letter alone": (lambda: zipped({"c:evil.jpg": b"x"}), "absolute"),
    "backslash": (lambda: renamed(b"..Xevil.jpg", b"..\\evil.jpg"), "leads out"),
    "backslash from within": (lambda: renamed(b"aX..X..Xevil.jpg", b"a\\..\\..\\evil.jpg"), "leads out"),
    "backslash in front": (lambda: renamed(b"Xevil.jpg", b"\\evil.jpg"), "absolute"),
    "drive letter with a backslash": (lambda: renamed(b"C_Xevil.jpg", b"C:\\evil.jpg"), "absolute"),
    "null character": (lambda: renamed(b"a.jpgX.html", b"a.jpg\0.html"), "null character"),
    "null character in front": (lambda: renamed(b"ab.jpg", b"\0b.jpg"), "null character"),
    "symbolic link": (lambda: with_attributes(0o120777), "link or a special file"),
    "device": (lambda: with_attributes(0o020666), "link or a special file"),
    "pipe": (lambda: with_attributes(0o010666), "link or a special file"),
    "encryption": (encrypted, "encrypted"),
    "bzip2": (lambda: zipped({"a.jpg": b"x"}, zipfile.ZIP_BZIP2), "method other than"),
    "lzma": (lambda: zipped({"a.jpg": b"x"}, zipfile.ZIP_LZMA), "method other than"),
    "bomb": (lambda: zipped({"a.jpg": bytes(64 * 2**20)}), "more than 200 times"),
    "overlap": (overlapping, "overlap"),
    "too many entries": (
        lambda: zipped(dict.fromkeys(map(str, range(10_001)), b"")),
        "more than 10,000 files",
    ),
    "a million entries": (lambda: directory_of(1_000_000), "more than 10,000 files"),
    "a million entries, claimed to be one": (
        lambda: directory_of(1_000_000, claimed=1),
        "more than 10,000 files",
    ),
    "a million entries in zip64": (lambda: directory_of_zip64(1_000_000), "more than 10,000 files"),
    "cut off": (lambda: zipped({"a.jpg": b"x" * 1_000})[:-30], "damaged or cut off"),
    "only a signature": (lambda: LOCAL, "damaged or cut off"),
    "nothing in it": (lambda: zipped({}), "holds no files"),
    "an entry without a name": (nameless, "has no name"),
    "only folders and clutter": (
        lambda: zipped({"a/": b"", ".DS_Store": b"x"}),
        "holds no files but hidden ones",
    ),
}


@pytest.mark.parametrize("case", DANGEROUS)
def test_a_dangerous_zip_is_refused_before_anything_is_read(case: str) -> None:
    make, sentence = DANGEROUS[case]
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=sentence):
            next(unpack(data))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 30 * 2**20

    def count() -> None:
        with pytest.raises(ArchiveError, match=sentence):
            count_entries(data)

    assert count_lines(count) < MOST_LINES


def test_files_come_one_by_one_in_the_zips_order(tmp_path: Path) -> None:
    files = {"b.jpg": b"bbb", "folder/a.jpg": b"a" * 5_000, "empty.txt": b"", "names/<b>=1.png": b"4"}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = zipped(files, method)
        path = tmp_path / "photos.zip"
        path.write_bytes(data)
        for source in (data, path):
            assert dict(unpack(source)) == files and count_entries(source) == 4
    assert list(dict(unpack(data))) == list(files)


def test_folders_hidden_and_system_files_are_skipped() -> None:
    clutter = ["a/", "__MACOSX/._a.jpg", ".DS_Store", "a/.hidden/b.jpg", "a/Thumbs.db", "desktop.ini"]
    data = zipped({**dict.fromkeys(clutter, b""), "a/b.jpg": b"x"})
    assert list(unpack(data)) == [("a/b.jpg", b"x")] and count_entries(data) == 1


def test_a_zip_within_a_zip_is_a_file_like_any_other() -> None:
    inner = zipped({"../evil.jpg": b"x"})
    assert list(unpack(zipped({"inner.zip": inner}))) == [("inner.zip", inner)]


def test_bytes_before_the_zip_and_a_comment_behind_it_do_no_harm() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", b"x")
        archive.comment = b"PK\x03\x04 a comment"
    assert list(unpack(b"before" + out.getvalue())) == [("a.jpg", b"x")]


def test_a_damaged_entry_refuses_itself_only() -> None:
    data = bytearray(zipped({"a.jpg": b"first", "b.jpg": b"second", "c.jpg": b"third"}, zipfile.ZIP_STORED))
    data[data.index(b"second")] ^= 1
    (_, first), (name, second), (_, third) = unpack(bytes(data))
    assert (first, name, third) == (b"first", "b.jpg", b"third")
    assert (
        isinstance(second, PhotoError)
        and str(second) == "The file is damaged: it cannot be unpacked from the zip."
    )


def test_names_with_backslashes_are_paths_as_windows_writes_them() -> None:
    data = zipped({"setX": b"", "setXaX1.jpg": b"1", "setXbX1.jpg": b"2", "set/c.jpg": b"3"})
    for old, new in ((b"setX", b"set\\"), (b"aX1", b"a\\1"), (b"bX1", b"b\\1")):
        data = data.replace(old, new)
    files = {"set/a/1.jpg": b"1", "set/b/1.jpg": b"2", "set/c.jpg": b"3"}
    assert dict(unpack(data)) == files and count_entries(data) == 3


def test_hidden_files_are_told() -> None:
    data = zipped({".git/config": b"x", "__MacOSX/._a.jpg": b"x", "a/Thumbs.DB": b"x", "a/b.jpg": b"y"})
    hidden: list[str] = []
    assert dict(unpack(data, on_hidden=hidden.append)) == {"a/b.jpg": b"y"}
    assert hidden == [".git/config", "__MacOSX/._a.jpg", "a/Thumbs.DB"]


def test_an_entry_that_unpacks_to_more_than_it_says_is_not_followed() -> None:
    data = bytearray(zipped({"a.jpg": bytes(30 * 2**20)}))
    table = data.index(CENTRAL)
    data[table + 24 : table + 28] = struct.pack("<L", 1_000)  # its size, in the table of contents
    tracemalloc.start()
    try:
        ((_, found),) = unpack(bytes(data))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, PhotoError)
    assert peak_bytes < 5 * 2**20


def test_an_entry_above_the_limit_is_not_unpacked_and_the_others_are() -> None:
    data = zipped({"film.mp4": b"x" * 2_000, "a.jpg": b"y"})
    film, photo = unpack(data, ZipLimits(entry_bytes=1_000))
    assert isinstance(film[1], PhotoError) and "larger than" in str(film[1])
    assert photo == ("a.jpg", b"y")


def test_a_zip_that_unpacks_to_too_much_in_all_is_refused() -> None:
    data = zipped({str(i): b"x" * 1_000 for i in range(11)})
    assert len(list(unpack(data, ZipLimits(total_bytes=11_000)))) == 11
    with pytest.raises(ArchiveError, match="unpacks to more than"):
        next(unpack(data, ZipLimits(total_bytes=10_999)))


def test_many_small_entries_that_grow_are_refused_together() -> None:
    limits = ZipLimits(small_bytes=10_000, total_ratio=20)
    grown = {str(i): bytes(1_000) for i in range(11)}  # each by more than 80
    with pytest.raises(ArchiveError, match="more than 20 times its size"):
        next(unpack(zipped(grown), limits))
    noise = random.Random(0).randbytes(1_000)
    assert len(list(unpack(zipped(grown | {"noise": noise}), limits))) == 12
    assert len(list(unpack(zipped({"0": bytes(1_000)} | dict.fromkeys("abcdefghi", b"")), limits))) == 10


def test_a_bomb_of_entries_below_a_megabyte_is_refused_before_anything_is_read() -> None:
    files = {f"{i}.jpg": bytes(2**20 - 1) for i in range(101)}
    with pytest.raises(ArchiveError, match="more than 50 times"):
        next(unpack(zipped(files)))


def test_ten_thousand_files_are_listed_in_one_pass() -> None:
    data = zipped(
        dict.fromkeys((f"folder/photo_{i:05}.jpg" for i in range(10_000)), b"x"), zipfile.ZIP_STORED
    )
    assert count_entries(data) == 10_000
    assert count_lines(lambda: count_entries(data)) < MOST_LINES


def test_memory_holds_one_file_at_a_time() -> None:
    noise = random.Random(0).randbytes(2**20)
    data = zipped({f"{i}.jpg": noise * 4 for i in range(12)}, zipfile.ZIP_STORED)
    tracemalloc.start()
    try:
        assert sum(len(content) for _, content in unpack(data) if isinstance(content, bytes)) == 48 * 2**20
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * 2**20


def test_damaged_bytes_anywhere_end_in_files_or_a_sentence() -> None:
    dice = random.Random(0)
    whole = zipped({"a.jpg": b"a" * 50, "b/c.png": random.Random(1).randbytes(50)})
    for _ in range(2_000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            assert all(isinstance(content, bytes | PhotoError) for _, content in unpack(bytes(data)))
        except ArchiveError as error:
            assert str(error).endswith(".")


def test_a_zip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "zip").write_bytes(zipped({"a": b""}))
    (tmp_path / "text.zip").write_text("no zip")
    assert is_zip(zipped({})) and is_zip(tmp_path / "zip")
    assert not is_zip(b"") and not is_zip(tmp_path / "text.zip")
    assert not is_zip(tmp_path) and not is_zip(tmp_path / "missing") and not is_zip(Path("a" * 5_000))


def test_a_zip_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be opened"):
        next(unpack(tmp_path / "missing.zip"))


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        ZipLimits(entries=0)
