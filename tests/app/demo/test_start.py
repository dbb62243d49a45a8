"""The start of the demo: which photos it offers, and what it does while the models load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.demo import launch
from core.errors import LapelError, WeightsError
from tests.fakes import FakeLabeler, fake_explain
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

pytest.importorskip("gradio")
httpx = pytest.importorskip("httpx")

ROOT = Path(__file__).parents[3]


def test_examples_come_from_a_folder_with_photos_or_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_DATA", str(tmp_path / "data"))
    assert launch.chosen_folder(None) is None, "the drawn samples"
    for odd, what in ((tmp_path, "one without any"), (tmp_path / "gone", "no folder")):
        with pytest.raises(LapelError, match=f"Expected a folder with JPEG, PNG or WebP photos.*{what}"):
            launch.chosen_folder(odd)
    Image.new("RGB", (9, 9)).save(tmp_path / "A.JPG")
    assert launch.chosen_folder(tmp_path) == tmp_path
    fetched = tmp_path / "data" / "samples"
    fetched.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(fetched / "dress.jpg")
    assert launch.chosen_folder(None) == fetched, "photos that were fetched before"


def test_a_wrong_folder_of_examples_ends_the_command_before_anything_loads(tmp_path: Path) -> None:
    program = (
        "import sys; from app.demo.launch import main; status = main(['--examples', sys.argv[1]]);"
        "assert not {'gradio', 'torch'} & set(sys.modules); sys.exit(status)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == launch.EXIT_FAILED and ended.stderr.startswith("Expected a folder with")
    assert "Traceback" not in ended.stderr


def test_the_page_opens_while_the_models_load_and_a_photo_waits_for_them(
    environment: None, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.demo.page import LOADING
    from core.inference.labeler import Labeler

    may_end = threading.Event()

    def load() -> Any:
        assert may_end.wait(PATIENCE_SECONDS)
        return FakeLabeler()

    monkeypatch.setattr(Labeler, "load", load)
    labeler = launch.LoadingLabeler()
    demo = launch.build_demo(labeler, fake_explain, loading=labeler.loading)
    take = next(fn.fn for fn in demo.fns.values() if fn.name == "take" and len(fn.inputs) == 3)
    upload = Path(os.environ["GRADIO_TEMP_DIR"]) / "coat.png"
    upload.write_bytes(photo.read_bytes())
    steps = take({"path": str(upload), "orig_name": "coat.png"}, 0.5, 0.5)
    assert list(next(steps).values()) == [LOADING]
    assert not labeler.loading.done() and labeler.default_threshold > 0
    may_end.set()
    assert any("2 garments" in str(value) for value in next(steps).values())
    assert labeler.labels == FakeLabeler.labels and labeler.names == FakeLabeler().names


def test_models_that_cannot_be_loaded_end_the_demo_with_their_sentence(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.inference.labeler import Labeler

    def load() -> Any:
        raise WeightsError("expected weights, got a poem")

    monkeypatch.setattr(Labeler, "load", load)
    labeler, port = launch.LoadingLabeler(), free_port()
    with pytest.raises(LapelError, match="got a poem"):
        launch.serve(labeler, fake_explain, port=port, loading=labeler.loading)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS)
