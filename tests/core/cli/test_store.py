"""The store from the command line: what is on stdout, and the exit status."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.jobs import step_process
from core.store import Store
from tests.core.jobs.hostile_steps import COMMAND
from tests.pictures import jpeg

Shell = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LAPEL_DATABASE_URL", raising=False)
    monkeypatch.delenv("LAPEL_BLOBS_URL", raising=False)
    return tmp_path / "data"


@pytest.fixture
def lapel(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs ``python -m core`` on a store of its own: the status, the JSON on stdout, and stderr."""

    def run(*arguments: object) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["core", *map(str, arguments), "--data", str(data)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return int(left.value.code or 0), json.loads(printed.out) if printed.out else None, printed.err

    return run


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    folder = tmp_path / "shoot"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg())
    (folder / "b.jpg").write_text("<html>")
    return folder


def test_import_reports_what_came_and_what_was_refused(lapel: Shell, shoot: Path, data: Path) -> None:
    status, report, said = lapel("import", shoot, "--by", "ada")
    assert status == 1 and said == ""
    assert (report["files"], report["new"], report["refused"]) == (2, 1, 1)
    assert [refusal["photo"] for refusal in report["refusals"]] == ["b.jpg"]
    store = Store.open(folder=data)
    assert [(row.by, row.state) for row in store.imports.recent()] == [("ada", "done")]
    assert sorted(job.kind for job in store.jobs.running()) == ["label", "order"], "for the next worker"
    (shoot / "b.jpg").unlink()
    status, report, _ = lapel("import", shoot)
    assert status == 0 and report["exact"] + report["holdout"] == 1


def test_an_import_says_how_many_photos_fell_to_the_holdout(lapel: Shell, tmp_path: Path, data: Path) -> None:
    for seed in range(12):  # as BMP, whose bytes, and so the holdout, are the same everywhere
        noise = np.random.default_rng(seed).integers(0, 256, (24, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((64, 96), Image.Resampling.NEAREST).save(tmp_path / f"{seed}.bmp")
    _, report, _ = lapel("import", tmp_path)
    held = Store.open(folder=data).photos.count(holdout=True)
    assert (report["new"], report["fell_to_holdout"]) == (12, held) and held > 0


def test_an_import_of_nothing_is_one_sentence(lapel: Shell, tmp_path: Path) -> None:
    status, report, said = lapel("import", tmp_path / "nothing")
    assert (status, report, said.count("\n")) == (2, None, 1)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Has steps done by a process in which some of them do harm."""
    monkeypatch.setattr(step_process, "COMMAND", COMMAND)
    return monkeypatch


@pytest.mark.parametrize(
    ("step", "minutes", "said"),
    [("compute", "0.01", r"took .* minutes.*"), ("memory", "9", r"needed more than 2 GiB of memory")],
)
def test_an_import_beyond_its_limits_is_one_sentence(
    lapel: Shell, shoot: Path, data: Path, hostile: pytest.MonkeyPatch, step: str, minutes: str, said: str
) -> None:
    hostile.setenv("LAPEL_TEST_PREPARE", step)
    hostile.setenv("LAPEL_IMPORT_MINUTES", minutes)
    hostile.setenv("LAPEL_IMPORT_GIB", "2")
    status, report, stderr = lapel("import", shoot)
    assert (status, report) == (2, None)
    assert re.fullmatch(rf"lapel: Reading the files of this import {said}, and was given up\.\n", stderr)
    assert [row.state for row in Store.open(folder=data).imports.recent()] == ["failed"]


def test_a_photo_that_ends_the_process_of_an_import_is_refused_by_name(
    lapel: Shell, shoot: Path, hostile: pytest.MonkeyPatch
) -> None:
    (shoot / "b.jpg").rename(shoot / "crashes.jpg")
    status, report, said = lapel("import", shoot)
    assert (status, report["new"], said) == (1, 1, "")
    assert [refused["photo"] for refused in report["refusals"]] == ["crashes.jpg"]


def test_limits_of_imports_that_are_none_are_one_sentence(
    lapel: Shell, shoot: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_IMPORT_GIB", "much")
    status, report, said = lapel("import", shoot)
    assert (status, report, said.count("\n")) == (2, None, 1)
    assert not Store.open(folder=data).imports.recent()


def test_a_revision_is_made_and_written(lapel: Shell, shoot: Path, data: Path, tmp_path: Path) -> None:
    lapel("import", shoot)
    store = Store.open(folder=data)
    (photo,) = store.photos.page(0, 9)
    store.annotations.submit(photo.id, [], author="ada", base_version=0, request="r")
    out = tmp_path / "set.zip"
    for name in ("new", "latest", "1"):
        out.unlink(missing_ok=True)
        status, report, _ = lapel("export", name, "--format", "coco", "--out", out)
        assert (status, report["revision"], report["photos"]) == (0, 1, 1)
        assert out.stat().st_size == report["bytes"] > 0
        assert any("in the CSV export only" in sentence for sentence in report["left_out"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "set.zip", "shoot"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("latest", "--format", "coco"),
        ("7", "--format", "coco"),
        ("x", "--format", "csv"),
        ("new", "--format", "pdf"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    lapel: Shell, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    status, report, said = lapel("export", *arguments, "--out", tmp_path / "out")
    assert (status, report, said.count("\n")) == (2, None, 1)
    assert not (tmp_path / "out").exists()


def test_a_backup_fills_an_empty_store_and_no_other(
    lapel: Shell, shoot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lapel("import", shoot)
    status, report, _ = lapel("backup", tmp_path / "all.zip")
    assert (status, report["rows"]["photos"], report["pictures"]) == (0, 1, 2)
    status, _, said = lapel("restore", tmp_path / "all.zip")
    assert status == 2 and said.count("\n") == 1
    monkeypatch.setattr(
        sys, "argv", ["core", "restore", str(tmp_path / "all.zip"), "--data", str(tmp_path / "new")]
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert Store.open(folder=tmp_path / "new").photos.count() == 1


def test_the_queues_order_is_shown_and_chosen(lapel: Shell) -> None:
    assert lapel("order")[:2] == (0, {"order": "selection"})
    assert lapel("order", "ppal")[:2] == (0, {"order": "ppal"})
    assert lapel("order")[1] == {"order": "ppal"}
    status, _, complaint = lapel("order", "alphabet")
    assert status != 0 and "selection, ppal" in complaint


def test_prune_says_what_it_deleted(lapel: Shell) -> None:
    assert "--predictions-older-than or --drafts-older-than" in lapel("prune")[2]
    status, deleted, _ = lapel("prune", "--predictions-older-than", 90, "--drafts-older-than", 30)
    assert (status, deleted) == (0, {"predictions": 0, "drafts": 0, "dry_run": False})
