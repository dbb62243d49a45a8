"""Maps lie where their garment lies, speak for the label that was chosen, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from core.garments import Box, Garment, LabeledPhoto
from core.images.decode import Photo
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.engines.pytorch import PyTorchEngine
from core.inference.explain import Explanation, explain, maps_missing, to_unit
from core.inference.labeler import Labeler
from core.models.blocks import SimAM
from core.models.graphs import ClassifierGraph, captured_simam
from core.models.mobilenet import MobileNet
from tests.weights import LABELS, drawn_photo

HEADS = 8


class Pointing:
    """An engine whose class activation is hot in one cell of seven by seven, and whose heads in others."""

    name, parallel = "pointing", False
    outputs = ("logits", "embedding", "class_activation", "attention")

    def __init__(self, row: int, column: int) -> None:
        self.cell = (row, column)
        self.asked: list[int] = []

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        count = len(inputs["images"])
        self.asked += inputs["targets"].tolist()
        activation = np.full((count, 7, 7), -1.0, np.float32)  # evidence against the label is not shown
        activation[:, self.cell[0], self.cell[1]] = 5.0
        received = np.full((count, HEADS, 7, 7), 1 / 49, np.float32)
        for head in range(HEADS):
            received[:, head, head % 7, 0] += 0.5
        attention = received.reshape(count, HEADS, 1, 49).repeat(49, axis=2)
        return {"class_activation": activation, "attention": attention}


def labeled(photo: Photo, *garments: Garment) -> LabeledPhoto:
    return LabeledPhoto(photo.name, *photo.size_wh, 0.0, {}, garments)


def garment(box: Box, label: str = "Dress") -> Garment:
    return Garment(box, "top", 0.9, ((label, 0.8), ("Hat", 0.1)))


def pointing(labeler: Labeler, row: int, column: int) -> Labeler:
    card = labeler.classifier.card
    return replace(labeler, classifier=Classifier(Pointing(row, column), card))


def hottest(values: np.ndarray) -> tuple[float, float]:
    """Where the middle of a map's hottest place is, across and down, as shares of its size."""
    rows, columns = np.nonzero(values > 0.95 * values.max())
    return (float(columns.mean()) + 0.5) / values.shape[1], (float(rows.mean()) + 0.5) / values.shape[0]


def all_maps(explanation: Explanation) -> list[np.ndarray]:
    return [values for entry in explanation.garments for values in entry.maps.values()] + [
        entry.values for entry in explanation.detector_maps
    ]


def test_every_garment_has_its_maps_and_every_stage_one(tiny_labeler: Labeler) -> None:
    photo = drawn_photo()
    labeled = tiny_labeler.label(photo)
    explanation = explain(tiny_labeler, photo, labeled)
    assert explanation.photo == photo.name
    assert tuple(entry.garment for entry in explanation.garments) == labeled.garments
    heads = [f"attention_head_{number}" for number in range(1, HEADS + 1)]
    assert all(list(e.maps) == ["class_activation", "attention", *heads] for e in explanation.garments)
    assert [entry.stage for entry in explanation.detector_maps] == ["stride8", "stride16", "stride32"]
    for values in all_maps(explanation):
        assert values.dtype == np.float32 and values.ndim == 2 and values.size > 0
        assert values.min() == 0.0 and values.max() in (0.0, 1.0)


def test_the_map_of_a_garment_in_the_open_leaves_the_margin_out(tiny_labeler: Labeler) -> None:
    photo = drawn_photo()  # 180 x 240; the crop around the box is 120 x 180 with a tenth on every side
    explanation = explain(pointing(tiny_labeler, 3, 3), photo, labeled(photo, garment((30, 30, 130, 180))))
    values = explanation.garments[0].maps["class_activation"]
    assert values.shape == pytest.approx((56 / 1.2, 56 / 1.2), abs=2)
    assert hottest(values) == pytest.approx((0.5, 0.5), abs=0.03)


