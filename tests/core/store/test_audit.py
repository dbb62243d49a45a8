"""The audit log: written in the transaction that it records, read page by page, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from core.access import Actor
from core.errors import AccessError
from core.store import audit
from core.store.audit import record_audit

ADA = Actor.of("Ada", ["admin"])


@pytest.fixture
def log(store):
    hers = store.acting(ADA).audit
    for number in range(5):
        hers.record("delete" if number % 2 else "import", f"photo {number}", number=number)
    store.audit.record("delete", "photo 9")
    return hers


def test_entries_come_newest_first_a_page_at_a_time(log):
    first = log.entries(most=2)
    assert [entry.object for entry in first] == ["photo 9", "photo 4"]
    assert [entry.object for entry in log.entries(2, before=first[-1].id)] == ["photo 3", "photo 2"]
    assert first[0].by == "local" and first[1].by == "Ada" and first[1].details == {"number": 4}
    assert first[0].at >= first[1].at > 1.7e9


def test_entries_can_be_asked_for_by_action_and_person(log):
    assert [entry.object for entry in log.entries(action="import")] == ["photo 4", "photo 2", "photo 0"]
    assert [entry.object for entry in log.entries(action="delete", by="local")] == ["photo 9"]
    assert log.entries(by="Ben") == []


def test_a_deed_that_fails_leaves_no_entry(store):
    with pytest.raises(RuntimeError), store.database.write() as connection:
        record_audit(connection, store.database, ADA, "delete", "photo 1")
        raise RuntimeError
    assert store.audit.entries() == []


def test_an_export_has_every_entry_once_the_oldest_first(log, monkeypatch):
    monkeypatch.setattr(audit, "BATCH", 2)
    out = io.StringIO()
    assert log.export_csv(out) == 6
    head, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert head == list(audit.COLUMNS)
    assert [row[3] for row in rows] == [f"photo {number}" for number in (0, 1, 2, 3, 4, 9)]
    assert rows[0][0].endswith("+00:00") and rows[0][1:] == ["Ada", "import", "photo 0", '{"number": 0}']


def test_no_cell_of_an_export_is_a_formula_and_no_entry_two_lines(store):
    evil = Actor.of("=cmd()", ["admin"])
    store.acting(evil).audit.record("rename", "+1\r\n@x", was="=1+1")
    out = io.StringIO()
    store.audit.export_csv(out)
    _, row = csv.reader(io.StringIO(out.getvalue()))
    assert row[1:] == ["'=cmd()", "rename", "'+1 @x", '{"was": "=1+1"}']


@pytest.mark.parametrize("role", ["merchant", "annotator", "researcher"])
def test_only_those_who_manage_people_read_it(log, store, role):
    theirs = store.acting(Actor.of("Anna", [role])).audit
    with pytest.raises(AccessError):
        theirs.entries()
    with pytest.raises(AccessError):
        theirs.export_csv(io.StringIO())
