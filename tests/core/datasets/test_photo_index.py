# ruff: noqa: E501 - a case is read more easily in its line
"""Listed names find photos however they write the path, and cost little whatever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.datasets.photo_index import NO_PHOTO, NotFound, PhotoIndex

ROOT = Path("set")


def found(names: list[str], photos: list[str]) -> list[str]:
    index = PhotoIndex(ROOT, [ROOT / photo for photo in photos])
    some = index.find(names, ROOT / "x.json")
    return [
        photo.reason if isinstance(photo, NotFound) else photo.relative_to(ROOT).as_posix() for photo in some
    ]


@pytest.mark.parametrize(
    ("names", "photos", "expected"),
    [
        (["men/1.jpg", "women/1.jpg"], ["1.jpg"], ["1.jpg could be any of men/1.jpg, women/1.jpg"] * 2),
        (["men/1.jpg", "1.jpg"], ["1.jpg"], [NO_PHOTO, "1.jpg"]),
        (["1.jpg", "1.jpg"], ["1.jpg"], ["1.jpg", "1.jpg"]),
        (["1.png", "1.webp"], ["1.jpg"], ["1.jpg could be any of 1.png, 1.webp"] * 2),
        (["/a/men/1.jpg", "C:\\women\\1.jpg"], ["men/1.jpg", "women/1.jpg"], ["men/1.jpg", "women/1.jpg"]),
        (["photos/1.jpg", "images/1.jpg"], ["t/images/1.jpg", "t/photos/1.jpg"], ["t/photos/1.jpg", "t/images/1.jpg"]),
        (["photos/1.jpg", "images/1.jpg"], ["t/images/1.jpg"], [NO_PHOTO, "t/images/1.jpg"]),
        (["images/1.jpg"], ["x/1.jpg", "t/images/1.jpg"], ["x/1.jpg"]),  # the hint of x.json goes before
        (["1.jpg"], ["t/images/1.jpg", "t/photos/1.jpg"], ["several photos have this name: t/images/1.jpg, t/photos/1.jpg"]),
        (["/srv/me/1.jpg", "/srv/you/1.jpg"], ["1.jpg"], ["1.jpg could be any of me/1.jpg, you/1.jpg"] * 2),
    ],
)  # fmt: skip
def test_a_photo_goes_to_the_closest_name_and_to_none_of_several(
    names: list[str], photos: list[str], expected: list[str]
) -> None:
    assert found(names, photos) == expected


def test_paths_of_thousands_of_folders_are_found_by_their_ends() -> None:
    assert found(["/" + "d/" * 4_000 + "men/1.jpg"] * 20, ["men/1.jpg"]) == ["men/1.jpg"] * 20


def test_thousands_of_photos_of_one_name_are_told_apart_by_their_folders() -> None:
    photos = [f"p{number}/1.jpg" for number in range(5_000)]
    names = [*photos, *(f"q{number}/1.jpg" for number in range(5_000))]
    assert found(names, photos) == [*photos, *[NO_PHOTO] * 5_000]


@pytest.mark.parametrize(
    ("name", "photo", "is_found"),
    [
        ("a/1.jpg", "a/1.jpg", True),
        ("a/1.jpg", "images/a/1.jpg", True),
        ("a/1.jpg", "train/images/a/1.jpg", True),
        ("a/1.jpg", "a/1.png", True),
        ("set/a/1.jpg", "a/1.jpg", True),
        ("a/1.jpg", "holiday/a/1.jpg", False),
        ("images/a/1.jpg", "holiday/a/1.jpg", False),
        ("b/a/1.jpg", "a/1.jpg", False),
        ("b/2.jpg", "a/b/2.jpg", True),  # which is no stored photo's
    ],
)
def test_an_exactly_stored_name_goes_to_no_photo_elsewhere(name: str, photo: str, is_found: bool) -> None:
    root = Path("set")
    stored = {"a/1.jpg", "b/a/1.jpg", "set/a/1.jpg"}
    index = PhotoIndex(root, [root / photo], lambda names: stored & set(names))
    assert index.find([name], root / "x.json") == [root / photo if is_found else NotFound(NO_PHOTO)]
    assert list(index.passed_over.values()) == ([] if is_found else [root / photo])
