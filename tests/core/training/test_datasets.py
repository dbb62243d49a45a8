from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import core.training.datasets as detection
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.errors import DatasetError
from core.training.datasets import DetectionTrainingDataset, DetectionValidationDataset, collate
from tests.core.training.samples import COLORS, draw_rectangles, pico_recipe


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Six pictures of 96 x 96 pixels, each with a red and a blue rectangle. Do not change."""
    return draw_rectangles(tmp_path_factory.mktemp("drawn"), 6)


def dataset_of(dataset, **changes):
    return DetectionTrainingDataset([dataset], pico_recipe(**changes))


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def find(picture, color):
    """The box around the pixels near a color in a picture (3, H, W) uint8."""
    distance = (picture.int() - torch.tensor(color)[:, None, None]).abs().amax(dim=0)
    rows, columns = torch.nonzero(distance < 80, as_tuple=True)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def calls_of(monkeypatch, name):
    """How often the samples call a function of theirs, as a list that grows."""
    calls, original = [], getattr(detection, name)
    monkeypatch.setattr(detection, name, lambda *given: (calls.append(1), original(*given))[1])
    return calls


def test_a_sample_depends_on_seed_epoch_and_index_alone(drawn):
    mixed = {"mosaic": 0.5, "masking": 0.5, "rotation_degrees": 8.0}
    first, second = dataset_of(drawn, **mixed), dataset_of(drawn, **mixed)
    for request in ((0, 3), (1, 3), (0, 5)):
        second[(0, 0)]  # what was asked for before does not matter
        assert same(first[request], second[request])
    assert not same(first[(0, 3)], first[(1, 3)])
    assert not same(first[(0, 3)], dataset_of(drawn, seed=1, **mixed)[(0, 3)])


def test_a_sample_is_a_picture_of_the_canvas_with_boxes_inside_it(drawn):
    samples = dataset_of(drawn, mosaic=0.5, masking=0.5, rotation_degrees=8.0, input_wh=(64, 96))
    for index in range(6):
        picture, boxes, classes, _ = samples[(0, index)]
        assert picture.shape == (3, 96, 64) and picture.dtype == torch.uint8
        assert boxes.dtype == torch.float32 and classes.dtype == torch.int64
        assert len(boxes) == len(classes)
        assert bool((boxes >= 0).all()) and bool((boxes <= torch.tensor([64, 96, 64, 96])).all())
        assert bool((boxes[:, 2:] > boxes[:, :2]).all())


def test_the_last_epochs_are_clean(drawn, monkeypatch):
    samples = dataset_of(drawn, mosaic=1.0, masking=1.0, epochs=5, clean_epochs=2)
    mosaics, masks = calls_of(monkeypatch, "mosaic"), calls_of(monkeypatch, "random_erasing")
    counted = []
    for epoch in range(5):
        for index in range(6):
            samples[(epoch, index)]
        counted.append((len(mosaics), len(masks)))
    assert counted == [(6, 6), (12, 12), (18, 18), (18, 18), (18, 18)]


def test_pictures_are_small_at_first_if_the_recipe_says_so(drawn):
    samples = dataset_of(drawn, input_wh=(64, 96), small_wh=(32, 64), small_epochs=2)
    assert [tuple(samples[(epoch, 0)][0].shape) for epoch in (1, 2)] == [(3, 64, 32), (3, 96, 64)]


def test_large_photos_are_kept_small_with_their_boxes(tmp_path):
    drawn = draw_rectangles(tmp_path, 1, size_wh=(480, 600))
    sample = dataset_of(drawn).boxed_image(0)
    assert max(sample.image.size) == round(64 * 1.15)
    assert np.allclose(sample.boxes_xyxy, drawn.photos[0].boxes_xyxy * 74 / 600, atol=0.5)
    picture = torch.from_numpy(np.array(sample.image)).permute(2, 0, 1)
    for box, color in zip(sample.boxes_xyxy, COLORS, strict=True):
        assert np.allclose(box, find(picture, color), atol=2)


def test_rare_classes_are_repeated_and_extra_data_taken_in_part(drawn):
    only_red = [BoxedPhoto(p.file_name, p.width, p.height, p.boxes_xyxy[:1], [0]) for p in drawn.photos]
    extra = DetectionDataset(drawn.categories, tuple(only_red), drawn.folder)
    recipe = pico_recipe(rebalance=0.75, extra_share=0.5)
    samples = DetectionTrainingDataset([drawn, extra], recipe)
    # Blue is on half of the photos: sqrt(0.75 / 0.5).
    assert samples.repeats() == pytest.approx([1.5**0.5] * 6 + [0.5] * 6)
    assert len(samples) == 12 and samples.classes_of[0] == [0, 1] and samples.classes_of[6] == [0]


def test_each_set_has_its_share_of_an_epoch_and_of_the_mosaics(drawn):
    sets = [drawn, replace(drawn, photos=drawn.photos[:2])]
    samples = DetectionTrainingDataset(sets, pico_recipe(), shares=(0.5, 0.25))
    assert samples.repeats() == [0.5] * 6 + [0.25] * 2
    rng = np.random.default_rng(0)
    tiles = [i for _ in range(2000) for i in samples.mosaic_partners(rng)]
    assert np.mean([i >= 6 for i in tiles]) == pytest.approx(0.5 / 3.5, abs=0.02)


def test_a_mosaic_labels_what_the_sets_of_all_its_photos_label(drawn, monkeypatch):
    only_red = drawn.without_labels_of(["blue"])
    samples = DetectionTrainingDataset([drawn, only_red], pico_recipe(mosaic=1.0, clean_epochs=1))
    for others, labeled in (([1, 2, 3], [True, True]), ([1, 6, 3], [True, False])):
        monkeypatch.setattr(samples, "mosaic_partners", lambda _, others=others: others)
        assert samples[(0, 0)][3].tolist() == labeled
        assert samples[(0, 7)][3].tolist() == [True, False]
    assert samples[(2, 0)][3].tolist() == [True, True] and samples[(2, 6)][3].tolist() == [True, False]
    _, targets = collate([samples[(2, 0)], samples[(2, 6)]])
    assert targets.labeled.tolist() == [[True, True], [True, False]]
    assert collate([samples[(2, 0)]])[1].labeled is None, "all categories are labeled"


def drawn_masks(dataset, folder):
    """Pixel labels of ellipses in the rectangles: 0 ground, 1 red coat, 2 blue hat."""
    folder.mkdir()
    for photo in dataset.photos:
        labels = Image.new("L", (photo.width, photo.height), 0)
        for label, (x0, y0, x1, y1) in enumerate(photo.boxes_xyxy, start=1):
            ImageDraw.Draw(labels).ellipse((x0, y0, x1 - 1, y1 - 1), fill=label)
        labels.save(folder / f"{photo.file_name.removesuffix('.png')}.png")
    return folder


@pytest.fixture
def with_masks(drawn, tmp_path):
    """Scenes that paste cut-outs; every photo's boxes carry their fine names."""
    named = tuple(replace(photo, labels=("coat", "hat")) for photo in drawn.photos)
    dataset = DetectionDataset(drawn.categories, named, drawn.folder)
    recipe = pico_recipe(copy_paste=1.0, input_wh=(96, 96))
    masks = drawn_masks(drawn, tmp_path / "masks")
    return DetectionTrainingDataset([dataset], recipe, masks=masks, label_names=("ground", "coat", "hat"))


