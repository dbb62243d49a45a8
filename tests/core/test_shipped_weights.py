"""The weights that ship, where they lie in assets/weights: they load, fit their cards, and see garments.

Floors are loose and come from the cards' own measurements: a slip in loading or decoding fails here, a
training that went a little better or worse does not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.boxes import box_iou
from core.datasets.coco import read_coco
from core.evaluation.detection import single_object_recall
from core.images.decode import open_photo
from core.inference.detector import Detector
from core.inference.labeler import Labeler
from core.inference.measure import predictions_on
from core.models.cards import WEIGHTS_FOLDER, ModelCard, read_card
from core.models.weights import digest
from core.taxonomy import load_taxonomy

KINDS = ("detector", "classifier")
MOST_BYTES = 31 * 10**6
SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
STREET_PHOTOS = 12
CATALOG_PHOTOS = 20


def weights_of(kind: str) -> Path:
    path = WEIGHTS_FOLDER / f"{kind}.safetensors"
    if not path.is_file():
        pytest.skip(f"no {path.name} in assets/weights")
    return path


def measured(kind: str) -> ModelCard:
    """The card of weights that were made to ship, which is to say that they were measured."""
    card = read_card(weights_of(kind))
    if "digest_sha256" not in card.data:
        pytest.skip(f"the {kind}'s weights are provisional: their card has no measurements")
    return card


def figures(metrics: Mapping[str, Any], name: str) -> Iterator[float]:
    """Every measurement of a name on a card, whatever the dataset; those of single classes are not meant."""
    for key, value in metrics.items():
        if key == name and isinstance(value, float | int):
            yield float(value)
        elif isinstance(value, Mapping) and key != "classes":
            yield from figures(value, name)


@pytest.fixture(scope="module")
def labeler() -> Labeler:
    for kind in KINDS:
        weights_of(kind)
    return Labeler.load()


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_small_enough_for_a_repository(kind: str) -> None:
    assert weights_of(kind).stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_is_that_of_the_file(kind: str) -> None:
    card = measured(kind)
    assert card.data["digest_sha256"] == digest(weights_of(kind))
    assert card.data["sources"] and card.metrics and card.training["recipe"]


def test_they_load_and_speak_of_what_is_known(labeler: Labeler) -> None:
    assert labeler.categories == load_taxonomy("street13").categories
    assert set(labeler.labels) <= set(load_taxonomy("catalog").categories)
    assert len(labeler.labels) >= 17
    assert 0.05 <= labeler.default_threshold <= 0.8
    assert all(labeler.names.values())


def test_drawn_samples_have_garments(labeler: Labeler) -> None:
    measured("detector")
    counts = {path.name: len(labeler.label(open_photo(path)).garments) for path in SAMPLES.glob("*.jpg")}
    assert sum(count > 0 for count in counts.values()) >= len(counts) / 3, counts


@pytest.mark.photos
def test_garments_in_the_street_are_found(test_data: Path) -> None:
    card, detector = measured("detector"), Detector.load(weights_of("detector"))
    dataset = read_coco(test_data / "street" / "val.json")
    found = boxes = 0
    for photo in dataset.photos[:STREET_PHOTOS]:
        opened = open_photo(dataset.path_of(photo))
        seen = detector.detections(opened, card.score_threshold).boxes_xyxy
        assert ((seen >= 0) & (seen <= [*opened.size_wh] * 2)).all()
        assert len(seen) < 40
        boxes += len(photo)
        found += int((box_iou(seen, photo.boxes_xyxy) >= 0.5).any(axis=0).sum()) if len(seen) else 0
    assert found / boxes > 0.5 * min(figures(card.metrics, "recall")), f"{found} of {boxes} boxes"


@pytest.mark.photos
def test_single_garments_are_found(test_data: Path) -> None:
    card, detector = measured("detector"), Detector.load(weights_of("detector"))
    claims = list(figures(card.metrics, "found"))
    if not claims:
        pytest.skip("the card has no measurement on photos of single garments")
    dataset = read_coco(test_data / "catalog" / "val_boxes.json", test_data / "catalog" / "images")
    few = type(dataset)(dataset.categories, dataset.photos[::7], dataset.folder)
    rate = single_object_recall(*predictions_on(detector, few), card.score_threshold, n_bootstrap=0)
    assert rate.recall > 0.6 * min(claims)
    assert rate.other_boxes < 3


@pytest.mark.photos
def test_labels_of_held_senders_are_mostly_right(test_data: Path, labeler: Labeler) -> None:
    card, catalog = measured("classifier"), test_data / "catalog"
    held = set((catalog / "val_senders.txt").read_text().split())
    with (catalog / "images.csv").open(newline="") as handle:
        rows = [r for r in csv.DictReader(handle) if r["sender_id"] in held and r["label"] in labeler.labels]
    chosen = [rows[int(index)] for index in np.linspace(0, len(rows) - 1, CATALOG_PHOTOS)]
    pictures = [open_photo(catalog / "images" / f"{row['image']}.jpg").image for row in chosen]
    best = labeler.classifier.probabilities(pictures).argmax(axis=1).tolist()
    right = sum(labeler.labels[index] == row["label"] for index, row in zip(best, chosen, strict=True))
    assert right / CATALOG_PHOTOS > 0.6 * min(figures(card.metrics, "top1"))


def test_the_first_sample_that_people_see_is_labeled_right(labeler: Labeler) -> None:
    """The page's example and the first drawn sample (``FIRST_SAMPLE``): a person in a dress and shoes."""
    found = labeler.label(open_photo(SAMPLES / "03-hand-on-the-hip.jpg"))
    assert [(garment.category, garment.best_label) for garment in found.garments] == [
        ("dress", "Dress"),
        ("footwear", "Shoes"),
    ]
