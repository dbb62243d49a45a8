"""Photos that are prepared in chunks come to what they come to in one go: in any order, by anybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from core.images.decode import open_photo
from core.store import Store, import_step, importing
from core.store.import_step import Prepared
from core.store.importing import (
    ImportCheckpoint,
    ImportManifest,
    finish_import,
    import_all,
    import_batch,
    prepare_import,
    prepare_photos,
)
from core.store.imports import ImportRow, UploadFolder
from core.store.photos import in_holdout
from core.store.schema import annotations, photos, tasks

CHUNK = 4


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four files."""
    monkeypatch.setattr(importing, "CHUNK_PHOTOS", CHUNK)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A dataset with all that can become of a photo, and much that depends on which came first."""
    return dataset_in(tmp_path / "source")


def dataset_in(folder: Path, plain: int = 12) -> Path:
    """Photos and COCO's boxes: copies, near duplicates in and out of the holdout, broken files, odd boxes."""
    images = folder / "images"
    images.mkdir(parents=True)
    names = [f"{number:03d}" for number in range(plain)]
    for number, name in enumerate(names):
        drawn(number).save(images / f"{name}.jpg", quality=92)
    for name in ("001", "005"):  # the same bytes, before and behind
        (images / f"zz copy of {name}.jpg").write_bytes((images / f"{name}.jpg").read_bytes())
    (images / "000 copy of 009.jpg").write_bytes((images / "009.jpg").read_bytes())
    held = saved(images / "004 held.jpg", lambda digest: in_holdout(digest))
    recompressed(held, images / "006 near held.jpg")
    recompressed(held, images / "zz near held.jpg", first=60)
    free = saved(images / "zz free.jpg", lambda digest: not in_holdout(digest))
    near = recompressed(free, images / "003 near free.jpg")
    assert not in_holdout(open_photo(near).digest)
    (images / "007 broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing else")
    files = sorted(path.name for path in images.iterdir())
    listed = [{"id": n, "file_name": name, "width": 96, "height": 128} for n, name in enumerate(files)]
    boxes = [
        {"id": n + 1, "image_id": n, "category_id": 1 + n % 2, "bbox": [9, 9, 20 + n, 50], "iscrowd": 0}
        for n in range(0, len(files), 2)
    ]
    names_of = [{"id": 1, "name": "scarf of ours"}, {"id": 2, "name": "Dress"}]
    document = {"images": listed, "annotations": boxes, "categories": names_of}
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def drawn(*seed: int) -> Image.Image:
    """A picture unlike any other seed's."""
    patches = np.random.default_rng([77, *seed]).integers(0, 256, (16, 17, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((96, 128), Image.Resampling.BICUBIC)


def saved(path: Path, wanted: Callable[[str], bool]) -> Path:
    """The first picture whose file has a digest as wanted."""
    for seed in range(1000):
        drawn(1, seed).save(path, quality=92)
        if wanted(open_photo(path).digest):
            return path
    raise AssertionError("no such digest")


def recompressed(path: Path, to: Path, first: int = 85) -> Path:
    """A near duplicate that does not belong to the holdout by itself."""
    with Image.open(path) as image:
        for quality in range(first, first - 20, -1):
            image.save(to, quality=quality)
            if not in_holdout(open_photo(to).digest):
                return to
    raise AssertionError("no such digest")


def whole(store: Store, import_id: int) -> dict[str, Any]:
    """All that an import leaves behind and a person could see, but for its times."""
    near, row = photos.alias("near"), store.imports.get(import_id)
    columns = (photos.c.digest, photos.c.blob, photos.c.thumbnail, photos.c.name, photos.c.holdout)
    of_photos = sa.select(*columns, near.c.digest.label("near"))
    of_photos = of_photos.outerjoin(near, near.c.id == photos.c.near_id).order_by(photos.c.id)
    of_boxes = sa.select(photos.c.digest, annotations.c.version, annotations.c.kind, annotations.c.boxes)
    of_boxes = of_boxes.join(photos, photos.c.id == annotations.c.photo_id).order_by(annotations.c.id)
    of_tasks = sa.select(photos.c.digest, tasks.c.state, tasks.c.rank).join_from(tasks, photos)
    with store.database.read() as connection:
        found = {
            "photos": [tuple(each) for each in connection.execute(of_photos)],
            "boxes": [
                (*each[:3], [{**box, "uid": None} for box in each.boxes])
                for each in connection.execute(of_boxes)
            ],
            "tasks": sorted(tuple(each) for each in connection.execute(of_tasks)),
        }
    found["report"] = [(told.name, told.reason) for told in store.imports.refusals(import_id)]
    found["categories"] = [(category.id, category.name) for category in store.categories.all()]
    assert all(store.blobs.has(each[1]) and store.blobs.has(each[2]) for each in found["photos"])
    return found | {"ended": (row.state, row.done, row.total, row.message, dict(row.counts))}


def begun(store: Store, source: Path) -> int:
    return store.imports.begin("set", "ada", str(source))


def prepare_all(store: Store, import_id: int, mark: ImportCheckpoint, order: Random) -> None:
    """Prepare all chunks in any order, some files at a time."""
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    chunks = [*range(-(-mark.total // mark.chunk))]
    order.shuffle(chunks)
    for chunk in chunks:
        done, ended = list[Prepared](), False
        while not ended:
            more, ended = prepare_photos(store, import_id, chunk, len(done), most=3)
            done += more
        manifest.keep_prepared(chunk, [entry.as_list() for entry in done])


def bring_in(store: Store, import_id: int, mark: ImportCheckpoint) -> ImportRow:
    while not mark.ended:
        mark = import_batch(store, import_id, ImportCheckpoint(**mark.as_dict()), most=3)
    return finish_import(store, import_id, mark)


def test_chunks_that_are_prepared_in_any_order_give_what_one_go_gives(
    store: Store,
    fresh_store: Callable[[str], Store],
    source: Path,
    chunked: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm = fresh_store("sqlite")
    import_all(calm, begun(calm, source), trusted=True)
    id = begun(store, source)
    mark = prepare_import(store, id, trusted=True)
    assert (mark.chunk, mark.total > 4 * CHUNK) == (CHUNK, True)
    prepare_all(store, id, mark, Random(1))
    assert store.photos.count() == 0
    monkeypatch.setattr(import_step, "open_photo", None)  # nothing is read again
    bring_in(store, id, mark)
    outcome = whole(store, id)
    assert outcome == whole(calm, 1)
    counts, held = outcome["ended"][-1], [name for *_, name, holdout, near in outcome["photos"] if holdout]
    assert all(counts[kind] for kind in ("new", "near", "exact", "holdout", "refused", "annotated"))
    assert "004 held.jpg" in held and "zz near held.jpg" not in held


def test_pictures_that_were_swept_meanwhile_are_made_again(
    store: Store, fresh_store: Callable[[str], Store], source: Path, chunked: None
) -> None:
    calm = fresh_store("sqlite")
    import_all(calm, begun(calm, source), trusted=True)
    id = begun(store, source)
    mark = prepare_import(store, id, trusted=True)
    prepare_all(store, id, mark, Random(2))
    mark = import_batch(store, id, mark, most=6)
    assert store.photos.sweep() > 10
    bring_in(store, id, mark)
    assert whole(store, id) == whole(calm, 1)


def test_what_is_there_already_is_prepared_by_a_look_and_left_as_it_is(
    store: Store, source: Path, chunked: None
) -> None:
    import_all(store, begun(store, source), trusted=True)
    before = whole(store, 1)["photos"]
    id = begun(store, source)
    mark = prepare_import(store, id, trusted=True)
    prepare_all(store, id, mark, Random(3))
    counts = bring_in(store, id, mark).counts
    assert whole(store, id)["photos"] == before
    assert (counts["new"], counts["near"], counts["refused"]) == (0, 0, 1) and counts["exact"] > 10


def test_a_photo_that_was_deleted_after_it_was_looked_at_comes_again(
    store: Store, source: Path, chunked: None
) -> None:
    import_all(store, begun(store, source), trusted=True)
    id = begun(store, source)
    mark = prepare_import(store, id, trusted=True)
    prepare_all(store, id, mark, Random(4))
    gone = next(row for row in store.photos.page(0, 99) if row.name == "002.jpg")
    store.photos.delete(gone.id, "ada")
    assert bring_in(store, id, mark).counts["new"] == 1
    assert store.blobs.has(store.photos.get(gone.id).blob)


def test_a_small_import_is_not_cut_into_chunks(store: Store, source: Path) -> None:
    mark = prepare_import(store, begun(store, source), trusted=True)
    assert mark.chunk == 0