def test_garments_are_cut_out_along_their_pixel_labels(with_masks):
    assert {cutout.category for cutout in with_masks.cutouts} == {0, 1}
    for cutout in with_masks.cutouts:
        rgba = np.asarray(cutout.image).astype(int)
        opaque = rgba[..., 3] > 0
        assert opaque.mean() == pytest.approx(np.pi / 4, abs=0.06)  # an ellipse of its box
        assert np.abs(rgba[opaque][:, :3] - COLORS[cutout.category]).mean() < 12


def test_pasted_garments_are_added_while_mixing_only(with_masks):
    plain = DetectionTrainingDataset([with_masks.photos[0][0]], replace(with_masks.recipe, copy_paste=0.0))
    assert plain.cutouts == []
    more = [len(with_masks[(0, i)][2]) - len(plain[(0, i)][2]) for i in range(6)]
    assert max(more) >= 1 and sum(more) > 0
    assert len(with_masks[(3, 0)][2]) <= 2  # the last epoch is clean


def test_without_masks_or_names_nothing_is_cut_out(drawn, tmp_path):
    recipe = pico_recipe(copy_paste=1.0)
    (tmp_path / "none").mkdir()
    assert DetectionTrainingDataset([drawn], recipe, masks=tmp_path / "none").cutouts == []
    masks = drawn_masks(drawn, tmp_path / "masks")
    assert (
        DetectionTrainingDataset([drawn], recipe, masks=masks, label_names=("ground", "coat")).cutouts == []
    )


