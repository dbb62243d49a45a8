"""An import that is killed and started again ends as one that was never disturbed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from core.store import Store
from core.store.importing import import_all
from core.store.schema import annotations, photos, tasks
from tests.faults.counts import times
from tests.faults.processes import Child, tell
from tests.faults.wholeness import faults_of
from tests.faults.writer import import_all_of, make_photos


def run_import(pipe: Connection, url: str, folder: Path, import_id: int) -> None:
    """In a child: the whole import, telling after each step."""
    store = Store.open(url, folder)
    import_all_of(store, import_id, partial(_say, pipe))


def _say(pipe: Connection, done: int) -> None:
    tell(pipe, what="import", done=done)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_killed_import_ends_with_the_counts_of_one_in_peace(
    kind: str, fresh_store: Callable[[str], Store], tmp_path: Path
) -> None:
    kills, moments = times(3), Random(kind)
    source = dataset_in(tmp_path / "source", 4 * kills)
    calm = fresh_store(kind)
    expected = import_all(calm, calm.imports.begin("photos", "Anna", str(source)), trusted=True)
    store = fresh_store(kind)
    url = store.database.engine.url.render_as_string(hide_password=False)
    import_id = store.imports.begin("photos", "Anna", str(source))
    for _ in range(kills):
        child = Child(run_import, url, store.folder, import_id)
        child.listen(moments.randrange(2))
        time.sleep(moments.uniform(0.0, 0.05))
        child.kill()
    assert [*faults_of(store)] == []
    ended = import_all(store, import_id, trusted=True)
    assert (ended.state, ended.done, dict(ended.counts)) == ("done", expected.total, dict(expected.counts))
    assert content(store) == content(calm)
    assert [*faults_of(store)] == []


def test_the_calm_import_has_met_all_that_can_become_of_a_photo(
    fresh_store: Callable[[str], Store], tmp_path: Path
) -> None:
    store, source = fresh_store("sqlite"), dataset_in(tmp_path / "source", 12)
    ended = import_all(store, store.imports.begin("photos", "Anna", str(source)), trusted=True)
    assert all(ended.counts[outcome] for outcome in ("new", "exact", "refused", "annotated"))


def dataset_in(folder: Path, count: int) -> Path:
    """Photos with COCO's boxes for half of them; a copy and a broken file are among them."""
    make_photos(folder / "images", Random(count), count)
    names = sorted(path.name for path in (folder / "images").iterdir())
    images = [{"id": n, "file_name": name, "width": 96, "height": 128} for n, name in enumerate(names)]
    boxes = [
        {"id": n + 1, "image_id": n, "category_id": 1, "bbox": [10, 10, 40, 50], "area": 2000, "iscrowd": 0}
        for n in range(0, len(names), 2)
    ]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "scarf of ours"}]}
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder


def content(store: Store) -> list[Any]:
    """All that an import leaves behind, but for its times."""
    with store.database.read() as connection:
        of_photos = sa.select(photos.c.digest, photos.c.holdout, photos.c.name).order_by(photos.c.digest)
        saved = sa.select(photos.c.digest, annotations.c.version, annotations.c.kind)
        saved = saved.join_from(annotations, photos).order_by(photos.c.digest)
        open_tasks = sa.select(sa.func.count()).select_from(tasks).where(tasks.c.state == "open")
        found = [
            [tuple(row) for row in connection.execute(query)] for query in (of_photos, saved, open_tasks)
        ]
    refused = sorted((entry.name, entry.reason) for entry in store.imports.refusals(1))
    return [*found, refused, [category.name for category in store.categories.all()]]
