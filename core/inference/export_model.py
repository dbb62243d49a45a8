"""A model as a folder for people's own programs: ONNX, OpenVINO or TorchScript.

The folder holds the model, ``classes.txt``, the model's card and a README.md on the input, the output and
what to do with it. int8 quantizes ONNX statically on a person's own photos and says what that costs.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch

from core.datasets.classification import ClassificationSample, read_labeled
from core.datasets.detection import DetectionDataset
from core.datasets.reading import read_fitted
from core.errors import DatasetError, EngineError, WeightsError
from core.images.decode import open_dataset_photo
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.engines.engine import Engine, is_installed, open_engine, open_export
from core.inference.measure import measure_classifier, measure_detector
from core.models.cards import ModelCard, card_path, read_card
from core.models.graphs import ServingGraph, export_onnx, load_graph, trial_inputs
from core.models.registry import is_exported
from core.models.weights import digest
from core.threads import IMPORTS

README_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "export"
FORMATS = {"onnx": "model.onnx", "openvino": "model.xml", "torchscript": "model.pt"}
CALIBRATION_PHOTOS = 100
"""Photos that the ranges of int8 are read from; the rest of the dataset measures what is lost."""

LEAST_PHOTOS = 10
TIMED_PASSES = 15


@dataclass(frozen=True)
class Exported:
    """What an export wrote, and with int8 what that changes; ``figures`` by name, before and after."""

    folder: Path
    file: Path
    figures: dict[str, dict[str, float | None]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"folder": str(self.folder), "file": str(self.file)} | (
            {"int8": self.figures} if self.figures else {}
        )


def export_model(
    weights: Path, format: str, out: Path, *, int8: Path | None = None, photos: Path | None = None
) -> Exported:
    """Export weights into a new folder. ``int8`` is a dataset as ``evaluate`` takes it.

    Raises WeightsError for weights that cannot serve or a format that is unknown, EngineError where a package
    is missing, DatasetError for a dataset that is too small to quantize on and measure with, OSError.
    """
    if format not in FORMATS:
        raise WeightsError(f"expected a format of {', '.join(FORMATS)}, got {format!r}")
    if format == "openvino" and not is_installed("openvino"):
        raise EngineError("the format openvino needs the package openvino: make openvino")
    if int8 is not None and format != "onnx":
        raise WeightsError(f"int8 is for the format onnx, got {format}")
    if int8 is not None and not is_installed("onnxruntime"):
        raise EngineError("int8 needs the package onnxruntime: pip install onnxruntime")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise WeightsError(f"expected a new or empty folder at {out}")
    model = read_card(weights).model
    if not is_exported(model):
        raise WeightsError(f"expected a model that can be exported, got {model}, which runs in PyTorch only")
    graph, card = load_graph(weights, mish="operator" if format == "openvino" else "exponential")
    serving = ServingGraph(graph, card).eval()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".lapel-") as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        _write_model(serving, format, folder / FORMATS[format], card)
        figures = {} if int8 is None else _quantized(folder / FORMATS[format], weights, card, int8, photos)
        shutil.copyfile(card_path(weights), folder / "card.json")
        (folder / "classes.txt").write_text("\n".join(card.categories) + "\n", encoding="utf-8")
        readme = _readme(card, format, digest(weights), figures)
        (folder / "README.md").write_text(readme, encoding="utf-8")
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return Exported(out, out / FORMATS[format], figures)


def _write_model(serving: ServingGraph, format: str, path: Path, card: ModelCard) -> None:
    if format == "torchscript":
        given = tuple(trial_inputs(serving, card.input_size).values())
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that stay as they are, and of torch.export
            torch.jit.trace(serving, given, check_trace=False).save(str(path))
        return
    if format == "onnx":
        export_onnx(serving, path, card.input_size)
        return
    with IMPORTS:
        import openvino

    with tempfile.TemporaryDirectory() as folder:
        export_onnx(serving, Path(folder) / "model.onnx", card.input_size)
        model = openvino.Core().read_model(Path(folder) / "model.onnx")  # convert_model sends telemetry
        openvino.save_model(model, path, compress_to_fp16=False)


class ExportedEngine:
    """An exported folder's ONNX file as an engine, so that it is measured as any other model is."""

    name, parallel = "onnxruntime", True

    def __init__(self, path: Path, reference: Engine) -> None:
        self._engine = open_export("onnxruntime", path)
        self.outputs = reference.outputs

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        found = self._engine.run(inputs, self._engine.outputs)
        if "probabilities" in found:
            found["logits"] = np.log(np.maximum(found.pop("probabilities"), 1e-12))
        return {name: found[name] for name in outputs}


