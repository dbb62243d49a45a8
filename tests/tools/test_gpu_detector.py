"""The detector's training by the clock, on painted photos and a CPU."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from core.detector import Detector
from core.evaluation import Truth
from core.models.decode import decode
from tools.detector_recipe import GpuDetectorRecipe
from tools.gpu_detector import (
    fitted_anchors,
    new_detector,
    train_detector,
)
from tools.gpu_evaluation import Candidates, detections_of, measure
from tools.gpu_mixture import CATALOG_DOUBT, Mixture
from tools.gpu_photos import load_pack
from tools.pack_photos import write_pack

CATEGORIES = ("bag", "belt", "boots", "footwear", "outerwear", "top", "scarf_tie")
TINY = GpuDetectorRecipe(preset="pico", validate_seconds=5.0, save_seconds=5.0)


def entries():
    rng = np.random.default_rng(1)
    sets = [("street", "train")] * 6 + [("street", "val")] * 2 + [("chictopia", "train")] * 4
    sets += [("catalog", "train")] * 4
    for number, (name, split) in enumerate(sets):
        image = Image.new("RGB", (120, 180), tuple(rng.integers(60, 190, 3).tolist()))
        boxes, ids = [], []
        for category in (0, 5, 3) if name != "catalog" else (5,):
            x, y = rng.integers(0, 60, 2).tolist()
            w, h = rng.integers(20, 55, 2).tolist()
            image.paste((250, 40 * category, 20), (x, y, x + w, y + h))
            boxes.append([x, y, x + w, y + h])
            ids.append(category)
        buffer = BytesIO()
        image.save(buffer, "WEBP", quality=90)
        yield buffer.getvalue(), {
            "set": name, "file": f"{name}/{split}{number}.webp", "width": 120, "height": 180, "boxes": boxes,
            "category_ids": ids, "labels": [None] * len(ids), "split": split, "sender": None,
            "box": "none" if number == 15 else "given", "tuning": number == 14,
        }  # fmt: skip


@pytest.fixture
def pack_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tools.gpu_detector.CPU_CANVASES", ((32, 64), (64, 96)))
    monkeypatch.setattr("tools.gpu_fitting.CPU_BATCH", 4)
    write_pack(tmp_path / "pack", CATEGORIES, entries())
    return tmp_path / "pack"


def test_anchors_are_fitted_to_boxes_as_they_lie_on_the_canvas(pack_folder):
    pack = load_pack(pack_folder, "cpu")
    anchors = fitted_anchors(pack, pack.numbers(split="train"), (288, 416), 0)
    assert anchors.shape == (9, 2) and (np.diff(anchors.prod(axis=1)) >= 0).all()
    factor = min(288 / 120, 416 / 180)
    assert anchors.min() >= 19 * factor and anchors.max() <= 56 * factor


def test_photos_are_drawn_by_their_sets_shares_and_say_what_they_label(pack_folder):
    pack = load_pack(pack_folder, "cpu")
    numbers = pack.numbers(split="train")
    mixture = Mixture(pack, numbers, rebalance=0.1)
    shares = mixture.shares((("street", 0.5), ("chictopia", 0.5), ("catalog", 0.0)))
    photos = mixture.draw(shares, 400, 4, torch.Generator().manual_seed(0))
    names = np.array([pack.photos[number]["set"] for number in numbers])[photos.numpy()]
    assert (names == names[:, :1]).all() and set(names.ravel()) == {"street", "chictopia"}
    assert 150 < (names[:, 0] == "street").sum() < 250
    catalog = next(i for i, n in enumerate(numbers) if pack.photos[n]["set"] == "catalog")
    chictopia = next(i for i, n in enumerate(numbers) if pack.photos[n]["set"] == "chictopia")
    some = torch.tensor([[0, chictopia], [chictopia, chictopia], [catalog, catalog]])
    labelling = mixture.labelling(some, torch.tensor([[True, False], [True, True], [True, True]]))
    assert labelling.complete[0].all() and labelling.known[0].all()
    rough = [name not in ("belt", "boots", "scarf_tie") for name in CATEGORIES]
    assert labelling.complete[1].tolist() == labelling.known[1].tolist() == rough
    assert labelling.known[2].all()
    assert labelling.complete[2].tolist() == [name == "top" for name in CATEGORIES]
    assert labelling.doubt[2] == CATALOG_DOUBT


def test_heads_begin_with_rare_and_unsure_garments():
    model = new_detector("pico", 3, np.full((9, 2), 30.0)).eval()
    _, scores = decode(model(torch.rand(1, 3, 64, 64)), model.anchors_wh)
    assert scores.max() < 0.01


def test_candidates_are_suppressed_and_measured_as_in_use():
    boxes = np.array([[[0, 0, 20, 20], [1, 0, 21, 20], [40, 40, 60, 60]]], dtype=np.float32)
    found = Candidates(boxes, np.array([[0.9, 0.8, 0.4]], dtype=np.float32), np.array([[0, 0, 1]]))
    kept = detections_of(found, 2)[0]
    assert kept.scores.tolist() == pytest.approx([0.9, 0.4]) and kept.category_ids.tolist() == [0, 1]
    figures = measure({"street": found}, {"street": [Truth(boxes[0, [0, 2]], np.array([0, 1]))]}, ("a", "b"))
    assert figures["street_map50"] == pytest.approx(1.0)


@pytest.mark.slow
def test_a_training_ends_in_time_with_weights_that_the_product_loads(pack_folder, tmp_path):
    run = train_detector(pack_folder, tmp_path / "out", seconds=40, device="cpu", recipe=TINY)
    assert run.left > -15  # a loaded machine's last step and last save
    assert [stage["stage"] for stage in run.stages] == ["detector"]  # the pack has no teacher
    assert len(run.boxed) == 12 and len(run.all_photos) == 14
    weights = tmp_path / "out" / "detector-pico.safetensors"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["training"]["images_seen"] > 0 and card["training"]["seed"] == 0
    assert any("street_map50" in entry for entry in card["training"]["curve"])
    detector = Detector.load(weights)
    pictures = torch.rand(2, 3, 416, 288)
    with torch.inference_mode():
        own = decode(run.average(pictures), run.average.anchors_wh)
        loaded = decode(detector.model(pictures), detector.model.anchors_wh)
    assert torch.allclose(own[1], loaded[1], atol=2e-3)
    assert torch.allclose(own[0], loaded[0], atol=2.0, rtol=0.02)


@pytest.mark.slow
def test_a_smoke_run_takes_every_stage(pack_folder, tmp_path):
    from safetensors.torch import save_file

    from core.models.mobilenet import MobileNetFeatures
    from core.models.weights import folded_layers

    tensors = {}
    for name, layer in folded_layers(MobileNetFeatures()).items():
        tensors |= {f"{name}.weight": layer[0].weight.detach(), f"{name}.bias": layer[1].bias.detach()}
    (pack_folder / "weights").mkdir()
    save_file(tensors, pack_folder / "weights" / "mobilenet.safetensors")
    recipe = replace(TINY, distilled_share=0.3)
    run = train_detector(pack_folder, tmp_path / "out", seconds=200, device="cpu", recipe=recipe, smoke=True)
    assert [stage["stage"] for stage in run.stages] == ["distillation", "detector"]
    assert all(stage["steps"] == 20 and stage["images_per_second"] > 0 for stage in run.stages)
