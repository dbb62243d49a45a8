"""Faithfulness of the classifier's maps over a set of photos: ``python -m benchmarks.faithfulness``.

Is attention more faithful than class activation? Does retraining change it (``--before`` names the weights
before)? Deletion, insertion, average drop and increase on garments of the street's and the catalog's
validation photos, the pointing game against the street's pixel labels, and how far maps change when weights
are random. All explain the label that the model itself says first. Two controls know nothing of the model: a
spot in the middle of the crop, and noise. Means with 95 % bootstrap intervals over the photos, differences
paired. The table goes to stderr, one line of JSON to stdout. Load does not change the figures.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe_machine, machine_line
from core.evaluation.bootstrap import bootstrap_interval, bootstrap_weights
from core.evaluation.faithfulness import faithfulness, points_at, rank_correlation, share_inside
from core.images.crops import CROP_SIZE, crop_garment, to_square
from core.images.decode import open_photo
from core.inference.attribution import METHODS, ClassifierInspector, crop_of
from core.models.attribution import RANDOMIZED
from core.models.cards import shipped_weights
from core.models.library_cams import METHODS as LIBRARY
from core.models.library_cams import SLOW, is_installed

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "torchcam")
BOOTSTRAP = 2000
LEAST_SIDE = 48
"""Pixels of a garment's shorter side: smaller ones are a few pixels scaled up."""

METRICS = ("deletion", "insertion", "drop", "increase", "pointing", "inside")
CONTROLS = ("center", "random")
COMPARED = ("attention", "class_activation")
"""The pair whose difference is the question."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A crop as the classifier sees it; ``mask`` (224, 224) is its garment where its pixels are labeled."""

    photo: str
    picture: Image.Image
    mask: np.ndarray | None = None


def street(data: Path, count: int, seed: int) -> Iterator[Subject]:
    """Garments of the street's validation photos, one a photo, each with its pixels."""
    document = json.loads((data / "street" / "val.json").read_text("utf-8"))
    labels = (data / "street" / "labels.txt").read_text("utf-8").split()
    boxes: dict[int, list[dict]] = {}
    for box in document["annotations"]:
        if min(box["bbox"][2:]) >= LEAST_SIDE and box["attributes"]["label"] in labels:
            boxes.setdefault(box["image_id"], []).append(box)
    images = [image for image in document["images"] if image["id"] in boxes]
    generator = np.random.default_rng(seed)
    for place in generator.permutation(len(images))[:count].tolist():
        image = images[place]
        box = boxes[image["id"]][int(generator.integers(len(boxes[image["id"]])))]
        photo = open_photo(data / "street" / "photos" / image["file_name"])
        x, y, width, height = box["bbox"]
        xyxy = (float(x), float(y), float(x + width), float(y + height))
        with Image.open(data / "street" / "labels" / f"{Path(image['file_name']).stem}.png") as pixels:
            crop = pixels.crop(crop_of(photo, xyxy)).resize((CROP_SIZE, CROP_SIZE), Image.Resampling.NEAREST)
        mask = np.asarray(crop) == labels.index(box["attributes"]["label"])
        yield Subject(image["file_name"], to_square(crop_garment(photo.image, xyxy)), mask)


def catalog(data: Path, count: int, seed: int) -> Iterator[Subject]:
    """Photos of the catalog's validation senders, whole."""
    senders = set((data / "catalog" / "val_senders.txt").read_text("utf-8").split())
    with (data / "catalog" / "images.csv").open(encoding="utf-8") as rows:
        names = [
            row["image"]
            for row in csv.DictReader(rows)
            if row["sender_id"] in senders and row["label"] not in ("Not sure", "Other", "Skip")
        ]
    for place in np.random.default_rng(seed).permutation(len(names))[:count].tolist():
        photo = open_photo(data / "catalog" / "images" / f"{names[place]}.jpg")
        yield Subject(names[place], to_square(photo.image))


SETS: dict[str, Callable[[Path, int, int], Iterator[Subject]]] = {"street": street, "catalog": catalog}


def methods(slow: bool = False) -> tuple[str, ...]:
    """The maps that are measured; TorchCAM's where it is installed."""
    return tuple(
        name
        for name in METHODS
        if name not in LIBRARY or (is_installed() and name != "grad_cam" and (slow or name != SLOW))
    )


def control(name: str, seed: int) -> np.ndarray:
    """A map (7, 7) that knows nothing of the model: a spot in the middle, or noise."""
    if name == "random":
        return np.random.default_rng(seed).random((7, 7)).astype(np.float32)
    rows, columns = np.mgrid[-3:4, -3:4]
    return np.exp(-(rows**2 + columns**2) / 8.0).astype(np.float32)


