"""The detector in use: boxes inside the photo, one threshold for all, fused as if it were not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from core.errors import LapelError, WeightsError
from core.images.decode import Photo
from core.inference.detector import LOWEST_THRESHOLD, Detector
from core.inference.engines.pytorch import PyTorchEngine
from core.models.cards import read_card, write_card
from core.models.decode import decode
from core.models.nms import MAX_DETECTIONS
from core.models.weights import load_weights
from core.models.yolov4 import YOLOv4
from tests.weights import FEW, MANY, NONE, THRESHOLD, drawn_photo, save_detector


@pytest.fixture(scope="module")
def detector(tiny_weights: Path) -> Detector:
    return Detector.load(tiny_weights / "detector.safetensors")


def copied(weights: Path, folder: Path) -> Path:
    """The tiny detector and its card as d.safetensors in a folder of one's own."""
    for ending in (".safetensors", ".json"):
        shutil.copy(weights / f"detector{ending}", folder / f"d{ending}")
    return folder / "d.safetensors"


def noise(width: int, height: int) -> Photo:
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), np.uint8)
    return Photo("noise.png", Image.fromarray(pixels), "0" * 64)


class Everywhere:
    """An engine that sees boxes everywhere, the surer the farther up."""

    name, parallel = "everywhere", False
    outputs = ("boxes", "scores")

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        height, width = inputs["images"].shape[2:]
        raw = [torch.zeros(1, 3, height // stride, width // stride, 18) for stride in (8, 16, 32)]
        for level in raw:
            level[..., 4] = torch.linspace(2, -9, level.shape[2])[:, None]
        boxes, scores = decode(raw, torch.full((3, 3, 2), 40.0))
        return {"boxes": boxes.numpy(), "scores": scores.numpy()}


def test_boxes_come_best_first_with_a_category_and_a_score(detector: Detector) -> None:
    found = detector.detections(drawn_photo(FEW), THRESHOLD)
    assert len(found) == 2
    assert found.scores.tolist() == sorted(found.scores, reverse=True)
    assert ((found.scores >= THRESHOLD) & (found.scores <= 1)).all()
    assert set(found.category_ids.tolist()) <= set(range(len(detector.card.categories)))


def test_a_photo_of_nothing_has_no_boxes(detector: Detector) -> None:
    assert len(detector.detections(drawn_photo(NONE), THRESHOLD)) == 0
    assert detector.raw_detections(drawn_photo(NONE), THRESHOLD).class_scores.shape == (0, 13)
    none = detector.detections(drawn_photo(NONE), 0.99)
    assert none.boxes_xyxy.shape == (0, 4)


def test_candidates_are_the_places_of_the_boxes_with_all_their_scores(detector: Detector) -> None:
    photo = drawn_photo(MANY)
    candidates = detector.raw_detections(photo, 0.1)
    assert len(np.unique(candidates.boxes_xyxy, axis=0)) == len(candidates)
    places = {
        tuple(box): scores for box, scores in zip(candidates.boxes_xyxy, candidates.class_scores, strict=True)
    }
    found = detector.detections(photo, 0.2)
    for box, score, category in zip(found.boxes_xyxy, found.scores, found.category_ids, strict=True):
        assert (
            places[tuple(box.tolist())][category] >= score - 1e-9
        )  # cross-class suppression may have halved it


def test_calibrated_scores_are_platt_scaled(detector: Detector) -> None:
    """With slope 2 and intercept 1 a score s becomes sigmoid(2 logit(s) + 1)."""
    photo = drawn_photo(FEW)
    scaled = replace(detector, card=replace(detector.card, calibration={"slope": 2.0, "intercept": 1.0}))
    before, after = detector.raw_detections(photo, 0.2), scaled.raw_detections(photo, 0.2)
    best = before.class_scores[0].max()
    expected = 1 / (1 + np.exp(-(2 * np.log(best / (1 - best)) + 1)))
    assert after.class_scores[0].max() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("size_wh", [(8, 2000), (2000, 8), (31, 33), (640, 480), (9, 9)])
def test_boxes_lie_inside_the_photo_and_have_an_area(detector: Detector, size_wh: tuple[int, int]) -> None:
    for tried in (detector, replace(detector, engine=Everywhere())):
        found = tried.detections(noise(*size_wh), LOWEST_THRESHOLD).boxes_xyxy
        assert ((found >= 0) & (found <= [*size_wh, *size_wh])).all()
        assert (found[:, 2:] - found[:, :2] >= 1).all()
    assert len(found) > 0


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.5])
def test_a_higher_threshold_only_takes_boxes_away(detector: Detector, threshold: float) -> None:
    every = detector.detections(drawn_photo(MANY), LOWEST_THRESHOLD)
    fewer = detector.detections(drawn_photo(MANY), threshold)
    kept = every.scores >= threshold
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(fewer.scores, every.scores[kept])
    np.testing.assert_array_equal(fewer.boxes_xyxy, every.boxes_xyxy[kept])
    np.testing.assert_array_equal(fewer.category_ids, every.category_ids[kept])


