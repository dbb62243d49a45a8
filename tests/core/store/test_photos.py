"""Photos come in once, in or out of the holdout for ever, and leave a tombstone."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from core.errors import NotFoundError


def test_a_new_photo_is_kept_with_its_picture_and_a_small_one(store, make_photo):
    added = store.photos.add(make_photo(1), by="ada")
    assert added.outcome == "new" and added.row.near_id is None
    assert (added.row.name, added.row.width, added.row.height, added.row.by) == (
        "photo 1.jpg",
        96,
        128,
        "ada",
    )
    assert Image.open(io.BytesIO(store.photos.picture(added.row.id))).size == (96, 128)
    assert store.photos.open(added.row.id).digest == make_photo(1).digest
    assert store.photos.get(added.row.id) == added.row


def test_the_same_photo_again_stores_nothing(store, make_photo):
    first = store.photos.add(make_photo(1), by="ada")
    again = store.photos.add(make_photo(1, name="other.jpg"), by="ben")
    assert (again.outcome, again.row) == ("exact", first.row)
    assert store.photos.count() == 1 and len(list(store.blobs.digests())) == 2


def test_a_deleted_photo_is_not_found(store, make_photo):
    row = store.photos.add(make_photo(1), by="ada").row
    store.photos.delete(row.id, "ben")
    with pytest.raises(NotFoundError):
        store.photos.get(row.id)
    assert store.photos.get(row.id, deleted_ok=True).deleted_at is not None
    assert list(store.blobs.digests()) == [] and store.photos.page(0, 10) == []
