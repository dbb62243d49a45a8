"""The classifier's pictures: crops inside the photo, whatever the box; augmentation that repeats itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.datasets.classification import ClassificationSample
from core.errors import DatasetError
from core.images.crops import crop_garment, crop_rectangle, normalize_pixels, to_square, to_tensor
from core.training.datasets import CACHED_SIZE, ClassificationDataset
from core.training.transforms import classifier_transforms
from tools.synthetic import draw_scene

PHOTO_WH = (200, 100)


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        ((50, 20, 150, 70), 0.1, (40, 15, 160, 75)),  # a tenth of 100 x 50 on every side
        ((50, 20, 150, 70), 0.0, (50, 20, 150, 70)),
        ((50.5, 20.5, 150.5, 70.5), 0.0, (50, 20, 151, 71)),  # whole pixels that hold the box
        ((0, 0, 200, 100), 0.1, (0, 0, 200, 100)),  # nothing beyond the photo
        ((-50, -50, 20, 20), 0.0, (0, 0, 20, 20)),
        ((199.5, 99.5, 200, 100), 0.1, (199, 99, 200, 100)),
        ((10, 10, 10.2, 10.2), 0.0, (10, 10, 11, 11)),  # never empty
        ((500, 500, 600, 600), 0.1, (199, 99, 200, 100)),
    ],
)
def test_crops_by_hand(box: tuple[float, ...], margin: float, expected: tuple[int, ...]) -> None:
    assert crop_rectangle(PHOTO_WH, box, margin) == expected
    assert crop_garment(Image.new("RGB", PHOTO_WH), box, margin).size == (
        expected[2] - expected[0], expected[3] - expected[1],
    )  # fmt: skip


def test_any_crop_is_inside_the_photo_and_holds_its_box() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        width, height = (int(side) for side in rng.integers(1, 300, 2))
        x0, y0 = rng.uniform(0, [width, height])
        x1, y1 = rng.uniform([x0, y0], [width, height])
        left, top, right, bottom = crop_rectangle((width, height), (x0, y0, x1, y1), rng.uniform(0, 0.5))
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        assert left <= x0 and top <= y0 and right >= min(x1, width) and bottom >= min(y1, height)


def test_pictures_become_tensors_and_tensors_numbers() -> None:
    image = Image.new("RGB", (30, 20), (255, 0, 51))
    tensor = to_tensor(image)
    assert (tensor.shape, tensor.dtype) == ((3, 20, 30), torch.uint8)
    assert tensor[:, 5, 5].tolist() == [255, 0, 51]
    np.testing.assert_allclose(normalize_pixels(tensor)[:, 0, 0], [1.0, -1.0, -0.6], atol=1e-6)
    assert to_tensor(image.convert("L")).shape == (3, 20, 30)
    assert to_square(image).size == (224, 224) and to_square(image, 64).size == (64, 64)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClassificationSample, ...]:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(2):
        draw_scene(seed, (400, 500)).image.save(folder / f"{seed}.jpg")
    return tuple(
        ClassificationSample(folder / f"{seed}.jpg", label) for seed, label in enumerate(("Hat", "Bag"))
    )


def test_a_plain_picture_is_the_photo_as_a_square(photos: tuple[ClassificationSample, ...]) -> None:
    pictures = ClassificationDataset(photos, ("Bag", "Hat"))
    assert len(pictures) == 2
    assert [pictures[index][1] for index in range(2)] == [1, 0]
    picture, _ = pictures[0]
    assert (picture.shape, picture.dtype) == ((3, 224, 224), torch.uint8)
    with Image.open(photos[0].path) as image:
        expected = to_tensor(to_square(image))
    assert (picture.float() - expected.float()).abs().mean() < 3, "small JPEGs in memory cost little"


@pytest.mark.parametrize("strength", ["flip", "rich"])
def test_an_augmented_picture_depends_on_seed_epoch_and_index_alone(
    photos: tuple[ClassificationSample, ...], strength: str
) -> None:
    pictures = ClassificationDataset(photos, ("Bag", "Hat"), strength=strength, seed=3)
    again = ClassificationDataset(photos, ("Bag", "Hat"), strength=strength, seed=3)
    wanted = [(epoch, index) for epoch in range(6) for index in range(2)]
    first = {request: pictures[request][0] for request in wanted}
    torch.manual_seed(99)
    state = torch.get_rng_state()
    for request in reversed(wanted):
        assert torch.equal(again[request][0], first[request])
        assert first[request].shape == (3, 224, 224) and first[request].dtype == torch.uint8
    assert torch.equal(torch.get_rng_state(), state), "other random choices are left alone"
    seen = {first[epoch, 0].numpy().tobytes() for epoch in range(6)}
    assert len(seen) == (2 if strength == "flip" else 6)


def test_flips_are_all_that_the_posters_recipe_does(photos: tuple[ClassificationSample, ...]) -> None:
    square = torch.arange(3 * 224 * 224, dtype=torch.float32).view(3, 224, 224)
    flipped = {torch.equal(classifier_transforms("flip")(square), square.flip(2)) for _ in range(20)}
    assert flipped == {True, False}


def test_photos_in_memory_are_small_and_upright(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    image = Image.new("RGB", (900, 600), "white")
    image.paste("black", (0, 0, 900, 60))  # the upper edge, which turns to the right
    image.save(tmp_path / "turned.jpg", exif=tags.tobytes(), quality=95)
    pictures = ClassificationDataset((ClassificationSample(tmp_path / "turned.jpg", "Hat"),), ("Hat",))
    encoded = pictures.encoded[0]
    assert isinstance(encoded, bytes) and len(encoded) < CACHED_SIZE**2
    picture = pictures[0][0]
    assert picture[0, 112, 220] < 50 and picture[0, 4, 112] > 200


def test_a_small_png_is_seen_without_a_loss(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "crop.png")
    pictures = ClassificationDataset((ClassificationSample(tmp_path / "crop.png", "Hat"),), ("Hat",))
    assert np.array_equal(pictures[0][0].permute(1, 2, 0).numpy(), noise)


def test_a_photo_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"<html>")
    with pytest.raises(DatasetError, match=r"broken\.jpg cannot be read"):
        ClassificationDataset((ClassificationSample(tmp_path / "broken.jpg", "Hat"),), ("Hat",))