def test_a_score_that_just_reaches_the_threshold_counts(detector: Detector) -> None:
    scores = detector.detections(drawn_photo(FEW), 0.1).scores
    for rank, score in enumerate(scores[:3], start=1):
        assert len(detector.detections(drawn_photo(FEW), float(score)).scores) == rank
        assert len(detector.detections(drawn_photo(FEW), float(np.nextafter(score, 1))).scores) == rank - 1


def test_no_more_than_a_hundred_boxes_and_none_below_a_hundredth(detector: Detector) -> None:
    crowded = replace(detector, engine=Everywhere())
    found = crowded.detections(noise(640, 640), 0.0)
    assert len(found.scores) == MAX_DETECTIONS
    assert (found.scores >= LOWEST_THRESHOLD).all()


@pytest.mark.parametrize("ghost", [True, False])
def test_fusing_batch_norm_changes_nothing_but_the_time(tmp_path: Path, ghost: bool) -> None:
    path = save_detector(tmp_path / "d.safetensors", ghost=ghost)
    fused = Detector.load(path)
    assert isinstance(fused.engine, PyTorchEngine)
    network = fused.engine.graph.model
    plain = YOLOv4("pico", 13, ghost=ghost, anchors_wh=fused.card.anchors_wh).eval()
    load_weights(plain, path)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    boxed, pictures = fused.input_of(drawn_photo())
    assert boxed.image.size == (128, 160)
    with torch.inference_mode():  # in double precision: random weights make much of rounding
        ours, theirs = (
            decode(model.double()(torch.from_numpy(pictures).double()), plain.anchors_wh)
            for model in (network, plain)
        )
    assert float((ours[1] - theirs[1]).abs().max()) < 2e-3
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-2, atol=0.1, check_dtype=False)  # pixels


def test_the_input_is_the_photo_on_a_tight_canvas(detector: Detector) -> None:
    boxed, pictures = detector.input_of(Photo("p", Image.new("RGB", (300, 600), (255, 0, 0)), "0" * 64))
    assert pictures.shape == (1, 3, 160, 96)
    assert boxed.offset_xy == (8, 0)
    assert pictures[0, :, 80, 48].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "classifier", "model": "mobilenet-mha"}, "a detector's weights in d.safetensors"),
        ({"model": "yolov5"}, "got a yolov5 detector"),
        ({"model": "ssd"}, "expected no anchors, as ssd has its own"),
        ({"preset": "huge"}, "expected a detector's weights"),
        ({"anchors_wh": ((10.0, 10.0),)}, "expected nine anchors .* got 1"),
        ({"anchors_wh": ((-1.0, 10.0),) * 9}, "nine anchors of positive width"),
        ({"input_size": 400}, "multiple of 32 .* got 400"),
        ({"input_size": 0}, "multiple of 32 .* got 0"),
        ({"input_size": "416"}, "multiple of 32"),
        ({"categories": ("top", "pants")}, "belongs to another model"),
        ({"model": "yolov4"}, "belongs to another model"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_with_a_sentence(
    tiny_weights: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    path = copied(tiny_weights, tmp_path)
    write_card(replace(read_card(path), **changes), path)  # type: ignore[arg-type]
    with pytest.raises(LapelError, match=sentence):
        Detector.load(path)


def test_missing_weights_and_a_missing_card_are_told_apart(tiny_weights: Path, tmp_path: Path) -> None:
    path = copied(tiny_weights, tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match=r"expected weights at d\.safetensors"):
        Detector.load(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"card d\.json"):
        Detector.load(path)
