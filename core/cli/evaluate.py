"""``anchors``, ``summary`` and ``evaluate``: metrics as JSON or as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.console import AsJson, print_json, track
from core.errors import RecipeError, WeightsError


def anchors(
    dataset: Annotated[
        Path, typer.Argument(help="COCO, VOC, YOLO or DeepFashion2 boxes.", show_default=False)
    ],
    clusters: Annotated[int, typer.Option(help="How many anchors.")] = 9,
    size: Annotated[int, typer.Option(help="Side of the network's square input in pixels.")] = 416,
    seed: Annotated[int, typer.Option(help="The same seed gives the same anchors.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Fit anchors to a data set's boxes by K-means++ under 1 - IoU."""
    from core.anchors import darknet_anchors, kmeans_anchors, mean_best_iou
    from core.datasets.detection import letterboxed_wh
    from core.datasets.reading import read_detection
    from core.images.decode import MAX_SIDE as LARGEST_SIDE

    if size < 1:
        raise RecipeError(f"expected a size of one pixel or more, got {size}")
    if size > LARGEST_SIDE:
        raise RecipeError(f"expected a size of at most {LARGEST_SIDE} pixels, got {str(size)[:40]}")
    boxes_wh = letterboxed_wh(read_detection(dataset, part="train"), size)
    fitted = kmeans_anchors(boxes_wh, clusters, seed)
    pairs = [[round(float(w), 2), round(float(h), 2)] for w, h in fitted.anchors]
    ours, darknet = fitted.mean_iou, mean_best_iou(boxes_wh, darknet_anchors(size))
    if as_json:
        print_json(
            {
                "anchors": pairs,
                "mean_iou": round(ours, 4),
                "darknet_mean_iou": round(darknet, 4),
                "boxes": len(boxes_wh),
                "iterations": fitted.iterations,
            }
        )
        return
    print("  ".join(f"{w:.0f},{h:.0f}" for w, h in pairs))
    print(f"mean best IoU {ours:.3f} over {len(boxes_wh):,} boxes; Darknet's {darknet:.3f}")


def summary(
    models: Annotated[
        list[str],
        typer.Argument(
            help="yolov4, yolov4-gs, mobilenet, mobilenet-mha, vgg16, ssd, retinanet, faster-rcnn, r-fcn; or "
            "NAME:PRESET. Of several, the savings against the first are told.",
            show_default=False,
        ),
    ],
    preset: Annotated[str, typer.Option(help="Width and depth of the models.")] = "full",
    classes: Annotated[int | None, typer.Option(help="The papers' by default.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the input in pixels; the papers' by default.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="A table as text, csv or latex.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count the parameters, multiply-adds and bytes of models, side by side."""
    from core.cli.tables import TABLES
    from core.models.cost import COMPARED, savings, summarize_model

    if table is not None and table not in TABLES:
        raise RecipeError(f"expected a table of {', '.join(TABLES)}, got {table!r}")
    found = [summarize_model(model, preset, classes, size) for model in models]
    if as_json:
        print_json(found[0] if len(found) == 1 else {"models": found, "savings": savings(found)})
    elif len(found) == 1 and table is None:
        print_figures(found[0])
    else:
        saved = [None, *(entry["percent"] for entry in savings(found))]
        print("\n".join(TABLES[table or "text"](COMPARED, found, saved)))


def evaluate(
    model: Annotated[str, typer.Argument(help="detector, classifier or a weights file", show_default=False)],
    dataset: Annotated[
        Path,
        typer.Argument(
            help="COCO file or DeepFashion2's folder (detector); CSV of image and label or DeepFashion's "
            "folder (classifier).",
            show_default=False,
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos; photos/ or images/ beside the file by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on a data set, with intervals. Exit status 1 if photos had to be left out."""
    from core.models.cards import WEIGHTS_FOLDER, read_card

    path = WEIGHTS_FOLDER / f"{model}.safetensors" if model in ("detector", "classifier") else Path(model)
    if path.suffix != ".safetensors":
        raise WeightsError(f"expected detector, classifier or a .safetensors file, got {model!r}")
    measure = _evaluate_detector if read_card(path).kind == "detector" else _evaluate_classifier
    figures = measure(path, dataset, photos)
    if as_json:
        print_json(figures)
    else:
        print_figures(figures)
        for name, row in figures["classes"].items():
            print(f"{name:>20}  {'  '.join(f'{key} {text}' for key, text in plain_figures(row))}")
    if figures.get("left_out"):
        raise typer.Exit(1)


def print_figures(figures: Mapping[str, Any]) -> None:
    """A line each."""
    for name, text in plain_figures(figures):
        print(f"{name:>20}  {text}")


def plain_figures(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Numbers and names as text; what is nested is left to the JSON, what is unknown is a dash."""
    for name, value in figures.items():
        if value is None:
            yield name, "-"
        elif isinstance(value, float):
            yield name, f"{value:.4f}"
        elif isinstance(value, int | str):
            yield name, f"{value:,}" if isinstance(value, int) else value


def _evaluate_detector(path: Path, dataset: Path, photos: Path | None) -> dict[str, Any]:
    from core.datasets.reading import read_fitted
    from core.inference.detector import Detector
    from core.inference.measure import measure_detector

    fitted = read_fitted(dataset, photos, part="test")
    report, found = measure_detector(Detector.load(path), fitted.dataset, track)
    return report.as_dict() | fitted.as_dict() | ({"single_garment": found.as_dict()} if found else {})


def _evaluate_classifier(path: Path, dataset: Path, photos: Path | None) -> dict[str, Any]:
    from core.datasets.classification import read_labeled
    from core.inference.classifier import Classifier
    from core.inference.measure import measure_classifier

    labeled = read_labeled(dataset, photos, part="test")
    return measure_classifier(Classifier.load(path), labeled.photos, track).as_dict()
