"""From files to a training about to begin; the trainings themselves are tried beside their modules."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import core.training.run as running
from core.anchors import darknet_anchors, kmeans_anchors, mean_best_iou
from core.datasets.coco import write_coco
from core.datasets.detection import DetectionDataset, letterboxed_wh
from core.errors import DatasetError, RecipeError, WeightsError
from core.files import current_commit
from core.models.cards import ModelCard, write_card
from core.models.weights import save_weights
from core.models.yolov4 import YOLOv4
from core.training.recipes import ClassifierRecipe, TrainingOptions
from core.training.run import distill_backbone, train_classifier, train_detector
from tests.core.training.samples import ANCHORS_WH, draw_rectangles, pico_recipe


@pytest.fixture
def begun(monkeypatch):
    """What would be trained: module, data and settings of each training that is begun."""
    calls = []
    monkeypatch.setattr(
        running, "fit", lambda module, data, **settings: calls.append((module, data, settings))
    )
    return calls


@pytest.fixture
def boxed(tmp_path):
    """A COCO file of six pictures with two rectangles each, beside its ``photos/``."""
    dataset = draw_rectangles(tmp_path / "photos", 6)
    write_coco(dataset, tmp_path / "train.json")
    return tmp_path / "train.json"


@pytest.fixture
def labeled(tmp_path):
    """A CSV of six labeled pictures beside its ``images/``."""
    draw_rectangles(tmp_path / "images", 6)
    path = tmp_path / "train.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [("image", "label"), *((str(i), ("Hat", "Coat")[i % 2]) for i in range(6))]
        )
    return path


def test_a_detector_is_trained_with_anchors_of_its_own_boxes(boxed, begun, tmp_path):
    options = TrainingOptions(boxed, boxed, out=tmp_path / "out", device="cpu", resume=True, workers=1)
    best = train_detector(pico_recipe(epochs=7, validate_every=2, ema_decay=0.5), options)
    module, data, settings = begun[0]
    assert best == tmp_path / "out" / "best.safetensors"
    assert module.categories == ("red", "blue") and len(data.train_set) == 6 and data.workers == 1
    sizes = data.train_set.photos[0][0].photos[0].boxes_xyxy
    assert np.min(module.anchors) > 5 and np.max(module.anchors) < 64 and len(sizes) == 2
    expected = {"epochs": 7, "validate_every": 2, "ema_decay": 0.5, "resume": True, "device": "cpu"}
    assert expected.items() <= settings.items() and settings["monitor"] == "val_map50"


@pytest.mark.parametrize("chosen", ["own", "darknet", "random", "FILE"])
def test_a_detector_is_trained_with_the_anchors_asked_for(chosen, boxed, begun, tmp_path):
    (tmp_path / "anchors.json").write_text(json.dumps({"anchors": ANCHORS_WH}))
    anchors = str(tmp_path / "anchors.json") if chosen == "FILE" else chosen
    train_detector(pico_recipe(seed=3), TrainingOptions(boxed, boxed, anchors=anchors, out=tmp_path / "out"))
    found = np.array(begun[0][0].anchors)
    sizes = letterboxed_wh(running.read_fitted(boxed).dataset, 64)
    wanted = {
        "own": kmeans_anchors(sizes, 9, 3).anchors,
        "random": kmeans_anchors(sizes, 9, 3, seeding="random").anchors,
        "darknet": darknet_anchors(64),
        "FILE": ANCHORS_WH,
    }
    assert np.allclose(found, wanted[chosen])
    written = json.loads((tmp_path / "out" / "recipe.json").read_text())["anchors"]
    assert written["from"] == anchors and np.allclose(written["anchors_wh"], found)
    assert written["mean_iou"] == pytest.approx(mean_best_iou(sizes, found), abs=1e-4)


def test_anchors_that_cannot_be_are_refused(boxed, tmp_path):
    with pytest.raises(RecipeError, match="of own, darknet, random or a JSON file, got 'best'"):
        TrainingOptions(boxed, boxed, anchors="best")
    given = tmp_path / "given.safetensors"
    save_weights(YOLOv4("pico", 2, ghost=True), given)
    card = ModelCard("detector", "yolov4-gs", "pico", ("red", "blue"), 64, anchors_wh=ANCHORS_WH)
    write_card(card, given)
    options = TrainingOptions(boxed, boxed, anchors="own", pretrained=given, out=tmp_path / "out")
    with pytest.raises(RecipeError, match=r"those of given\.safetensors have their own"):
        train_detector(pico_recipe(), options)


def test_a_detector_that_is_trained_further_keeps_its_anchors_and_categories(boxed, begun, tmp_path):
    given = tmp_path / "given.safetensors"
    model = YOLOv4("pico", 2, ghost=True, anchors_wh=ANCHORS_WH)
    save_weights(model, given, half=False)
    write_card(ModelCard("detector", "yolov4-gs", "pico", ("blue", "red"), 32, anchors_wh=ANCHORS_WH), given)
    train_detector(pico_recipe(), TrainingOptions(boxed, boxed, pretrained=given, out=tmp_path / "out"))
    module, data, _ = begun[0]
    assert np.allclose(module.anchors, 2 * np.array(ANCHORS_WH)), "64 pixels against the card's 32"
    assert torch.equal(module.model.heads[0][1].weight, model.heads[0][1].weight)
    assert module.categories == data.val_set.dataset.categories == ("blue", "red")
    assert data.train_set.photos[0][1].category_ids.tolist() == [1, 0]


def test_the_recipe_and_the_facts_are_written_beside_the_weights(boxed, begun, tmp_path):
    train_detector(pico_recipe(), TrainingOptions(boxed, boxed, extra=(boxed,), out=tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert written["preset"] == "pico" and written["input_wh"] == [64, 64]
    assert (written["photos"], written["boxes"], written["validation_photos"]) == (12, 24, 6)
    assert written["pretrained"] is None


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_the_same_seed_begins_with_the_same_weights(kind, boxed, labeled, begun, tmp_path):
    for seed in (3, 3, 4):
        if kind == "detector":
            train_detector(pico_recipe(seed=seed), TrainingOptions(boxed, boxed, out=tmp_path))
        else:
            recipe = ClassifierRecipe("r", model="mobilenet", seed=seed)
            train_classifier(recipe, TrainingOptions(labeled, labeled, out=tmp_path))
    first, second, other = (list(module.model.state_dict().values()) for module, _, _ in begun)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])


def test_a_classifiers_labels_are_those_of_its_photos_in_order(labeled, begun, tmp_path):
    recipe = ClassifierRecipe("r", model="mobilenet")
    best = train_classifier(recipe, TrainingOptions(labeled, labeled, out=tmp_path / "out"))
    module, _, settings = begun[0]
    assert module.labels == ("Coat", "Hat") and settings["monitor"] == "val_top1"
    assert best == tmp_path / "out" / "best.safetensors"
    written = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert (written["photos"], written["validation_photos"], written["validation_skipped"]) == (6, 6, 0)


def test_validation_photos_of_other_labels_only_are_refused(labeled, begun, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("image,label\n0,Glove\n")
    with pytest.raises(DatasetError, match="validation photos with the labels Coat, Hat, got none"):
        train_classifier(
            ClassifierRecipe("r", model="mobilenet"), TrainingOptions(labeled, other, out=tmp_path)
        )
    assert begun == []


def test_a_validation_set_of_other_categories_is_refused(boxed, begun, tmp_path):
    dataset = running.read_fitted(boxed).dataset
    write_coco(replace(dataset, categories=("red", "green")), tmp_path / "other.json")
    with pytest.raises(DatasetError, match="expected the categories red, blue, got green"):
        train_detector(pico_recipe(), TrainingOptions(boxed, tmp_path / "other.json", out=tmp_path))


def test_several_sets_share_their_categories_by_name_and_label_their_own(boxed, begun, tmp_path):
    other = tmp_path / "other.json"
    write_coco(replace(running.read_fitted(boxed).dataset, categories=("green", "red")), other)
    options = TrainingOptions(
        boxed, boxed, extra=(other,), out=tmp_path / "out", shares={other: 0.5}, unlabeled={boxed: ("blue",)}
    )
    train_detector(pico_recipe(), options)
    module, data, _ = begun[0]
    assert module.categories == ("red", "blue", "green")
    first, second = (data.train_set.photos[i] for i in (0, 6))
    assert first[1].category_ids.tolist() == [0, 1] and second[1].category_ids.tolist() == [2, 0]
    assert first[0].is_labeled.tolist() == [True, False, False]
    assert second[0].is_labeled.tolist() == [True, False, True]
    assert data.train_set.repeats() == [1.0] * 6 + [0.5] * 6
    assert data.val_set.dataset.is_labeled.tolist() == [True, False, False]
    written = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert written["shares"] == {str(other): 0.5} and written["unlabeled"] == {str(boxed): ["blue"]}


def test_an_unlabeled_category_that_a_set_does_not_have_is_refused(boxed, begun, tmp_path):
    options = TrainingOptions(boxed, boxed, out=tmp_path, unlabeled={boxed: ("belt",)})
    with pytest.raises(DatasetError, match="expected categories of red, blue, got belt"):
        train_detector(pico_recipe(), options)


def test_a_file_is_the_same_by_any_path(boxed, begun, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = TrainingOptions(boxed, boxed, out=tmp_path / "out", unlabeled={Path(boxed.name): ("blue",)})
    train_detector(pico_recipe(), options)
    _, data, _ = begun[0]
    assert data.train_set.photos[0][0].is_labeled.tolist() == [True, False]
    assert data.val_set.dataset.is_labeled.tolist() == [True, False]


@pytest.mark.parametrize("name", ["unlabeled", "masks"])
def test_a_classifier_refuses_what_only_a_detector_takes(name, labeled, begun, tmp_path):
    chosen = {"unlabeled": {labeled: ("Hat",)}, "masks": tmp_path}[name]
    options = TrainingOptions(labeled, labeled, out=tmp_path, **{name: chosen})
    with pytest.raises(RecipeError, match=f"--{name} goes with a detector's training"):
        train_classifier(ClassifierRecipe("r", model="mobilenet"), options)


def test_photos_without_any_box_are_refused(boxed, begun, tmp_path):
    dataset = running.read_fitted(boxed).dataset
    bare = [type(p)(p.file_name, p.width, p.height, np.zeros((0, 4)), []) for p in dataset.photos]
    write_coco(DetectionDataset(dataset.categories, tuple(bare), dataset.folder), tmp_path / "bare.json")
    with pytest.raises(DatasetError, match="photos with boxes to train on, got none"):
        train_detector(pico_recipe(), TrainingOptions(tmp_path / "bare.json", boxed, out=tmp_path))


def test_masks_need_the_names_of_their_pixel_labels(boxed, begun, tmp_path):
    masks = tmp_path / "labels"
    masks.mkdir()
    options = TrainingOptions(boxed, boxed, masks=masks, out=tmp_path / "out")
    with pytest.raises(DatasetError, match=r"in labels\.txt beside labels/, found none"):
        train_detector(pico_recipe(copy_paste=0.5), options)
    (tmp_path / "labels.txt").write_text("ground\ncoat\n")
    train_detector(pico_recipe(copy_paste=0.5), options)
    assert len(begun) == 1


def test_distilling_takes_pictures_of_whole_strides_only(tmp_path):
    with pytest.raises(WeightsError, match="multiple of 32, got 100"):
        distill_backbone(
            [], tmp_path / "t", preset="pico", epochs=1, size=100, device="cpu", out=tmp_path, resume=False
        )


def test_the_commit_is_a_short_hash_or_unknown():
    commit = current_commit()
    assert commit is None or re.fullmatch("[0-9a-f]{7,}", commit)
