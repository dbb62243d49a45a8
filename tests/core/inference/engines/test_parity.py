"""Every network answers in every engine as it does in PyTorch, and the check sees where one does not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.images.decode import Photo
from core.inference.engines import export_cache, export_process
from core.inference.engines.export_process import LARGEST_TOLERANCE, compare, export_for, tolerance_of
from core.inference.engines.pytorch import PyTorchEngine
from core.inference.explain import explain
from core.inference.labeler import Labeler
from core.models.cards import ModelCard, read_card, shipped_weights, write_card
from core.models.graphs import load_graph
from core.models.vgg import VGG16
from core.models.weights import save_weights
from core.models.yolov4 import PRESETS
from tests.weights import LABELS, MANY, drawn_photo, save_classifier, save_detector

EXPORTED = ("onnxruntime", "openvino")


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    pytest.importorskip("onnxruntime")


def needs(engine: str) -> None:
    pytest.importorskip(engine, reason=f"{engine} is an extra: make openvino")


@pytest.mark.parametrize(
    ("engine", "preset", "ghost"),
    [
        *((engine, preset, True) for engine in EXPORTED for preset in PRESETS if preset != "full"),
        *((engine, preset, False) for engine in EXPORTED for preset in ("pico", "nano")),
        ("onnxruntime", "tiny", False),
    ],
)
def test_a_detector_answers_as_in_pytorch(
    tmp_path: Path, engine: str, preset: str, ghost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every preset in every engine, the widest is below; of YOLOv4 without Ghost those that cost little."""
    # random weights round more than trained ones
    monkeypatch.setattr(export_process, "LARGEST_TOLERANCE", 0.05)
    needs(engine)
    path = save_detector(tmp_path / "d.safetensors", preset=preset, ghost=ghost)
    agreement = export_for(path, engine, tmp_path)
    assert agreement["agrees"] and max(agreement["differences"].values()) < 0.05
    assert set(agreement["differences"]) == {
        "boxes", "scores", "simam_stride8", "simam_stride16", "simam_stride32"
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("engine", EXPORTED)
def test_the_papers_full_detector_answers_as_in_pytorch(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(engine)
    # random weights of so many layers round 1e-2
    monkeypatch.setattr(export_process, "LARGEST_TOLERANCE", 0.05)
    path = save_detector(tmp_path / "d.safetensors", preset="full")
    assert export_for(path, engine, tmp_path)["agrees"]


@pytest.mark.parametrize("engine", EXPORTED)
def test_vgg_answers_as_in_pytorch(tmp_path: Path, engine: str) -> None:
    needs(engine)
    torch.manual_seed(1)
    save_weights(VGG16(len(LABELS), "gap"), tmp_path / "c.safetensors")
    write_card(ModelCard("classifier", "vgg16", "gap", LABELS, 64), tmp_path / "c.safetensors")
    agreement = export_for(tmp_path / "c.safetensors", engine, tmp_path)
    assert agreement["agrees"]
    assert set(agreement["differences"]) == {"logits", "embedding", "class_activation"}


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_the_weights_that_ship_answer_as_in_pytorch(exported_here: None, kind: str) -> None:
    """Within the tolerance itself, with nothing for rounding."""
    path = shipped_weights(kind)
    made = export_cache.exported(path, read_card(path), "onnxruntime")
    assert made is not None, "the log says how far it is off"
    agreement = json.loads((made.parent / export_cache.AGREEMENT_FILE).read_text(encoding="utf-8"))
    assert set(agreement["tolerances"].values()) == {export_cache.TOLERANCE}


@pytest.mark.parametrize("engine", EXPORTED)
@pytest.mark.parametrize("attention", [True, False])
def test_a_classifier_answers_as_in_pytorch(tmp_path: Path, engine: str, attention: bool) -> None:
    needs(engine)
    path = save_classifier(tmp_path / "c.safetensors", attention=attention)
    agreement = export_for(path, engine, tmp_path)
    assert agreement["agrees"]
    maps = {"class_activation", "attention"} if attention else {"class_activation"}
    assert set(agreement["differences"]) == {"logits", "embedding"} | maps


@pytest.mark.parametrize("output", ["embedding", "class_activation"])
def test_an_output_that_is_off_by_a_factor_is_seen(tmp_path: Path, output: str) -> None:
    graph, _ = load_graph(save_classifier(tmp_path / "c.safetensors", attention=False))

    class Scaled(PyTorchEngine):
        def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
            found = super().run(inputs, outputs)
            return found | {output: 1.01 * found[output]}

    found = compare(PyTorchEngine(graph), Scaled(graph), graph)
    assert found.pop(output) == pytest.approx(0.01, rel=1e-3) and max(found.values()) < 1e-6


def test_weights_that_round_much_have_a_tolerance_with_an_end() -> None:
    assert tolerance_of(1e-6) == export_cache.TOLERANCE
    assert tolerance_of(2e-3) == pytest.approx(6e-3)
    assert tolerance_of(0.5) == LARGEST_TOLERANCE == 1e-2


def test_a_difference_is_seen(tmp_path: Path) -> None:
    """The check itself: other weights of the same network do not pass for these."""
    graph, _ = load_graph(save_classifier(tmp_path / "one.safetensors"))
    other, _ = load_graph(save_classifier(tmp_path / "other.safetensors", seed=2))
    found = compare(PyTorchEngine(graph), PyTorchEngine(other), graph)
    assert found["logits"] > export_cache.TOLERANCE
    assert max(compare(PyTorchEngine(graph), PyTorchEngine(graph), graph).values()) < 1e-6


@pytest.mark.parametrize("engine", EXPORTED)
def test_photos_are_labeled_and_explained_as_in_pytorch(
    tiny_weights: Path, exported_here: None, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    needs(engine)
    files = (tiny_weights / "detector.safetensors", tiny_weights / "classifier.safetensors")
    reference = Labeler.load(*files)
    monkeypatch.setenv("LAPEL_ENGINE", engine)
    labeler = Labeler.load(*files)
    assert labeler.detector.engine.name == labeler.classifier.engine.name == engine
    for photo in (drawn_photo(), drawn_photo(MANY), turned(drawn_photo(MANY))):
        ours, theirs = labeler.label(photo), reference.label(photo)
        assert [g.category for g in ours.garments] == [g.category for g in theirs.garments]
        for one, other in zip(ours.garments, theirs.garments, strict=True):
            np.testing.assert_allclose(one.box_xyxy, other.box_xyxy, atol=0.1)
            assert one.score == pytest.approx(other.score, abs=1e-3)
            assert dict(one.top5) == pytest.approx(dict(other.top5), abs=1e-3)
        seen, known = explain(labeler, photo, theirs), explain(reference, photo, theirs)
        for one_map, other_map in zip(seen.detector_maps, known.detector_maps, strict=True):
            np.testing.assert_allclose(one_map.values, other_map.values, atol=1e-2)
    np.testing.assert_allclose(
        labeler.classifier.embed(photo), reference.classifier.embed(photo), atol=1e-3
    )  # fmt: skip


def turned(photo: Photo) -> Photo:
    return replace(photo, image=photo.image.rotate(90, expand=True))