def measure(
    inspector: ClassifierInspector, subjects: Sequence[Subject], names: Sequence[str], steps: int, tell: str
) -> dict[str, np.ndarray]:
    """Figures (subjects, metrics) of each map and control; NaN where there is none."""
    found = {name: np.full((len(subjects), len(METRICS)), np.nan) for name in (*names, *CONTROLS)}
    for row, subject in enumerate(subjects):
        inspection = inspector.inspect(subject.picture)
        label = inspector.labels[int(inspection.probabilities.argmax())]
        score = inspector.confidence(label)
        pixels = np.asarray(subject.picture, dtype=np.float32)
        for name in found:
            values = (
                control(name, row)
                if name in CONTROLS
                else inspector.map_of(name, subject.picture, label, inspection)
            )
            figures = list(faithfulness(score, pixels, values, steps=steps).as_dict().values())
            if subject.mask is not None and subject.mask.any():
                figures += [float(points_at(values, subject.mask)), share_inside(values, subject.mask)]
            found[name][row, : len(figures)] = figures
        print(f"\r{tell}: {row + 1} of {len(subjects)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def sanity(
    inspector: ClassifierInspector, subjects: Sequence[Subject], names: Sequence[str], seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Rank correlations (subjects,) of each map with the one by weights that are random down to a part."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for part in RANDOMIZED:
        other = inspector.randomized(part, seed)
        rows: dict[str, list[float]] = {name: [] for name in names}
        for subject in subjects:
            label = inspector.labels[int(inspector.inspect(subject.picture).probabilities.argmax())]
            for name in names:
                maps = (each.map_of(name, subject.picture, label) for each in (inspector, other))
                rows[name].append(rank_correlation(*maps))
        found[part] = {name: np.array(values) for name, values in rows.items()}
    return found


def interval(values: np.ndarray, seed: int) -> dict[str, float] | None:
    """Mean and 95 % bootstrap interval of values (N,), without NaN; None where there are none."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    weights = next(bootstrap_weights(known.size, BOOTSTRAP, seed))
    low, high = bootstrap_interval(weights @ known / known.size) or (float("nan"), float("nan"))
    return {"mean": round(float(known.mean()), 4), "low": round(low, 4), "high": round(high, 4)}


Figures = Mapping[str, np.ndarray]


def summary(figures: Figures, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Each map's metrics with their intervals."""
    return {
        name: {
            metric: found
            for place, metric in enumerate(METRICS)
            if (found := interval(values[:, place], seed)) is not None
        }
        for name, values in figures.items()
    }


def line_of(found: Mapping[str, float] | None, sign: str = "") -> str:
    """A figure with its interval, for the table."""
    if found is None:
        return "-"
    return f"{found['mean']:{sign}.3f} ({found['low']:{sign}.3f} to {found['high']:{sign}.3f})"


def show(title: str, rows: Mapping[str, Mapping[str, Mapping[str, float]]], sign: str = "") -> None:
    """A table in Markdown on stderr."""
    columns = [metric for metric in METRICS if any(metric in row for row in rows.values())]
    print(f"\n{title}\n", file=sys.stderr)
    print(f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}", file=sys.stderr)
    for name, row in rows.items():
        cells = " | ".join(line_of(row.get(metric), sign) for metric in columns)
        print(f"| {name} | {cells} |", file=sys.stderr)


def commit() -> str:
    """The code's commit, "unknown" outside a repository."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    data = Path(os.environ.get("LAPEL_TEST_DATA") or ROOT.parent / "shared" / "data")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faithfulness", description=__doc__)
    parser.add_argument("--data", type=Path, default=data, help="folder with street/ and catalog/")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), metavar="SET")
    parser.add_argument("--photos", type=int, default=40, help="photos of each set")
    parser.add_argument("--weights", type=Path, default=shipped_weights("classifier"))
    parser.add_argument("--before", type=Path, help="a classifier's weights before retraining")
    parser.add_argument("--steps", type=int, default=14, help="of deletion and insertion")
    parser.add_argument("--checked", type=int, default=16, help="photos of each set with random weights")
    parser.add_argument("--score-cam", action="store_true", help="also Score-CAM: 1,024 passes a photo")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables and the JSON line."""
    options = parsed(arguments)
    seed, names = options.seed, methods(options.score_cam)
    models = {"now": options.weights} | ({"before": options.before} if options.before else {})
    inspectors = {name: ClassifierInspector.load(path) for name, path in models.items()}
    result: dict[str, dict] = {name: {} for name in ("figures", "differences", "retraining", "sanity")}
    print(f"{machine_line(PACKAGES)}; seed {seed}, commit {commit()}", file=sys.stderr)
    for title in options.sets:
        subjects = list(SETS[title](options.data, options.photos, seed))
        found = {
            name: measure(inspector, subjects, names, options.steps, f"{title}, {name}")
            for name, inspector in inspectors.items()
        }
        for name, figures in found.items():
            rows = summary(figures, seed)
            result["figures"][f"{title}, {name}"] = rows
            show(f"{title}, {inspectors[name].card.name} ({name}), {len(subjects)} photos", rows)
            attention, activation = (figures[method] for method in COMPARED)
            rows = summary({" - ".join(COMPARED): attention - activation}, seed)
            result["differences"][f"{title}, {name}"] = rows
            show("paired difference", rows, "+")
        if "before" in found:
            changes = {method: found["now"][method] - found["before"][method] for method in found["now"]}
            rows = summary(changes, seed)
            result["retraining"][title] = rows
            show(f"{title}: now - before, paired", rows, "+")
        checked = sanity(inspectors["now"], subjects[: options.checked], names, seed)
        result["sanity"][title] = {
            part: {name: interval(values, seed) for name, values in maps.items()}
            for part, maps in checked.items()
        }
        show_sanity(title, result["sanity"][title])
    heading = {"benchmark": "faithfulness", "seed": seed, "commit": commit(), "photos": options.photos}
    models_named = {name: inspector.card.name for name, inspector in inspectors.items()}
    line = heading | {"models": models_named} | result | {"machine": describe_machine(PACKAGES)}
    print(json.dumps(line))


def show_sanity(title: str, parts: Mapping[str, Mapping[str, Mapping[str, float] | None]]) -> None:
    """The table of rank correlations on stderr."""
    print(
        f"\n{title}: rank correlation with the map by random weights, from the top down to\n", file=sys.stderr
    )
    print(f"| | {' | '.join(parts)} |\n|{'---|' * (len(parts) + 1)}", file=sys.stderr)
    for name in next(iter(parts.values())):
        cells = " | ".join(line_of(part[name]) for part in parts.values())
        print(f"| {name} | {cells} |", file=sys.stderr)


if __name__ == "__main__":
    main()
