"""Models for people's own programs: what a folder's README says to do gives Lapel's own answer."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.cli.export_model import export_model as command
from core.datasets.classification import ClassificationSample
from core.errors import DatasetError, EngineError, WeightsError
from core.evaluation.classification import ClassificationReport
from core.images.decode import Photo, open_dataset_photo
from core.inference import export_model as module
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.export_model import FORMATS, export_model
from core.inference.measure import measure_classifier
from core.models.cards import read_card, write_card
from core.models.nms import calibrated as calibrated_scores
from core.models.nms import nms
from tests.weights import MANY, drawn_photo


def needs(format: str) -> None:
    pytest.importorskip(
        {"onnx": "onnxruntime", "openvino": "openvino", "torchscript": "torch"}[format],
        reason=f"{format} needs a package that is not installed",
    )


@pytest.fixture
def calibrated(tiny_weights: Path, tmp_path: Path) -> Path:
    """The tiny weights with calibrations, which an export has to hold."""
    for kind, numbers in (
        ("detector", {"slope": 0.8, "intercept": 0.3}),
        ("classifier", {"temperature": 0.6}),
    ):
        path = tmp_path / f"{kind}.safetensors"
        path.write_bytes((tiny_weights / path.name).read_bytes())
        card = read_card(tiny_weights / path.name)
        write_card(type(card)(**(vars(card) | {"calibration": numbers})), path)
    return tmp_path


def run_readme(folder: Path, picture: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the program in a folder's README prints, run there."""
    drawn_photo(MANY).image.save(folder / picture, quality=100, subsampling=0)
    (program,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), flags=re.S)
    monkeypatch.chdir(folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {"__name__": "readme"})
    return printed.getvalue().splitlines()


