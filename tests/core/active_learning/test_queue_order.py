"""The queue's order on a real store: what models leave open comes first, and what may be wrong is listed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.active_learning import queue_order, ranking
from core.active_learning.queue_order import choose_queue_method, label_issues, queue_method, reorder
from core.active_learning.ranking import stable_uniform
from core.errors import StoreError
from core.garments import Box, Garment
from core.images.decode import Photo
from core.inference.predictions import ensure_category_ids
from core.store import Store
from core.store.boxes import AnnotatedBox
from tests.core.store.rows import add_models

BOX: Box = (10.0, 10.0, 60.0, 80.0)
ASIDE: Box = (65.0, 90.0, 95.0, 120.0)

Add = Callable[..., int]


@pytest.fixture
def add(store: Store, make_photo: Callable[..., Photo]) -> Add:
    def added(seed: int, *garments: Garment, holdout: bool = False) -> int:
        row = store.photos.add(make_photo(seed, holdout=holdout), by="ann").row
        assert row is not None
        if garments:
            embedding = np.random.default_rng(seed).random(16).astype(np.float32)
            store.predictions.save(row.id, add_models(store.database), garments, embedding)
        return row.id

    return added


def annotate(store: Store, photo_id: int, category: str, kind: str = "submitted", base: int = 0) -> None:
    box = AnnotatedBox(BOX, ensure_category_ids(store, [category])[category])
    request = f"{photo_id} {base}"
    store.annotations.submit(photo_id, [box], author="ann", base_version=base, request=request, kind=kind)


def sure(category: str = "top", box: Box = BOX) -> Garment:
    return Garment(box, category, 1.0, (("Shirt", 0.99), ("Blouse", 0.01)))


def tied() -> Garment:
    return Garment(BOX, "top", 0.26, (("Shirt", 0.45), ("Blouse", 0.44)))


def order_of(store: Store) -> list[int]:
    """Photos in the order in which one person gets them."""
    order = []
    while task := store.queue.next("ann"):
        order.append(task.photo_id)
        store.queue.skip(task.id, "ann")
    return order


def chosen(ids: list[int]) -> list[int]:
    """Those that are not of the control arm."""
    return [photo_id for photo_id in ids if stable_uniform(photo_id, queue_order.SEED) >= 0.15]


def test_an_empty_store_has_nothing_to_order(store: Store) -> None:
    assert reorder(store) == 0
    assert label_issues(store) == []


def test_photos_without_predictions_get_an_order_and_a_reason(store: Store, add: Add) -> None:
    ids = {add(seed) for seed in range(4)}
    assert reorder(store) == 4
    task = store.queue.next("ann")
    assert task is not None and task.reasons and task.arm in ("cold", "control")
    assert set(order_of(store)) == ids


def test_what_the_models_leave_open_comes_before_what_they_are_sure_of(store: Store, add: Add) -> None:
    safe = [add(seed, sure()) for seed in range(12)]
    open_ = [add(seed, tied()) for seed in range(20, 26)]
    unseen = add(40)
    assert reorder(store) == 19
    order = chosen(order_of(store))
    places = [order.index(photo_id) for photo_id in chosen(open_)]
    assert np.mean(places) < np.mean([order.index(photo_id) for photo_id in chosen(safe)])
    assert unseen not in chosen([unseen]) or order[-1] == unseen


def test_tasks_say_why_and_from_what(store: Store, add: Add) -> None:
    ids = [add(seed, tied()) for seed in range(8)]
    reorder(store)
    ranked_tasks = {photo_id: store.queue.take(photo_id, "ann") for photo_id in ids}
    for photo_id, task in ranked_tasks.items():
        if photo_id in chosen(ids):
            assert task.arm == "selected" and task.parts["margin"] == pytest.approx(0.99)
            assert "two categories nearly tied: Shirt or Blouse" in task.reasons
        else:
            assert task.arm == "control" and task.reasons == (ranking.CONTROL,)


def test_done_and_deleted_photos_are_not_ranked(store: Store, add: Add) -> None:
    done, gone, left = (add(seed, tied()) for seed in range(3))
    annotate(store, done, "top")
    store.photos.delete(gone, "ann")
    assert reorder(store) == 1
    assert order_of(store) == [left]


def test_swapped_boxes_are_label_issues_until_they_are_annotated_again(store: Store, add: Add) -> None:
    wrong, right = add(1, sure("dress")), add(2, sure("top"))
    annotate(store, wrong, "top")
    annotate(store, right, "top")
    reorder(store)
    (issue,) = label_issues(store)
    assert (issue.photo_id, issue.kind) == (wrong, "swapped")
    assert issue.reason == "drawn as top, while the model is sure of dress"
    annotate(store, wrong, "dress", base=1)
    assert label_issues(store) == []
    reorder(store)
    assert label_issues(store) == []


def test_label_issues_of_deleted_photos_are_left_out(store: Store, add: Add) -> None:
    wrong = add(1, sure("dress"))
    annotate(store, wrong, "top")
    reorder(store)
    store.photos.delete(wrong, "ann")
    assert label_issues(store) == []


def test_imported_boxes_that_may_be_wrong_come_with_the_reason(store: Store, add: Add) -> None:
    wrong, right = add(1, sure("dress")), add(2, sure("top"))
    for photo_id in (wrong, right):
        annotate(store, photo_id, "top", kind="imported")
    for seed in range(3, 6):
        add(seed, sure())
    store.queue.review_imported(True)
    assert reorder(store) == 5
    assert order_of(store)[-1] == right
    assert store.queue.take(wrong, "ann").reasons == ("drawn as top, while the model is sure of dress",)
    assert store.queue.take(right, "ann").reasons == (ranking.IMPORTED,)


def test_a_renamed_category_is_still_the_models(store: Store, add: Add) -> None:
    right = add(1, sure("top"))
    annotate(store, right, "top")
    store.categories.rename(ensure_category_ids(store, ["top"])["top"], "upper", "ann")
    reorder(store)
    assert label_issues(store) == []


def test_the_holdout_is_neither_selected_nor_a_measure_of_what_is_new(store: Store, add: Add) -> None:
    held = add(1, tied(), holdout=True)
    reorder(store)
    task = store.queue.take(held, "ann")
    assert task.reasons == (ranking.HOLDOUT,) and task.arm == "cold"
    annotate(store, held, "top")
    assert store.annotations.training_pool() == set()


def test_the_queue_can_be_ordered_by_ppal(store: Store, add: Add) -> None:
    hard = Garment(BOX, "belt", 0.5, (("Belt", 1.0),))
    annotate(store, add(1, sure("belt")), "top")  # so that belts are hard, and tops as well
    known = add(2, sure("dress"))
    annotate(store, known, "dress")
    photos = [add(seed, hard if seed % 2 else sure("dress")) for seed in range(3, 23)]
    unseen = add(40)
    choose_queue_method(store, "ppal")
    assert reorder(store) == 21
    order = chosen(order_of(store))
    uncertain = chosen(photos[::2])
    assert set(order[: len(uncertain)]) == set(uncertain)
    assert unseen not in chosen([unseen]) or order[-1] == unseen
    task = store.queue.take(uncertain[0], "ann")
    assert task.reasons[0] == "uncertain garments, most of all: belt, which is hard for the models"
    certain = store.queue.take(chosen(photos[1::2])[0], "ann")
    assert ranking.CERTAIN in certain.reasons
    again = [store.queue.take(photo, "ann").reasons for photo in photos]
    reorder(store)
    assert [store.queue.take(photo, "ann").reasons for photo in photos] == again


def test_the_order_is_selection_until_another_one_is_chosen(store: Store) -> None:
    assert queue_method(store) == "selection"
    with pytest.raises(StoreError, match="selection, ppal"):
        choose_queue_method(store, "alphabet")
    choose_queue_method(store, "ppal")
    assert queue_method(store) == "ppal"


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than ten open photos are many: ranked are the first four, and six new ones at a time."""
    for name, value in (("ALL_AT_ONCE", 10), ("HEAD", 4), ("PART", 6)):
        monkeypatch.setattr(queue_order, name, value)
    monkeypatch.setattr(queue_order, "OVERLAP_SECONDS", 0.0)
    monkeypatch.setattr(queue_order, "OVERLAP_VERSIONS", 0)


