"""``label`` and ``explain`` from the inside: lines, pictures with names of their own, maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli import label as command
from core.errors import LapelError, PhotoError, WeightsError
from core.inference.labeler import Labeler
from tests.pictures import jpeg, zipped
from tests.weights import FEW, NONE, drawn_photo


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tiny_labeler: Labeler) -> None:
    """The tiny labeler for every command here, loaded once."""
    monkeypatch.setattr(Labeler, "load", classmethod(lambda cls, *files: tiny_labeler))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a scene twice under names that differ by case, an empty one, and a broken file."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    drawn_photo(FEW).image.save(folder / "coat.png")
    drawn_photo(FEW).image.save(folder / "more" / "Coat.PNG")
    drawn_photo(NONE).image.save(folder / "plain.png")
    (folder / "broken.jpg").write_bytes(b"<html>")
    return folder


def label(*paths: Path, threshold: float | None = None, out: Path | None = None) -> int:
    return command.label(paths, threshold=threshold, weights=(), out=out)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    printed = capsys.readouterr()
    assert printed.err == ""
    return [json.loads(line) for line in printed.out.splitlines()]


def test_a_line_is_the_contracts(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label(photos / "coat.png") == 0
    (line,) = lines_of(capsys)
    assert list(line) == ["photo", "width", "height", "seconds", "models", "garments"]
    assert (line["photo"], line["width"], line["height"]) == ("coat.png", 180, 240)
    assert line["models"] == {"detector": "tiny detector", "classifier": "tiny classifier"}
    assert line["seconds"] > 0
    assert len(line["garments"]) == 2
    for garment in line["garments"]:
        assert list(garment) == ["box", "category", "score", "top5", "detector", "classifier"]
        assert [len(garment[model]) for model in ("detector", "classifier")] == [2, 2]
        assert len(garment["box"]) == 4 and [len(pair) for pair in garment["top5"]] == [2] * 5


def test_what_cannot_be_read_is_a_line_and_the_others_go_on(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert label(photos, photos / "missing.jpg", photos / "plain.png") == 1
    lines = lines_of(capsys)
    assert [line["photo"] for line in lines] == [
        "broken.jpg", "coat.png", "plain.png", "Coat (2).PNG", "missing.jpg", "plain (2).png",
    ]  # fmt: skip
    assert [list(line) == ["photo", "error"] for line in lines] == [True, False, False, False, True, False]
    assert lines[4]["error"] == "There is no such file."


def test_zips_are_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "batch.zip").write_bytes(zipped({"a.jpg": jpeg(), "b.txt": b"text"}))
    assert label(tmp_path / "batch.zip") == 1
    assert [line["photo"] for line in lines_of(capsys)] == ["a.jpg", "b.txt"]


def test_the_threshold_is_passed_on(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for threshold in (0.03, 0.3, 0.99):
        label(photos / "coat.png", threshold=threshold)
        counts.append(len(lines_of(capsys)[0]["garments"]))
    assert counts[0] > counts[1] > counts[2] == 0


def test_annotated_pictures_have_names_of_their_own(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn_photo(NONE).image.save(photos / "coat.jpg")  # another ending, the same stem
    out = tmp_path / "boxes" / "today"
    assert label(photos, out=out) == 1
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == len(lines_of(capsys)) - 1 == 4
    assert names == [
        "Coat (2)_labeled.jpg", "coat_labeled.jpg", "coat_labeled_2.jpg", "plain_labeled.jpg",
    ]  # fmt: skip
    with Image.open(out / "coat_labeled_2.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (180, 240))


def test_pictures_beside_the_photos_replace_none(photos: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.*")}
    label(photos, out=photos)
    assert {path: path.read_bytes() for path in before} == before
    assert label(photos / "coat.png", out=photos) == 0, "a second run writes the same pictures again"
    assert len(list(photos.glob("coat_labeled*"))) == 1


def test_a_folder_that_cannot_be_is_told_before_any_work(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LapelError, match="a folder to write to"):
        label(photos, out=photos / "coat.png")
    assert capsys.readouterr().out == ""


def test_seconds_count_reading_and_not_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 10.5, 20.0])
    monkeypatch.setattr(command.time, "perf_counter", lambda: next(clock))
    assert list(command.timed(iter("ab"))) == [(2.0, "a"), (0.5, "b")]


def test_maps_and_their_index_are_written_and_told(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "maps"
    command.explain(photos / "coat.png", out, threshold=None, weights=())
    (shown,) = lines_of(capsys)
    assert json.loads((out / "index.json").read_text(encoding="utf-8")) == shown
    assert list(shown) == ["photo", "garments", "detector_maps"]
    assert shown["photo"] == "coat.png"
    assert [list(garment) for garment in shown["garments"]] == [["box", "category", "top5", "maps"]] * 2
    files = {file for garment in shown["garments"] for file in garment["maps"].values()}
    files |= {entry["file"] for entry in shown["detector_maps"]}
    assert files | {"index.json"} == {path.name for path in out.iterdir()}


@pytest.fixture
def with_attention(tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny weights in the place of those that ship, which a network's inner terms are read from."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)


def test_more_labels_and_methods_come_with_their_scales_and_numbers(
    photos: Path, tmp_path: Path, with_attention: None
) -> None:
    out = tmp_path / "maps"
    command.explain(
        photos / "coat.png",
        out,
        label=["Hat", "Dress"],
        method=["class_activation", "attention", "box"],
        npz=True,
    )
    index = json.loads((out / "index.json").read_text("utf-8"))
    first = index["garments"][0]
    assert list(first) == ["box", "category", "top5", "maps", "attribution"]
    told = [(entry["method"], entry["label"]) for entry in first["attribution"]]
    activation = [("class_activation", "Hat"), ("class_activation", "Dress")]
    assert told == [*activation, ("attention", None), *[("box", first["category"])] * 3]
    with np.load(out / index["arrays"]) as arrays:
        for entry in first["attribution"]:
            values = arrays[Path(entry["file"]).stem]
            is_signed = entry["method"] != "attention"
            assert entry["high"] == pytest.approx(np.abs(values).max(), abs=1e-5)
            assert entry["low"] == (-entry["high"] if is_signed else 0)
            left, top, right, bottom = entry["area"]
            assert Image.open(out / entry["file"]).size == (right - left, bottom - top)
        logits = arrays["garment_001_class_activations"].mean(axis=(1, 2)) + arrays["garment_001_constants"]
        np.testing.assert_allclose(logits, arrays["garment_001_logits"], atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"label": ["Kimono"]}, "expected a label that the model knows, got 'Kimono'"),
        ({"method": ["saliency"]}, "expected a method of class_activation, .*, got 'saliency'"),
    ],
)
def test_another_label_or_method_is_refused(
    photos: Path, tmp_path: Path, with_attention: None, asked: dict, sentence: str
) -> None:
    with pytest.raises(LapelError, match=sentence):
        command.explain(photos / "coat.png", tmp_path / "maps", **asked)


def test_a_photo_that_cannot_be_explained_is_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"broken\.jpg: "):
        command.explain(photos / "broken.jpg", tmp_path / "maps", threshold=None, weights=())
    assert not (tmp_path / "maps").exists()


class TestWeights:
    """Files in place of those that ship."""

    @pytest.fixture(autouse=True)
    def _loaded(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(Labeler, "load", classmethod(lambda cls, *files: files))
        yield

    def test_each_file_takes_the_place_of_its_kind(self, tiny_weights: Path) -> None:
        detector, classifier = (tiny_weights / f"{kind}.safetensors" for kind in ("detector", "classifier"))
        assert command.load_labeler([]) == (None, None, "auto")
        assert command.load_labeler([classifier]) == (None, classifier, "auto")
        assert command.load_labeler([classifier, detector], "cpu") == (detector, classifier, "cpu")

    def test_two_of_a_kind_are_refused(self, tiny_weights: Path) -> None:
        detector = tiny_weights / "detector.safetensors"
        with pytest.raises(WeightsError, match="one detector's weights, got detector.safetensors and"):
            command.load_labeler([detector, detector])

    def test_weights_that_are_not_there_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"card none\.json"):
            command.load_labeler([tmp_path / "none.safetensors"])
