"""The weights that ship: threshold from photos set aside, measurements and the curve on the card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_detection
from core.errors import WeightsError
from core.evaluation.detection import SingleObjectRecall, single_object_recall
from core.inference.detector import Detector
from core.inference.measure import predictions_on
from core.models.cards import card_path, read_card
from core.models.weights import digest, read_tensors
from core.taxonomy import load_taxonomy
from tests.weights import FEW, NONE, save_detector
from tools.ship_weights import THRESHOLDS, average_weights, choose_threshold, curve, finding_f1, ship
from tools.synthetic import draw_scene


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO file of two drawn photos with one box each."""
    folder = tmp_path_factory.mktemp("garments")
    (folder / "photos").mkdir()
    photos = []
    for category, seed in enumerate((FEW, NONE)):
        drawn = draw_scene(seed, (180, 240))
        drawn.image.save(folder / "photos" / f"{seed}.png")
        photos.append(BoxedPhoto(f"{seed}.png", 180, 240, drawn.boxes_xyxy[:1], np.array([category])))
    write_coco(DetectionDataset(load_taxonomy("street13").categories, tuple(photos)), folder / "one.json")
    return folder / "one.json"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training's folder with a curve of two epochs."""
    folder = tmp_path_factory.mktemp("run")
    save_detector(folder / "final.safetensors")
    history = [
        {"epoch": 1, "seconds": 1800.0, "train_loss": 2.0},
        {"epoch": 2, "seconds": 1800.0, "val_map50": 0.1},
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    return folder


def test_the_threshold_is_where_single_garments_are_found_best(run: Path, garments: Path) -> None:
    weights = run / "final.safetensors"
    threshold = choose_threshold(weights, garments)
    found, truths = predictions_on(Detector.load(weights), read_detection(garments))
    rates = {float(t): single_object_recall(found, truths, float(t), n_bootstrap=0) for t in THRESHOLDS}
    others = [rate.other_boxes for rate in rates.values()]
    assert max(others) > min(others), "the fixture should see more at low thresholds"
    assert finding_f1(rates[threshold]) == max(finding_f1(rate) for rate in rates.values())


def test_finding_is_worth_its_other_boxes() -> None:
    assert finding_f1(SingleObjectRecall(1.0, 0.0, 10, 0.5, 0.5, None, None)) == 1.0
    assert finding_f1(SingleObjectRecall(0.5, 0.5, 10, 0.5, 0.5, None, None)) == 0.5
    assert finding_f1(SingleObjectRecall(0.0, 3.0, 10, 0.5, 0.5, None, None)) == 0.0


def test_a_shipped_card_tells_digest_hours_curve_and_measurements(
    run: Path, garments: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights" / "detector.safetensors"
    card = ship(run, out, {"drawn": garments}, tuning=garments, name="a name", notes="what was tried")
    assert card == read_card(out)
    assert card.name == "a name" and card.notes == "what was tried"
    assert card.data["digest_sha256"] == digest(out) == digest(run / "final.safetensors")
    assert card.training["hours"] == 1.0
    assert [entry["epoch"] for entry in card.training["curve"]] == [1, 2]
    figures = card.metrics["drawn"]
    assert figures["photos"] == 2 and figures["boxes"] == 2
    assert figures["score_threshold"] == card.score_threshold
    assert set(figures["single_garment"]) >= {"found", "others"}


def test_without_photos_to_tune_on_the_threshold_stays(run: Path, tmp_path: Path) -> None:
    before = json.loads(card_path(run / "final.safetensors").read_text())["score_threshold"]
    card = ship(run, tmp_path / "d.safetensors", {}, tuning=None, name=None, notes="")
    assert card.score_threshold == before and card.metrics == {}


def test_a_run_without_a_history_has_an_empty_curve(tmp_path: Path) -> None:
    assert curve(tmp_path) == []


def test_the_mean_of_two_trainings_can_ship(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_detector(other)
    doubled = {name: 3 * value for name, value in read_tensors(other).items()}
    save_file({name: value.half() for name, value in doubled.items()}, other)
    card = ship(run, tmp_path / "out.safetensors", {}, tuning=None, name="mean", notes="", average_with=other)
    first, shipped = read_tensors(run / "final.safetensors"), read_tensors(tmp_path / "out.safetensors")
    name = next(name for name in first if name.endswith("weight"))
    assert np.allclose(shipped[name].numpy(), 2 * first[name].numpy(), rtol=2e-3, atol=1e-3)
    assert card.training["averaged_with"] == read_card(other).name


def test_the_mean_of_models_is_that_of_each_tensor_and_needs_one_shape() -> None:
    one, two = {"a": torch.tensor([1.0, 3.0])}, {"a": torch.tensor([2.0, 5.0])}
    assert average_weights([one, two])["a"].tolist() == [1.5, 4.0]
    assert average_weights([one])["a"].tolist() == [1.0, 3.0]
    for other in ({"b": one["a"]}, {"a": torch.zeros(3)}):
        with pytest.raises(WeightsError, match="weights of one model to average"):
            average_weights([one, other])
