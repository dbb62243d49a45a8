"""Every detector of the papers by the same commands: trained, measured, labeling, explained, promoted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.anchors import darknet_anchors
from core.errors import LapelError, RecipeError, WeightsError
from core.inference.detector import Detector
from core.inference.engines.engine import open_engine
from core.inference.export_model import export_model
from core.inference.model_cache import ModelCache
from core.jobs.client import start_training
from core.models.cards import read_card
from core.models.registry import detector_names, has_anchors
from core.store import Store
from tests.core.cli.test_store import Shell, data, lapel
from tools.synthetic import draw_dataset

__all__ = ["data", "lapel"]
pytestmark = pytest.mark.usefixtures("tiny_ships")

NAMES = detector_names()
BASELINE = "faster-rcnn"
ANCHORS = {"yolov4": "darknet", "yolov4-gs": "own"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train.json`` of eight drawn photos. Do not change."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 8, size_wh=(96, 128))
    return folder


def command(*arguments: object) -> Result:
    """A command in this process, as from the shell."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def printed(*arguments: object) -> str:
    done = command(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def train_command(drawn: Path, out: Path, model: str, *more: object) -> tuple[object, ...]:
    files = ("--data", drawn / "train.json", "--val", drawn / "train.json", "--out", out)
    smallest = ("--preset", "pico", "--size", 96, "--epochs", 2, "--batch", 4, "--device", "cpu")
    return ("train", "detector", *files, *smallest, "--model", model, *more)


@pytest.fixture(scope="module")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The best weights of each detector, trained when they are first asked for. Do not change."""
    folder = tmp_path_factory.mktemp("trained")

    class Trained(dict[str, Path]):
        def __missing__(self, model: str) -> Path:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            anchors = ("--anchors", ANCHORS[model]) if model in ANCHORS else ()
            out = printed(*train_command(drawn, folder / model, model, *anchors))
            torch.set_num_threads(threads)
            self[model] = Path(out.strip())
            return self[model]

    return Trained()


@pytest.mark.parametrize("model", NAMES)
def test_a_detector_is_trained_by_its_name(model: str, trained: dict[str, Path]) -> None:
    weights = trained[model]
    assert weights.name == "best.safetensors"
    card = read_card(weights)
    assert (card.kind, card.model, card.preset, card.input_size) == ("detector", model, "pico", 96)
    assert len(card.anchors_wh) == (9 if has_anchors(model) else 0)
    history = [json.loads(line) for line in (weights.parent / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in history] == [1, 2]
    assert all(np.isfinite(line["train_loss"]) for line in history) and np.isfinite(history[1]["val_loss"])
    recipe = json.loads((weights.parent / "recipe.json").read_text())
    assert recipe["model"] == model and recipe["anchors"]["from"] == ANCHORS.get(model, "of the model")


def test_a_card_keeps_the_anchors_that_were_trained_with(trained: dict[str, Path]) -> None:
    card = read_card(trained["yolov4"])
    assert np.allclose(card.anchors_wh, darknet_anchors(96))
    found = Detector.load(trained["yolov4"]).engine.graph.model.anchors_wh  # type: ignore[attr-defined]
    assert np.allclose(found.flatten(0, 1).numpy(), darknet_anchors(96))


@pytest.mark.parametrize("model", NAMES)
def test_it_is_measured_as_any_other_is(model: str, drawn: Path, trained: dict[str, Path]) -> None:
    figures = json.loads(printed("evaluate", trained[model], drawn / "train.json", "--json"))
    assert figures["photos"] == 8
    assert 0 <= figures["mAP"] <= figures["mAP50"] <= 1 and set(figures["classes"])


@pytest.mark.parametrize("model", NAMES)
def test_it_labels_photos_with_the_classifier(model: str, drawn: Path, trained: dict[str, Path]) -> None:
    photo = sorted((drawn / "photos").iterdir())[0]
    threshold = 0.01 if model == "r-fcn" else 0.2  # a hundred crops take the classifier half a second
    (line,) = printed("label", photo, "--weights", trained[model], "--threshold", threshold).splitlines()
    labeled = json.loads(line)
    assert labeled["garments"] or threshold > 0.01
    assert labeled["models"]["detector"] == read_card(trained[model]).name
    for garment in labeled["garments"]:
        x0, y0, x1, y1 = garment["box"]
        assert 0 <= x0 < x1 <= 96 and 0 <= y0 < y1 <= 128 and len(garment["top5"]) == 5
        assert garment["category"] in read_card(trained[model]).categories


@pytest.mark.parametrize("model", ["yolov4", BASELINE])
def test_maps_are_those_that_a_model_has(
    model: str, drawn: Path, trained: dict[str, Path], tmp_path: Path
) -> None:
    photo = sorted((drawn / "photos").iterdir())[0]
    done = command("explain", photo, "--weights", trained[model], "--threshold", 0.2, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    index = json.loads((tmp_path / "index.json").read_text())
    assert len(index["detector_maps"]) == (3 if model == "yolov4" else 0)
    assert (f"The detector {model} has no attention maps" in done.stderr) == (model == BASELINE)


def test_scores_are_those_of_one_pass_with_a_box_each(drawn: Path, trained: dict[str, Path]) -> None:
    """The joint decision takes all categories' scores of a place: they are a softmax with the background."""
    from core.images.decode import open_photo

    photo = open_photo(sorted((drawn / "photos").iterdir())[0])
    found = Detector.load(trained[BASELINE]).raw_detections(photo, 0.01)
    assert len(found) and found.class_scores.sum(axis=1).max() <= 1 + 1e-5


def test_other_engines_leave_it_to_pytorch_and_say_so(
    trained: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    engine, _ = open_engine(trained[BASELINE], "detector", engine="onnxruntime")
    assert engine.name == "pytorch"
    assert "PyTorch serves best.safetensors: faster-rcnn runs in PyTorch only" in caplog.text


def test_it_is_not_exported(trained: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="got faster-rcnn, which runs in PyTorch only"):
        export_model(trained[BASELINE], "onnx", tmp_path / "out")


def test_weights_of_a_training_come_into_the_store_and_serve(
    trained: dict[str, Path], lapel: Shell, data: Path, drawn: Path
) -> None:
    status, made, said = lapel("promote", trained[BASELINE], "--overrule", "to look at it")
    assert status == 0, said
    name = read_card(trained[BASELINE]).name
    assert made["serves"] == name
    _, rows, _ = lapel("models", "--json")
    assert [row["name"] for row in rows if row["serves"] and row["kind"] == "detector"] == [name]
    store = Store.open(folder=data)
    serving = ModelCache(store, "cpu").current()
    assert serving.warnings == () and serving.labeler.detector.card.model == BASELINE
    sentence = "The detector that serves is a faster-rcnn, which is not fine-tuned on revisions"
    with pytest.raises(RecipeError, match=sentence):
        start_training(store, "detector", "quick", 1)
    status, _, said = lapel("promote", trained[BASELINE])
    assert status == 2 and len(store.models.all("detector")) == 2, "it is there already"
    status, _, said = lapel("promote", trained[BASELINE].with_name("none.safetensors"))
    assert status == 2 and "none.json" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model", "ssd", "--anchors", "own"), "goes with yolov4, yolov4-gs: ssd has default boxes"),
        (("--model", "r-fcn", "--anchors", "darknet"), "r-fcn has default boxes of its own"),
        (("--model", "vgg16"), "expected model to be one of yolov4, .*, got 'vgg16'"),
        (("--model", "ssd", "--preset", "huge"), "expected a detector recipe of darknet, .*, got 'huge'"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, drawn: Path, tmp_path: Path
) -> None:
    done = command(*train_command(drawn, tmp_path / "out", "ssd", *arguments))
    assert isinstance(done.exception, LapelError)
    with pytest.raises(LapelError, match=sentence):
        raise done.exception


def test_whole_weights_of_another_detector_are_refused(
    trained: dict[str, Path], drawn: Path, tmp_path: Path
) -> None:
    for model in ("retinanet", "yolov4-gs"):
        done = command(*train_command(drawn, tmp_path, model, "--pretrained", trained[BASELINE]))
        with pytest.raises(WeightsError, match=rf"expected a {model} pico in best\.safetensors, got a fast"):
            raise done.exception  # type: ignore[misc]


def test_a_training_goes_on_from_whole_weights(trained: dict[str, Path], drawn: Path, tmp_path: Path) -> None:
    done = command(*train_command(drawn, tmp_path, BASELINE, "--pretrained", trained[BASELINE]))
    assert done.exit_code == 0 and "Starts from the detector best.safetensors." in done.stderr
