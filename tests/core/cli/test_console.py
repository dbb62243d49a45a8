"""JSON in any encoding, progress bars only in terminals, one sentence for a full disk."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from core.cli.console import print_json, track, writable_folder
from core.errors import LapelError


@pytest.mark.parametrize(
    ("encoding", "line"), [("utf-8", '{"photo": "Mäntel 👗"}\n'), ("ascii", None), ("cp1252", None)]
)
def test_json_lines_survive_every_shell(
    monkeypatch: pytest.MonkeyPatch, encoding: str, line: str | None
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    print_json({"photo": "Mäntel 👗"})
    text = raw.getvalue().decode(encoding)
    assert json.loads(text) == {"photo": "Mäntel 👗"}
    assert line is None or text == line


def test_progress_is_silent_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), 3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_progress_goes_to_a_terminal_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, shown = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", shown)
    assert list(track([1, 2], unit="photo")) == [1, 2]
    assert out.getvalue() == ""
    assert "2/2" in shown.getvalue() and "photo/s" in shown.getvalue()


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    with writable_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "c").write_text("d")
    with writable_folder(tmp_path / "a" / "b"):
        pass


def test_an_error_in_writing_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(LapelError, match=r"folder to write to at .*file, got: "),
        writable_folder(tmp_path / "file"),
    ):
        pass
    with pytest.raises(LapelError, match="No space left"), writable_folder(tmp_path / "full"):
        raise OSError(28, "No space left on device")
    with pytest.raises(ValueError, match="a bug"), writable_folder(tmp_path / "fine"):
        raise ValueError("a bug keeps its trace")
