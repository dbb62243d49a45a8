"""Finding among many photos: milliseconds of a page, its count and its crops, by kind of question.

Run with ``python -m benchmarks.finding [--photos 100000] [--rounds 20]``; a table goes to stderr, one line of
JSON to stdout. Half of the photos are annotated with six boxes each, all of them predicted with six garments;
the store is a SQLite file with rows only, without pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from benchmarks.load.many import add_photos, annotate_all, insert, some_boxes
from benchmarks.machine import describe_machine, machine_line
from benchmarks.store import spread
from core.models.cards import ModelCard
from core.store import Store, sqlite_url
from core.store.box_index import fill_index
from core.store.models import KINDS
from core.store.predictions import ModelPair
from core.store.schema import models, predictions
from core.store.search import PhotoQuery

PACKAGES = ("sqlalchemy",)
PAGE, CROPS = 24, 48


def filled(folder: Path, photos: int) -> tuple[Store, ModelPair]:
    """A store of so many photos, with annotations, predictions, tasks and a revision."""
    store = Store.open(sqlite_url(folder), folder)
    add_photos(store, photos)
    annotate_all(store, photos // 2)
    pair = add_models(store)
    names = {category.id: category.name for category in store.categories.all()}
    insert(store, predictions, (prediction_row(number + 1, pair, names) for number in range(photos)))
    with store.database.write() as connection:
        fill_index(connection)
    store.queue.fill()
    store.revisions.create("benchmark")
    return store, pair


def questions(store: Store, pair: ModelPair) -> dict[str, PhotoQuery]:
    """What a lead asks."""
    category = store.categories.all()[0]
    predicted: dict[str, Any] = {
        "models": pair,
        "category_id": category.id,
        "predicted_as": (category.name,),
    }
    return {
        "all": PhotoQuery(),
        "name": PhotoQuery(text="777"),
        "no name": PhotoQuery(text="nothing is called so"),
        "category": PhotoQuery(category_id=category.id),
        "category and label": PhotoQuery(category_id=category.id, label="label 7"),
        "predicted category": PhotoQuery(**predicted),
        "predicted, score 0.4 to 0.5": PhotoQuery(**predicted, scores=(0.4, 0.5)),
        "without annotation": PhotoQuery(state="without annotation"),
        "open task": PhotoQuery(state="open task"),
        "in review": PhotoQuery(state="in review"),
        "person": PhotoQuery(author="benchmark"),
        "revision and category": PhotoQuery(revision=1, category_id=category.id),
        "holdout and name": PhotoQuery(part="holdout", text="99"),
    }


def measure(store: Store, pair: ModelPair, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each question: the count, the first page and one far behind, and a page of crops."""
    rows: dict[str, dict[str, float]] = {}
    for name, query in questions(store, pair).items():
        found = store.search.count(query)
        rows[name] = {"found": found}
        for what, call in _calls(store, query, max(0, found - PAGE)).items():
            rows[name] |= spread(list(_milliseconds(call, rounds)), f"{what}_")
    return rows


def _calls(store: Store, query: PhotoQuery, deep: int) -> dict[str, Callable[[], object]]:
    search = store.search
    return {
        "count": partial(search.count, query),
        "page": partial(search.photos, query, 0, PAGE),
        "last page": partial(search.photos, query, deep, PAGE),
        "crops": partial(search.boxes, query, 0, CROPS),
        "count of crops": partial(search.count_boxes, query),
    }


def _milliseconds(call: Callable[[], object], rounds: int) -> Iterator[float]:
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        yield 1000 * (time.perf_counter() - started)


def add_models(store: Store) -> ModelPair:
    """A detector and a classifier as rows, without weights."""
    ids = {}
    with store.database.write() as connection:
        for kind in KINDS:
            card = ModelCard(kind, "a model", "pico", ("top",), 160, 0.25, name=f"benchmark {kind}")
            row = {"kind": kind, "name": card.name, "digest": "0" * 64, "card": vars(card)}
            made = sa.insert(models).values(**row, by="benchmark", at=0.0).returning(models.c.id)
            ids[kind] = connection.execute(made).scalar_one()
    return ModelPair(ids["detector"], ids["classifier"])


def prediction_row(photo_id: int, pair: ModelPair, names: dict[int, str]) -> dict[str, Any]:
    """A photo's prediction as a row: six garments."""
    random = Random(-photo_id)
    garments = [
        {
            "box": list(box.box_xyxy),
            "category": names[box.category_id],
            "score": round(random.random(), 3),
            "top5": [list(entry) for entry in box.top5],
        }
        for box in some_boxes(random, list(names))
    ]
    made_by = {"detector_id": pair.detector_id, "classifier_id": pair.classifier_id}
    return {"photo_id": photo_id, **made_by, "garments": garments, "at": float(photo_id)}


def main() -> None:
    """Measure, print the table and the JSON line."""
    from benchmarks.__main__ import figures as flat

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the store here, and take it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if (folder / "lapel.db").exists():
            store = Store.open(sqlite_url(folder), folder)
            found = store.predictions.latest_models()
            assert found is not None
            pair = found
        else:
            folder.mkdir(parents=True, exist_ok=True)
            store, pair = filled(folder, options.photos)
        measured = measure(store, pair, options.rounds)
        store.close()
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in flat(measured):
        print(f"{name:44}{value:>12,}", file=sys.stderr)
    line = {"benchmark": "finding", "photos": options.photos, "rounds": options.rounds}
    print(json.dumps(line | measured | {"machine": describe_machine(PACKAGES)}))


if __name__ == "__main__":
    main()
