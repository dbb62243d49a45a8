"""Stores and backups of older schemas: what people made is there after the migrations."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.errors import StoreError
from core.inference.predictions import queue_models, serving_models
from core.models.cards import ModelCard
from core.store import Store, backup_file, sqlite_url
from core.store.backup import backup, restore
from core.store.database import Database, head
from core.store.predictions import ModelPair
from core.store.schema import DERIVED, consensus_reviews, metadata, photos
from core.store.tasks import count_tasks
from tests import postgres
from tests.core.store.rows import photo_row_0010

DETECTOR, CLASSIFIER = "street", "fine (2)"
JOINED = f"{DETECTOR} + {CLASSIFIER}"
AGREEMENT = {"mean_iou": 0.5, "matched": 1, "only_first": 0, "only_second": 1, "same_category": 1}
GARMENT = {"box": [1, 2, 3, 4], "category": "top", "score": 0.5, "top5": [["Shirt", 0.75]]}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    with postgres.database(request.getfixturevalue("postgresql_server"), "migrated") as made:
        yield made


def model_row(number: int, kind: str, name: str) -> dict[str, Any]:
    card = vars(ModelCard(kind, "a model", "pico", ("top",), 160, 0.4, name=name))
    return {
        "id": number,
        "kind": kind,
        "name": name,
        "digest": "0" * 64,
        "card": card,
        "by": "ann",
        "at": 0.0,
    }


def prediction_row(photo_id: int, model: str, at: float) -> dict[str, Any]:
    return {"photo_id": photo_id, "model": model, "garments": [GARMENT], "embedding": b"\0<", "at": at}


ROWS_0002: dict[str, list[dict[str, Any]]] = {
    "photos": [{"id": number} | photo_row_0010(number) for number in (1, 2)],
    "models": [model_row(7, "detector", DETECTOR), model_row(8, "classifier", CLASSIFIER)],
    "champions": [
        {"kind": "detector", "model_id": 7, "at": 0.0},
        {"kind": "classifier", "model_id": 8, "at": 0.0},
    ],
    "predictions": [
        prediction_row(1, JOINED, 1.0),
        prediction_row(2, JOINED, 2.0),
        prediction_row(2, "weights that left + no trace", 3.0),
    ],
    "settings": [
        {"name": "queue_model", "value": JOINED},
        {"name": "labelling_asked_for", "value": "weights that left + no trace"},
        {"name": "model_thresholds", "value": {JOINED: 0.4}},
        {"name": "second_share", "value": 0.5},
    ],
}
"""Rows of a store as the schema 0002 has them, where predictions have the models' joined names."""


def fill_0002(database: Database) -> None:
    database.upgrade("0002")
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        for name, rows in ROWS_0002.items():
            connection.execute(sa.insert(tables.tables[name]), rows)


def check(store: Store) -> None:
    pair = ModelPair(7, 8)
    assert store.database.version() == head()
    found = list(store.predictions.iterate(pair))
    assert [(entry.photo_id, entry.at) for entry in found] == [(1, 1.0), (2, 2.0)]
    assert found[0].garments[0].as_dict() == GARMENT
    assert found[0].embedding is not None and found[0].embedding.tolist() == [1.0]
    assert store.predictions.latest_models() == queue_models(store) == serving_models(store) == pair
    assert store.predictions.score_threshold(pair) == 0.4
    settings = ("labeling_requested_for", "model_thresholds", "second_share")
    assert [store.settings.get(name) for name in settings] == [None, None, 0.5]


def test_predictions_by_joined_names_are_found_by_the_models_ids(url: str, tmp_path: Path) -> None:
    database = Database.connect(url)
    fill_0002(database)
    database.close()
    store = Store.open(url, tmp_path)
    check(store)
    store.close()


def test_names_that_could_be_two_pairs_belong_to_none(tmp_path: Path) -> None:
    database = Database.connect(sqlite_url(tmp_path))
    database.upgrade("0002")
    names = {"a + b": "c", "a": "b + c"}  # joined, both are "a + b + c"
    rows = [
        model_row(number, kind, name)
        for number, (kind, name) in enumerate(
            entry for pair in names.items() for entry in zip(("detector", "classifier"), pair, strict=True)
        )
    ]
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        connection.execute(sa.insert(tables.tables["photos"]), ROWS_0002["photos"])
        connection.execute(sa.insert(tables.tables["models"]), rows)
        connection.execute(sa.insert(tables.tables["predictions"]), [prediction_row(1, "a + b + c", 1.0)])
    database.upgrade()
    with database.read() as connection:
        assert connection.execute(sa.text("select count(*) from predictions")).scalar_one() == 0
    database.close()


