"""Guidelines of categories: text and examples, as long as these are what they were."""

from __future__ import annotations

import pytest

from core.errors import NotFoundError, StoreError
from core.store.guidelines import (
    MOST_EXAMPLES,
    Guideline,
    add_examples,
    examples_of,
    guidelines,
    remove_examples,
    write_guideline,
)
from tests.core.store.rows import add_photos, box


def annotate(store, photo_id, *boxes, base=0):
    request = f"{photo_id}-{base}"
    store.annotations.submit(photo_id, boxes, author="ann", base_version=base, request=request)


def test_text_and_examples_are_kept_by_category(store):
    a, b = add_photos(store.database, 2)
    annotate(store, a, box(1, 1, 9, 9, 1, uid="x"), box(2, 2, 8, 8, 2, uid="y"))
    annotate(store, b, box(1, 1, 9, 9, 1, uid="x"))
    write_guideline(store, 1, " Worn on the upper body.\nNo \x00dresses. ")
    assert add_examples(store, {a: ["x", "y"], b: ["x", "gone"]}) == 3
    assert guidelines(store)[1] == Guideline("Worn on the upper body.\nNo dresses.", ((a, "x"), (b, "x")))
    assert [(one.photo.id, one.uid, one.box_xyxy) for one in examples_of(store, 2)] == [
        (a, "y", (2, 2, 8, 8))
    ]
    annotate(store, b, box(1, 1, 9, 9, 2, uid="x"), base=1)  # it is none of the category any more
    assert [one.photo.id for one in examples_of(store, 1)] == [a]
    remove_examples(store, 1, {a: ["x"], b: ["x"]})
    assert examples_of(store, 1) == [] and guidelines(store)[1].text
    store.photos.delete(a, "ann")
    assert examples_of(store, 2) == []


def test_what_cannot_be_a_guideline_is_said(store):
    with pytest.raises(StoreError, match="at most 4,000"):
        write_guideline(store, 1, "x" * 5000)
    with pytest.raises(NotFoundError, match="no category number 99"):
        write_guideline(store, 99, "lost")
    (a,) = add_photos(store.database, 1)
    many = [box(n, 1, n + 9, 9, 1, uid=f"{n}") for n in range(MOST_EXAMPLES + 1)]
    annotate(store, a, *many)
    with pytest.raises(StoreError, match="at most 24 examples"):
        add_examples(store, {a: [one.uid for one in many]})
    assert guidelines(store) == {}