@pytest.mark.parametrize(("row", "column"), [(1, 1), (1, 5), (5, 2)])
def test_the_hot_spot_of_a_map_lies_where_the_network_saw_it(
    tiny_labeler: Labeler, row: int, column: int
) -> None:
    photo = drawn_photo()
    box = (30.0, 30.0, 130.0, 180.0)
    crop = (20.0, 15.0, 140.0, 195.0)
    explanation = explain(pointing(tiny_labeler, row, column), photo, labeled(photo, garment(box)))
    across, down = hottest(explanation.garments[0].maps["class_activation"])
    expected_x = crop[0] + (column + 0.5) / 7 * (crop[2] - crop[0])
    expected_y = crop[1] + (row + 0.5) / 7 * (crop[3] - crop[1])
    assert box[0] + across * (box[2] - box[0]) == pytest.approx(expected_x, abs=4)
    assert box[1] + down * (box[3] - box[1]) == pytest.approx(expected_y, abs=6)


def test_a_box_at_the_photos_edge_has_no_margin_there(tiny_labeler: Labeler) -> None:
    photo = drawn_photo()
    explanation = explain(pointing(tiny_labeler, 3, 0), photo, labeled(photo, garment((0, 0, 180, 240))))
    values = explanation.garments[0].maps["class_activation"]
    assert values.shape == (56, 56)
    assert hottest(values) == pytest.approx((0.5 / 7, 0.5), abs=0.07)  # within the first of seven columns


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 1.0, 240.0), (179.2, 239.2, 180.0, 240.0), (-20.0, -9.0, 400.0, 300.0)]
)
def test_slivers_and_boxes_over_the_edge_still_have_maps(tiny_labeler: Labeler, box: Box) -> None:
    photo = drawn_photo()
    explanation = explain(pointing(tiny_labeler, 3, 3), photo, labeled(photo, garment(box)))
    for values in explanation.garments[0].maps.values():
        assert min(values.shape) >= 1 and max(values.shape) <= 56
        assert np.isfinite(values).all()


def test_the_attention_is_the_mean_of_the_heads(tiny_labeler: Labeler) -> None:
    photo = drawn_photo()
    maps = (
        explain(pointing(tiny_labeler, 3, 3), photo, labeled(photo, garment((0, 0, 180, 240))))
        .garments[0]
        .maps
    )
    for head in range(HEADS):
        across, down = hottest(maps[f"attention_head_{head + 1}"])
        assert across < 0.2 and down == pytest.approx((head % 7 + 0.5) / 7, abs=0.07)
    # The first and the eighth head look at the same row, so the mean is hottest there.
    assert hottest(maps["attention"])[1] < 1 / 7


def test_class_activation_speaks_for_the_label_that_was_chosen(tiny_labeler: Labeler) -> None:
    photo, box = drawn_photo(), (30.0, 30.0, 130.0, 180.0)
    seen = garment(box, "Dress")
    labeler = pointing(tiny_labeler, 3, 3)
    corrected = (seen.correct(label="Shoes"), seen.correct(category="pants"), seen.correct(label="Kimono"))
    explain(labeler, photo, labeled(photo, seen, *corrected))
    assert isinstance(labeler.classifier.engine, Pointing)
    assert labeler.classifier.engine.asked == [0, 4, 0, -1], "an unknown label leaves the choice to the model"


def test_another_label_has_another_activation_and_the_same_attention(tiny_labeler: Labeler) -> None:
    photo = drawn_photo()
    seen = tiny_labeler.label(photo).garments[0]
    other = seen.correct(label=seen.top5[-1][0])
    first, second = explain(tiny_labeler, photo, labeled(photo, seen, other)).garments
    assert np.abs(first.maps["class_activation"] - second.maps["class_activation"]).max() > 0.1
    np.testing.assert_allclose(first.maps["attention"], second.maps["attention"], atol=1e-4)


def test_more_garments_than_fit_at_once_keep_their_order(tiny_labeler: Labeler) -> None:
    photo = drawn_photo()
    labeler = pointing(tiny_labeler, 3, 3)
    many = [garment((n, n, n + 90, n + 90), LABELS[n % 6]) for n in range(70)]
    explanation = explain(labeler, photo, labeled(photo, *many))
    assert [entry.garment for entry in explanation.garments] == many
    assert isinstance(labeler.classifier.engine, Pointing)
    assert labeler.classifier.engine.asked == [n % 6 for n in range(70)]


