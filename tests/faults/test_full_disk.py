"""No room left: a sentence, nothing that was saved is lost, and all works again once there is room."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.store import Store
from tests import postgres
from tests.faults.filler import REFUSED, SAVES, fill_and_go_on
from tests.faults.small_disk import run_on_small_disk


def check(told: dict[str, Any], refused: Set[str]) -> None:
    """What needs the room is refused, with a sentence; nothing is broken, then or later."""
    assert told["refused"].keys() >= refused
    assert all("no room left" in sentence for sentence in told["refused"].values())
    assert told["saved"] > 3
    assert (told["broken"], told["broken_afterwards"]) == ([], [])
    assert told["refused_afterwards"] == {}


@pytest.mark.parametrize("full", ["database", "blobs", pytest.param("both", marks=pytest.mark.faults)])
def test_a_full_disk_costs_nothing_that_was_saved(full: str, tmp_path: Path) -> None:
    disk, beside = tmp_path / "disk", tmp_path / "beside"
    check(run_on_small_disk("tests.faults.filler", disk, "2m", full, str(beside)), REFUSED[full])


@pytest.mark.faults
def test_a_full_disk_of_postgresql_costs_nothing_that_was_saved(tmp_path: Path) -> None:
    if os.geteuid() != 0 or postgres.programs() is None:
        pytest.skip("a server of its own on a small disk needs root and PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="lapel-disk-") as folder:
        Path(folder).chmod(0o755)  # the server runs as somebody else
        told = run_on_small_disk("tests.faults.filler", Path(folder), "8m", "postgresql", str(tmp_path))
    check(told, REFUSED["postgresql"])


def test_a_database_that_may_not_grow_costs_nothing_that_was_saved(
    fresh_store: Callable[[str], Store],
) -> None:
    store, pages = fresh_store("sqlite"), [120]
    store.database.close()  # the next connections know the limit

    @sa.event.listens_for(store.database.engine, "connect")
    def limit(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages[-1]}")

    def make_room() -> None:
        pages.append(2000)
        store.database.close()

    check(fill_and_go_on(store, SAVES, make_room), SAVES)
