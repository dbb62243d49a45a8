"""Promotions that are cut off, raced, or asked for weights that are not what they were."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from safetensors.torch import load, save

from core.errors import WeightsError
from core.inference.model_cache import ModelCache
from core.store import Store
from core.store.models import ModelRow
from core.store.schema import models
from tests.core.store.models import add_candidate, blob_path
from tests.faults.counts import times
from tests.faults.processes import Child
from tests.faults.promoter import promote_one, turn_over
from tests.faults.wholeness import faults_of

RACERS = 3
Facts = Mapping[str, Any]


def broken(store: Store, told: Iterable[Facts]) -> list[str]:
    """What the store has lost of what it said was done."""
    there = {change.request: change for change in store.promotions.history()}
    known = {model.id: model.digest for model in store.models.all()}
    lost = []
    for line in told:
        if line["what"] == "added" and known.get(line["model"]) != line["digest"]:
            lost.append(f"model {line['model']} is lost")
        elif line["what"] in ("overrule", "rollback"):
            made = there.get(line["request"])
            if made is None or (made.model_id, made.action) != (line["model"], line["what"]):
                lost.append(f"{line['what']} {line['request']} is lost")
    return lost


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_process_killed_while_it_promotes_leaves_one_champion_that_serves(
    kind: str, fresh_url: Callable[[str], str], tmp_path: Path, tiny_ships: Path
) -> None:
    rounds, url, told = times(4), fresh_url(kind), list[Facts]()
    moments = Random(f"{kind} {rounds}")
    for number in range(rounds):
        child = Child(turn_over, url, tmp_path, tiny_ships, f"{kind}-{number}")
        told += child.listen(moments.randrange(2, 8))
        time.sleep(moments.uniform(0.0, 0.4))
        told += child.kill()
        store = Store.open(url, tmp_path)
        assert [*broken(store, told), *faults_of(store)] == [], f"after kill number {number + 1}"
        serving = ModelCache(store).current()
        assert (serving.warnings, serving.detector_id) == ((), store.models.champion("detector").id)
        store.close()
    assert {"added", "overrule"} <= {line["what"] for line in told}


@pytest.fixture
def race(store: Store, tiny_ships: Path, tmp_path: Path) -> Callable[[bool], list[Facts]]:
    """Has several promote at once, each a candidate of their own or all the same; what each was told."""
    url = store.database.engine.url.render_as_string(hide_password=False)

    def run(same: bool) -> list[Facts]:
        champion = store.models.champion("detector").id
        racers = [add_candidate(store, tmp_path, name=f"c{n}", shift=0.001 * (n + 1)) for n in range(RACERS)]
        children = []
        for racer in racers:
            chosen, request = (racers[0], "one") if same else (racer, racer.name)
            order = (url, store.folder, tiny_ships, chosen.id, champion, request)
            children.append(Child(promote_one, *order))
        assert all(child.next()["what"] == "ready" for child in children)
        (store.folder / "go").touch()
        told = [child.next() for child in children]
        assert all(child.end() == 0 for child in children)
        return told

    return run


def test_of_several_who_promote_at_once_one_does_and_the_others_learn_who(store: Store, race) -> None:
    told = race(False)
    assert sorted(line["won"] for line in told) == [False] * (RACERS - 1) + [True]
    winner = store.models.champion("detector").name
    assert {line["said"] for line in told if not line["won"]} == {
        f"{winner} has become the detector that serves in the meantime."
    }
    assert len(store.promotions.history("detector")) == 2 and [*faults_of(store)] == []


def test_a_promotion_that_is_sent_several_times_at_once_is_one(store: Store, race) -> None:
    told = race(True)
    assert all(line["won"] for line in told) and len({line["promotion"] for line in told}) == 1
    assert len(store.promotions.history("detector")) == 2 and [*faults_of(store)] == []


def pickled(data: bytes) -> bytes:
    return pickle.dumps({"weights": [1.0, 2.0]})


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 3]


def false_offsets(data: bytes) -> bytes:
    return data.replace(b'"data_offsets":[0,', b'"data_offsets":[9,', 1)


def not_a_number(data: bytes) -> bytes:
    tensors = load(data)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    return save(tensors)


def fewer_classes(data: bytes) -> bytes:
    """Each head without its last category."""
    tensors = load(data)
    for name in [f"heads.{head}.1.{part}" for head in range(3) for part in ("weight", "bias")]:
        parts = tensors[name].unflatten(0, (3, -1))
        tensors[name] = parts[:, :-1].flatten(0, 1).contiguous()
    return save(tensors)


SPOILT = [pickled, truncated, false_offsets, not_a_number, fewer_classes]
# The database holds the digest alone, the same way in either kind.
ONE_DATABASE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def swap_bytes(store: Store, model: ModelRow, data: bytes) -> None:
    """Other bytes in the place of a model's weights, wherever they lie."""
    for path in (blob_path(store, model.digest), store.models.file_of(model)):
        path.write_bytes(data)


def swap_model(store: Store, model: ModelRow, data: bytes) -> None:
    """Other weights in the database as well: their digest is right."""
    change = sa.update(models).where(models.c.id == model.id).values(digest=store.blobs.put(data))
    with store.database.write() as connection:
        connection.execute(change)


@ONE_DATABASE
@pytest.mark.parametrize("swap", [swap_bytes, swap_model])
@pytest.mark.parametrize("spoil", SPOILT)
def test_spoilt_weights_are_refused_before_they_are_promoted(
    store: Store, tiny_ships: Path, tmp_path: Path, spoil, swap
) -> None:
    champion, candidate = store.models.champion("detector"), add_candidate(store, tmp_path)
    swap(store, candidate, spoil(store.models.file_of(candidate).read_bytes()))
    with pytest.raises(WeightsError):
        store.promotions.promote(
            candidate.id, expected_champion=champion.id, request="r", overrule_reason="I insist"
        )
    assert store.models.champion("detector") == champion
    assert ModelCache(store).current().warnings == ()


@ONE_DATABASE
@pytest.mark.parametrize("swap", [swap_bytes, swap_model])
@pytest.mark.parametrize("spoil", SPOILT)
def test_at_start_the_champion_before_one_with_spoilt_weights_serves_with_a_warning(
    store: Store, tiny_ships: Path, tmp_path: Path, spoil, swap
) -> None:
    first, candidate = store.models.champion("detector"), add_candidate(store, tmp_path)
    store.promotions.promote(candidate.id, expected_champion=first.id, request="r", overrule_reason="a test")
    swap(store, candidate, spoil(store.models.file_of(candidate).read_bytes()))
    serving = ModelCache(store).current()
    assert (serving.detector_id, serving.labeler.names["detector"]) == (first.id, first.name)
    [warning] = serving.warnings
    assert warning.startswith("The detector candidate cannot serve")
    assert warning.endswith(f"{first.name} serves instead.")


def test_a_card_that_names_other_classes_is_refused(store: Store, tiny_ships: Path, tmp_path: Path) -> None:
    champion, candidate = store.models.champion("detector"), add_candidate(store, tmp_path)
    card = replace(candidate.card, categories=(*candidate.card.categories, "poncho"))
    with store.database.write() as connection:
        change = sa.update(models).where(models.c.id == candidate.id)
        connection.execute(change.values(card=asdict(card)))
    with pytest.raises(WeightsError, match="another model"):
        store.promotions.promote(
            candidate.id, expected_champion=champion.id, request="r", overrule_reason="I insist"
        )
    assert store.models.champion("detector") == champion
