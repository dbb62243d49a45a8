"""Which engine serves by what is installed, and that a machine without ONNX Runtime labels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from core.errors import EngineError
from core.inference.engines import engine as engine_module
from core.inference.engines import export_cache
from core.inference.engines.engine import choose_engine, open_engine
from core.models.cards import read_card
from tests.weights import drawn_photo

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("wanted", "device", "there", "gpu", "expected"),
    [
        ("auto", "auto", "onnxruntime pytorch", False, ("onnxruntime", "cpu")),
        ("auto", "auto", "openvino onnxruntime pytorch", False, ("openvino", "cpu")),
        ("auto", "auto", "pytorch", False, ("pytorch", "cpu")),
        ("auto", "auto", "openvino onnxruntime pytorch", True, ("pytorch", "cuda")),
        ("auto", "cpu", "onnxruntime pytorch", True, ("onnxruntime", "cpu")),
        ("auto", "cuda:1", "onnxruntime pytorch", True, ("pytorch", "cuda:1")),
        ("onnxruntime", "auto", "openvino onnxruntime pytorch", True, ("onnxruntime", "cpu")),
        ("pytorch", "auto", "onnxruntime pytorch", False, ("pytorch", "cpu")),
        ("pytorch", "auto", "onnxruntime pytorch", True, ("pytorch", "cuda")),
    ],
)
def test_the_engine_is_chosen_by_what_the_machine_has(
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    device: str,
    there: str,
    gpu: bool,
    expected: tuple[str, str],
) -> None:
    monkeypatch.setattr(engine_module, "is_installed", lambda engine: engine in there.split())
    monkeypatch.setattr(engine_module, "has_gpu", lambda: gpu)
    assert choose_engine(wanted, device) == expected


@pytest.mark.parametrize(
    ("wanted", "device", "sentence"),
    [
        (
            "tensorrt",
            "auto",
            "LAPEL_ENGINE to be one of auto, .*, pytorch, got 'tensorrt'",
        ),
        ("openvino", "auto", "openvino needs the package openvino"),
        ("onnxruntime", "cuda", "onnxruntime runs on the CPU, not on cuda"),
    ],
)
def test_an_engine_that_is_not_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, wanted: str, device: str, sentence: str
) -> None:
    monkeypatch.setattr(engine_module, "is_installed", lambda engine: engine != "openvino")
    with pytest.raises(EngineError, match=sentence):
        choose_engine(wanted, device)


def test_a_machine_without_onnx_runtime_labels_in_pytorch(tiny_weights: Path, tmp_path: Path) -> None:
    """A process that can find neither package, through the whole command."""
    drawn_photo().image.save(tmp_path / "scene.png")
    program = (
        "import sys; sys.modules['onnxruntime'] = sys.modules['openvino'] = None;"
        "from core.__main__ import main; main()"
    )
    files = [str(tiny_weights / f"{kind}.safetensors") for kind in ("detector", "classifier")]
    words = ["label", str(tmp_path / "scene.png"), "--weights", files[0], "--weights", files[1]]
    environment = {name: value for name, value in os.environ.items() if name != engine_module.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT, env=environment | {"LAPEL_CACHE": str(tmp_path / "cache")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert len(json.loads(done.stdout)["garments"]) == 2
    assert not (tmp_path / "cache" / "engines").exists(), "nothing was exported"


def test_onnx_runtime_under_another_packages_name_is_asked_for_its_version(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As onnxruntime-gpu and -directml, which bring the module and no package of its name."""
    path = tiny_weights / "classifier.safetensors"
    versions = {"onnxruntime-gpu": "1.2"}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(export_cache, "version", version)
    monkeypatch.setattr(export_cache, "packages_distributions", lambda: {"onnxruntime": list(versions)})
    assert export_cache.engine_version("onnxruntime") == "onnxruntime-gpu 1.2"
    key = export_cache.export_key(path, read_card(path), "onnxruntime")
    versions["onnxruntime-gpu"] = "1.3"
    assert export_cache.export_key(path, read_card(path), "onnxruntime") != key


def test_an_engine_of_no_known_version_leaves_it_to_pytorch(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(export_cache, "version", version)
    monkeypatch.setattr(export_cache, "packages_distributions", dict)
    monkeypatch.setattr(engine_module, "is_installed", lambda engine: True)
    engine, _ = open_engine(tiny_weights / "detector.safetensors", "detector", "cpu", "onnxruntime")
    assert engine.name == "pytorch"
    assert "cannot be exported for onnxruntime: No package metadata was found" in caplog.text


def test_an_export_depends_on_the_code_of_every_module_that_shapes_it() -> None:
    """All that the graphs import of the project, also by the registry; cards say their share themselves."""
    program = (
        "import sys; import core.models.graphs, core.models.mobilenet, core.models.vgg;"
        "print(*(name for name in sys.modules if name.startswith('core.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = {name.removeprefix("core.").replace(".", "/") for name in done.stdout.split()}
    apart = {"models", "models/cards", "errors", "files", "value_checks", "inference/engines/export_process"}
    assert imported - apart == set(export_cache.NETWORKS) - apart
