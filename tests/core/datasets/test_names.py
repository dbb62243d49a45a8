"""Names from files stay inside their folder, and names for archives can be unpacked anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.datasets.names import (
    class_list,
    first_repeated,
    member_stem,
    member_stems,
    read_class_names,
    relative_name,
)
from core.errors import DatasetError


@pytest.mark.parametrize(
    ("name", "expected"), [("a.jpg", "a.jpg"), ("./sub/a.jpg", "sub/a.jpg"), ("sub\\a b.jpg", "sub/a b.jpg")]
)
def test_relative_names_use_slashes(name: str, expected: str) -> None:
    assert relative_name(name, "x.json") == expected


@pytest.mark.parametrize(
    "name",
    [
        "../a.jpg",
        "a/../../b.jpg",
        "/etc/passwd",
        "\\\\host\\a",
        "C:\\a.jpg",
        "",
        " ",
        ".",
        "a\0.jpg",
        "喪" * 86,
        None,
        3,
    ],
)
def test_names_that_leave_the_folder_are_refused(name: object) -> None:
    with pytest.raises(DatasetError, match=r"x\.json"):
        relative_name(name, "x.json")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG 2031 (2).jpg", "IMG 2031 (2)"),
        ("футболка.jpeg", "футболка"),
        ("../../etc/passwd", "passwd"),
        ("c:\\x\\<b>.png", "_b_"),
        ("-- .rf.jpg", "rf"),
        (".hidden", "hidden"),
        ("con.jpg", "_con"),
        ("a\u202egpj.exe", "a_gpj"),
        ("=cmd().jpg", "_cmd()"),
        ("\n", "_"),
        ("..", "photo"),
        ("", "photo"),
        ("x" * 500 + ".jpg", "x" * 100),
        ("喪" * 50 + ".jpg", "喪" * 33),  # three bytes each
    ],
)
def test_stems_hold_only_what_every_file_system_takes(name: str, expected: str) -> None:
    assert member_stem(name) == expected


def test_stems_are_unique_whatever_the_case() -> None:
    assert member_stems(["a.jpg", "A.png", "b.jpg", "a.webp", "a_2.jpg"]) == ["a", "A_2", "b", "a_3", "a_2_2"]
    assert member_stems([]) == []


def test_a_class_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text(class_list(["top", "scarf\ntie", "喪服"]), encoding="utf-8")
    assert read_class_names(tmp_path / "classes.txt") == ("top", "scarf tie", "喪服")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match=r"classes\.txt"):
        read_class_names(tmp_path / "classes.txt")


def test_the_first_repeated_entry_is_named() -> None:
    assert first_repeated(["a", "b", "b", "a"]) == "b"
    assert first_repeated([]) is None
