import json
import sys

import numpy as np
import pytest
from PIL import Image

from core.boxes import Detections
from core.datasets.coco import read_coco, write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.images.decode import Photo
from core.images.perceptual_hash import difference_hash
from tools import pseudo_labels
from tools.pseudo_labels import (
    boxes_for_tags,
    categories_of_labels,
    detect_with_flip,
    label_tagged,
    merge_mirrored,
)

CATEGORIES = ("top", "pants", "bag")


def found(*rows):
    """Rows of x0, y0, x1, y1, score, category."""
    table = np.array(rows, dtype=float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int))


class FindsRed:
    """Finds one top where the picture is red, with the score it was made with."""

    def __init__(self, *scores):
        self.scores = list(scores)

    def detections(self, photo, score_threshold):
        pixels = np.asarray(photo.image).astype(int)
        ys, xs = np.nonzero(pixels[..., 0] - pixels[..., 1] > 100)
        if not len(xs):
            return found()
        score = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        return found((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, score, 0))


def picture(box, ground=0, size=(60, 80)):
    """A red box on a ground of gray patches; every ground looks different."""
    patches = np.random.default_rng(ground).integers(60, 200, (8, 6), dtype=np.uint8)
    image = Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    image.paste((250, 0, 0), box)
    return image


def test_a_pair_has_the_mean_score_and_the_weighted_box():
    merged = merge_mirrored(found((0, 0, 10, 10, 0.6, 0)), found((1, 0, 11, 10, 0.2, 0)))
    assert merged.scores.tolist() == pytest.approx([0.4])
    assert merged.boxes_xyxy[0].tolist() == pytest.approx([0.25, 0, 10.25, 10])


def test_what_one_pass_missed_counts_half_and_the_best_comes_first():
    plain = found((0, 0, 10, 10, 0.6, 0), (20, 20, 30, 30, 0.5, 1))
    merged = merge_mirrored(plain, found((20, 20, 30, 30, 0.4, 1), (0, 0, 10, 10, 0.9, 2)))
    assert merged.category_ids.tolist() == [1, 0]
    assert merged.scores.tolist() == pytest.approx([0.45, 0.3])
    assert len(merge_mirrored(found(), found((0, 0, 1, 1, 0.5, 0))).scores) == 0
    assert merge_mirrored(plain, found()).scores.tolist() == [0.3, 0.25]


def test_tags_choose_the_best_box_of_each_category_and_refuse_a_photo_that_lacks_one():
    boxes = found((0, 0, 9, 9, 0.5, 0), (1, 1, 9, 9, 0.4, 0), (2, 2, 9, 9, 0.3, 1), (3, 3, 9, 9, 0.9, 2))
    chosen = boxes_for_tags(boxes, frozenset({0, 1}), score_threshold=0.2)
    assert chosen is not None
    assert chosen.boxes_xyxy[:, 0].tolist() == [0, 2] and chosen.category_ids.tolist() == [0, 1]
    assert boxes_for_tags(boxes, frozenset({0, 1}), score_threshold=0.35) is None
    assert boxes_for_tags(boxes, frozenset()) is None


def test_a_label_belongs_to_the_category_of_most_of_its_boxes():
    box = [[0, 0, 1, 1]]
    photos = tuple(
        BoxedPhoto(f"{i}.jpg", 9, 9, box, [category], (label,))
        for i, (category, label) in enumerate([(0, "shirt"), (0, "shirt"), (1, "shirt"), (1, None)])
    )
    assert categories_of_labels(DetectionDataset(CATEGORIES, photos)) == {"shirt": 0}


def test_the_mirrored_pass_is_turned_back():
    photo = Photo("a.png", picture((5, 10, 25, 40)), "d")
    merged = detect_with_flip(FindsRed(0.8, 0.4), photo)
    assert merged.boxes_xyxy[0].tolist() == pytest.approx([5, 10, 25, 40])
    assert merged.scores.tolist() == pytest.approx([0.6])


@pytest.fixture
def street(tmp_path):
    """A street of one boxed training photo, one for validation, and three tagged ones."""
    for folder in ("photos", "unboxed"):
        (tmp_path / folder).mkdir()
    picture((5, 10, 25, 40)).save(tmp_path / "photos" / "1.png")
    picture((0, 50, 50, 80), 2).save(tmp_path / "photos" / "2.png")
    for name, number in (("train", 1), ("val", 2)):
        photo = BoxedPhoto(f"{number}.png", 60, 80, [[5, 10, 25, 40]], [0], ("shirt",))
        write_coco(DetectionDataset(CATEGORIES, (photo,), tmp_path / "photos"), tmp_path / f"{name}.json")
    picture((30, 20, 50, 60), 3).save(tmp_path / "unboxed" / "3.png")
    picture((0, 0, 0, 0), 4).save(tmp_path / "unboxed" / "4.png")  # nothing red
    picture((0, 50, 49, 80), 2).save(tmp_path / "unboxed" / "5.png")  # looks like validation's
    rows = "photo,tags\n3.png,null;shirt\n4.png,shirt;skin\n5.png,shirt\n"
    (tmp_path / "unboxed.csv").write_text(rows)
    return tmp_path


def test_photos_like_those_of_validation_are_left_out(street):
    tags = {"3.png": ["shirt"], "4.png": ["shirt"], "5.png": ["shirt"]}
    held = [difference_hash(Image.open(street / "photos" / "2.png"))]
    boxed = label_tagged(FindsRed(0.8), street / "unboxed", tags, {"shirt": 0}, held)
    assert [photo.file_name for photo in boxed] == ["3.png"]
    assert boxed[0].boxes_xyxy.tolist() == [[30, 20, 50, 60]]
    without = label_tagged(FindsRed(0.8), street / "unboxed", tags, {"shirt": 0}, [])
    assert [photo.file_name for photo in without] == ["3.png", "5.png"]


def test_the_command_writes_boxed_photos_and_then_those_it_boxed(street, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pseudo_labels.Detector, "load", lambda path: FindsRed(0.8))
    monkeypatch.setattr(sys, "argv", ["pseudo_labels", str(street), str(tmp_path / "out")])
    pseudo_labels.main()
    written = read_coco(tmp_path / "out" / "train.json")
    assert [photo.file_name for photo in written.photos] == ["1.png", "3.png"]
    assert written.categories == CATEGORIES
    assert (tmp_path / "out" / "photos" / "3.png").is_file()
    assert json.loads((tmp_path / "out" / "train.json").read_text())["annotations"][1]["category_id"] == 1
    assert "1 of 3 tagged photos boxed" in capsys.readouterr().err
