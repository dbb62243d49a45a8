"""Names from files stay inside their folder, and names for archives can be unpacked anywhere."""

from __future__ import annotations

import pytest

from core.errors import DatasetError
from core.file_names import free_name, portable_stem, portable_stems, relative_name


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
    assert portable_stem(name) == expected


def test_stems_are_unique_whatever_the_case() -> None:
    assert portable_stems(["a.jpg", "A.png", "b.jpg", "a.webp", "a_2.jpg"]) == [
        "a",
        "A_2",
        "b",
        "a_3",
        "a_2_2",
    ]
    assert portable_stems([]) == []


def test_a_free_name_is_numbered_before_its_ending() -> None:
    taken = {"a.jpg", "a (2).jpg", "b"}
    assert free_name("a.jpg", taken.__contains__) == "a (3).jpg"
    assert free_name("b", taken.__contains__) == "b (2)"
    assert free_name("c.jpg", taken.__contains__) == "c.jpg"
    assert free_name("a.jpg", taken.__contains__, "{stem}-{number}{suffix}", first=1) == "a-1.jpg"
