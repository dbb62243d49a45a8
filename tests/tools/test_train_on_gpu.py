import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import train_on_gpu
from tools.train_on_gpu import Trainer, join_parts, publish, write_parts

ROOT = Path(__file__).parents[2]


def test_parts_of_weights_are_joined_again(tmp_path):
    content = os.urandom(100_001)
    written = write_parts(content, "detector.safetensors", tmp_path, largest=40_000)
    assert [path.name for path in written] == [f"detector.safetensors.part{n}of3" for n in (1, 2, 3)]
    assert max(path.stat().st_size for path in written) <= 40_000
    assert join_parts(tmp_path) == [tmp_path / "detector.safetensors"]
    assert (tmp_path / "detector.safetensors").read_bytes() == content


def test_a_small_file_stays_one(tmp_path):
    assert [path.name for path in write_parts(b"1", "card.json", tmp_path)] == ["card.json"]
    assert join_parts(tmp_path) == []


def test_a_missing_part_is_named(tmp_path):
    write_parts(b"12345", "w.safetensors", tmp_path, largest=2)[1].unlink()
    with pytest.raises(ValueError, match=r"expected 3 parts of w\.safetensors, got numbers \[1, 3\]"):
        join_parts(tmp_path)


def test_parts_that_differ_from_the_report_are_refused(tmp_path):
    write_parts(b"12345", "w.safetensors", tmp_path, largest=2)
    (tmp_path / "report.json").write_text(json.dumps({"digests": {"w.safetensors": "0"}}))
    with pytest.raises(ValueError, match="digest differs"):
        join_parts(tmp_path)


def trainer(folder, code, name="detector"):
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, start_new_session=True)
    return Trainer(name, process, folder, folder / "log.txt")


def test_what_is_published_are_whole_weights_cards_a_log_and_a_report(tmp_path):
    names = ("log.txt", "a.safetensors", "a.json", "fresh.safetensors", "other.bin")
    code = f"import pathlib; [pathlib.Path(n).write_text(n) for n in {names!r}]"
    first = trainer(tmp_path / "work", code)
    assert first.process.wait(timeout=60) == 0
    facts = {}
    publish([first], tmp_path / "out", facts)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.json", "a.safetensors", "log.txt", "report.json",
    ]  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["detector"] == {"exit": 0} and list(report["digests"]) == ["a.safetensors"]


@pytest.mark.parametrize("stubborn", [False, True], ids=["obedient", "stubborn"])
def test_everything_ends_before_the_time_is_over(tmp_path, monkeypatch, stubborn):
    """A training that would go on for ever is stopped; what it wrote, and the other's failure, come out."""

    def start(name, given, work, seconds):
        ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
        code = f"{ignore}open('{name}.safetensors', 'w').write('w'); import time; time.sleep(300)"
        return trainer(work / name, code if name == "detector" else "raise SystemExit(3)", name)

    monkeypatch.setattr(train_on_gpu, "start", start)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    given = argparse.Namespace(
        pack=tmp_path,
        out=tmp_path / "out",
        seconds=12.0,
        device="cpu",
        only=["detector", "classifier"],
        smoke=False,
    )
    began = time.monotonic()
    try:
        assert train_on_gpu.run(given) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - began < 12
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["classifier"] == {"exit": 3}
    assert (tmp_path / "out" / "detector.safetensors").read_text() == "w"


def test_the_trainings_need_nothing_that_a_bare_machine_lacks():
    """Packages of the product that a machine with PyTorch alone does not have."""
    absent = (
        "sqlalchemy", "dbos", "streamlit", "gradio", "alembic", "authlib", "cleanlab", "fsspec",
        "faster_coco_eval", "defusedxml", "typer", "lightning", "sklearn", "pycocotools",
    )  # fmt: skip
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}));"
        "import tools.train_on_gpu, tools.photo_files, tools.gpu_detector, tools.gpu_classifier"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
