"""What is chosen: all that a filter found, less what was unticked, and what was ticked beside it."""

from __future__ import annotations

from pathlib import Path

from app.data.selection import QuerySelection, SelectionState
from core.store import Store
from core.store.search import PhotoQuery
from tests.core.store.rows import add_photos, box


def test_photos_that_were_found_are_chosen_but_for_those_unticked(tmp_path: Path):
    store, mine = Store.open(folder=tmp_path), SelectionState()
    ids = add_photos(store.database, 6)
    mine.choose("Photos", [str(ids[0])], True)
    mine.choose_found("Photos", QuerySelection.by(store, PhotoQuery(ids=tuple(ids[1:5])), of_boxes=False))
    assert mine.among(store, "Photos", [str(id) for id in ids]) == [str(id) for id in ids[1:5]]
    mine.choose("Photos", [str(ids[2])], False)
    mine.choose("Photos", [str(ids[5])], True)
    selection = mine.selection(store, "Photos")
    assert len(selection) == 4 and selection.is_of_photos
    assert selection.photo_ids().tolist() == [ids[1], ids[3], ids[4], ids[5]]
    assert [key for part in selection.parts() for key in part] == [str(ids[n]) for n in (1, 3, 4, 5)]
    mine.choose("Photos", [str(ids[2])], True)
    assert len(mine.selection(store, "Photos")) == 5
    mine.clear("Photos")
    assert not mine.selection(store, "Photos") and not mine.among(store, "Photos", [str(ids[1])])
    store.close()


def test_boxes_that_were_found_are_those_that_pass_when_something_is_done(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("app.data.selection.PART", 2)
    store, mine = Store.open(folder=tmp_path), SelectionState()
    ids = add_photos(store.database, 5)
    for number, id in enumerate(ids[:4]):
        boxes = [box(1, 1, 9, 9, 1, uid="x"), box(2, 2, 9, 9, 1 if number else 2, uid="y")]
        store.annotations.submit(id, boxes, author="ann", base_version=0, request=f"{id}")
    mine.choose_found("Crops", QuerySelection.by(store, PhotoQuery(category_id=1), of_boxes=True))
    mine.choose("Crops", [f"{ids[0]}:x", f"{ids[1]}:x"], False)  # the first photo has no other
    mine.choose("Crops", [f"{ids[0]}:y"], True)
    selection = mine.selection(store, "Crops")
    assert len(selection) == 6 and not selection.is_of_photos
    assert selection.photo_ids().tolist() == ids[:4]
    a, b, c, d = ids[:4]
    assert list(selection.parts()) == [
        [f"{b}:y", f"{a}:y"],
        [f"{c}:x", f"{c}:y", f"{d}:x", f"{d}:y"],
    ]
    mine.choose("Crops", [f"{ids[0]}:y"], False)
    assert mine.selection(store, "Crops").photo_ids().tolist() == ids[1:4]
    store.close()