def test_attributes_of_the_newest_boxes_are_rows(url: str) -> None:
    database = Database.connect(url)
    database.upgrade("0008")
    boxes = [
        {"uid": f"b{place}", "box": [1, 2, 3, 4], "category": 1, "label": None} | flags
        for place, flags in enumerate(({}, {"flags": ["wet", "occluded"]}))
    ]
    given = {"photo_id": 1, "kind": "submitted", "author": "ann", "note": "", "request": "", "at": 0.0}
    older = {"version": 1, "base_version": 0, "boxes": [boxes[0] | {"flags": ["old"]}]}
    newest = {"version": 2, "base_version": 1, "boxes": boxes}
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        connection.execute(sa.insert(tables.tables["photos"]), [{"id": 1} | photo_row_0010(1)])
        versions = [given | one | {"request": f"r{one['version']}"} for one in (older, newest)]
        connection.execute(sa.insert(tables.tables["annotations"]), versions)
        for place, one in enumerate(boxes):
            row = {"photo_id": 1, "place": place, "uid": one["uid"], "category_id": 1, "box": one["box"]}
            connection.execute(sa.insert(tables.tables["annotated_boxes"]), [row])
    database.upgrade()
    with database.read() as connection:
        found = connection.execute(sa.text("select flags from annotated_boxes order by place"))
        assert [row.flags for row in found] == [None, " occluded wet "]
    database.close()


def test_tasks_that_were_there_before_are_counted(url: str) -> None:
    database = Database.connect(url)
    database.upgrade("0009")
    place = {"rank": 0.0, "arm": "cold", "reasons": [], "parts": {}}
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        connection.execute(
            sa.insert(tables.tables["photos"]), [{"id": id} | photo_row_0010(id) for id in (1, 2, 3)]
        )
        for id, kind, state in ((1, "first", "done"), (2, "first", "open"), (3, "first", "open")):
            row = {"photo_id": id, "kind": kind, "state": state} | place
            connection.execute(sa.insert(tables.tables["tasks"]), [row])
    database.upgrade()
    with database.write() as connection:
        assert count_tasks(connection) == {("done", "first"): 1, ("open", "first"): 2}
        connection.execute(sa.text("update tasks set state = 'done' where photo_id = 3"))
        assert count_tasks(connection) == {("done", "first"): 2, ("open", "first"): 1}
    database.close()


def test_the_smallest_margins_share_has_its_new_name(url: str) -> None:
    database = Database.connect(url)
    database.upgrade("0003")
    parts = [{"detector": 0.5, "tie": 0.25}, {"detector": 1.0}, {}]
    task = {"kind": "first", "state": "open", "rank": 1.0, "arm": "selected", "reasons": []}
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        connection.execute(
            sa.insert(tables.tables["photos"]), [{"id": n} | photo_row_0010(n) for n in (1, 2, 3)]
        )
        rows = [task | {"photo_id": number, "parts": each} for number, each in enumerate(parts, start=1)]
        connection.execute(sa.insert(tables.tables["tasks"]), rows)
    database.upgrade()
    with database.read() as connection:
        found = connection.execute(sa.text("select parts from tasks order by photo_id")).scalars().all()
    expected = [{"detector": 0.5, "margin": 0.25}, {"detector": 1.0}, {}]
    assert [json.loads(entry) if isinstance(entry, str) else entry for entry in found] == expected
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_an_older_schema_is_restored(fresh_store, tmp_path: Path, kind: str) -> None:
    """The rows of the old schema in the form of a backup; photos without blobs are deleted ones."""
    made = fresh_store("sqlite")
    backup(made, tmp_path / "new.zip")
    rows = ROWS_0002 | {"photos": [row | {"deleted_at": 9.0} for row in ROWS_0002["photos"]]}
    old = old_backup("0002", tmp_path / "new.zip", tmp_path / "old.zip", rows)
    store = fresh_store(kind)
    restore(old, store)
    check(store)
    assert store.photos.get(2, deleted_ok=True).name == "photo 2.jpg"


DERIVED_TABLES = {table.name for table in metadata.sorted_tables if table.info.get(DERIVED)}


ROWS_0010: dict[str, list[dict[str, Any]]] = {
    "photos": [
        {"id": number, "deleted_at": 9.0} | photo_row_0010(number) | {"look": bytes([number] * 32)}
        for number in (1, 2)
    ],
    "annotations": [
        {"id": 2 * photo_id + version, "photo_id": photo_id, "version": version, "kind": kind}
        | {"base_version": version - 1, "boxes": [], "author": author, "at": 1.0, "note": ""}
        | {"request": f"r{photo_id}{version}"}
        for photo_id in (1, 2)
        for version, kind, author in ((1, "submitted", "ann"), (2, "second", "bob"))
    ],
    "second_looks": [
        {"photo_id": 1, "first_version": 1, "at": 1.0},
        {"photo_id": 2, "first_version": 1, "second_version": 2, "verdict": "accepted"}
        | {"agreement": AGREEMENT, "reviewer": "cleo", "at": 2.0},
    ],
}
"""Rows of a store as the schema 0010 has them, two photos with a consensus review each."""


