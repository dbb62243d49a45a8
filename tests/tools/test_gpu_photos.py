"""Batched augmentation: boxes follow their pixels."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from core.images.letterbox import letterbox
from tools.gpu_evaluation import letterboxed
from tools.gpu_photos import (
    GRAY,
    Augmentation,
    PackedDataset,
    load_pack,
)
from tools.pack_photos import write_pack
from tools.photo_files import decoded_folder, read_index

PLAIN = Augmentation(mosaic=0.0, zoom=(1.0, 1.0), stretch=1.0, flip=0.0, rotation=0.0, color=0.0, masking=0.0)
"""The photo letterboxed, as in evaluation."""

RED, GREEN, BLUE = (230, 30, 30), (20, 200, 40), (30, 60, 220)


def photo(size_wh, boxes, ground=(90, 90, 90)):
    """A photo with rectangles: red for category 0, green for 1, blue for 2."""
    image = Image.new("RGB", size_wh, ground)
    for box, color in zip(boxes, (RED, GREEN, BLUE), strict=False):
        image.paste(color, tuple(box))
    return image


def packed(images_and_boxes):
    for number, (image, boxes) in enumerate(images_and_boxes):
        buffer = BytesIO()
        image.save(buffer, "WEBP", lossless=True)
        entry = {
            "set": "street", "file": f"street/{number}.webp", "width": image.width, "height": image.height,
            "boxes": [list(map(float, box)) for box in boxes], "category_ids": list(range(len(boxes))),
            "labels": [None] * len(boxes), "split": "train", "sender": None, "box": "given", "tuning": False,
        }  # fmt: skip
        yield buffer.getvalue(), entry


@pytest.fixture
def pack(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rng = np.random.default_rng(0)
    photos = []
    for _ in range(6):
        width, height = (int(side) for side in rng.integers(120, 240, 2))
        boxes = [(10, 12, 60, 80), (width - 55, height - 60, width - 9, height - 8), (64, 20, 100, 56)]
        photos.append((photo((width, height), boxes), boxes))
    write_pack(tmp_path / "pack", ("red", "green", "blue"), packed(photos))
    return load_pack(tmp_path / "pack", "cpu")


def bounds_of(picture, color, share=0.5):
    """The box of the pixels of a color (3, H, W), or None."""
    distance = (picture - torch.tensor(color)[:, None, None] / 255).abs().amax(dim=0)
    rows, columns = (distance < 0.3).nonzero(as_tuple=True)
    if not len(rows):
        return None
    return [columns.min().item(), rows.min().item(), columns.max().item() + 1, rows.max().item() + 1]


def test_a_pack_comes_back_as_it_was_written(pack, tmp_path):
    assert len(pack.photos) == 6 and pack.categories == ("red", "green", "blue")
    for index, entry in enumerate(pack.photos):
        image = pack.images[index]
        assert image.shape == (3, entry["height"], entry["width"]) and image.dtype == torch.uint8
        assert tuple(image[:, 30, 30].tolist()) == RED
    assert decoded_folder(tmp_path / "pack").is_relative_to(tmp_path)
    assert len(read_index(tmp_path / "pack", limit=2)[1]) == 2
    assert pack.numbers(sets=("street",), split="train") == list(range(6)) and pack.numbers(split="val") == []


def test_a_photo_that_cannot_be_decoded_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    entries = list(packed([(photo((80, 60), []), []), (photo((40, 90), [(1, 1, 30, 40)]), [(1, 1, 30, 40)])]))
    entries[0] = (b"no picture", entries[0][1])
    write_pack(tmp_path / "pack", ("red",), entries)
    pack = load_pack(tmp_path / "pack", "cpu")
    assert [entry["file"] for entry in pack.photos] == ["street/1.webp"]
    assert tuple(pack.images[0][:, 20, 20].tolist()) == RED


def test_plain_scenes_are_letterboxes(pack):
    dataset = PackedDataset.of(pack, range(6))
    pictures, targets, used = dataset.draw(torch.arange(6)[:, None], (128, 192), PLAIN)
    expected, boxes, ids = letterboxed(pack, range(6), (128, 192))
    assert used.all() and targets.valid.sum() == 18
    for index in range(6):
        own = targets.boxes_xyxy[index][targets.valid[index]]
        assert torch.allclose(own, torch.from_numpy(boxes[index]), atol=1.0)
        assert targets.classes[index][targets.valid[index]].tolist() == ids[index].tolist()
        difference = (pictures[index] - expected[index] / 255).abs()
        assert difference.mean() < 0.03


def test_letterboxes_are_those_of_the_detector_in_use(pack):
    pictures, boxes, _ = letterboxed(pack, [2], (96, 160))
    image = Image.fromarray(pack.images[2].permute(1, 2, 0).numpy())
    boxed = letterbox(image, (96, 160))
    assert np.array_equal(pictures[0].permute(1, 2, 0).numpy(), np.asarray(boxed.image))
    assert np.allclose(boxed.to_photo(boxes[0]), np.array(pack.photos[2]["boxes"]), atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        Augmentation(mosaic=0.0, rotation=0.0, color=0.0, masking=0.0, zoom=(0.5, 1.6)),
        Augmentation(mosaic=1.0, rotation=0.0, color=0.0, masking=0.0, tile_zoom=(0.7, 1.4)),
        Augmentation(mosaic=0.0, rotation=1.0, degrees=5.0, color=0.0, masking=0.0, zoom=(0.8, 1.2)),
    ],
    ids=["plain", "mosaic", "turned"],
)
def test_boxes_follow_their_pixels(pack, settings):
    """Each photo has one rectangle of each color: where a scene has one photo, its box holds the color."""
    dataset = PackedDataset.of(pack, range(6), seed=3)
    photos = torch.arange(6).repeat(8)[:, None]
    if settings.mosaic:
        photos = torch.stack([torch.roll(photos[:, 0], shift) for shift in range(4)], dim=1)
    pictures, targets, used = dataset.draw(photos, (160, 224), settings)
    checked = 0
    slack = 7 if settings.rotation else 2.5
    for index in range(len(photos)):
        for category, color in enumerate((RED, GREEN, BLUE)):
            mine = targets.valid[index] & (targets.classes[index] == category)
            boxes = targets.boxes_xyxy[index][mine]
            if len(boxes) == 1 and int(used[index].sum()) == 1:
                found = torch.tensor(bounds_of(pictures[index], color), dtype=torch.float32)
                assert (found - boxes[0]).abs().max() <= slack
                checked += 1
            elif settings.mosaic:
                for box in boxes:
                    x, y = ((box[:2] + box[2:]) / 2).long().tolist()
                    center = pictures[index][:, min(y, 223), min(x, 159)]
                    assert (center - torch.tensor(color) / 255).abs().max() < 0.3
                    checked += 1
    assert checked > 80


def test_mosaics_keep_their_photos_apart(pack):
    dataset = PackedDataset.of(pack, range(6), seed=1)
    settings = Augmentation(mosaic=1.0, color=0.0, masking=0.0)
    photos = torch.randint(6, (16, 4))
    _, targets, used = dataset.draw(photos, (160, 224), settings)
    assert used.all() and int(targets.valid.sum()) > 16 * 4
    boxes = targets.boxes_xyxy[targets.valid]
    assert (boxes >= 0).all() and (boxes[:, [0, 2]] <= 160).all() and (boxes[:, [1, 3]] <= 224).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) >= 3).all()


def test_what_shows_no_photo_is_grey_whatever_the_colors(pack):
    dataset = PackedDataset.of(pack, range(6), seed=1)
    pictures, _, _ = dataset.draw(
        torch.arange(6)[:, None], (160, 320), Augmentation(mosaic=0.0, zoom=(0.3, 0.31))
    )
    assert ((pictures - GRAY).abs().amax(dim=1) < 1e-6).float().mean() > 0.6


def test_a_garment_that_is_covered_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    large, small = (0, 0, 160, 240), (76, 116, 84, 124)
    write_pack(
        tmp_path / "pack", ("red", "green"), packed([(photo((160, 240), (large, small)), (large, small))])
    )
    dataset = PackedDataset.of(load_pack(tmp_path / "pack", "cpu"), [0], seed=5)
    masked = replace(PLAIN, masking=1.0)
    pictures, targets, _ = dataset.draw(torch.zeros(80, 1, dtype=torch.long), (160, 240), masked)
    gray = ((pictures - GRAY).abs().amax(dim=1) < 1e-6).float()  # (B, H, W)
    kept = ((targets.classes == 1) & targets.valid).any(dim=1)
    hidden = gray[:, 116:124, 76:84].mean(dim=(1, 2))
    assert not kept[hidden > 0.7].any() and kept[hidden < 0.2].all()
    assert (hidden > 0.7).any() and (hidden < 0.2).any()
    assert ((targets.classes == 0) & targets.valid).any(dim=1).all() and gray.any(dim=(1, 2)).all()


def test_the_same_seed_draws_the_same_scenes(pack):
    drawn = [
        PackedDataset.of(pack, range(6), seed=9).draw(
            torch.arange(4)[:, None], (64, 96), Augmentation(mosaic=0.0)
        )[0]
        for _ in range(2)
    ]
    assert torch.equal(*drawn)
    assert drawn[0].min() >= 0 and drawn[0].max() <= 1
