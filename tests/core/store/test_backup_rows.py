"""A backup whose digests are right and whose rows are not is refused whole, with the table and the row."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
import sqlalchemy as sa

from core.errors import LapelError, StoreError
from core.garments import Garment
from core.models.cards import ModelCard
from core.store import Store
from core.store.backup import backup, restore
from core.store.backup_file import PICTURES, row_of, stored_tables
from core.store.backup_rows import RowChecker, filling_order
from core.store.schema import champions, promotions, users
from core.store.statistics import agreements, count_annotations
from tests.core.store.rows import add_models, box
from tests.core.store.test_restored import REPORT

SEED, TRIALS, MOST_RESTORED = 20240611, 1500, 25
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.5, 1e308, float("nan"),
    float("inf"), -float("inf"), "", " ", "x", "x" * 100_000, "1", "nan", "a\nb", "a\x00b", "\ud800",
    "\u202egpj", "../../etc/passwd", [], [[]], {}, {"a": 1}, [1, 2], [1, 2, 3, 4], [None], "AAAA", "=1+1",
)  # fmt: skip

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A backup of a store with a row in every table that people and workers fill."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LAPEL_BLOBS_URL", "LAPEL_DATABASE_URL"):
            patch.delenv(name, raising=False)
        store = Store.open(folder=folder / "store")
        fill(store)
        backup(store, folder / "b.zip")
        store.close()
    return folder / "b.zip"


def fill(store: Store) -> None:
    """Two photos that were annotated, the first by two people and reviewed; a model, its training, users."""
    from tests.core.store.conftest import drawn

    number = store.imports.begin("a zip", "ada")
    store.imports.refuse(number, "broken.jpg", "The photo is damaged.")
    ids = []
    for seed in (0, 1):
        row = store.photos.add(drawn(seed), by="ada", import_id=number).row
        assert row is not None
        ids.append(row.id)
    pair = add_models(store.database)
    alone = {"detector": ("top", 0.6), "classifier": ("Shirt", 0.4)}
    store.predictions.save(
        ids[0], pair, [Garment((1, 2, 30, 40), "top", 0.5, (("Shirt", 0.4),), **alone)], None
    )
    store.queue.fill()
    store.settings.put("second_share", 1.0)
    store.settings.remember("queue_model", pair.as_list())
    one = [box(1, 2, 30, 40, flags=frozenset({"difficult"}), score=0.5, top5=(("Shirt", 0.4),))]
    store.annotations.submit(ids[0], one, author="ada", base_version=0, request="r1")
    store.annotations.submit(ids[0], one, author="ben", base_version=0, request="r2", kind="second")
    store.annotations.submit(ids[1], one, author="ada", base_version=0, request="r3")
    store.drafts.save(ids[1], "ben", boxes=one, sequence=3, base_version=1)
    store.photo_notes.tag(ids[:1], "ada", add=["outdoors"])
    store.photo_notes.comment(ids[0], "Is the belt one?", "ben")
    revision = store.revisions.create("ada").number
    store.jobs.begin("job", "label", "ada")
    store.api_tokens.create("script", person="ada")
    store.webhooks.test(store.webhooks.add("http://127.0.0.1:9/").id)
    training = store.trainings.begin("detector", "quick", revision)
    store.trainings.log(training.id, "epoch 1")
    store.trainings.point(training.id, 1, {"loss": 1.5})
    with store.database.write() as connection:
        by = {"by": "ada", "at": 1.0}
        connection.execute(sa.insert(champions).values(kind="detector", model_id=pair.detector_id, at=1.0))
        chosen = {"kind": "detector", "model_id": pair.detector_id, "action": "first", "request": "p1"}
        connection.execute(sa.insert(promotions).values(**chosen, **by))
        connection.execute(sa.insert(users).values(name="ada", role="admin", claimed=["annotator"], at=1.0))
    store.comparisons.save(pair.detector_id, pair.detector_id, revision, REPORT)


@pytest.fixture(scope="module")
def rows(made) -> Rows:
    with ZipFile(made) as archive:
        return {
            table.name: [json.loads(line) for line in archive.read(f"tables/{table.name}.jsonl").splitlines()]
            for table in stored_tables()
        }


def check(rows: Rows) -> None:
    """What restoring asks of the rows, without a database."""
    checker = RowChecker()
    for table in filling_order():
        parsed = (row_of(table, json.dumps(row).encode()) for row in rows[table.name])
        for _ in checker.rows(table, parsed):
            pass


def written(made: Path, rows: Rows, target: Path) -> Path:
    """The backup with these rows, and with the digests that belong to them."""
    with ZipFile(made) as old, ZipFile(target, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        for name, entries in rows.items():
            lines = b"".join(json.dumps(row).encode() + b"\n" for row in entries)
            manifest["tables"][name] = {"rows": len(entries), "sha256": hashlib.sha256(lines).hexdigest()}
            new.writestr(ZipInfo(f"tables/{name}.jsonl"), lines, compress_type=ZIP_DEFLATED)
        new.writestr(ZipInfo(PICTURES), old.read(PICTURES), compress_type=ZIP_STORED)
        new.writestr(ZipInfo("manifest.json"), json.dumps(manifest), compress_type=ZIP_DEFLATED)
    return target


def test_the_rows_of_a_real_backup_pass(rows):
    empty = {name for name, entries in rows.items() if not entries}
    assert empty == {"skips"}
    check(rows)


def changed(rows: Rows, table: str, column: str, value: Any) -> Rows:
    other = copy.deepcopy(rows)
    other[table][0][column] = value
    return other


BOX = {"uid": "a", "box": [1, 2, 30, 40], "category": 1}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("photos", "width", -1),
        ("photos", "width", "128"),
        ("photos", "width", 10**9),
        ("photos", "width", 30_001),
        ("photos", "height", 2**63),
        ("photos", "holdout", 1),
        ("photos", "name", "a\nb.jpg"),
        ("photos", "near_id", 99),
        ("photos", "blob", "../../etc/passwd"),
        ("photos", "perceptual_hash", "AAAA"),
        ("photos", "at", float("nan")),
        ("photos", "at", 1e18),
        ("categories", "name", "  top"),
        ("annotations", "boxes", [BOX | {"box": [1, 2, float("inf"), 40]}]),
        ("annotations", "boxes", [BOX | {"box": [1, 2, 300, 40]}]),
        ("annotations", "boxes", [BOX | {"box": [30, 2, 1, 40]}]),
        ("annotations", "boxes", [BOX | {"box": ["1", 2, 30, 40]}]),
        ("annotations", "boxes", [BOX | {"category": 99}]),
        ("annotations", "boxes", [BOX | {"category": True}]),
        ("annotations", "boxes", [BOX | {"flags": ["two words"]}]),
        ("annotations", "boxes", [BOX | {"flags": "difficult"}]),
        ("annotations", "boxes", [BOX, BOX]),
        ("annotations", "boxes", [BOX | {"origin": "moon"}]),
        ("annotations", "boxes", {}),
        ("annotations", "kind", "guessed"),
        ("annotations", "base_version", 1),
        ("annotations", "photo_id", 99),
        ("drafts", "sequence", 2**63),
        ("drafts", "base_version", 7),
        ("predictions", "garments", [{"box": [1, 2, 3, 4]}]),
        ("predictions", "embedding", "AAAA"),
        ("tasks", "state", "pending"),
        ("tasks", "rank", "first"),
        ("tasks", "reasons", "why"),
        ("tasks", "parts", {"a": "b"}),
        ("consensus_reviews", "agreement", {"mean_iou": 1}),
        ("consensus_reviews", "second_version", 9),
        ("revisions", "categories", [[1, 2, 3]]),
        ("revision_items", "annotation_id", 3),
        ("jobs", "state", "sleeping"),
        ("settings", "value", float("inf")),
        ("people", "role", "emperor"),
        ("people", "claimed", "admin"),
        ("models", "card", {}),
        ("models", "card", asdict(ModelCard("classifier", "a", "b", ("c",), 224))),
        ("models", "card", asdict(ModelCard("detector", "a", "b", ("c",), 224)) | {"input_size": 10**9}),
        ("models", "kind", "poem"),
        ("champions", "kind", "classifier"),
        ("promotions", "action", "steal"),
        ("comparisons", "report", {}),
        ("training_points", "values", {"loss": "low"}),
        ("audit", "details", []),
    ],
)  # fmt: skip
def test_a_row_that_no_save_would_have_made_is_refused_by_table_and_row(rows, table, column, value):
    with pytest.raises(StoreError, match=rf"row (1 )?of {table}|a row of {table}"):
        check(changed(rows, table, column, value))


def test_keys_and_unique_columns_come_once(rows):
    for table, column in (("photos", "digest"), ("annotations", "request"), ("categories", "name")):
        other = copy.deepcopy(rows)
        other[table][1][column] = other[table][0][column]
        with pytest.raises(StoreError, match=f"row 2 of {table} cannot be: {column}: another row"):
            check(other)


def test_a_photo_has_the_size_of_its_picture(made, rows, fresh_store, tmp_path):
    with pytest.raises(StoreError, match=r"row 1 of photos cannot be: expected at most .* 30000 x 29999"):
        check(changed(changed(rows, "photos", "width", 30_000), "photos", "height", 29_999))
    row = rows["photos"][0]
    bad = written(made, changed(rows, "photos", "width", row["width"] + 1), tmp_path / "bad.zip")
    store = fresh_store("sqlite")
    sizes = rf"has {row['width']} x {row['height']} pixels, its row says {row['width'] + 1} x"
    with pytest.raises(StoreError, match=sizes):
        restore(bad, store)
    assert counts(store)["photos"] == 0 and list(store.blobs.digests()) == []


def test_nothing_is_changed_by_a_refused_backup(made, rows, fresh_store, tmp_path):
    store = fresh_store("sqlite")
    bad = written(made, changed(rows, "tasks", "state", "pending"), tmp_path / "bad.zip")
    before = counts(store)
    with pytest.raises(StoreError, match="row 1 of tasks .* nothing was changed"):
        restore(bad, store)
    assert counts(store) == before and list(store.blobs.digests()) == []


def counts(store: Store) -> dict[str, int]:
    with store.database.read() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in stored_tables()
        }


def mutations(rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The rows with one odd value somewhere: in a cell, or deep in a cell's JSON; always the same ones."""
    chance = random.Random(SEED)
    cells = [
        (table, number, column)
        for table, entries in sorted(rows.items())
        for number, row in enumerate(entries)
        for column in row
    ]
    for _ in range(TRIALS):
        table, number, column = chance.choice(cells)
        other = dict(rows) | {table: copy.deepcopy(rows[table])}
        row, odd = other[table][number], chance.choice(ODD)
        row[column] = replaced_somewhere(row[column], odd, chance)
        yield f"{table} {number} {column} {odd!r:.40}", other


