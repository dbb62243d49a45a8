"""``anchors``, ``summary`` and ``evaluate``: metrics as JSON or as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.console import AsJson, Data, ProgressBar, open_store, print_json, track
from core.errors import DatasetError, RecipeError, WeightsError

if TYPE_CHECKING:
    import numpy as np


def anchors(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Boxes in any format that is read, or revision:N of the store (N: a number, or latest).",
            show_default=False,
        ),
    ],
    clusters: Annotated[int, typer.Option(help="How many anchors.")] = 9,
    size: Annotated[int, typer.Option(help="Side of the network's square input in pixels.")] = 416,
    seed: Annotated[int, typer.Option(help="The same seed gives the same anchors.")] = 0,
    seeding: Annotated[
        str, typer.Option(help="k-means++ (the best of ten), or random (one, as in YOLOv2).")
    ] = "k-means++",
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Refine them genetically (as auto-anchor does, a reconstruction)."),
    ] = False,
    study: Annotated[
        str | None,
        typer.Option(help="Also clusters (1 to 15), seedings (20 seeds), refinement, or scales (strides)."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="text, json, yaml (YOLOv5's) or darknet (a line of the cfg).")
    ] = "text",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Fit anchors to a dataset's boxes by K-means++ under 1 - IoU.

    The JSON is what ``train detector --anchors FILE`` takes; that of ``--format json`` also names its input
    size, which a fine-tuning needs.
    """
    from core.anchor_studies import STUDIES, refine_anchors, scale_rows
    from core.anchors import AnchorResult, anchors_json, anchors_yaml, darknet_line, kmeans_anchors

    _check_anchor_choices(form, study)
    boxes_wh = _box_sizes(dataset, size, data)
    fitted = kmeans_anchors(boxes_wh, clusters, seed, seeding=seeding)
    if refine:
        with ProgressBar("generation") as bar:
            refined = refine_anchors(boxes_wh, fitted.anchors, seed, progress=bar.show)
        fitted = AnchorResult(refined.anchors, refined.mean_iou, fitted.iterations)
    found = anchors_json(boxes_wh, fitted, size)
    if study == "scales":
        found["scales"] = scale_rows(boxes_wh, fitted.anchors)
    elif study is not None:
        with ProgressBar("step") as bar:
            found[study] = STUDIES[study](boxes_wh, size, clusters, seed, bar.show)
    if as_json or form == "json":
        print_json(found if as_json else found | {"size": size})
    elif form != "text":
        print(anchors_yaml(fitted.anchors).rstrip() if form == "yaml" else darknet_line(fitted.anchors))
    else:
        print("  ".join(f"{w:.0f},{h:.0f}" for w, h in found["anchors"]))
        fit, darknet = found["mean_iou"], found["darknet_mean_iou"]
        print(f"mean best IoU {fit:.3f} over {found['boxes']:,} boxes; Darknet's {darknet:.3f}")
        for row in found[study] if study else ():
            shown = plain_figures({key: value for key, value in row.items() if key != "anchors_wh"})
            print("  ".join(f"{name} {text}" for name, text in shown))


ANCHOR_FORMATS = ("text", "json", "yaml", "darknet")


def _check_anchor_choices(form: str, study: str | None) -> None:
    from core.anchor_studies import STUDIES

    if form not in ANCHOR_FORMATS:
        raise RecipeError(f"expected a format of {', '.join(ANCHOR_FORMATS)}, got {form!r}")
    if study is not None and study not in (*STUDIES, "scales"):
        raise RecipeError(f"expected a study of {', '.join((*STUDIES, 'scales'))}, got {study!r}")
    if study is not None and form in ("yaml", "darknet"):
        raise RecipeError(f"--study goes with the formats text and json, got {form!r}")


def _box_sizes(dataset: Path, size: int, data: Path | None) -> np.ndarray:
    """Width and height of a dataset's boxes, or of a revision's, in pixels of the input."""
    from core.datasets.detection import letterboxed_wh
    from core.datasets.reading import read_detection
    from core.images.decode import MAX_SIDE as LARGEST_SIDE

    if size < 1:
        raise RecipeError(f"expected a size of one pixel or more, got {size}")
    if size > LARGEST_SIDE:
        raise RecipeError(f"expected a size of at most {LARGEST_SIDE} pixels, got {str(size)[:40]}")
    part, _, number = str(dataset).partition(":")
    if part != "revision" or dataset.exists():
        return letterboxed_wh(read_detection(dataset, part="train"), size)
    from core.cli.store import chosen_revision

    if number == "new":
        raise DatasetError("expected a revision's number or latest, got 'new'")
    store = open_store(data)
    return store.revisions.box_sizes(chosen_revision(store, number or "latest", "").number, size)


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
    """Measure a model on a dataset, with intervals. Exit status 1 if photos had to be left out."""
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
