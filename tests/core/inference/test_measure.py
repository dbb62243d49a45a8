"""Weights measured on a dataset: categories matched by name, nothing read past, senders kept together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.boxes import Detections
from core.datasets.classification import ClassificationSample
from core.datasets.coco import read_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError
from core.images.decode import Photo, open_dataset_photo
from core.inference.detector import LOWEST_THRESHOLD, Detector
from core.inference.measure import measure_classifier, measure_detector, predictions_on
from core.models.cards import ModelCard
from tests.weights import LABELS
from tools.synthetic import draw_dataset

CATEGORIES = ("top", "pants", "bag")
DARK, BRIGHT = (20, 20, 20), (230, 230, 230)


class Knowing:
    """A detector that finds the boxes it was told, by the photo's name, with a score each."""

    card = ModelCard("detector", "yolov4-gs", "pico", CATEGORIES, 160, score_threshold=0.5)

    def __init__(self, boxes: dict[str, list[tuple[float, float, float, float, str, float]]]) -> None:
        self.boxes = boxes
        self.asked: list[float] = []

    def detections(self, photo: Photo, score_threshold: float) -> Detections:
        self.asked.append(score_threshold)
        rows = self.boxes.get(photo.name, [])
        return Detections(
            np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4),
            np.array([row[5] for row in rows]),
            np.array([CATEGORIES.index(row[4]) for row in rows], dtype=np.int64),
        )


class Shade:
    """A classifier that takes dark pictures for its second label, and bright ones for its first."""

    card = ModelCard("classifier", "mobilenet-mha", "tiny", ("Dress", "Hat", "Shirt"), 224)

    def probabilities(self, pictures: list[Image.Image]) -> torch.Tensor:
        bright = torch.tensor([float(np.asarray(picture).mean() > 128) for picture in pictures])
        return torch.stack([0.1 + 0.6 * bright, 0.7 - 0.6 * bright, torch.full_like(bright, 0.2)], dim=1)


def photo_file(path: Path, color: tuple[int, int, int] = BRIGHT) -> Path:
    Image.new("RGB", (60, 40), color).save(path)
    return path


def boxed(name: str, *boxes: tuple[float, float, float, float, int]) -> BoxedPhoto:
    rows = np.array(boxes, dtype=np.float32).reshape(-1, 5)
    return BoxedPhoto(name, 60, 40, rows[:, :4], rows[:, 4].astype(np.int64))


def test_categories_are_matched_by_name_and_not_by_number(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        photo_file(tmp_path / name)
    dataset = DetectionDataset(
        ("bag", "top"),  # in another order than the detector's, and without pants
        (boxed("a.png", (0, 0, 20, 20, 0), (30, 0, 50, 20, 1)), boxed("b.png", (5, 5, 30, 30, 1))),
        tmp_path,
    )
    knowing = Knowing(
        {
            "a.png": [(0, 0, 20, 20, "bag", 0.9), (30, 0, 50, 20, "top", 0.8)],
            "b.png": [(5, 5, 30, 30, "top", 0.7)],
        }
    )
    report, found = measure_detector(knowing, dataset)  # type: ignore[arg-type]
    figures = report.as_dict()
    assert (figures["mAP50"], figures["mAP"], figures["precision"], figures["recall"]) == (1, 1, 1, 1)
    assert figures["photos"] == 2 and figures["score_threshold"] == 0.5
    assert {name: row["boxes"] for name, row in figures["classes"].items()} == {
        "top": 2,
        "pants": 0,
        "bag": 1,
    }
    assert found is None, "a photo has two boxes"
    assert knowing.asked == [LOWEST_THRESHOLD] * 2, "the curve needs what is below the threshold too"


def test_photos_of_one_garment_also_say_whether_it_was_found(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        photo_file(tmp_path / name)
    dataset = DetectionDataset(
        CATEGORIES, (boxed("a.png", (0, 0, 20, 20, 0)), boxed("b.png", (0, 0, 20, 20, 0))), tmp_path
    )
    knowing = Knowing(
        {
            "a.png": [(0, 0, 20, 20, "pants", 0.9), (40, 0, 50, 20, "bag", 0.6)],
            "b.png": [(0, 0, 20, 20, "top", 0.4)],
        }
    )
    report, found = measure_detector(knowing, dataset)  # type: ignore[arg-type]
    assert found is not None
    assert (found.recall, found.other_boxes, found.photos) == (0.5, 0.5, 2)
    assert report.recall == 0.0, "the one box of the right name stays below the threshold"


def test_a_category_that_the_detector_lacks_is_refused_by_name(tmp_path: Path) -> None:
    photo_file(tmp_path / "a.png")
    dataset = DetectionDataset(("top", "kimono"), (boxed("a.png", (0, 0, 20, 20, 0)),), tmp_path)
    with pytest.raises(DatasetError, match=r"top, pants, bag\), got also kimono"):
        predictions_on(Knowing({}), dataset)  # type: ignore[arg-type]


def test_missing_and_broken_photos_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"<html>")
    for name, reason in (("missing.jpg", "no such file"), ("broken.jpg", "HTML")):
        dataset = DetectionDataset(CATEGORIES, (boxed(name, (0, 0, 20, 20, 0)),), tmp_path)
        with pytest.raises(DatasetError, match=f"{name} cannot be read.*{reason}"):
            predictions_on(Knowing({}), dataset)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=r"broken\.jpg"):
        measure_classifier(Shade(), (ClassificationSample(tmp_path / "broken.jpg", "Hat"),))  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="name the folder"):
        predictions_on(Knowing({}), DetectionDataset(CATEGORIES, (boxed("a.png"),)))  # type: ignore[arg-type]


