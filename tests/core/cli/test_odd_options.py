"""Options and paths that cannot be: a sentence on stderr, a status that is not 0, and never a trace."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from core import __main__ as command_line

TRAIN = ("train", "detector", "--data", "a.json", "--val", "b.json")
LONG = "9" * 30


@pytest.fixture
def failing(monkeypatch, capsys):
    """Runs ``python -m core`` in this process; gives what it says on stderr, having ended with a status."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["python -m core", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            command_line.main()
        said = capsys.readouterr().err
        assert left.value.code not in (0, None) and said.strip() and "Traceback" not in said
        return said

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        (*TRAIN, "--seed", "-1"),
        (*TRAIN, "--seed", 2**64),
        (*TRAIN, "--seed", "one"),
        (*TRAIN, "--epochs", "0"),
        (*TRAIN, "--epochs", LONG),
        (*TRAIN, "--batch", "0"),
        (*TRAIN, "--batch", LONG),
        (*TRAIN, "--workers", "-1"),
        (*TRAIN, "--devices", "0"),
        (*TRAIN, "--preset", "huge"),
        (*TRAIN, "--masks", "nowhere"),
        (*TRAIN, "--model", "yolov5"),
        (*TRAIN, "--model", "mobilenet"),
        (*TRAIN, "--size", "100"),
        (*TRAIN, "--size", "0"),
        (*TRAIN, "--anchors", "nowhere.json"),
        (*TRAIN, "--revision", "latest", "--model", "yolov4"),
        ("distill", "nowhere", "--teacher", "t", "--size", "0"),
        ("distill", "nowhere", "--teacher", "t", "--epochs", "-1"),
        ("label", "a.jpg", "--threshold", "nan"),
        ("label", "a.jpg", "--threshold", "0,5"),
        ("label", "a.jpg", "--threshold", "1.5"),
        ("label", "a.jpg", "--weights", "/"),
        ("explain", "a.jpg", "--out", "maps", "--threshold", "nan"),
        ("summary", "yolov4", "--classes", LONG),
        ("summary", "yolov4", "--classes", "-1"),
        ("summary", "yolov4", "--size", "0"),
        ("summary", "yolov4", "--size", LONG),
        ("anchors", "/"),
        ("anchors", "a.json", "--size", "0"),
        ("anchors", "a.json", "--size", LONG),
        ("label", "a.jpg", "--device", "cuda:99"),
        ("label", "a.jpg", "--device", "cuda:²"),
        ("label", "a.jpg", "--device", "vpu"),
        ("worker", "--device", "cuda:²"),
        ("worker", "--device", "cuda:99"),
        ("audit", "--most", LONG),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_is_a_sentence(failing, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    failing(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", LONG, "--format", "coco", "--out", "out.json"),
        ("export", "²", "--format", "coco", "--out", "out.json"),
        ("export", "new", "--format", "coco", "--out", "nowhere/out.json"),
        ("export", "new", "--format", "coco", "--out", "folder"),
        ("promote", LONG),
        ("backup", "folder"),
        ("backup", "nowhere/b.zip"),
        ("restore", "folder"),
        ("restore", "nothing.zip"),
        ("restore", "rubbish"),
        ("audit", "--csv", "folder"),
        ("people", "grant", "", "admin"),
        ("people", "grant", "ada", "emperor"),
        ("rollback", "poem"),
        ("import", "nothing"),
        ("order", "sideways"),
    ],
)
def test_what_a_store_cannot_do_is_a_sentence(failing, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    failing(*arguments, "--data", tmp_path / "store")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/secret"), "/secret cannot be used: Permission"),
        (OSError(errno.ENOSPC, "No space left on device"), "a file cannot be used: No space left"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "expected text in UTF-8"),
        (MemoryError(), "too little memory"),
    ],
)
def test_files_and_machines_that_fail_are_a_sentence(failing, monkeypatch, error, sentence):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    said = failing("label")
    assert said.startswith("lapel: ") and sentence in said and said.count("\n") == 1


def test_a_reader_of_stdout_that_has_gone_is_no_fault(monkeypatch, tmp_path, capfd):
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(command_line, "app", gone)
    monkeypatch.setattr(sys, "stdout", (tmp_path / "out").open("w"))
    with pytest.raises(SystemExit) as left:
        command_line.main()
    assert left.value.code == 1 and capfd.readouterr().err == ""


def test_a_store_in_the_place_of_a_file_is_a_sentence(failing, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    assert "file" in failing("models", "--data", tmp_path / "file")
