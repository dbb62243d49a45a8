"""Merging: what one side changed is suggested, what both changed is asked, nothing is lost unseen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import StoreError
from core.store.agreement import compare, merge
from tests.core.store.rows import box

SHIRT = box(0, 0, 100, 100, 1, uid="shirt")
MOVED = replace(SHIRT, box_xyxy=(5, 0, 100, 100))
NAMED = replace(SHIRT, category_id=2)
SHOES = box(0, 200, 50, 240, 3, uid="shoes")


def only(base, mine, theirs):
    (choice,) = compare(base, mine, theirs)
    return choice


def test_nothing_is_to_choose_where_both_say_the_same():
    choice = only([SHIRT], [MOVED], [replace(MOVED, changed=True, score=0.5)])
    assert choice.same
    assert merge([choice]) == (MOVED,)


@pytest.mark.parametrize(
    ("mine", "theirs", "suggested", "contested"),
    [
        ([SHIRT], [MOVED], "theirs", False),
        ([MOVED], [SHIRT], "mine", False),
        ([MOVED], [NAMED], "mine", True),
        ([SHIRT], [], "theirs", False),
        ([], [SHIRT], "mine", False),
        ([MOVED], [], "mine", True),
        ([], [MOVED], "mine", True),
    ],
    ids=["they moved", "I moved", "both", "they deleted", "I deleted", "I moved, they deleted", "reverse"],
)
def test_the_side_that_changed_a_box_is_suggested(mine, theirs, suggested, contested):
    choice = only([SHIRT], mine, theirs)
    assert (choice.uid, choice.suggested, choice.contested, choice.same) == (
        "shirt", suggested, contested, False,
    )  # fmt: skip


def test_flags_count_as_a_change_and_are_kept():
    flagged = replace(SHIRT, flags=frozenset({"difficult"}))
    choice = only([SHIRT], [SHIRT], [flagged])
    assert (choice.same, choice.suggested) == (False, "theirs")
    assert merge([choice]) == (flagged,)
    assert merge([only([flagged], [replace(MOVED, flags=flagged.flags)], [flagged])])[0].flags == {
        "difficult"
    }


def test_what_either_drew_anew_is_kept():
    choices = compare([], [SHIRT], [SHOES])
    assert [choice.suggested for choice in choices] == ["mine", "theirs"]
    assert merge(choices) == (SHIRT, SHOES)


def test_what_one_side_deleted_is_left_out():
    assert merge(compare([SHIRT, SHOES], [SHIRT], [SHIRT, SHOES])) == (SHIRT,)
    assert merge(compare([SHIRT, SHOES], [SHIRT, SHOES], [SHOES])) == (SHOES,)


def test_the_same_garment_drawn_by_both_is_one_choice():
    theirs = replace(MOVED, uid="other")
    choice = only([], [SHIRT], [theirs])
    assert (choice.mine, choice.theirs, choice.contested) == (SHIRT, theirs, True)
    assert merge([choice], {"shirt": "theirs"}) == (theirs,)


def test_a_person_chooses_box_by_box():
    choice = only([SHIRT], [MOVED], [NAMED])
    assert merge([choice], {"shirt": "theirs"}) == (NAMED,)
    assert merge([choice], {"shirt": "neither"}) == ()
    kept = merge([choice], {"shirt": "both"})
    assert [entry.box_xyxy for entry in kept] == [MOVED.box_xyxy, NAMED.box_xyxy]
    assert kept[0].uid != kept[1].uid
    with pytest.raises(StoreError, match="mine, theirs, both, neither"):
        merge([choice], {"shirt": "perhaps"})


def test_two_empty_versions_have_nothing_to_choose():
    assert compare([SHIRT], [], []) == []
    assert merge([]) == ()
