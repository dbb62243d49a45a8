"""A CSV of images and labels: names with or without ending, groups, and what is wrong with a file told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.datasets.classification import (
    ClassificationSample,
    label_counts,
    photos_beside,
    read_classification,
    with_known_labels,
)
from core.errors import DatasetError

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a CSV's text beside empty photos of these names."""

    def write(text: str, *photos: str, folder: str = "images") -> Path:
        for photo in photos:
            path = tmp_path / folder / photo
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / "list.csv").write_text(text, encoding="utf-8")
        return tmp_path / "list.csv"

    return write


def test_names_have_their_ending_or_not(written: Written) -> None:
    file = written("image,label\na,Hat\nb.png,Dress\nc,Hat\nd.e,Bag\n", "a.jpg", "b.png", "c.JPG", "d.e.webp")
    photos = read_classification(file)
    assert [(photo.path.name, photo.label) for photo in photos] == [
        ("a.jpg", "Hat"), ("b.png", "Dress"), ("c.JPG", "Hat"), ("d.e.webp", "Bag"),
    ]  # fmt: skip
    assert {photo.path.parent for photo in photos} == {file.parent / "images"}
    assert {photo.group for photo in photos} == {""}


def test_a_file_that_is_named_in_full_wins(written: Written) -> None:
    assert read_classification(written("image,label\na,Hat\n", "a", "a.jpg"))[0].path.name == "a"


@pytest.mark.parametrize("column", ["sender_id", "group"])
def test_senders_are_groups_and_other_columns_are_left_alone(written: Written, column: str) -> None:
    file = written(f"kids, {column}, label, image\nFalse, 124, Hat, a\nTrue, 9, Hat, b\n", "a.jpg", "b.jpg")
    assert [photo.group for photo in read_classification(file)] == ["124", "9"]


def test_spreadsheets_mark_and_line_ends_are_taken(written: Written) -> None:
    file = written("\ufeffimage,label\r\nMäntel 外,Outwear\r\n", "Mäntel 外.jpg")
    assert read_classification(file)[0].label == "Outwear"


def test_photos_are_looked_for_beside_the_file_or_where_one_says(written: Written, tmp_path: Path) -> None:
    file = written("image,label\na,Hat\n")
    assert photos_beside(file) == tmp_path
    (tmp_path / "images").mkdir()
    assert photos_beside(file) == tmp_path / "images"
    (tmp_path / "photos").mkdir()
    assert photos_beside(file) == tmp_path / "photos"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").touch()
    assert read_classification(file, tmp_path / "elsewhere")[0].path == tmp_path / "elsewhere" / "a.png"


def test_of_two_folders_the_one_with_the_photos_is_meant(written: Written, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    file = written("image,label\na,Hat\n", "a.jpg", folder="images")
    assert read_classification(file)[0].path == tmp_path / "images" / "a.jpg"
    beside = written("image,label\nb,Hat\n", "b.jpg", folder=".")
    assert read_classification(beside)[0].path == tmp_path / "b.jpg"


def test_photos_that_are_missing_are_counted_and_named(written: Written, tmp_path: Path) -> None:
    rows = "".join(f"{name},Hat\n" for name in "abcdefgh")
    file = written(f"image,label\n{rows}", "a.jpg")
    with pytest.raises(DatasetError, match=r"names b, c, d, e, f and 2 more, and 7 of 8 photos are not in"):
        read_classification(file)
    (tmp_path / "wrong").mkdir()
    with pytest.raises(DatasetError, match="names 8 photos, and none of them is in wrong/: expected the"):
        read_classification(file, tmp_path / "wrong")
    with pytest.raises(DatasetError, match="elsewhere/, which is no folder"):
        read_classification(file, tmp_path / "elsewhere")


def test_a_photo_that_is_listed_again_counts_once(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    file = written("image,label\na,Hat\nb,Bag\na.jpg,Hat\n", "a.jpg", "b.jpg")
    assert [photo.path.name for photo in read_classification(file)] == ["a.jpg", "b.jpg"]
    assert caplog.messages == ["list.csv: photos that are listed again count once: a.jpg"]


def test_a_photo_of_two_labels_is_refused(written: Written) -> None:
    with pytest.raises(DatasetError, match=r"one label a photo in list\.csv, got Hat and Bag for a\.jpg"):
        read_classification(written("image,label\na,Hat\na.jpg,Bag\n", "a.jpg"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "image and label in list.csv, got no rows"),
        ("image,label\n", "got no rows"),
        ("name,label\na,Hat\n", "got name, label"),
        ("image,label\na,Hat\nb,\n", "an image and a label in row 2"),
        ("image,label\na\n", "an image and a label in row 1"),
        ("image,label\nb,Hat\n", "names b, which is not in images/"),
        ("image,label\n../list.csv,Hat\n", "stays inside the photos' folder"),
        ("image,label\n/etc/hosts,Hat\n", "stays inside the photos' folder"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(written: Written, text: str, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read_classification(written(text, "a.jpg"))


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"at .*none\.csv, got: "):
        read_classification(tmp_path / "none.csv")
    with pytest.raises(DatasetError, match="got: Is a directory"):
        read_classification(tmp_path)
    (tmp_path / "photo.csv").write_bytes(b"\xff\xd8\xff\xe0" * 50)
    with pytest.raises(DatasetError, match="columns image and label"):
        read_classification(tmp_path / "photo.csv")


def test_unknown_labels_are_left_out_and_counted() -> None:
    photos = [
        ClassificationSample(Path(str(n)), label) for n, label in enumerate(("Hat", "Kimono", "Bag", "Hat"))
    ]
    kept, skipped = with_known_labels(photos, ("Hat", "Bag"))
    assert ([photo.label for photo in kept], skipped) == (["Hat", "Bag", "Hat"], 1)
    assert with_known_labels(photos, ()) == ((), 4)
    assert label_counts(photos) == {"Hat": 2, "Kimono": 1, "Bag": 1}
