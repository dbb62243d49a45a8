"""The shop's names go out as a table that a spreadsheet may open, and come back."""

from __future__ import annotations

import io

import pytest

from app.preview import download as names_module
from app.preview.download import LONGEST_NAME, THEIRS, read_names, write_names
from app.preview.session import PreviewSession
from core.errors import DatasetError

ACTORS = ("top", "pants", "one piece")


def with_names() -> PreviewSession:
    session = PreviewSession()
    session.set_names({"pants": "Hosen"})
    return session


def test_names_come_back_as_they_went_out():
    names = {"top": "Oberteile", "pants": "Hosen, lang", "one piece": 'Kleider "fein"\u00e4'}
    assert read_names(write_names(names, ACTORS).encode(), ACTORS) == names


def test_the_table_has_a_row_for_every_category():
    assert write_names({"pants": "Hosen"}, ACTORS).splitlines() == [
        "Lapel,Your shop",
        "top,",
        "pants,Hosen",
        "one piece,",
    ]


@pytest.mark.parametrize("formula", ["=cmd()", "+1", "-1+2", "@SUM(A1)"])
def test_a_formula_is_neutral_in_the_table_and_comes_back_as_text(formula):
    text = write_names({"top": formula}, ACTORS)
    assert f"'{formula}" in text
    assert read_names(text.encode(), ACTORS) == {"top": formula}


def test_a_real_apostrophe_stays():
    assert read_names(b"Lapel,Your shop\ntop,'n top\n", ACTORS) == {"top": "'n top"}


def test_strangers_and_empty_names_are_left_out():
    assert read_names(b"Lapel,Your shop\nrocket,Rakete\ntop,  \npants,Hosen\n", ACTORS) == {"pants": "Hosen"}


def test_a_name_is_one_line_and_not_endless():
    table = f'Lapel,Your shop\ntop,"two\nlines"\npants,{"x" * 500}\n'
    names = read_names(table.encode(), ACTORS)
    assert names["top"] == "two lines"
    assert len(names["pants"]) == LONGEST_NAME


def test_a_spreadsheets_byte_order_mark_does_not_matter():
    assert read_names("Lapel,Your shop\ntop,Oberteil\n".encode("utf-8-sig"), ACTORS) == {"top": "Oberteil"}


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"PK\x03\x04"])
def test_anything_else_is_refused_with_a_sentence(data):
    with pytest.raises(DatasetError, match="Expected a CSV"):
        read_names(data, ACTORS)


def test_a_short_row_counts_as_no_name():
    assert read_names(b"Lapel,Your shop\ntop\npants,Hosen\n", ACTORS) == {"pants": "Hosen"}


def test_what_is_typed_into_the_table_is_kept_and_what_is_emptied_is_forgotten(monkeypatch):
    session = with_names()
    edits = {"edited_rows": {0: {THEIRS: " Oberteile "}, 1: {THEIRS: None}}}
    monkeypatch.setattr(names_module.st, "session_state", {"table": edits})
    names_module.save_edits(session, "table", ACTORS)
    assert session.names == {"top": "Oberteile"}


def test_a_table_that_cannot_be_read_leaves_the_names_and_a_sentence(monkeypatch):
    session = with_names()
    monkeypatch.setattr(names_module.st, "session_state", {"file": io.BytesIO(b"no table")})
    names_module.import_names(session, "file", ACTORS)
    assert session.names == {"pants": "Hosen"}
    assert session.notice.startswith("Expected a CSV")


def test_a_table_that_comes_in_replaces_the_names(monkeypatch):
    session = with_names()
    file = io.BytesIO(write_names({"top": "Oberteile"}, ACTORS).encode())
    monkeypatch.setattr(names_module.st, "session_state", {"file": file})
    names_module.import_names(session, "file", ACTORS)
    assert session.names == {"top": "Oberteile"}
    assert session.names_edition == 1
