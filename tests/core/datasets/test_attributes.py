"""Own attributes of boxes: read where a format has them, written where it holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.boxes import flag_name
from core.datasets.attributes import box_flags
from core.datasets.coco import coco_annotations, coco_categories, coco_image, read_coco
from core.datasets.detection import BoxRow, boxed_photo
from core.datasets.voc import read_voc, voc_document
from core.store.boxes import AnnotatedBox


def test_own_attributes_count_where_they_are_true_and_keep_other_values():
    given = {"occluded": "1", "needs ironing": True, "wet": "true", "pairs": 1, "dry": False, "label": "true"}
    assert box_flags(given, {"keyframe": True, "torn": "True", "difficult": 0, "truncated": "No"}) == {
        "occluded",
        "needs_ironing",
        "wet",
        "torn",
        "pairs:1",
    }


@pytest.mark.parametrize("text", ["", "a" * 41, "a;b", 'say "x"', "a\x00b", "a<b"])
def test_what_can_be_no_attribute_has_no_name(text: str):
    assert flag_name(text) == ""


def test_coco_and_voc_hold_own_attributes(tmp_path: Path):
    photo, _ = boxed_photo(
        "a.jpg", 100, 80, [BoxRow(10, 10, 50, 60, 0, "Tee", frozenset({"torn", "occluded"}))]
    )
    (tmp_path / "a.xml").write_bytes(voc_document(photo, ("top",)))
    (read,) = read_voc(tmp_path).photos
    assert (read.flags, read.labels) == (({"torn", "occluded"},), ("Tee",))
    document = {
        "images": [coco_image(photo, 1)],
        "annotations": coco_annotations(photo, 1, 1),
        "categories": coco_categories(["top"]),
    }
    (tmp_path / "a.json").write_text(json.dumps(document), "utf-8")
    (read,) = read_coco(tmp_path / "a.json").photos
    assert read.flags == ({"torn", "occluded"},)


def test_an_attribute_with_blanks_is_none_of_the_stores():
    with pytest.raises(Exception, match="names without blanks"):
        AnnotatedBox((0, 0, 5, 5), 1, flags=frozenset({"two words"}))
