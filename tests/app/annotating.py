"""A store with photos to annotate, and the editor's messages as the browser would send them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from app.annotate.session import AnnotationSession
from app.editor import EditorAction, EditorDraft
from core.garments import Garment
from core.images.decode import read_photo
from core.store import Store, sqlite_url
from core.store.boxes import AnnotatedBox
from tests.core.store.rows import add_models
from tests.pictures import jpeg

_requests = itertools.count(1)


def filled_store(folder: Path, photos: int = 3, *, predicted: bool = False) -> Store:
    """A SQLite store with this many photos in its queue; with ``predicted``, one garment is seen on each."""
    (folder / "lapel.db").write_bytes(_empty_database())
    store = Store.open(sqlite_url(folder), folder)
    for number in range(photos):
        add_photo(store, number, predicted=predicted)
    store.queue.fill()
    return store


@cache
def _empty_database() -> bytes:
    """An empty store's database: making its tables takes longer than most tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Store.open(sqlite_url(folder), folder).close()
        return (folder / "lapel.db").read_bytes()


def add_photo(store: Store, number: int, *, predicted: bool = False) -> int:
    """One more photo, 90 x 120; its number in the store."""
    photo = read_photo(jpeg(1 + number % 3, shade=7 * number), f"photo-{number}.jpg")
    row = store.photos.add(photo, by="anna").row
    assert row is not None
    if predicted:
        garment = Garment((10, 10, 50, 60), "top", 0.8, (("Shirt", 0.7), ("Blouse", 0.2)))
        store.predictions.save(row.id, add_models(store.database), [garment], None)
    return row.id


def box(left: float = 10, uid: str | None = None, category: int = 1, **fields: object) -> AnnotatedBox:
    """A box 30 x 40 from ``left`` on."""
    named = {} if uid is None else {"uid": uid}
    return AnnotatedBox((left, 20, left + 30, 60), category, **named, **fields)


def work_on(session: AnnotationSession, sequence: int, *boxes: AnnotatedBox) -> EditorDraft:
    """The editor's message after a change to the open photo."""
    assert session.opened is not None
    return EditorDraft(session.opened.key, sequence, boxes, 5.0)


def act_on(
    session: AnnotationSession, name: str, boxes: Sequence[AnnotatedBox] = (), **fields: object
) -> EditorAction:
    """What a user asks for in the editor."""
    assert session.opened is not None
    fields = {"request": f"request-{next(_requests)}", "sequence": 1, "seconds": 5.0} | fields
    return EditorAction(name=name, key=session.opened.key, boxes=tuple(boxes), **fields)