def test_a_datasets_photos_are_upright(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=tags.tobytes())
    assert open_dataset_photo(tmp_path / "turned.jpg").size_wh == (40, 60)


def test_a_real_detector_is_measured_on_drawn_scenes(tiny_weights: Path, tmp_path: Path) -> None:
    draw_dataset(tmp_path, 2, size_wh=(96, 128))
    detector = Detector.load(tiny_weights / "detector.safetensors")
    watched: list[str] = []

    def watch(photos):  # type: ignore[no-untyped-def]
        for photo in photos:
            watched.append(photo.file_name)
            yield photo

    report, _ = measure_detector(detector, read_coco(tmp_path / "train.json"), watch)
    assert len(watched) == report.photos == 2
    assert 0 <= report.map50 <= 1


def test_top_k_counts_by_hand_and_skips_what_is_unknown(tmp_path: Path) -> None:
    bright = photo_file(tmp_path / "bright.png")
    dark = photo_file(tmp_path / "dark.png", DARK)
    photos = (
        ClassificationSample(bright, "Dress", "s1"),  # ranked first
        ClassificationSample(dark, "Hat", "s1"),  # ranked first
        ClassificationSample(dark, "Dress", "s2"),  # ranked third
        ClassificationSample(bright, "Shirt", "s2"),  # ranked second
        ClassificationSample(bright, "Kimono", "s3"),
    )
    report = measure_classifier(Shade(), photos)  # type: ignore[arg-type]
    assert (report.top1, report.top3, report.top5) == (0.5, 1.0, 1.0)
    assert (report.photos, report.skipped, report.groups) == (4, 1, 2)
    ungrouped = measure_classifier(Shade(), (*photos[:3], ClassificationSample(bright, "Shirt")))  # type: ignore[arg-type]
    assert ungrouped.groups == 4, "a photo without a sender stands for itself"


def test_a_classifier_is_measured_on_the_middle_of_a_photo_that_its_card_names(tmp_path: Path) -> None:
    framed = Image.new("RGB", (60, 40), BRIGHT)
    framed.paste(DARK, (10, 6, 50, 34))  # of the whole 47 % is dark, of the middle half all
    framed.save(tmp_path / "framed.png")
    hat = (ClassificationSample(tmp_path / "framed.png", "Hat"),)
    closer = Shade()
    closer.card = replace(Shade.card, crop_pct=0.5)
    assert measure_classifier(Shade(), hat).top1 == 0.0  # type: ignore[arg-type]
    assert measure_classifier(closer, hat).top1 == 1.0  # type: ignore[arg-type]


def test_no_known_label_at_all_is_refused(tmp_path: Path) -> None:
    photo = ClassificationSample(photo_file(tmp_path / "a.png"), "Kimono")
    with pytest.raises(DatasetError, match="labeled Dress, Hat, Shirt, got none"):
        measure_classifier(Shade(), (photo,))  # type: ignore[arg-type]


def test_a_real_classifier_is_measured(tiny_labeler, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    photos = tuple(ClassificationSample(photo_file(tmp_path / f"{label}.png"), label) for label in LABELS)
    report = measure_classifier(tiny_labeler.classifier, photos)
    assert report.top1 == pytest.approx(1 / 6), "one picture under six labels: one of them is right"
    assert report.top5 == pytest.approx(5 / 6)
