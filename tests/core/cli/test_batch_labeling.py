"""``label`` as a run: when a command is one, what it says, and that a killed one goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.batch_labeling import is_batch
from core.inference.labeler import Labeler
from tests.core.cli.commands import command
from tests.object_store import ObjectStore
from tests.pictures import jpeg
from tests.waiting import until
from tests.weights import FEW, drawn_photo

ROOT = Path(__file__).parents[3]
PHOTOS = 40


@pytest.mark.parametrize(
    ("photos", "out", "formats", "workers", "run"),
    [
        (["photos"], None, None, False, False),
        (["photos"], "pictures/", None, False, False),
        (["a.jpg", "b.jpg"], "/srv/pictures", None, False, False),
        (["photos"], "s3://bucket/run/", None, False, True),
        (["photos"], "file:///srv/run", None, False, True),
        (["s3://bucket/photos/"], "run", None, False, True),
        (["photos"], "run", ["jsonl"], False, True),
        (["photos"], "run", None, True, True),
    ],
)
def test_an_address_or_a_format_make_a_run(photos, out, formats, workers, run):
    assert is_batch(photos, out, formats, workers) is run


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_labeler: Labeler) -> None:
    """The tiny labeler for every command here, loaded once."""
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls, *files: tiny_labeler))


def lines_below(folder: Path) -> list[dict]:
    files = sorted((folder / "jsonl").iterdir())
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def test_a_run_writes_tables_and_says_what_came_of_it(tmp_path, tiny, tiny_labeler, capsys):
    drawn_photo(FEW).image.save((folder := tmp_path / "photos").with_suffix(".png"))
    folder.mkdir()
    (tmp_path / "photos.png").rename(folder / "coat.png")
    (folder / "broken.jpg").write_bytes(b"<html>")
    asked = ("label", folder, "--out", tmp_path / "run", "--format", "jsonl", "--format", "parquet")
    command(*asked, status=1)
    said = capsys.readouterr()
    manifest = json.loads(said.out)
    assert (manifest["photos"], manifest["failed"], manifest["formats"]) == (2, 1, ["parquet", "jsonl"])
    assert manifest["threshold"] == tiny_labeler.default_threshold
    assert set(manifest["models"]) == {"detector", "classifier"} and "shards" not in manifest
    assert "2 of 2 photos" in said.err
    coat = next(line for line in lines_below(tmp_path / "run") if line["photo"] == "coat.png")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "parquet").iterdir()}
    command(*asked, status=1)  # all is done: nothing is labeled
    assert {path: path.stat().st_mtime_ns for path in before} == before
    command("label", folder / "coat.png")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {**line, "seconds": 0} == {**coat, "seconds": 0}


def test_ctrl_c_says_how_it_goes_on(tmp_path, tiny, monkeypatch, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg())

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.inference.batch_labeling.BatchRun.label_shard", interrupted)
    command("label", tmp_path / "photos", "--out", tmp_path / "run", "--format", "jsonl", status=130)
    assert "The run stopped; the same command goes on with it." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("s3://bucket/a",), "expected --out with a folder or an address"),
        (("photos", "more", "--out", "run", "--format", "jsonl"), "expected one folder or address"),
        (("photos", "--out", "run", "--format", "csv"), "expected --format parquet or jsonl, got 'csv'"),
        (("photos", "--out", "nowhere://run"), "nowhere://run cannot be used"),
        (("photos", "--shard", "10"), "expected --shard and --data for a run alone"),
        (("photos", "--out", "run", "--by-workers", "--weights", "w"), "expected no --weights with"),
        (
            ("photos", "--out", "run", "--by-workers", "--device", "cpu"),
            "expected no --device with --by-workers",
        ),
        (
            ("photos", "--out", "run", "--format", "jsonl", "--device", "vpu"),
            "expected a device of auto, cpu",
        ),
        (("a.jpg", "--device", "cuda:99"), "cuda:99"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg())
    command("label", *arguments, status=2)
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_from_one_object_store_to_another_prefix(
    s3: ObjectStore, tiny_weights: Path
):
    s3.objects |= {f"bucket/photos/{n % 3}/{n:02d}.jpg": jpeg(1 + n % 3, shade=n) for n in range(PHOTOS)}
    weights = [
        part
        for kind in ("detector", "classifier")
        for part in ("--weights", tiny_weights / f"{kind}.safetensors")
    ]
    asked = [sys.executable, "-m", "core", "label", "s3://bucket/photos/", "--out", "s3://bucket/run/"]
    asked += [*map(str, weights), "--shard", "2", "--format", "jsonl"]

    def done() -> set[str]:
        return {key for key in list(s3.objects) if key.startswith("bucket/run/run/done/")}

    first = subprocess.Popen(asked, cwd=ROOT, env=os.environ, stderr=subprocess.DEVNULL)
    try:
        until(lambda: len(done()) >= 2)
    finally:
        first.kill()
        first.wait()
    before = {key: s3.objects[key] for key in done()}
    assert 0 < len(before) < PHOTOS // 2 and "bucket/run/manifest.json" not in s3.objects
    second = subprocess.run(asked, cwd=ROOT, env=os.environ, capture_output=True, check=True, timeout=240)
    parts = [data for key, data in sorted(s3.objects.items()) if key.startswith("bucket/run/jsonl/")]
    names = [json.loads(line)["photo"] for part in parts for line in part.splitlines()]
    assert sorted(names) == sorted(f"{n % 3}/{n:02d}.jpg" for n in range(PHOTOS))
    assert {key: s3.objects[key] for key in before} == before, "what was done was done again"
    assert json.loads(second.stdout)["labeled"] == PHOTOS