def replaced_somewhere(value: Any, odd: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(sorted(value))
        return value | {name: replaced_somewhere(value[name], odd, chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], replaced_somewhere(value[place], odd, chance), *value[place + 1 :]]
    return odd


def test_any_odd_value_is_refused_in_a_sentence_or_gives_a_store_that_can_be_read(
    made, rows, fresh_store: Callable[[str], Store], tmp_path
):
    accepted: list[tuple[str, Rows]] = []
    for what, other in mutations(rows):
        try:
            check(other)
        except StoreError as refused:
            assert "nothing was changed" in str(refused) and len(str(refused)) < 600, what
        else:
            accepted.append((what, other))
    assert 0 < len(accepted) < TRIALS / 4
    for number, (what, other) in enumerate(
        random.Random(SEED).sample(accepted, min(MOST_RESTORED, len(accepted)))
    ):
        store = fresh_store("sqlite")
        try:
            restore(written(made, other, tmp_path / f"{number}.zip"), store)
        except LapelError:
            assert counts(store)["photos"] == 0, what
        else:
            read_all(store)


def read_all(store: Store) -> None:
    """What the pages read."""
    store.photos.page(0, 10)
    store.categories.all()
    for row in store.photos.page(0, 10):
        store.annotations.history(row.id)
        store.predictions.of_photos([row.id])
        store.consensus_reviews.get(row.id)
    store.consensus_reviews.waiting()
    for person in ("ada", "ben"):
        store.drafts.of(person)
        store.queue.counts(person)
        store.queue.next(person)
    for revision in store.revisions.all():
        list(store.revisions.items(revision.number))
    for model in store.models.all():
        for compared in store.comparisons.of(model.id):
            _ = compared.verdict.sentence, compared.changed
    store.promotions.history()
    for training in store.trainings.recent():
        store.trainings.points(training.id)
        store.trainings.lines(training.id)
    store.users.all()
    store.audit.entries()
    store.imports.recent()
    count_annotations(store)
    agreements(store)
