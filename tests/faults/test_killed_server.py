"""A PostgreSQL server that is killed while people work: they wait, and all that was saved is there."""

from __future__ import annotations

from pathlib import Path
from random import Random

import psycopg
import pytest

from core.store import Store
from tests import postgres
from tests.faults.counts import times
from tests.faults.processes import Child
from tests.faults.promises import Promises
from tests.faults.wholeness import faults_of
from tests.faults.writer import write


def test_a_killed_server_has_kept_all_that_it_said_was_saved_and_work_goes_on(tmp_path: Path) -> None:
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql package")
    kills, promises, moments = times(1), Promises(), Random(1)
    with postgres.server() as server:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE killed")
        child = Child(write, f"{server}/killed", tmp_path, "server")
        for _ in range(kills):
            promises.hear(child.listen(moments.randrange(5, 40)))
            postgres.kill_and_start_again(server)
        after = child.listen(10)
        promises.hear([*after, *child.kill()])
        assert len(after) == 10
        store = Store.open(f"{server}/killed", tmp_path)
        assert [*promises.broken(store), *faults_of(store)] == []
        store.close()
