"""The detector's training by the clock, on painted photos, a CPU and a count of steps."""

import json
import shutil
import time
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from core.boxes import GroundTruth
from core.inference.detector import Detector
from core.models.cards import read_card
from core.models.decode import decode
from core.models.loading import load_detector_network
from core.models.mobilenet import MobileNetFeatures, imagenet_layers
from core.models.weights import read_tensors
from tools.detector_recipe import GpuDetectorRecipe, load_start
from tools.eight_bit_weights import quantize
from tools.gpu_detector import (
    DetectorRun,
    fitted_anchors,
    new_detector,
    train_detector,
)
from tools.gpu_evaluation import RawDetections, detections_of, measure
from tools.gpu_photos import load_pack
from tools.gpu_sampler import CATALOG_IGNORE_SCORE, BatchSampler
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


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory):
    """A pack of painted photos; steps are few and canvases small. Do not change."""
    folder = tmp_path_factory.mktemp("pack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr("tempfile.tempdir", str(folder))
        patch.setattr("tools.gpu_detector.CPU_CANVASES", ((32, 64), (64, 96)))
        patch.setattr("tools.gpu_detector.WARM_STEPS", 1)
        patch.setattr("tools.gpu_detector.SPEED_STEPS", 2)
        write_pack(folder / "pack", CATEGORIES, entries())
        yield folder / "pack"


@pytest.fixture(scope="module")
def pack(pack_folder):
    return load_pack(pack_folder, "cpu")


def test_anchors_are_fitted_to_boxes_as_they_lie_on_the_canvas(pack):
    anchors = fitted_anchors(pack, pack.numbers(split="train"), (288, 416), 0)
    assert anchors.shape == (9, 2) and (np.diff(anchors.prod(axis=1)) >= 0).all()
    factor = min(288 / 120, 416 / 180)
    assert anchors.min() >= 19 * factor and anchors.max() <= 56 * factor


def test_photos_are_drawn_by_their_sets_shares_and_say_what_they_label(pack):
    numbers = pack.numbers(split="train")
    sampler = BatchSampler(pack, numbers, rebalance=0.1)
    shares = sampler.shares((("street", 0.5), ("chictopia", 0.5), ("catalog", 0.0)))
    photos = sampler.draw(shares, 400, 4, torch.Generator().manual_seed(0))
    names = np.array([pack.photos[number]["set"] for number in numbers])[photos.numpy()]
    assert (names == names[:, :1]).all() and set(names.ravel()) == {"street", "chictopia"}
    assert 150 < (names[:, 0] == "street").sum() < 250
    catalog = next(i for i, n in enumerate(numbers) if pack.photos[n]["set"] == "catalog")
    chictopia = next(i for i, n in enumerate(numbers) if pack.photos[n]["set"] == "chictopia")
    some = torch.tensor([[0, chictopia], [chictopia, chictopia], [catalog, catalog]])
    labeled = sampler.labeled(some, torch.tensor([[True, False], [True, True], [True, True]]))
    assert labeled.complete[0].all() and labeled.known[0].all()
    rough = [name not in ("belt", "boots", "scarf_tie") for name in CATEGORIES]
    assert labeled.complete[1].tolist() == labeled.known[1].tolist() == rough
    assert labeled.known[2].all()
    assert labeled.complete[2].tolist() == [name == "top" for name in CATEGORIES]
    assert labeled.ignore_score[2] == CATALOG_IGNORE_SCORE


def test_heads_begin_with_rare_and_unsure_garments():
    model = new_detector("pico", 3, np.full((9, 2), 30.0)).eval()
    _, scores = decode(model(torch.rand(1, 3, 64, 64)), model.anchors_wh)
    assert scores.max() < 0.01


def test_candidates_are_suppressed_and_measured_as_in_use():
    boxes = np.array([[[0, 0, 20, 20], [1, 0, 21, 20], [40, 40, 60, 60]]], dtype=np.float32)
    found = RawDetections(boxes, np.array([[0.9, 0.8, 0.4]], dtype=np.float32), np.array([[0, 0, 1]]))
    kept = detections_of(found, 2)[0]
    assert kept.scores.tolist() == pytest.approx([0.9, 0.4]) and kept.category_ids.tolist() == [0, 1]
    figures = measure(
        {"street": found}, {"street": [GroundTruth(boxes[0, [0, 2]], np.array([0, 1]))]}, ("a", "b")
    )
    assert figures["street_map50"] == pytest.approx(1.0)


def test_a_run_without_a_teacher_distils_nothing_and_takes_boxed_photos(pack_folder, tmp_path):
    given = {
        "deadline": time.monotonic() + 1e6,
        "reserve": 1.0,
        "device": torch.device("cpu"),
        "recipe": TINY,
    }
    run = DetectorRun(pack_folder, tmp_path, **given)
    run.distill(1e6)
    assert run.stages == []
    assert len(run.boxed) == 12 and len(run.all_photos) == 14


def test_a_run_takes_every_stage_and_the_product_loads_its_weights(pack_folder, tmp_path):
    pack, out = tmp_path / "pack", tmp_path / "out"
    shutil.copytree(pack_folder, pack)
    (pack / "weights").mkdir()
    tensors = {}
    for name, layer in imagenet_layers(MobileNetFeatures()).items():
        tensors |= {f"{name}.weight": layer[0].weight.detach(), f"{name}.bias": layer[1].bias.detach()}
    save_file(tensors, pack / "weights" / "mobilenet.safetensors")
    recipe = replace(TINY, distilled_share=0.3)
    run = train_detector(pack, out, seconds=1e6, device="cpu", recipe=recipe, smoke=True)
    assert {stage["stage"]: stage["steps"] for stage in run.stages} == {"distillation": 3, "detector": 3}
    weights = out / "detector-pico.safetensors"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["training"]["images_seen"] == sum(stage["images"] for stage in run.stages) > 0
    assert card["training"]["seed"] == 0 and card["training"]["curve"][-1]["loss"] > 0
    network, _ = load_detector_network(weights)
    pictures = torch.rand(1, 3, 192, 128)
    with torch.inference_mode():
        own = decode(run.ema_network(pictures), run.ema_network.anchors_wh)
        loaded = decode(network(pictures), network.anchors_wh)
    assert torch.allclose(own[1], loaded[1], atol=2e-3)
    assert torch.allclose(own[0], loaded[0], atol=2.0, rtol=0.02)


def test_a_run_begins_with_the_weights_that_a_pack_carries(pack_folder, tmp_path):
    pack = tmp_path / "pack"
    shutil.copytree(pack_folder, pack)
    train_detector(pack, pack / "weights", seconds=0, device="cpu", recipe=TINY)
    for ending in (".safetensors", ".json"):
        (pack / "weights" / f"detector-pico{ending}").rename(pack / "weights" / f"detector{ending}")
    weights = pack / "weights" / "detector.safetensors"
    carried, card = read_tensors(weights), read_card(weights)
    save_file(quantize(carried), weights)
    run = train_detector(pack, tmp_path / "out", seconds=0, device="cpu", recipe=replace(TINY, seed=7))
    assert [stage["stage"] for stage in run.stages] == ["detector"]  # nothing to distill
    assert run.facts()["began"] == "with the weights in the pack"
    assert tuple(map(tuple, run.anchors.tolist())) == card.anchors_wh
    head, before = run.model.heads[0][1].weight, carried["heads.0.1.weight"]
    assert torch.allclose(head, before, atol=1e-3) and before.abs().max() > 0.01
    assert load_start(pack, "nano", CATEGORIES) is None
    assert load_start(pack, "pico", CATEGORIES[::-1]) is None


def test_a_run_whose_time_is_over_still_writes_the_weights_it_has(pack_folder, tmp_path):
    run = train_detector(pack_folder, tmp_path, seconds=0, device="cpu", recipe=TINY)
    assert run.stages[-1]["steps"] == 0
    assert Detector.load(tmp_path / "detector-pico.safetensors").card.preset == "pico"
