"""Processes that are killed in the middle of saving, adding and importing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from core.store import Store
from tests.faults.processes import Child
from tests.faults.promises import Promises
from tests.faults.wholeness import faults_of
from tests.faults.writer import write

LONG = [pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(("rounds", "most"), [(6, 25), pytest.param(100, 60, marks=LONG)])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_process_killed_at_any_moment_has_kept_all_that_it_said_was_saved(
    kind: str, rounds: int, most: int, fresh_url: Callable[[str], str], tmp_path: Path
) -> None:
    url, promises, moments = fresh_url(kind), Promises(), Random(f"{kind} {rounds}")
    for number in range(rounds):
        child = Child(write, url, tmp_path, f"{kind}-{number}")
        promises.hear(child.listen(moments.randrange(1, most)))
        time.sleep(moments.uniform(0.0, 0.05))
        promises.hear(child.kill())
        store = Store.open(url, tmp_path)
        assert [*promises.broken(store), *faults_of(store)] == [], f"after kill number {number + 1}"
        store.close()
    assert promises.heard > rounds and promises.photos and promises.imported


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.faults)])
def test_a_process_killed_while_it_founds_the_store_leaves_one_that_opens(
    rounds: int, tmp_path: Path
) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        child = Child(write, f"sqlite:///{folder}/lapel.db", folder, str(number))
        time.sleep(0.3 * (number + 1) / rounds)
        child.kill()
        store = Store.open(f"sqlite:///{folder}/lapel.db", folder)
        assert (len(store.categories.all()), [*faults_of(store)]) == (13, [])
        store.close()