class Pooled(nn.Module):
    """A backbone that shows SimAM the picture itself, at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(nn.AvgPool2d(8), SimAM())
        self.stages = nn.ModuleList([first, *(nn.Sequential(nn.AvgPool2d(2), SimAM()) for _ in range(2))])

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


class PooledEngine:
    """An engine that gives the SimAM weights of ``Pooled``."""

    name, parallel = "pooled", False
    outputs = ("boxes", "scores", "simam_stride8", "simam_stride16", "simam_stride32")

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        backbone = Pooled()
        with captured_simam(backbone) as maps, torch.inference_mode():  # type: ignore[arg-type]
            backbone(torch.from_numpy(inputs["images"]))
        return {f"simam_stride{stride}": values.numpy() for stride, values in maps.items()}


@pytest.mark.parametrize("size_wh", [(160, 320), (320, 160), (240, 240), (90, 320)])
@pytest.mark.parametrize("spot", [(0.25, 0.25), (0.75, 0.5)])
def test_a_stages_map_covers_the_photo_and_not_the_canvas(
    tiny_labeler: Labeler, size_wh: tuple[int, int], spot: tuple[float, float]
) -> None:
    pixels = np.full((size_wh[1], size_wh[0], 3), 114, np.uint8)
    across, down = round(spot[0] * size_wh[0]), round(spot[1] * size_wh[1])
    pixels[down - 16 : down + 16, across - 16 : across + 16] = 255
    photo = Photo("spot.png", Image.fromarray(pixels), "0" * 64)
    detector = Detector(PooledEngine(), replace(tiny_labeler.detector.card, input_size=320))
    stage = explain(replace(tiny_labeler, detector=detector), photo, labeled(photo)).detector_maps[0]
    assert stage.stage == "stride8"
    assert stage.values.shape[1] / stage.values.shape[0] == pytest.approx(size_wh[0] / size_wh[1], rel=0.06)
    found = np.multiply(hottest(stage.values), size_wh)
    np.testing.assert_allclose(found, [across, down], atol=8)  # a cell


@pytest.mark.parametrize("size_wh", [(8, 2000), (2000, 8), (9, 9)])
def test_odd_photos_have_maps_too(tiny_labeler: Labeler, size_wh: tuple[int, int]) -> None:
    photo = Photo("odd.png", Image.new("RGB", size_wh, (20, 90, 160)), "0" * 64)
    maps = explain(tiny_labeler, photo, labeled(photo)).detector_maps
    assert all(np.isfinite(entry.values).all() and min(entry.values.shape) >= 1 for entry in maps)


def test_explaining_leaves_the_models_as_they_were(tiny_labeler: Labeler) -> None:
    engines = (tiny_labeler.detector.engine, tiny_labeler.classifier.engine)
    models = [engine.graph for engine in engines if isinstance(engine, PyTorchEngine)]
    assert len(models) == 2

    def modes() -> list[bool]:
        return [part.training for model in models for part in model.modules()]

    photo, modes_before = drawn_photo(), modes()
    before = tiny_labeler.label(photo)
    explain(tiny_labeler, photo, before)
    assert tiny_labeler.label(photo).garments == before.garments
    assert modes() == modes_before
    assert all(parameter.grad is None for model in models for parameter in model.parameters())


def test_a_classifier_without_attention_has_class_activation_and_says_so(tiny_labeler: Labeler) -> None:
    engine = PyTorchEngine(ClassifierGraph(MobileNet(len(LABELS))))
    plain = Classifier(engine, replace(tiny_labeler.classifier.card, model="mobilenet"))
    photo = drawn_photo()
    found = explain(replace(tiny_labeler, classifier=plain), photo, labeled(photo, garment((1, 1, 90, 90))))
    assert list(found.garments[0].maps) == ["class_activation"]
    assert maps_missing(plain) == (
        "mobilenet has no multi-head attention: a garment has a class activation map alone."
    )
    assert maps_missing(tiny_labeler.classifier) is None


def test_a_map_is_stretched_to_the_unit_and_an_even_one_is_cold() -> None:
    np.testing.assert_allclose(to_unit(np.array([[2.0, 4.0], [3.0, 6.0]])), [[0, 0.5], [0.25, 1]])
    even = to_unit(np.full((2, 3), 7.0))
    assert even.shape == (2, 3) and not even.any() and even.dtype == np.float32