def check_0010(store: Store) -> None:
    assert store.database.version() == head()
    rows = store.database.rows(sa.select(photos.c.perceptual_hash).order_by(photos.c.id))
    assert [row.perceptual_hash for row in rows] == [bytes([1] * 32), bytes([2] * 32)]
    reviews = store.database.rows(sa.select(consensus_reviews).order_by(consensus_reviews.c.photo_id))
    assert [tuple(row) for row in reviews] == [
        (1, 1, None, None, None, None, 1.0),
        (2, 1, 2, AGREEMENT, "accepted", "cleo", 2.0),
    ]
    tables = sa.inspect(store.database.engine)
    assert "second_looks" not in tables.get_table_names()
    assert tables.get_pk_constraint("consensus_reviews")["name"] == "pk_consensus_reviews"
    (key,) = tables.get_foreign_keys("consensus_reviews")
    assert key["name"] == "fk_consensus_reviews_photo_id"


def test_perceptual_hashes_and_consensus_reviews_stay_under_their_new_names(url: str, tmp_path: Path) -> None:
    database = Database.connect(url)
    database.upgrade("0010")
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        for name, rows in ROWS_0010.items():
            for row in rows:
                connection.execute(sa.insert(tables.tables[name]), [row])
    database.close()
    store = Store.open(url, tmp_path)
    check_0010(store)
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_with_names_of_before_is_restored(fresh_store, tmp_path: Path, kind: str) -> None:
    backup(fresh_store("sqlite"), tmp_path / "new.zip")
    old = old_backup("0010", tmp_path / "new.zip", tmp_path / "old.zip", ROWS_0010)
    store = fresh_store(kind)
    restore(old, store)
    check_0010(store)


def test_tables_of_two_schemas_in_one_backup_are_refused(fresh_store, tmp_path: Path) -> None:
    backup(fresh_store("sqlite"), tmp_path / "new.zip")
    mixed = old_backup("0010", tmp_path / "new.zip", tmp_path / "old.zip", ROWS_0010)
    with zipfile.ZipFile(mixed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tables/consensus_reviews.jsonl", b"")
    with pytest.raises(StoreError, match="other files"):
        restore(mixed, fresh_store("sqlite"))


def in_base64(value: bytes) -> str:
    """As backups of every schema hold bytes."""
    return base64.b64encode(value).decode()


def old_backup(schema: str, source: Path, target: Path, rows: dict[str, list[dict[str, Any]]]) -> Path:
    """A backup with these rows, as the code of this schema wrote it."""
    database = Database.connect(sqlite_url(target.parent))
    database.upgrade(schema)
    tables = sa.MetaData()
    tables.reflect(database.engine)
    database.close()
    with zipfile.ZipFile(source) as new, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        manifest = json.loads(new.read(backup_file.MANIFEST)) | {"schema": schema, "pictures": 0}
        manifest["tables"] = {}
        for name in tables.tables.keys() - {"alembic_version", *DERIVED_TABLES}:
            lines = b""
            for row in rows.get(name, []):
                whole = dict.fromkeys(tables.tables[name].c.keys()) | row
                lines += json.dumps(whole, default=in_base64).encode() + b"\n"
            digest = hashlib.sha256(lines).hexdigest()
            manifest["tables"][name] = {"rows": lines.count(b"\n"), "sha256": digest}
            out.writestr(f"tables/{name}.jsonl", lines)
        out.writestr(zipfile.ZipInfo(backup_file.PICTURES), b"")
        out.writestr(backup_file.MANIFEST, json.dumps(manifest))
    return target


def test_settings_keep_their_values_under_other_names(tmp_path: Path) -> None:
    database = Database.connect(sqlite_url(tmp_path))
    database.upgrade("0004")
    rows = [{"name": "suspects", "value": []}, {"name": "labelling_asked_for", "value": [7, 8]}]
    with database.write() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        connection.execute(sa.insert(tables.tables["settings"]), rows)
    database.close()
    store = Store.open(sqlite_url(tmp_path), tmp_path)
    assert store.settings.get("label_issues") == []
    assert store.settings.get("labeling_requested_for") == [7, 8]
    assert store.settings.get("suspects") is None
    store.close()


def test_a_store_that_a_newer_lapel_has_migrated_is_left_alone(url, tmp_path):
    store = Store.open(url, tmp_path / "data")
    with store.database.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    for refused in (store.check, lambda: Store.open(url, tmp_path / "data")):
        with pytest.raises(StoreError, match="A newer Lapel has migrated the database .to 9999, .*update"):
            refused()
    store.close()