@pytest.mark.parametrize("format", FORMATS)
def test_the_readmes_program_finds_the_garments_that_lapel_finds(
    calibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    needs(format)
    weights = calibrated / "detector.safetensors"
    done = export_model(weights, format, tmp_path / "out")
    assert sorted(path.name for path in done.folder.iterdir()) == sorted(
        ["README.md", "card.json", "classes.txt", FORMATS[format]]
        + (["model.bin"] if format == "openvino" else [])
    )
    lines = run_readme(done.folder, "photo.jpg", monkeypatch)
    detector = Detector.load(weights)
    from core.images.decode import open_photo

    boxed, pictures = detector.input_of(open_photo(done.folder / "photo.jpg"))
    raw = detector.engine.run({"images": pictures}, ("boxes", "scores"))
    found = nms(
        raw["boxes"][0],
        calibrated_scores(raw["scores"][0], 0.8, 0.3),
        score_threshold=detector.card.score_threshold,
        limit=1000,
    )
    assert len(lines) == len(found) > 5
    said = [re.fullmatch(r"(.+?) ([01]\.\d+) \[(.*)\]", line) for line in lines]
    told = np.array([[*map(float, match[3].split(",")), float(match[2])] for match in said if match])
    names = [match[1] for match in said if match]
    # Random weights have many scores alike, so that the order of two may differ.
    wanted = np.column_stack((boxed.to_photo(found.boxes_xyxy), found.scores))
    for row, category in zip(wanted, found.category_ids, strict=True):
        own = [place for place, name in enumerate(names) if name == detector.card.categories[category]]
        nearest = min(own, key=lambda place: float(np.abs(told[place] - row).max()))
        np.testing.assert_allclose(told[nearest], row, atol=0.5)
        assert told[nearest, 4] == pytest.approx(row[4], abs=5e-3)


@pytest.mark.parametrize("format", FORMATS)
def test_the_readmes_program_names_a_garment_as_lapel_does(
    calibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    needs(format)
    weights = calibrated / "classifier.safetensors"
    done = export_model(weights, format, tmp_path / "out")
    lines = run_readme(done.folder, "garment.jpg", monkeypatch)
    from core.images.decode import open_photo

    classifier = Classifier.load(weights)
    (row,) = classifier.probabilities([open_photo(done.folder / "garment.jpg").image])
    for line, (label, probability) in zip(lines, classifier.rank(row), strict=True):
        name, said = line.rsplit(" ", 1)
        assert name == label and float(said) == pytest.approx(probability, abs=1e-3)


def test_a_machine_without_onnx_runtime_exports_the_other_formats(tiny_weights: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['onnxruntime'] = None; from pathlib import Path;"
        "from core.inference.export_model import export_model;"
        "export_model(Path(sys.argv[1]), 'torchscript', Path(sys.argv[2]))"
    )
    weights = str(tiny_weights / "classifier.safetensors")
    subprocess.run([sys.executable, "-c", program, weights, str(tmp_path / "out")], check=True, timeout=200)
    assert (tmp_path / "out" / "model.pt").is_file()


def test_int8_says_what_it_loses_on_photos_that_it_did_not_see(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    monkeypatch.setattr(module, "TIMED_PASSES", 1)
    calibrating, measured = seen_photos(monkeypatch)
    labeled_pictures(tmp_path, 12)
    done = export_model(
        tiny_weights / "classifier.safetensors", "onnx", tmp_path / "out", int8=tmp_path / "labels.csv",
        photos=tmp_path,
    )  # fmt: skip
    assert list(done.figures) == ["top1", "top5", "milliseconds", "megabytes"]
    small, large = done.figures["megabytes"]["int8"], done.figures["megabytes"]["float32"]
    assert small is not None and large is not None and small < large / 2
    assert "| top5 | " in (done.folder / "README.md").read_text()
    assert len(set(calibrating)) == 6 and not set(calibrating) & set(measured)
    assert set(calibrating) | set(measured) == {f"{number}.png" for number in range(12)}
    assert measured[:6] == measured[6:], "float32 and int8 on the same photos"


def test_int8_needs_photos_to_read_ranges_from_and_others_to_measure_on(
    tiny_weights: Path, tmp_path: Path
) -> None:
    needs("onnx")
    labels = labeled_pictures(tmp_path, 9)
    with pytest.raises(DatasetError, match="10 photos or more, got 9"):
        export_model(
            tiny_weights / "classifier.safetensors", "onnx", tmp_path / "out", int8=labels, photos=tmp_path
        )
    assert not (tmp_path / "out").exists()


def labeled_pictures(folder: Path, count: int) -> Path:
    """So many pictures in a folder, and the CSV file of their labels."""
    rows = ["image,label"]
    for number in range(count):
        drawn_photo(number).image.save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'Dress' if number % 2 else 'Hat'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "labels.csv"


def seen_photos(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The names of the photos that an export opens to read ranges from, and of those that it measures on."""
    opened: list[str] = []
    measured: list[str] = []

    def open_photo(path: Path) -> Photo:
        opened.append(path.name)
        return open_dataset_photo(path)

    def measure(classifier: Classifier, rows: Sequence[ClassificationSample]) -> ClassificationReport:
        measured.extend(row.path.name for row in rows)
        return measure_classifier(classifier, rows)

    monkeypatch.setattr(module, "open_dataset_photo", open_photo)
    monkeypatch.setattr(module, "measure_classifier", measure)
    return opened, measured


@pytest.mark.parametrize(
    ("format", "int8", "error", "sentence"),
    [
        ("tflite", None, WeightsError, "a format of onnx, openvino, torchscript, got 'tflite'"),
        ("torchscript", Path("val.json"), WeightsError, "int8 is for the format onnx, got torchscript"),
        ("openvino", None, EngineError, "needs the package openvino"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, int8: Path | None,
    error: type[Exception], sentence: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "is_installed", lambda engine: False)
    with pytest.raises(error, match=sentence):
        export_model(tiny_weights / "detector.safetensors", format, tmp_path / "out", int8=int8)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_a_folder_with_files_is_left_alone(tiny_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WeightsError, match="a new or empty folder"):
        export_model(tiny_weights / "detector.safetensors", "onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_prints_where_the_model_lies(
    tiny_ships: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("detector", format="torchscript", out=tmp_path / "deep" / "out")
    said = json.loads(capsys.readouterr().out)
    assert Path(said["file"]).is_file() and "int8" not in said
    with pytest.raises(WeightsError, match="detector, classifier or a .safetensors file"):
        command("model.onnx")
