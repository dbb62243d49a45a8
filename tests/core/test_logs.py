"""Logs as JSON: one object a line, whatever is said, and what ends a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import LapelError
from core.logs import is_json

ROOT = Path(__file__).parents[2]
PROGRAM = """
import logging, warnings
from core.logs import adopt_logger, announce, report_failure, start_logs
start_logs()
announce("It begins", worker="worker-1")
logging.getLogger("lapel.jobs").info("A job\\nended", extra={"job": "import-1", "state": "done"})
logging.getLogger("other").info("not said")
other = logging.getLogger("dbos")
other.addHandler(logging.StreamHandler()); other.propagate = False
adopt_logger("dbos")
other.error("lost")
warnings.warn("old")
report_failure("expected a folder")
1 / 0
"""


def said(kind: str) -> list[str]:
    environment = os.environ | {"LAPEL_LOG": kind}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr.splitlines()


def test_each_line_is_an_object() -> None:
    lines = [json.loads(line) for line in said("json")]
    assert [(line["level"], line["message"].partition(":")[0]) for line in lines] == [
        ("info", "It begins"), ("info", "A job\nended"), ("error", "lost"), ("warning", "<string>"),
        ("error", "expected a folder"), ("critical", "The program ends"),
    ]  # fmt: skip
    assert lines[0]["worker"] == "worker-1" and (lines[1]["job"], lines[1]["state"]) == ("import-1", "done")
    assert lines[0]["time"].endswith("+00:00") and "ZeroDivisionError" in lines[-1]["trace"]


def test_text_is_sentences() -> None:
    lines = said("text")
    assert lines[0] == "It begins" and "lapel: expected a folder" in lines
    assert not any(line.startswith("{") for line in lines)


def test_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_LOG", "xml")
    with pytest.raises(LapelError, match="expected text or json in LAPEL_LOG, got 'xml'"):
        is_json()
