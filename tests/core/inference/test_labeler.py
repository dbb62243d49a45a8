"""The main job: one photo in, the same garments out, whatever the threshold was and whoever asks beside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from core.garments import Garment, LabeledPhoto
from core.inference.detector import RawDetections
from core.inference.explain import explain
from core.inference.labeler import Labeler
from core.taxonomy import load_taxonomy
from tests.weights import FEW, LABELS, NONE, THRESHOLD, drawn_photo


def without_time(labeled: LabeledPhoto) -> LabeledPhoto:
    return replace(labeled, seconds=0.0)


def test_a_photo_gets_boxes_categories_and_labels(tiny_labeler: Labeler) -> None:
    labeled = tiny_labeler.label(drawn_photo(FEW, "coat.png"))
    assert (labeled.photo, labeled.width, labeled.height) == ("coat.png", 180, 240)
    assert labeled.seconds > 0
    assert labeled.models == {"detector": "tiny detector", "classifier": "tiny classifier"}
    assert len(labeled.garments) == 2
    for garment in labeled.garments:
        assert garment.category in tiny_labeler.categories
        assert garment.score >= tiny_labeler.default_threshold == THRESHOLD
        assert len(garment.top5) == 5 and not garment.corrected


def test_what_it_knows_is_on_the_cards(tiny_labeler: Labeler) -> None:
    assert tiny_labeler.categories == load_taxonomy("street13").categories
    assert tiny_labeler.labels == LABELS


def test_a_low_threshold_cut_off_later_equals_the_high_one(tiny_labeler: Labeler) -> None:
    low = tiny_labeler.label(drawn_photo(FEW), 0.05)
    assert len(low.garments) > 5
    for threshold in (THRESHOLD, low.garments[0].score, 0.99):
        high = tiny_labeler.label(drawn_photo(FEW), threshold)
        cut = low.above(threshold)
        assert [facts(g) for g in cut.garments] == [facts(g) for g in high.garments]
        for ours, theirs in zip(cut.garments, high.garments, strict=True):
            for (_, p), (_, q) in zip(ours.top5, theirs.top5, strict=True):
                assert p == pytest.approx(q, abs=1e-4)


def facts(garment: Garment) -> tuple[object, ...]:
    """What has to be the same to the last digit; probabilities may differ by how many crops share a batch."""
    return garment.box_xyxy, garment.category, garment.score, garment.best_label


def test_a_photo_of_nothing_is_labeled_as_such(tiny_labeler: Labeler) -> None:
    labeled = tiny_labeler.label(drawn_photo(NONE))
    assert labeled.garments == ()
    assert labeled.as_dict()["garments"] == []


def test_what_each_model_said_alone_is_kept_beside_the_decision(tiny_labeler: Labeler) -> None:
    photo = drawn_photo(FEW)
    candidates = tiny_labeler.detector.raw_detections(photo, THRESHOLD)
    boxes = [tuple(box) for box in candidates.boxes_xyxy.tolist()]
    alone = dict(zip(boxes, tiny_labeler.classifier.classify(photo, boxes), strict=True))
    garments = tiny_labeler.label(photo).garments
    assert len(garments) == 2
    for garment in garments:
        row = boxes.index(garment.box_xyxy)
        scores = candidates.class_scores[row]
        assert garment.detector == (tiny_labeler.categories[int(scores.argmax())], scores.max())
        assert garment.classifier is not None
        label, probability = alone[garment.box_xyxy][0]
        assert garment.classifier[0] == label
        assert garment.classifier[1] == pytest.approx(probability, abs=1e-4)


def test_the_first_label_belongs_to_the_category(tiny_labeler: Labeler) -> None:
    """The classifier turns the category, or the category the order of labels: they never contradict."""
    matrix = tiny_labeler.label_matrix
    garments = tiny_labeler.label(drawn_photo(FEW), 0.05).garments
    assert len({garment.category for garment in garments}) > 1
    for garment in garments:
        column = tiny_labeler.categories.index(garment.category)
        row = tiny_labeler.labels.index(garment.top5[0][0])
        assert matrix[row, column] == 1 or not matrix[:, column].any()


def test_a_place_that_nms_leaves_two_categories_is_one_garment(tiny_labeler: Labeler) -> None:
    scores = np.zeros((2, len(tiny_labeler.categories)))
    pants, dress = (tiny_labeler.categories.index(name) for name in ("pants", "dress"))
    scores[0, [pants, dress]] = 0.6, 0.5
    scores[1, [pants, dress]] = 0.4, 0.55
    boxes = np.array([[10.0, 10.0, 60.0, 90.0], [11.0, 10.0, 60.0, 92.0]])
    labels = np.full((2, len(tiny_labeler.labels)), 0.1 / (len(tiny_labeler.labels) - 1))
    labels[:, tiny_labeler.labels.index("Pants")] = 0.9
    garments = tiny_labeler.decide(RawDetections(boxes, scores, (100, 100)), labels)
    assert [(g.category, g.box_xyxy, g.top5[0][0]) for g in garments] == [
        ("pants", (10.0, 10.0, 60.0, 90.0), "Pants")
    ]
    assert not garments[0].models_disagree


def test_four_threads_see_what_one_sees(tiny_labeler: Labeler) -> None:
    photos = [drawn_photo(seed, f"{seed}.png") for seed in (FEW, NONE, 5, FEW)]

    def work(photo):  # type: ignore[no-untyped-def]
        labeled = tiny_labeler.label(photo, 0.6)
        maps = explain(tiny_labeler, photo, replace(labeled, garments=labeled.garments[:1]))
        return without_time(labeled), [m.values.tobytes() for m in maps.detector_maps]

    one_by_one = [work(photo) for photo in photos]
    assert {len(labeled.garments) for labeled, _ in one_by_one} >= {0, 1}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, photos)) == one_by_one


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.inference.detector.WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=r"card detector\.json beside its weights, found none"):
        Labeler.load()


def test_the_default_weights_are_those_of_the_folder(
    tiny_weights: Path, tiny_labeler: Labeler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.inference.detector.WEIGHTS_FOLDER", tiny_weights)
    monkeypatch.setattr("core.inference.classifier.WEIGHTS_FOLDER", tiny_weights)
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)
    loaded = Labeler.load()
    assert loaded.names == tiny_labeler.names
    assert without_time(loaded.label(drawn_photo())) == without_time(tiny_labeler.label(drawn_photo()))
