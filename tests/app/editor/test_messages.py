"""What the browser says is checked before anyone acts on it."""

from __future__ import annotations

from typing import Any

import pytest

from app.editor.messages import ACTIONS, action_from, draft_from
from core.errors import StoreError
from core.store.boxes import AnnotatedBox

BOX = AnnotatedBox((1, 2, 30, 40), 3, "Tee", "abc").as_dict()


def said(**fields: Any) -> dict[str, Any]:
    return {"key": "me/4/0", "sequence": 1_790_000_000_000, "boxes": [BOX], "seconds": 12.5} | fields


def test_work_becomes_boxes_and_numbers():
    work = draft_from(said(attempt=2))
    assert (work.key, work.sequence, work.seconds, work.attempt) == ("me/4/0", 1_790_000_000_000, 12.5, 2)
    assert work.boxes == (AnnotatedBox((1, 2, 30, 40), 3, "Tee", "abc"),)


def test_flags_come_with_their_box():
    box = AnnotatedBox((1, 2, 30, 40), 3, uid="abc", flags=frozenset({"occluded", "truncated"}))
    assert draft_from(said(boxes=[box.as_dict()])).boxes == (box,)
    assert "flags" not in BOX
    with pytest.raises(StoreError, match="names without blanks"):
        draft_from(said(boxes=[BOX | {"flags": ["two words"]}]))


@pytest.mark.parametrize("name", ACTIONS)
def test_every_act_is_understood(name: str):
    action = action_from(said(name=name, request="r" * 24, keys={"skip": "k"}))
    assert (action.name, action.request, action.keys) == (name, "r" * 24, {"skip": "k"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": 7},
        {"sequence": -1},
        {"sequence": True},
        {"sequence": "9"},
        {"boxes": None},
        {"boxes": ["box"]},
        {"boxes": [BOX, BOX]},
        {"boxes": [BOX | {"box": [5, 5, 5, 9]}]},
        {"boxes": [BOX | {"box": [0, 0, float("inf"), 9]}]},
        {"boxes": [BOX | {"uid": str(number)} for number in range(1001)]},
        {"seconds": float("nan")},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}",
)
def test_what_is_wrong_is_refused_with_a_sentence(wrong: dict[str, Any]):
    with pytest.raises(StoreError, match=r"expected|box"):
        draft_from(said(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "drop"},
        {"name": None},
        {"request": ""},
        {"request": "r" * 65},
        {"keys": {"skip": 1}},
        {"keys": [1]},
    ],
)
def test_a_wrong_act_is_refused(wrong: dict[str, Any]):
    with pytest.raises(StoreError, match="expected"):
        action_from(said(name="submit", request="r") | wrong)


@pytest.mark.parametrize("entry", [None, 3, "work", []])
def test_no_fields_at_all_are_refused(entry: Any):
    with pytest.raises(StoreError, match="fields"):
        draft_from(entry)


def test_time_on_a_task_stays_within_a_day():
    assert draft_from(said(seconds=-5)).seconds == 0
    assert draft_from(said(seconds=1e9)).seconds == 86_400