def test_no_photos_and_missing_photos_are_named(drawn, tmp_path):
    with pytest.raises(DatasetError, match="boxed photos to train on, got none"):
        DetectionTrainingDataset([], pico_recipe())
    lost = DetectionDataset(drawn.categories, drawn.photos[:1], tmp_path)
    with pytest.raises(DatasetError, match=r"^0\.png cannot be read"):
        DetectionTrainingDataset([lost], pico_recipe())
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"^0\.png cannot be read"):
        DetectionTrainingDataset([lost], pico_recipe())


def test_a_photo_that_lies_on_its_side_is_taken_upright(tmp_path):
    upright = draw_rectangles(tmp_path, 1, size_wh=(64, 96))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise for showing
    with Image.open(tmp_path / "0.png") as image:
        image.rotate(90, expand=True).save(tmp_path / "0.jpg", quality=95, exif=exif)
    photo = replace(upright.photos[0], file_name="0.jpg")
    turned = DetectionDataset(upright.categories, (photo,), upright.folder)
    for dataset in (upright, turned):
        sample = dataset_of(dataset).boxed_image(0)
        validated = DetectionValidationDataset(dataset, (64, 96))[0][0]
        for picture in (torch.from_numpy(np.array(sample.image)).permute(2, 0, 1), validated):
            factor = picture.shape[1] / 96
            for box, color in zip(photo.boxes_xyxy * factor, COLORS, strict=True):
                assert np.allclose(box, find(picture, color), atol=2)


def test_validation_photos_are_letterboxed_with_their_boxes(tmp_path):
    drawn = draw_rectangles(tmp_path, 3, size_wh=(96, 160))
    photos = DetectionValidationDataset(drawn, (64, 64))
    assert len(photos) == 3
    for index in range(3):
        picture, boxes, classes, _ = photos[index]
        assert picture.shape == (3, 64, 64) and classes.tolist() == [0, 1]
        expected = drawn.photos[index].boxes_xyxy * ([38 / 96, 0.4] * 2) + [13, 0, 13, 0]  # 38.4 is 38
        assert np.allclose(boxes, expected, atol=1e-4)
        for box, color in zip(boxes, COLORS, strict=True):
            assert np.allclose(box, find(picture, color), atol=2)


def test_a_batch_knows_which_picture_a_garment_is_of():
    samples = [
        (
            torch.full((3, 4, 4), n, dtype=torch.uint8),
            torch.full((count, 4), float(n)),
            torch.arange(count),
            torch.ones(2, dtype=torch.bool),
        )
        for n, count in enumerate((2, 0, 1))
    ]
    pictures, targets = collate(samples)
    assert pictures.shape == (3, 3, 4, 4) and pictures[2].unique().tolist() == [2]
    assert targets.images.tolist() == [0, 0, 2] and targets.classes.tolist() == [0, 1, 0]
    assert targets.boxes_xyxy[:, 0].tolist() == [0, 0, 2]
    _, none = collate(samples[1:2])
    assert none.images.dtype == torch.int64 and none.boxes_xyxy.shape == (0, 4)
