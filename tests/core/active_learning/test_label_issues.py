"""Label issues: each kind is found and explained; agreement gives none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.active_learning.label_issues import (
    LabeledBox,
    LabelIssue,
    PhotoBoxes,
    find_label_issues,
    unexplained,
)

NAMES = {7: "top", 8: "dress", 9: "bag"}
TOP, DRESS, BAG = 7, 8, 9
LEFT, RIGHT = (100.0, 100.0, 300.0, 500.0), (500.0, 600.0, 600.0, 700.0)


def photo(annotated: list[LabeledBox], predicted: list[LabeledBox], photo_id: int = 1) -> PhotoBoxes:
    return PhotoBoxes(photo_id, (800, 1000), tuple(annotated), tuple(predicted))


def issues(*photos: PhotoBoxes, least: float = 0.5) -> list[LabelIssue]:
    return list(find_label_issues(photos, NAMES, 0.3, least))


def test_what_people_and_model_agree_on_is_no_issue() -> None:
    boxes = [LabeledBox(LEFT, TOP), LabeledBox(RIGHT, BAG)]
    assert issues(photo(boxes, [replace(box, score=0.9) for box in boxes])) == []


def test_a_garment_that_only_the_model_saw_was_overlooked() -> None:
    (found,) = issues(
        photo([LabeledBox(LEFT, TOP)], [LabeledBox(LEFT, TOP, 0.9), LabeledBox(RIGHT, BAG, 0.9)])
    )
    assert found.kind == "overlooked" and found.photo_id == 1
    assert found.score > 0.8
    assert found.reason == "nobody drew this, and the model is sure of it: bag"


def test_a_guess_is_no_evidence() -> None:
    assert (
        issues(photo([LabeledBox(LEFT, TOP)], [LabeledBox(LEFT, TOP, 0.9), LabeledBox(RIGHT, BAG, 0.6)]))
        == []
    )


def test_nothing_drawn_at_all_is_noticed() -> None:
    (found,) = issues(photo([], [LabeledBox(RIGHT, BAG, 0.9)]))
    assert found.kind == "overlooked"
    assert issues(photo([], []), photo([LabeledBox(LEFT, TOP)], [])) == []


def test_a_box_beside_the_garment_is_badly_located() -> None:
    (found,) = issues(photo([LabeledBox((100.0, 350.0, 300.0, 750.0), TOP)], [LabeledBox(LEFT, TOP, 0.9)]))
    assert found.kind == "badly located"
    assert found.reason == "the model sees its edges elsewhere: top"


def test_another_category_at_the_place_is_a_swap() -> None:
    (found,) = issues(photo([LabeledBox(LEFT, DRESS)], [LabeledBox(LEFT, TOP, 0.9)]))
    assert found.kind == "swapped" and found.score == pytest.approx(0.9, abs=0.01)
    assert found.reason == "drawn as dress, while the model is sure of top"


def test_garments_that_lie_over_each_other_are_no_swap_where_both_are_drawn() -> None:
    boxes = [LabeledBox(LEFT, TOP), LabeledBox((105.0, 100.0, 300.0, 510.0), DRESS)]
    assert issues(photo(boxes, [replace(box, score=0.95) for box in boxes])) == []


def test_what_a_box_of_its_category_accounts_for_is_explained() -> None:
    checked = photo(
        [LabeledBox(LEFT, TOP)],
        [LabeledBox(LEFT, TOP, 0.9), LabeledBox(LEFT, DRESS, 0.9), LabeledBox(RIGHT, TOP, 0.9)],
    )
    assert unexplained(checked) == checked.predicted[1:]


def test_the_worst_of_a_photo_is_told_and_scores_fall_with_the_models_doubt() -> None:
    swapped, missing = LabeledBox(LEFT, TOP, 0.8), LabeledBox(RIGHT, BAG, 0.95)
    (found,) = issues(photo([LabeledBox(LEFT, DRESS)], [swapped, missing]))
    assert found.kind == "overlooked"
    (surer,) = issues(photo([LabeledBox(LEFT, DRESS)], [replace(swapped, score=0.99), missing]))
    assert surer.kind == "swapped"


def test_categories_the_model_does_not_know_do_no_harm() -> None:
    assert issues(photo([LabeledBox(LEFT, 55)], [LabeledBox(RIGHT, 66, 0.99)])) == []


def test_a_photos_score_does_not_depend_on_its_neighbors() -> None:
    one = photo([LabeledBox(LEFT, DRESS)], [LabeledBox(LEFT, TOP, 0.9)])
    other = photo([LabeledBox(LEFT, TOP)], [LabeledBox(LEFT, TOP, 0.9), LabeledBox(RIGHT, BAG, 0.9)], 2)
    assert issues(one, other) == [*issues(one), *issues(other)]


def test_the_size_of_the_photo_does_not_matter() -> None:
    beside = [LabeledBox((100.0, 350.0, 300.0, 750.0), TOP)]
    large = PhotoBoxes(
        1,
        (1600, 2000),
        *(
            tuple(LabeledBox(tuple(2 * v for v in s.box_xyxy), s.category_id, s.score) for s in seen)  # type: ignore[arg-type]
            for seen in (beside, [LabeledBox(LEFT, TOP, 0.9)])
        ),
    )
    found = [replace(issue, box_xyxy=None) for issue in issues(large)]
    same = issues(photo(beside, [LabeledBox(LEFT, TOP, 0.9)]))
    assert found == [replace(issue, box_xyxy=None) for issue in same]
    assert same[0].box_xyxy == beside[0].box_xyxy and same[0].category_id == TOP
