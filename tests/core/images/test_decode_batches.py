"""Files, zips and folders in one batch: in order, with names of their own, a broken one breaking no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import PhotoError
from core.file_names import MAX_NAME_BYTES
from core.garments import Refusal
from core.images.containers import KINDS_IN_WORDS
from core.images.decode import Photo, count_photos, iter_photos, open_photo
from tests.core.picture_files import encoded, scene, zipped
from tests.effort import count_lines


def test_a_broken_file_refuses_itself_only() -> None:
    good = encoded(scene())
    got = list(iter_photos([("a.png", good), ("b.jpg", b"<html>"), ("c.png", good)]))
    assert [type(item) for item in got] == [Photo, Refusal, Photo]
    sentence = f"Expected a photo ({KINDS_IN_WORDS}), got an HTML page: save the photo itself."
    assert got[1] == Refusal("b.jpg", sentence)


def test_zips_are_opened_in_place_by_their_bytes(tmp_path: Path) -> None:
    good = encoded(scene())
    batch = zipped(
        **{
            "red/front.png": good,
            "__MACOSX/._front.png": b"x",
            "readme.txt": b"text",
            "in.zip": zipped(a=good),
        }
    )
    (tmp_path / "batch.bin").write_bytes(batch)
    for source in (batch, tmp_path / "batch.bin"):
        sources = [("first.png", good), ("batch.jpg", source), ("last.png", good)]
        got = list(iter_photos(sources))
        names = [item.name if isinstance(item, Photo) else item.photo for item in got]
        assert names == ["first.png", "front.png", "readme.txt", "in.zip", "last.png"]
        assert [isinstance(item, Photo) for item in got] == [True, True, False, False, True]
        assert count_photos(sources) == 5


def test_a_dangerous_zip_is_refused_as_a_whole_and_the_batch_goes_on() -> None:
    good = encoded(scene())
    sources = [("bad.zip", zipped(**{"good.png": good, "../evil.png": good})), ("c.png", good)]
    got = list(iter_photos(sources))
    assert isinstance(got[0], Refusal) and got[0].photo == "bad.zip" and "refused as a whole" in got[0].error
    assert isinstance(got[1], Photo) and len(got) == count_photos(sources) == 2


def test_names_are_unique_in_a_batch_whatever_their_case() -> None:
    good = encoded(scene())
    names = ["a.png", "x/a.png", "A.PNG", "a (2).png", "b", "b", "衣" * 500 + ".png", "衣" * 500 + ".png"]
    got = [photo.name for photo in iter_photos((name, good) for name in names) if isinstance(photo, Photo)]
    assert got[:6] == ["a.png", "a (2).png", "A (3).PNG", "a (2) (2).png", "b", "b (2)"]
    assert len({name.casefold() for name in got}) == len(names)
    assert got[7].endswith(" (2).png") and len(got[7].encode()) <= MAX_NAME_BYTES


def test_ten_thousand_equal_names_are_told_apart_in_one_pass() -> None:
    names: set[str] = set()

    def read(count: int) -> int:
        names.clear()
        batch = iter_photos(("a.jpg", b"") for _ in range(count))
        return count_lines(lambda: names.update(item.photo for item in batch if isinstance(item, Refusal)))

    few, many = read(1_000), read(10_000)
    assert len(names) == 10_000
    assert many < 15 * few  # a name is not sought from the beginning each time


def test_a_folder_gives_its_photos_sorted_and_follows_no_link(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for path in (outside, folder / "b", folder / ".cache"):
        path.mkdir(parents=True)
    good = encoded(scene())
    for path in (
        outside / "secret.png",
        folder / "2.png",
        folder / "1",
        folder / "b" / "3.JPG",
        folder / ".cache" / "4.png",
    ):
        path.write_bytes(good)
    (folder / "notes.csv").write_text("a,b")
    (folder / "0.jpg").write_bytes(b"broken")
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.jpg")
    got = list(iter_photos([("folder", folder)]))
    assert [item.name if isinstance(item, Photo) else item.photo for item in got] == [
        "0.jpg",
        "1",
        "2.png",
        "3.JPG",
    ]
    assert isinstance(got[0], Refusal) and count_photos([("folder", folder)]) == 4


def test_an_empty_batch_gives_nothing_and_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert list(iter_photos([])) == [] and count_photos([]) == 0
    assert list(iter_photos([("f", tmp_path)])) == [
        Refusal("f", f"The folder holds no photo ({KINDS_IN_WORDS}).")
    ]
    assert count_photos([("f", tmp_path)]) == 1


def test_paths_that_are_no_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "missing.jpg", tmp_path / "pipe.jpg", Path("\0.jpg"), tmp_path):
        with pytest.raises(PhotoError, match="no such file"):
            open_photo(path)
    with pytest.raises(PhotoError, match="cannot be read: "):
        open_photo(Path("a" * 5_000))
    odd = [
        ("missing", tmp_path / "missing.jpg"),
        ("pipe", tmp_path / "pipe.jpg"),
        ("long", Path("a" * 5_000)),
    ]
    assert [type(item) for item in iter_photos(odd)] == [Refusal] * 3 and count_photos(odd) == 3


def test_photos_are_read_one_by_one() -> None:
    asked = []

    def sources():  # type: ignore[no-untyped-def]
        for name in ("a", "b", "c"):
            asked.append(name)
            yield name, encoded(scene())

    batch = iter_photos(sources())
    assert asked == []
    next(batch)
    assert asked == ["a"]