def _quantized(
    path: Path, weights: Path, card: ModelCard, dataset: Path, photos: Path | None
) -> dict[str, dict[str, float | None]]:
    """Quantize the file in place; what that changes, on photos that no range was read from."""
    with IMPORTS:
        from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

    reference, _ = open_engine(weights, card.kind, "cpu")
    calibrating, measure = _halves(card, reference, dataset, photos)

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = ({"images": picture} for picture in calibrating())

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    small, prepared = path.with_suffix(".int8.onnx"), path.with_suffix(".prepared.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(small), Pictures(), op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    prepared.unlink()
    before, after = (ExportedEngine(file, reference) for file in (path, small))
    figures = {
        name: {"float32": figure, "int8": changed}
        for (name, figure), changed in zip(measure(before).items(), measure(after).values(), strict=True)
    }
    picture = next(calibrating())
    milliseconds = _milliseconds([before, after], picture)
    figures["milliseconds"] = {"float32": milliseconds[0], "int8": milliseconds[1]}
    sizes = [round(file.stat().st_size / 1e6, 1) for file in (path, small)]
    figures["megabytes"] = {"float32": sizes[0], "int8": sizes[1]}
    small.replace(path)
    return figures


Measure = Callable[[ExportedEngine], dict[str, float | None]]


def _halves(
    card: ModelCard, reference: Engine, dataset: Path, photos: Path | None
) -> tuple[Callable[[], Iterator[np.ndarray]], Measure]:
    """The pictures that ranges are read from, and the measurement on the others of the dataset."""
    uncalibrated = ModelCard(**(vars(card) | {"calibration": {}}))
    if card.kind == "detector":
        boxed = read_fitted(dataset, photos, part="val").dataset
        first, rest = _split(boxed.photos)
        detector = Detector(reference, card)

        def pictures() -> Iterator[np.ndarray]:
            for photo in first:
                yield detector.input_of(open_dataset_photo(boxed.path_of(photo)))[1]

        def measure(engine: ExportedEngine) -> dict[str, float | None]:
            others = DetectionDataset(**(vars(boxed) | {"photos": tuple(rest)}))
            report, _ = measure_detector(Detector(engine, uncalibrated), others)
            figures = report.as_dict()
            return {name: figures[name] for name in ("mAP50", "mAP")}

        return pictures, measure
    first_rows, rest_rows = _split(read_labeled(dataset, photos, part="val").photos)
    classifier = Classifier(reference, card)

    def crops() -> Iterator[np.ndarray]:
        for row in first_rows:
            yield classifier.inputs_of([open_dataset_photo(row.path).image])["images"]

    def measure_top(engine: ExportedEngine) -> dict[str, float | None]:
        rows: tuple[ClassificationSample, ...] = tuple(rest_rows)
        figures = measure_classifier(Classifier(engine, uncalibrated), rows).as_dict()
        return {name: figures[name] for name in ("top1", "top5")}

    return crops, measure_top


def _split(photos: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Photos evenly chosen to read ranges from, at most half of all, and the others."""
    if len(photos) < LEAST_PHOTOS:
        raise DatasetError(f"int8 needs a dataset of {LEAST_PHOTOS} photos or more, got {len(photos)}")
    count = min(CALIBRATION_PHOTOS, len(photos) // 2)
    chosen = {int(place) for place in np.linspace(0, len(photos) - 1, count)}
    return (
        [photo for place, photo in enumerate(photos) if place in chosen],
        [photo for place, photo in enumerate(photos) if place not in chosen],
    )


def _milliseconds(engines: Sequence[ExportedEngine], picture: np.ndarray) -> list[float]:
    """The median time of a forward pass of each, turn by turn, after one that is not counted."""
    taken: list[list[float]] = [[] for _ in engines]
    for turn in range(TIMED_PASSES + 1):
        for own, engine in zip(taken, engines, strict=True):
            started = time.perf_counter()
            engine.run({"images": picture}, engine.outputs[:1] if "boxes" in engine.outputs else ["logits"])
            if turn:
                own.append(1000 * (time.perf_counter() - started))
    return [round(statistics.median(own), 1) for own in taken]


def _readme(card: ModelCard, format: str, weights_digest: str, figures: Mapping[str, Any]) -> str:
    text = Template((README_FOLDER / f"{card.kind}.md").read_text(encoding="utf-8"))
    values = {
        "name": card.name or card.model, "file": FORMATS[format], "format": format, "digest": weights_digest,
        "size": card.input_size, "count": len(card.categories), "threshold": card.score_threshold,
        "classes": ", ".join(card.categories),
        "load": _LOAD[format].replace("{names}", repr(_outputs_of(card))),
    }  # fmt: skip
    return text.substitute(values) + _lost(figures)


def _outputs_of(card: ModelCard) -> tuple[str, str]:
    return ("boxes", "scores") if card.kind == "detector" else ("probabilities", "embedding")


def _lost(figures: Mapping[str, Any]) -> str:
    if not figures:
        return ""
    lines = [
        "",
        "## int8",
        "",
        "Measured on photos that no range was read from; milliseconds on one core of the machine that",
        "exported it. Where int8 is not faster on yours, export without it.",
        "",
        "| | float32 | int8 |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {_text(row['float32'])} | {_text(row['int8'])} |" for name, row in figures.items()]
    return "\n".join(lines) + "\n"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:g}" if value >= 1 else f"{value:.4f}"


_LOAD = {
    "onnx": 'import onnxruntime\n\nsession = onnxruntime.InferenceSession("model.onnx")\n'
    'found = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"images": images})))',
    "openvino": 'import openvino\n\nmodel = openvino.Core().compile_model("model.xml", "CPU", '
    '{"INFERENCE_PRECISION_HINT": "f32"})\nresult = model({"images": images})\n'
    "found = {output.any_name: result[output] for output in model.outputs}",
    "torchscript": 'import torch\n\nmodel = torch.jit.load("model.pt")\nwith torch.no_grad():\n'
    "    found = dict(zip({names}, (t.numpy() for t in model(torch.from_numpy(images)))))",
}