def ranks_of(store: Store) -> dict[int, float]:
    return {photo.photo_id: photo.rank for photo in store.queue.open_photos()}


@pytest.mark.usefixtures("in_parts")
def test_of_many_photos_the_most_uncertain_come_to_the_head_part_by_part(store: Store, add: Add) -> None:
    safe = [add(seed, sure()) for seed in range(30)]
    uncertain = [add(seed, tied()) for seed in range(40, 46)]
    store.queue.fill()
    before = ranks_of(store)
    reorder(store)
    after = ranks_of(store)
    assert sorted(after.values()) == sorted(before.values()), "photos share out the places that they had"
    order = chosen(order_of(store))
    places = [order.index(photo_id) for photo_id in chosen(uncertain)]
    assert np.mean(places) < np.mean([order.index(photo_id) for photo_id in chosen(safe)]) / 2
    assert set(chosen(uncertain)) & set(order[:3])


@pytest.mark.usefixtures("in_parts")
def test_of_many_photos_only_new_ones_and_the_head_are_ranked_again(store: Store, add: Add) -> None:
    for seed in range(30):
        add(seed, sure())
    assert reorder(store) > 30
    before, head = ranks_of(store), set(store.queue.head(4))
    new = next(photo_id for photo_id in (add(seed, tied()) for seed in range(50, 60)) if chosen([photo_id]))
    late = [photo_id for photo_id in ranks_of(store) if photo_id not in before]
    store.queue.fill()
    assert reorder(store) <= 4 + 1 + len(late) + 4
    after = ranks_of(store)
    moved = {photo_id for photo_id, rank in before.items() if after[photo_id] != rank}
    assert moved <= head | {max(before)}, "the last prediction before is looked at again"
    assert new in set(order_of(store)[:6])


@pytest.mark.usefixtures("in_parts")
def test_of_many_photos_label_issues_stay_until_they_are_annotated_again(store: Store, add: Add) -> None:
    wrong = add(1, sure("dress"))
    annotate(store, wrong, "top")
    for seed in range(2, 22):
        add(seed, sure())
    reorder(store)
    add(30, tied())
    reorder(store)
    assert [issue.photo_id for issue in label_issues(store)] == [wrong]
    late = add(31, sure("dress"))
    annotate(store, late, "top")
    reorder(store)
    assert {issue.photo_id for issue in label_issues(store)} == {wrong, late}
    annotate(store, wrong, "dress", base=1)
    reorder(store)
    assert [issue.photo_id for issue in label_issues(store)] == [late]


@pytest.mark.usefixtures("in_parts")
def test_many_photos_without_predictions_and_those_sent_back_keep_their_places(
    store: Store, add: Add
) -> None:
    ids = [add(seed) for seed in range(14)]
    store.queue.fill()
    store.queue.put_first(ids[9], "look again")
    assert reorder(store) == 4
    assert order_of(store)[0] == ids[9]
