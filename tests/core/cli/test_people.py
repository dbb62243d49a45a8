"""Roles and the audit log from the command line."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from core.__main__ import main
from core.cli.store import account_name
from core.store import Store


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data"


@pytest.fixture
def lapel(data, monkeypatch, capsys):
    """Runs ``python -m core``: the status, the lines of JSON on stdout, and stderr."""

    def run(*arguments: object) -> tuple[int, list[dict], str]:
        monkeypatch.setattr(sys, "argv", ["core", *map(str, arguments), "--data", str(data)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return int(left.value.code or 0), list(map(json.loads, printed.out.splitlines())), printed.err

    return run


def test_roles_are_granted_listed_and_revoked(lapel, data):
    assert lapel("people")[:2] == (0, [])
    status, (granted,), _ = lapel("people", "grant", "anna@context.org", "researcher")
    assert status == 0 and granted["roles"] == ["researcher"] and granted["seen_at"] is None
    store = Store.open(folder=data)
    assert store.users.sign_in("anna@context.org", "1", ["annotator"]).roles == {"researcher"}
    store.close()
    (anna,) = lapel("people")[1]
    assert (anna["name"], anna["granted"], anna["claimed"]) == (
        "anna@context.org",
        "researcher",
        ["annotator"],
    )
    (anna,) = lapel("people", "revoke", "anna@context.org")[1]
    assert anna["roles"] == ["annotator"] and anna["granted"] is None


def test_a_role_that_is_none_and_a_name_that_is_nobodys_are_said(lapel):
    status, lines, said = lapel("people", "grant", "anna@context.org", "emperor")
    assert status == 2 and lines == [] and "emperor" in said
    status, lines, said = lapel("people", "revoke", "anna@context.org")
    assert status == 2 and lines == [] and "nobody called anna@context.org" in said


def test_the_log_has_what_was_done_at_the_shell_and_by_whom(lapel, data, tmp_path):
    lapel("people", "grant", "=anna", "admin")
    lapel("backup", tmp_path / "b.zip")
    status, entries, _ = lapel("audit")
    assert status == 0 and [entry["action"] for entry in entries] == ["backup", "role"]
    assert {entry["by"] for entry in entries} == {account_name()}
    assert lapel("audit", "--most", 1)[1] == entries[:1]
    assert lapel("audit", "--csv", tmp_path / "log.csv")[1] == [
        {"file": str(tmp_path / "log.csv"), "entries": 2}
    ]
    _, first, _ = csv.reader((tmp_path / "log.csv").open(encoding="utf-8", newline=""))
    assert first[1:4] == [account_name(), "role", "'=anna"]


def test_a_log_that_cannot_be_written_is_said(lapel, tmp_path):
    status, lines, said = lapel("audit", "--csv", tmp_path / "nowhere" / "log.csv")
    assert status == 2 and lines == [] and "a file to write" in said


def test_data_before_a_subcommand_counts_as_behind_it(data, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LAPEL_DATA", str(tmp_path / "elsewhere"))

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["core", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
        return capsys.readouterr().out

    run("tokens", "--data", str(data), "add", "shop sync")
    run("people", "--data", str(data), "grant", "anna@context.org", "researcher")
    assert "shop sync" in run("tokens", "--data", str(data)) and run("tokens") == ""
    assert "anna@context.org" in run("people", "--data", str(data)) and run("people") == ""
    run("tokens", "--data", str(tmp_path / "elsewhere"), "add", "other", "--data", str(data))
    assert "other" in run("tokens", "--data", str(data)) and run("tokens") == ""
