"""Exports are kept and made again, and where there can be none PyTorch serves and the log says why."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import WeightsError
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.engines import engine as engine_module
from core.inference.engines import export_cache
from core.inference.engines.engine import open_engine
from core.inference.engines.pytorch import PyTorchEngine
from core.models.cards import read_card, write_card
from tests.weights import drawn_photo, save_detector


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    pytest.importorskip("onnxruntime")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_export_is_made_once_and_again_only_for_other_weights(
    tmp_path: Path, cache: Path, exported_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_detector(tmp_path / "d.safetensors")
    card = read_card(path)
    made = export_cache.exported(path, card, "onnxruntime")
    assert made is not None and made.is_file() and made.is_relative_to(cache)
    assert not list((cache / "engines").glob(".*"))

    def no_export(*_: object) -> None:
        raise AssertionError("nothing is exported twice")

    monkeypatch.setattr(export_cache, "run_export", no_export)
    assert export_cache.exported(path, card, "onnxruntime") == made
    recalibrated = replace(card, calibration={"slope": 2.0, "intercept": 0.0})
    assert export_cache.exported(path, recalibrated, "onnxruntime") == made, "calibration is not in the graph"
    others = [
        export_cache.export_key(save_detector(tmp_path / "other.safetensors", seed=2), card, "onnxruntime"),
        export_cache.export_key(path, replace(card, input_size=192), "onnxruntime"),
    ]
    monkeypatch.setattr(export_cache, "version", lambda engine: "99")
    others.append(export_cache.export_key(path, card, "onnxruntime"))
    assert len({made.parent.name, *others}) == 4


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.onnx", b""), ("model.onnx", b"rubbish"), ("model.onnx", None), ("agreement.json", b"rubbish"),
        ("agreement.json", b"null"), ("agreement.json", b"[]"), ("agreement.json", b'{"agrees": false}'),
    ],
)  # fmt: skip
def test_a_damaged_export_is_made_again(
    tiny_weights: Path,
    exported_here: None,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    content: bytes | None,
) -> None:
    path = tiny_weights / "detector.safetensors"
    sound = export_cache.exported(path, read_card(path), "onnxruntime")
    assert sound is not None
    made = copied(sound.parent, request.getfixturevalue("cache")) / export_cache.MODEL_FILE
    assert export_cache.exported(path, read_card(path), "onnxruntime") == made
    begun: list[str] = []

    def make(path: Path, engine: str, folder: Path) -> None:
        begun.append(engine)
        shutil.copytree(sound.parent, folder, dirs_exist_ok=True)

    monkeypatch.setattr(export_cache, "run_export", make)
    whole = made.read_bytes()
    damaged = made.parent / file
    damaged.write_bytes(whole[:-1] + b"x" if content is None else content)  # None: one byte has changed
    engine, _ = open_engine(path, "detector", engine="onnxruntime")
    assert begun == ["onnxruntime"]
    assert engine.name == "onnxruntime" and made.read_bytes() == whole


def copied(export: Path, cache: Path) -> Path:
    """An export in another cache; its folder there."""
    return Path(shutil.copytree(export, cache / "engines" / export.name))


def test_a_runtime_that_does_not_take_an_export_leaves_it_to_pytorch(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "exported", lambda *_: tmp_path / "gone.onnx")
    engine, _ = open_engine(tiny_weights / "detector.safetensors", "detector", engine="onnxruntime")
    assert engine.name == "pytorch" and "onnxruntime does not load its export" in caplog.text


def test_an_export_that_disagrees_is_not_served_and_the_log_says_so(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_detector(tmp_path / "d.safetensors")
    card = read_card(path)
    folder = cache / "engines" / export_cache.export_key(path, card, "onnxruntime")
    folder.mkdir(parents=True)
    differences = {"boxes": 1e-5, "scores": 0.25}
    (folder / export_cache.AGREEMENT_FILE).write_text(
        json.dumps(
            {"agrees": False, "differences": differences, "tolerances": dict.fromkeys(differences, 1e-3)}
        )
    )
    with caplog.at_level(logging.WARNING, "lapel.engines"):
        engine, _ = open_engine(path, "detector", engine="onnxruntime")
    assert isinstance(engine, PyTorchEngine)
    assert "in onnxruntime scores differs from PyTorch by 2.5e-01" in caplog.text


def test_an_export_that_cannot_be_made_is_pytorchs_and_the_log_says_why(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="RuntimeError: no such operator\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    path = save_detector(tmp_path / "d.safetensors")
    engine, _ = open_engine(path, "detector", engine="onnxruntime")
    assert engine.name == "pytorch"
    assert "cannot be exported for onnxruntime: RuntimeError: no such operator" in caplog.text
    assert not list((cache / "engines").glob("*/model.onnx")), "it is tried again another time"


def test_a_full_disk_is_told_before_an_export_is_tried(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    monkeypatch.setattr(export_cache, "run_export", lambda *_: pytest.fail("it takes seconds to fail"))
    path = save_detector(tmp_path / "d.safetensors")
    engine, _ = open_engine(path, "detector", engine="onnxruntime")
    assert engine.name == "pytorch"
    assert "its cache folder has 0 MiB of room, expected " in caplog.text


def test_ctrl_c_during_an_export_ends_the_program_without_a_complaint(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = subprocess.CompletedProcess([], -2, stdout="", stderr="Traceback ...\nKeyboardInterrupt\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(KeyboardInterrupt):
        open_engine(save_detector(tmp_path / "d.safetensors"), "detector", engine="onnxruntime")
    assert caplog.text == ""


def test_weights_that_cannot_serve_are_refused_as_in_pytorch(tmp_path: Path, cache: Path) -> None:
    path = save_detector(tmp_path / "d.safetensors")
    write_card(replace(read_card(path), model="yolov4"), path)
    said = []
    for engine in ("pytorch", "onnxruntime"):
        with pytest.raises(WeightsError, match="belongs to another model") as refused:
            Detector.load(path, engine=engine)
        said.append(str(refused.value))
    assert said[0] == said[1]
    with pytest.raises(WeightsError, match="found none"):
        Classifier.load(tmp_path / "missing.safetensors", engine="onnxruntime")


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    monkeypatch.setenv("LAPEL_CACHE", str(file / "below"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert export_cache.cache_folder().parent == tmp_path


def test_exports_that_nobody_used_for_long_go(
    tiny_weights: Path, exported_here: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_weights / "detector.safetensors"
    sound = export_cache.exported(path, read_card(path), "onnxruntime")
    assert sound is not None
    engines = request.getfixturevalue("cache") / "engines"
    for age, name in enumerate(
        [".killed", *(f"{number:02}" for number in range(export_cache.MOST_EXPORTS + 3))]
    ):
        folder = engines / name
        folder.mkdir(parents=True)
        (folder / export_cache.MODEL_FILE).write_bytes(b"x")
        os.utime(folder, (1e9 - age, 1e9 - age))

    def make(path: Path, engine: str, folder: Path) -> None:
        shutil.copytree(sound.parent, folder, dirs_exist_ok=True)

    monkeypatch.setattr(export_cache, "run_export", make)
    made = export_cache.exported(path, read_card(path), "onnxruntime")
    assert made is not None
    kept = {f"{number:02}" for number in range(export_cache.MOST_EXPORTS - 1)} | {made.parent.name}
    assert {entry.name for entry in engines.iterdir() if entry.is_dir()} == kept


def test_labeling_with_an_export_loads_no_torch(
    tiny_weights: Path, tmp_path: Path, exported_here: None, request: pytest.FixtureRequest
) -> None:
    """Loading PyTorch takes seconds: the command is quick because it need not.

    One of its exports is there, the other is made by a process of its own.
    """
    classifier = tiny_weights / "classifier.safetensors"
    there = export_cache.exported(classifier, read_card(classifier), "onnxruntime")
    assert there is not None
    cache = request.getfixturevalue("cache")
    copied(there.parent, cache)
    scene = tmp_path / "scene.png"
    drawn_photo().image.save(scene)
    program = (
        "import sys; from pathlib import Path; from core.images.decode import open_photo;"
        "from core.inference.labeler import Labeler; from core.inference.explain import explain;"
        "labeler = Labeler.load(Path(sys.argv[1]), Path(sys.argv[2])); photo = open_photo(Path(sys.argv[3]));"
        "labeled = labeler.label(photo); explain(labeler, photo, labeled);"
        "heavy = {'torch', 'torchvision', 'pandas', 'sklearn', 'scipy', 'lightning'} & set(sys.modules);"
        "print(len(labeled.garments), heavy or 'none')"
    )
    files = [str(tiny_weights / f"{kind}.safetensors") for kind in ("detector", "classifier")]
    done = subprocess.run(
        [sys.executable, "-c", program, *files, str(scene)],
        capture_output=True, text=True, check=True, env=os.environ | {"LAPEL_ENGINE": "onnxruntime"},
    )  # fmt: skip
    assert done.stdout.split() == ["2", "none"], done.stdout + done.stderr
    assert len(list((cache / "engines").glob(f"*/{export_cache.MODEL_FILE}"))) == 2
