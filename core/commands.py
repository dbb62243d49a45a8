"""What each command of ``python -m core`` does; heavy libraries are imported only where they are needed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from core.errors import PhotoError, RecipeError, WeightsError
from core.garments import Refusal

Item = TypeVar("Item")


def say(text: str) -> None:
    """A line for the person, on stderr."""
    print(text, file=sys.stderr, flush=True)


def put(value: object) -> None:
    """A line of JSON on stdout."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def watched(items: Iterable[Item], total: int | None = None, unit: str = "photo") -> Iterator[Item]:
    """A progress bar on stderr with rate and remaining time, where a person is looking."""
    from tqdm import tqdm

    yield from tqdm(items, total=total, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())


def label(photos: Sequence[Path], *, threshold: float | None, weights: Path | None, out: Path | None) -> int:
    """Label photos, one JSON line each; returns the exit status."""
    from core.labeler import Labeler
    from core.photos import count_photos, iter_photos

    labeler = Labeler.load(detector=weights)
    sources = [(str(path), path) for path in photos]
    refused = 0
    reading = timed(iter_photos(sources))
    for seconds, photo in watched(reading, count_photos(sources)):
        if isinstance(photo, Refusal):
            refused += 1
            put(photo.as_dict())
            continue
        labeled = labeler.label(photo, threshold)
        put(replace(labeled, seconds=labeled.seconds + seconds).as_dict())
        if out is not None:
            _write_annotated(photo, labeled, out)
    return 1 if refused else 0


def timed(items: Iterator[Item]) -> Iterator[tuple[float, Item]]:
    """Each item with the seconds it took to come."""
    while True:
        started = time.perf_counter()
        try:
            item = next(items)
        except StopIteration:
            return
        yield time.perf_counter() - started, item


def _write_annotated(photo: Any, labeled: Any, out: Path) -> None:
    from core.drawing import annotate

    out.mkdir(parents=True, exist_ok=True)
    annotate(photo.image, labeled.garments).save(
        out / f"{Path(photo.name).stem}_{photo.digest[:8]}.jpg", quality=92
    )


def explain(photo: Path, out: Path, *, threshold: float | None, weights: Path | None) -> None:
    """Write a photo's maps and their index."""
    from core.explain import explain as explain_photo
    from core.labeler import Labeler
    from core.map_files import write_maps
    from core.photos import open_photo

    opened = open_photo(photo)
    labeler = Labeler.load(detector=weights)
    out.mkdir(parents=True, exist_ok=True)
    index = write_maps(explain_photo(labeler, opened, labeler.label(opened, threshold)), opened, out)
    (out / "index.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")
    put(index)


def anchors(dataset: Path, *, clusters: int, size: int, seed: int, as_json: bool) -> None:
    """Fit anchors and compare them with Darknet's."""
    from core.anchors import darknet_anchors, kmeans_anchors, letterboxed_wh, mean_best_iou
    from core.data.dataset import read_detection

    if size < 1:
        raise RecipeError(f"expected a size of one pixel or more, got {size}")
    boxes_wh = letterboxed_wh(read_detection(dataset), size)
    fitted = kmeans_anchors(boxes_wh, clusters, seed)
    result = {
        "anchors": [[round(float(w), 2), round(float(h), 2)] for w, h in fitted.anchors],
        "mean_iou": round(fitted.mean_iou, 4),
        "darknet_mean_iou": round(mean_best_iou(boxes_wh, darknet_anchors(size)), 4),
        "boxes": len(boxes_wh),
        "iterations": fitted.iterations,
    }
    if as_json:
        put(result)
        return
    print("  ".join(f"{w:.0f},{h:.0f}" for w, h in result["anchors"]))
    print(
        f"mean best IoU {result['mean_iou']:.3f} over {result['boxes']} boxes; Darknet's {result['darknet_mean_iou']:.3f}"
    )


def summary(model: str, *, preset: str, classes: int | None, size: int | None, as_json: bool) -> None:
    """Count a model."""
    from core.models.summary import summarise_model

    figures = summarise_model(model, preset, classes, size)
    if as_json:
        put(figures)
        return
    for name, value in figures.items():
        print(f"{name:>20}  {value:,}" if isinstance(value, int) else f"{name:>20}  {value}")


@dataclass(frozen=True)
class TrainingOptions:
    """What the shell said of a training."""

    data: Path
    val: Path
    preset: str | None
    epochs: int | None
    seed: int | None
    batch: int | None
    pretrained: Path | None
    masks: Path | None
    extra: tuple[Path, ...]
    device: str
    workers: int
    out: Path
    resume: bool


def train(kind: str, options: TrainingOptions) -> None:
    """Train a detector or a classifier; prints the best weights' path."""
    from core.training.recipes import choose_recipe
    from core.training.run import train_classifier, train_detector

    recipe = choose_recipe(
        kind, options.preset, epochs=options.epochs, seed=options.seed, batch=options.batch
    )
    run = {"detector": train_detector, "classifier": train_classifier}[kind]
    print(run(recipe, options))  # type: ignore[operator]


def distill(photos: Sequence[Path], teacher: Path, *, skip: Path | None, **settings: Any) -> None:
    """Pretrain a backbone on photos without labels."""
    from core.training.run import distill_backbone

    left_out = set(skip.read_text().split()) if skip else set()
    paths = sorted(
        p
        for folder in photos
        for p in folder.glob("*.jpg")
        if p.name not in left_out and p.stem not in left_out
    )
    if len(paths) < 20:
        raise PhotoError(f"expected at least 20 photos (.jpg) to learn from, got {len(paths)}")
    print(distill_backbone(paths, teacher, **settings))


def evaluate(model: str, dataset: Path, photos: Path | None, *, as_json: bool) -> None:
    """Measure the weights that ship, or a file's, on a data set."""
    from core.models.weights import WEIGHTS_FOLDER, read_card

    path = WEIGHTS_FOLDER / f"{model}.safetensors" if model in ("detector", "classifier") else Path(model)
    if path.suffix != ".safetensors":
        raise WeightsError(f"expected detector, classifier or a .safetensors file, got {model!r}")
    measure = _evaluate_detector if read_card(path).kind == "detector" else _evaluate_classifier
    figures = measure(path, dataset, photos)
    if as_json:
        put(figures)
        return
    for name, value in figures.items():
        if isinstance(value, float | int | str):
            print(f"{name:>16}  {value:.4f}" if isinstance(value, float) else f"{name:>16}  {value}")
    print(json.dumps(figures.get("classes", {}), indent=1))


def _evaluate_detector(path: Path, dataset: Path, photos: Path | None) -> dict[str, Any]:
    from core.data.dataset import read_detection
    from core.detector import Detector
    from core.measuring import measure_detector

    report, found = measure_detector(Detector.load(path), read_detection(dataset, photos), watched)
    return report.as_dict() | ({"single_garment": found.as_dict()} if found else {})


def _evaluate_classifier(path: Path, dataset: Path, photos: Path | None) -> dict[str, Any]:
    from core.classifier import Classifier
    from core.data.labelled import read_labelled
    from core.measuring import measure_classifier

    return measure_classifier(Classifier.load(path), read_labelled(dataset, photos), watched).as_dict()
