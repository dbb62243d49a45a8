"""Processes that are killed in the middle of saving, adding and importing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from core.store import Store
from tests.faults.counts import times
from tests.faults.processes import Child
from tests.faults.promises import Promises
from tests.faults.wholeness import faults_of
from tests.faults.writer import write

MOST_SAVES = 25
"""Before a kill."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_process_killed_at_any_moment_has_kept_all_that_it_said_was_saved(
    kind: str, fresh_url: Callable[[str], str], tmp_path: Path
) -> None:
    rounds, url, promises = times(6), fresh_url(kind), Promises()
    moments = Random(f"{kind} {rounds}")
    for number in range(rounds):
        child = Child(write, url, tmp_path, f"{kind}-{number}")
        promises.hear(child.listen(moments.randrange(1, MOST_SAVES)))
        time.sleep(moments.uniform(0.0, 0.05))
        promises.hear(child.kill())
        store = Store.open(url, tmp_path)
        assert [*promises.broken(store), *faults_of(store)] == [], f"after kill number {number + 1}"
        store.close()
    assert promises.heard > rounds and promises.photos and promises.imported


def test_a_process_killed_while_it_founds_the_store_leaves_one_that_opens(tmp_path: Path) -> None:
    rounds = times(2)
    for number in range(rounds):
        folder = tmp_path / str(number)
        child = Child(write, f"sqlite:///{folder}/lapel.db", folder, str(number))
        time.sleep(0.3 * (number + 1) / rounds)
        child.kill()
        store = Store.open(f"sqlite:///{folder}/lapel.db", folder)
        assert (len(store.categories.all()), [*faults_of(store)]) == (13, [])
        store.close()
