"""A garment inspected, by a small classifier and detector with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.demo import attribution, view
from app.demo.attribution import ColorBar, InspectedGarment, Inspectors
from core.errors import LapelError
from core.garments import Garment, LabeledPhoto
from core.images.color_maps import DIVERGING
from core.models import cards
from tests.weights import LABELS, drawn_photo, save_both

TOP5 = tuple(zip(LABELS[:5], (0.6, 0.2, 0.1, 0.06, 0.04), strict=True))


@pytest.fixture(scope="module")
def inspectors(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cards, "WEIGHTS_FOLDER", save_both(tmp_path_factory.mktemp("weights")))
        yield Inspectors()


@pytest.fixture(scope="module")
def shown() -> view.Shown:
    photo = drawn_photo()  # 180 x 240
    garments = (Garment((20.0, 40.0, 120.0, 200.0), "top", 0.9, TOP5),)
    return view.show(photo, LabeledPhoto(photo.name, photo.width, photo.height, 0.01, {}, garments))


@pytest.fixture(scope="module")
def inspected(inspectors: Inspectors, shown: view.Shown) -> InspectedGarment:
    assert not inspectors.are_loaded, "nothing is loaded before the first inspection"
    found = attribution.inspect(inspectors, shown, 0)
    assert found is not None and inspectors.are_loaded
    return found


def test_the_garment_is_shown_with_its_margin_and_looked_into_from_its_middle(
    inspected: InspectedGarment,
) -> None:
    # The box is 100 x 160; with a tenth on each side 120 x 192, enlarged to a longer side of 480.
    assert inspected.crop.size == (300, 480)
    assert inspected.point == (3, 3)


@pytest.mark.parametrize("index", [None, -1, 1, "0", 0.5])
def test_a_garment_that_is_not_there_is_none(inspectors: Inspectors, shown: view.Shown, index: Any) -> None:
    assert attribution.inspect(inspectors, shown, index) is None


def test_a_point_in_pixels_is_a_row_and_a_column(inspected: InspectedGarment) -> None:
    corners = {(0, 0): (0, 0), (299, 0): (0, 6), (300, 480): (6, 6), (43, 68): (0, 1), (42, 69): (1, 0)}
    assert {xy: inspected.at(list(xy)).point for xy in corners} == corners


@pytest.mark.parametrize(
    "odd", [None, [], [1], [1, 2, 3], ["1", "2"], [float("nan"), 1], [-1, 5], [301, 5], [True, 1], {"x": 1}]
)
def test_what_is_no_point_of_the_garment_is_a_sentence(inspected: InspectedGarment, odd: Any) -> None:
    with pytest.raises(LapelError, match="within 300 x 480 pixels"):
        inspected.at(odd)


def test_the_heads_and_their_mean_share_one_scale_of_percent(inspected: InspectedGarment) -> None:
    figures, bar = attribution.heads(inspected)
    assert [title for _, title in figures] == ["Mean", *(f"Head {n}" for n in range(1, 9))]
    row = inspected.inspection.attention[:, 3 * 7 + 3]
    np.testing.assert_allclose(row.sum(axis=1), 1, rtol=1e-5)
    assert (bar.low, bar.signed) == (0.0, False) and bar.high == pytest.approx(100 * row.max())


def test_another_point_gives_other_maps_and_is_outlined(inspected: InspectedGarment) -> None:
    moved = inspected.at((10, 470))
    assert moved.point == (6, 0)
    middle, corner = attribution.heads(inspected)[0], attribution.heads(moved)[0]
    assert any(
        np.abs(np.asarray(a, int) - np.asarray(b, int)).max() > 8
        for (a, _), (b, _) in zip(middle, corner, strict=True)
    )
    changed = (np.asarray(attribution.pointed(moved)) != np.asarray(moved.crop)).any(axis=2)
    assert changed[412:480, 0:43].any() and not changed[:411].any() and not changed[:, 44:].any()


def test_two_labels_and_their_difference_share_one_signed_scale(inspected: InspectedGarment) -> None:
    figures, bar = attribution.compared(inspected, "Dress", "Hat")
    titles = [title for _, title in figures]
    assert titles[0].startswith("Dress, ") and titles[1].startswith("Hat, ") and titles[2] == "Dress - Hat"
    dress, hat = inspected.inspection.activations[:2]
    most = max(np.abs(values).max() for values in (dress, hat, dress - hat))
    assert (bar.low, bar.high, bar.signed) == (pytest.approx(-most), pytest.approx(most), True)


def test_a_label_with_itself_differs_by_nothing_and_one_alone_has_no_difference(
    inspected: InspectedGarment,
) -> None:
    (*_, (nothing, _)), _ = attribution.compared(inspected, "Dress", "Dress")
    gray = np.asarray(nothing.convert("RGB"), int)
    white = np.array(DIVERGING[5])
    small = np.asarray(inspected.crop.resize(nothing.size).convert("L"), int)[..., None]
    assert np.abs(gray - np.rint(0.35 * small + 0.65 * white)).mean() < 3, "zero is the middle color"
    assert len(attribution.compared(inspected, "Dress", None)[0]) == 1
    assert attribution.compared(inspected, None, None)[0] == []


@pytest.mark.parametrize("label", ["<script>", "dress", 7, ["Dress"], {"a": 1}])
def test_an_unknown_label_is_a_sentence(inspected: InspectedGarment, label: Any) -> None:
    with pytest.raises(LapelError, match="label that the model knows"):
        attribution.compared(inspected, label, None)


def test_the_first_two_labels_are_the_best_and_the_likeliest_other(
    inspected: InspectedGarment, shown: view.Shown
) -> None:
    best, other = attribution.best_labels(inspected, shown)
    assert best == "Dress" and other in LABELS and other != best


@pytest.mark.parametrize("choice", attribution.GARMENT_MAPS)
def test_the_slider_has_the_garment_without_and_with_its_map(
    inspectors: Inspectors, shown: view.Shown, inspected: InspectedGarment, choice: str
) -> None:
    (clear, under_map), bar = attribution.compared_pictures(inspectors, shown, inspected, choice)
    assert clear is inspected.crop and under_map.size == clear.size
    assert bar.signed == (choice == "class_activation") and bar.high > 0


def test_simam_slides_from_before_to_after_in_one_scale(
    inspectors: Inspectors, shown: view.Shown, inspected: InspectedGarment
) -> None:
    _, choice = inspectors.simam_modules[0]
    assert choice == "simam:stage1_module1"
    (before, after), bar = attribution.compared_pictures(inspectors, shown, inspected, choice)
    assert before.size == after.size == (720, 960), "all of the photo"
    # SimAM multiplies by a sigmoid of at least a half and less than one: after is nowhere brighter.
    assert np.asarray(before, int).sum() != np.asarray(after, int).sum() and bar.low == 0


@pytest.mark.parametrize(
    "choice", [None, "", "score_cam", "simam:", "simam:stage9_module9", 3, ["attention"]]
)
def test_another_map_is_a_sentence(
    inspectors: Inspectors, shown: view.Shown, inspected: InspectedGarment, choice: Any
) -> None:
    with pytest.raises(LapelError, match="in the menu"):
        attribution.compared_pictures(inspectors, shown, inspected, choice)


def test_a_classifier_without_attention_is_a_sentence(
    shown: view.Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "WEIGHTS_FOLDER", save_both(tmp_path, attention=False))
    with pytest.raises(LapelError, match="need a classifier with attention"):
        attribution.inspect(Inspectors(), shown, 0)


def test_the_color_bar_has_numbers_and_its_words_are_text() -> None:
    bar = ColorBar(-2.0, 2.0, True, "<b>logit</b>").html()
    assert [f"<b>{number}</b>" in bar for number in ("-2", "-1", "0", "1", "2")] == [True] * 5
    assert "&lt;b&gt;logit" in bar and "#144a95" in bar
