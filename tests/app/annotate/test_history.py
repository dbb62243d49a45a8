"""Times, origins and changes in words."""

from __future__ import annotations

from datetime import UTC

from app.annotate.conflict import box_text
from app.annotate.history import changes, changes_text, origins
from app.text import clock
from core.store.categories import Category
from tests.app.annotating import box

TOP = {1: Category(1, "top", 0, "#00aa00")}
NOON = 1_700_049_840.0  # 15 November 2023, 12:04 UTC


def test_a_time_of_today_is_the_hour_and_another_has_its_day():
    assert clock(NOON, UTC, now=NOON + 60) == "12:04"
    assert clock(NOON, UTC, now=NOON + 86_400) == "15 Nov 2023, 12:04"


def test_origins_are_counted():
    boxes = [box(origin="model"), box(origin="model", changed=True), box(), box(5)]
    assert origins(boxes) == "4 boxes: 1 by the model, 1 by the model and changed, 2 drawn by a person"
    assert origins([]) == "0 boxes"


def test_changes_are_listed_box_by_box():
    before = [box(uid="same"), box(uid="moved"), box(uid="renamed"), box(uid="gone")]
    after = [box(uid="same"), box(12, uid="moved"), box(uid="renamed", category=2), box(uid="new")]
    assert changes(before, after) == {
        "gone": "removed",
        "new": "added",
        "moved": "moved",
        "renamed": "renamed",
    }
    assert changes_text(before, after) == "1 box added, 1 box removed, 1 box moved, 1 box renamed"
    assert changes_text(before, before) == "nothing changed"


def test_flags_are_changes_too():
    before = [box(uid="a"), box(uid="b", flags=frozenset({"occluded"}))]
    after = [box(uid="a", flags=frozenset({"truncated"})), box(12, uid="b")]
    assert changes(before, after) == {"a": "flagged", "b": "moved and flagged"}
    assert changes_text(before, after) == "1 box flagged, 1 box moved and flagged"
    assert box_text(after[0], TOP) == "top, 30 × 40, truncated"


def test_a_box_is_named_also_where_its_category_is_gone():
    assert box_text(box(label="Shirt"), TOP) == "top · Shirt, 30 × 40"
    assert box_text(box(category=9), TOP) == "category 9, 30 × 40"
