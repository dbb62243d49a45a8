"""What a format cannot hold is said beside the export, with numbers, and nothing else is."""

from __future__ import annotations

import csv
import io
import json
from zipfile import ZipFile

import pytest

from core.csv_cells import unescape_formula
from core.datasets.splits import choose_validation
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.exports import FORMATS, export_chosen, export_revision
from tests.core.store.rows import add_photos, box

FLAGS = frozenset({"difficult"})


@pytest.fixture
def one(fresh_store) -> Store:
    store = fresh_store("sqlite")
    store.settings.put("second_share", 0)
    return store


def revision_of(store: Store, *annotated: list[AnnotatedBox], name: str = "photo {}.jpg", **values) -> int:
    """A revision of a photo for each list of boxes."""
    for number, boxes in enumerate(annotated, start=1):
        (photo,) = add_photos(store.database, 1, first=number, name=name.format(number), **values)
        store.annotations.submit(photo, boxes, author="ann", base_version=0, request=f"{photo}")
    return store.revisions.create("ann").number


def said(store: Store, format: str, number: int = 1, **choice) -> str:
    return "\n".join(export_revision(store, number, format, io.BytesIO(), **choice).left_out)


def test_yolo_loses_labels_and_flags_and_says_how_many(one):
    labeled = [box(1, 1, 9, 9, label="Tee"), box(2, 2, 9, 9, label="Tee", flags=FLAGS), box(3, 3, 9, 9)]
    revision_of(one, labeled)
    text = said(one, "yolo")
    assert "2 boxes lose their fine labels." in text
    assert "1 box loses its attributes (" in text
    assert "lose" not in said(one, "coco") and "lose" not in said(one, "voc")


def test_voc_has_whole_pixels(one):
    revision_of(one, [box(1.5, 1, 9, 9), box(2, 2, 9, 9.25), box(3, 3, 9, 9)])
    assert "2 boxes are rounded to whole pixels." in said(one, "voc")
    assert "pixels" not in said(one, "coco")


def test_nothing_is_said_that_does_not_apply(one):
    revision_of(one, *[[box(1, 1, 9, 9)]] * 10)
    who = "Who annotated a photo, and in which version, is in the CSV export only."
    assert said(one, "coco") == said(one, "voc") == who
    unused = len(one.categories.all()) - 1
    assert said(one, "csv") == f"{unused} categories without a box are not named."


def test_names_endings_deleted_photos_and_a_missing_validation_are_said(one, make_photo):
    for seed, name in enumerate(["men/1.png", "men/1.jpg", "2.jpg"], start=1):
        row = one.photos.add(make_photo(seed, name=name), by="ann").row
        one.annotations.submit(row.id, [], author="ann", base_version=0, request=name)
    one.revisions.create("ann")
    one.photos.delete(3, "ann")
    out = io.BytesIO()
    text = "\n".join(export_revision(one, 1, "voc", out, pictures=True).left_out)
    assert "1 photo did not come as .jpg" in text
    assert "1 photo has another name than it came with, as that is taken or not safe everywhere." in text
    assert "1 photo was deleted after the revision was made: left out." in text
    assert "fewer than 10" in text
    with ZipFile(out) as archive:
        readme = archive.read("README.txt").decode()
        assert archive.read("renamed.txt").decode().endswith("men/1_2.jpg\t'men/1.jpg'\n")
    assert all(line in readme for line in text.splitlines())


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_sets_apart_what_a_training_validates_on(one, format):
    number = revision_of(one, *[[box(1, 1, 9, 9)]] * 25, name="dir/{}.jpg")
    names = {photo.digest: photo.name for photo in one.revisions.photos(number)}
    chosen = {names[digest] for digest in choose_validation(names, number).digests}
    assert len(chosen) == 2
    out = io.BytesIO()
    export_revision(one, number, format, out)
    if format == "csv":
        rows = csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))
        val = {row["photo"] for row in rows if row["split"] == "val"}
    elif format == "coco":
        val = {
            image["file_name"] for image in json.loads(out.getvalue())["images"] if image["split"] == "val"
        }
    else:
        with ZipFile(out) as archive:
            lines = archive.read("val.txt" if format == "yolo" else "ImageSets/Main/val.txt").decode().split()
        val = {line.removeprefix("./images/").removesuffix(".jpg") + ".jpg" for line in lines}
    assert val == chosen


def test_a_deleted_photo_does_not_move_the_others(one):
    number = revision_of(one, *[[]] * 25)
    one.photos.delete(1, "ann")
    live = [photo.digest for photo in one.revisions.photos(number) if not photo.deleted]
    out = io.BytesIO()
    export_revision(one, number, "csv", out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    chosen = set(choose_validation(live, number).digests)
    assert {row["digest"] for row in rows if row["split"] == "val"} == chosen


def test_the_apostrophe_before_a_formula_can_be_taken_off_again(one):
    revision_of(one, [box(1, 1, 9, 9, label="'=x"), box(2, 2, 9, 9, label="-1")], name="=1+{}.jpg")
    out = io.BytesIO()
    text = "\n".join(export_revision(one, 1, "csv", out).left_out)
    assert "3 texts begin like formulas and have an apostrophe before them, which spreadsheets need." in text
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    assert [unescape_formula(row["label"]) for row in rows] == ["'=x", "-1"]
    assert {unescape_formula(row["photo"]) for row in rows} == {"=1+1.jpg"}


def test_comments_go_out_as_coco_and_csv_and_the_other_formats_say_that_they_lose_them(one):
    revision_of(one, [box(1, 1, 9, 9), box(2, 2, 9, 9)], [])
    first, second = (row.id for row in one.photos.page(0, 2))
    for photo, by, text in (
        (first, "ann", "A scarf?\nSee above."),
        (first, "bob", "=yes"),
        (second, "bob", "Dark."),
    ):
        one.photo_notes.comment(photo, text, by)
    number = one.revisions.create("ann").number  # comments alone make no other revision
    for format in ("yolo", "voc"):
        assert "2 photos lose their comments." in said(one, format, number)
    out = io.BytesIO()
    assert "comments" not in " ".join(export_revision(one, number, "coco", out).left_out)
    told = [
        entry.get("comments")
        for entry in json.loads(out.getvalue())["images"]
        if entry["id"] in (first, second)
    ]
    assert sorted([[(c["by"], c["text"]) for c in comments] for comments in told]) == [
        [("ann", "A scarf?\nSee above."), ("bob", "=yes")],
        [("bob", "Dark.")],
    ]
    out = io.BytesIO()
    assert "comments" not in " ".join(export_revision(one, number, "csv", out).left_out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    assert {row["comments"] for row in rows} == {"ann: A scarf?\nSee above.\nbob: =yes", "bob: Dark."}
    out = io.BytesIO()
    export_chosen(one, [first], "csv", out)
    assert "bob: =yes" in out.getvalue().decode()
