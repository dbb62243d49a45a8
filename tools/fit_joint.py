"""Fits what detector and classifier decide together, and calibrates both, on validation photos.

``python -m tools.fit_joint --detector FILE --classifier FILE --boxes NAME=FILE[:PHOTOS] ... --labels FILE
--out DIR`` writes ``labeler.json`` (the joint decision's weights), and the ``calibration`` and score
threshold into both cards. Fitted are twelve numbers. Figures in ``labeler.json`` are cross-fitted: photos are
split into two folds (by sender where there are senders), each is measured with the numbers fitted on the
other; what ships is fitted on all of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from core.boxes import Detections, box_iou
from core.datasets.classification import read_classification, with_known_labels
from core.evaluation.calibration import LEAST_SCORE, expected_calibration_error
from core.files import current_commit
from core.images.crops import center_crop
from core.images.decode import open_dataset_photo
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.joint import (
    JOINT_FILE,
    JointWeights,
    joint_distribution,
    label_matrix,
)
from core.models.cards import read_card, write_card
from core.taxonomy import categories_of_labels
from tools.joint_cases import Case, Floats, alone, collect, decided, fold_of, hits_of

SAME_GARMENT_IOUS = (0.6, 0.7, 0.8, 0.9)
THRESHOLDS = np.round(np.arange(0.1, 0.71, 0.02), 2)
AS_GOOD = 0.004
"""A mean F1 that is lower by no more than that is as good: less than the sets' own noise."""
SINGLE = "catalog"
"""The set whose photos show one labeled garment each."""


def fit_logistic(features: Floats, targets: NDArray[np.bool_], weights: Floats) -> Floats:
    """Coefficients and, last, the intercept of a logistic regression, a little regularized."""

    def loss(theta: Floats) -> tuple[float, Floats]:
        z = features @ theta[:-1] + theta[-1]
        p = 1 / (1 + np.exp(-z))
        value = (weights * (np.logaddexp(0, z) - targets * z)).sum() / weights.sum()
        gradient = weights * (p - targets) / weights.sum()
        return value + 1e-4 * (theta[:-1] ** 2).sum(), np.append(
            features.T @ gradient + 2e-4 * theta[:-1], gradient.sum()
        )

    start = np.zeros(features.shape[1] + 1)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def fit_powers(cases: Sequence[Case], matrix: Floats) -> tuple[float, float]:
    """The powers of both distributions: greatest likelihood of the category of garments that were found.

    Datasets count the same, and a place by the detector's score.
    """
    rows = []
    counts = []
    for case in cases:
        counts.append(0)
        iou = box_iou(case.boxes_xyxy, case.truth.boxes_xyxy)
        for row in np.flatnonzero(iou.max(axis=1, initial=0.0) >= 0.5):
            wanted = int(case.truth.category_ids[iou[row].argmax()])
            rows.append((case.class_scores[row], case.labels[row], wanted, case.class_scores[row].max()))
            counts[-1] += 1
    scores, labels, truths, weight = (np.array(part) for part in zip(*rows, strict=True))
    weight = weight * set_weights(cases, counts)

    def loss(powers: Floats) -> float:
        detector, classifier = np.exp(powers)
        pooled, _ = joint_distribution(
            scores, labels, matrix, JointWeights(detector_power=detector, classifier_power=classifier)
        )
        return float(-(weight * np.log(pooled[np.arange(len(truths)), truths] + 1e-9)).sum() / weight.sum())

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-5})
    return float(np.exp(best.x[0])), float(np.exp(best.x[1]))


def set_weights(cases: Sequence[Case], counts: Sequence[int]) -> Floats:
    """A weight for each garment of each photo: every dataset counts the same."""
    totals: dict[str, int] = {}
    for case, count in zip(cases, counts, strict=True):
        totals[case.dataset] = totals.get(case.dataset, 0) + count
    return np.repeat([1 / max(totals[case.dataset], 1) for case in cases], counts)


def fit_joint(cases: Sequence[Case], matrix: Floats) -> JointWeights:
    """All weights: the powers, the score, and from which IoU on two boxes show one garment."""
    detector_power, classifier_power = fit_powers(cases, matrix)
    weights = JointWeights(detector_power=detector_power, classifier_power=classifier_power)
    tries = []
    for same_iou in SAME_GARMENT_IOUS:
        tried = replace(weights, same_garment_iou=same_iou)
        for _ in range(2):  # the score decides which of two boxes stays, so it is fitted twice
            found = [decided(case, matrix, tried) for case in cases]
            hits = [hits_of(d, case.truth) for (d, _, _), case in zip(found, cases, strict=True)]
            each = set_weights(cases, [len(h) for h in hits])
            theta = fit_logistic(np.concatenate([f for _, f, _ in found]), np.concatenate(hits), each)
            detector_logit, category_logit, label_log, area_log, intercept = map(float, theta)
            tried = replace(
                tried,
                detector_logit=detector_logit,
                category_logit=category_logit,
                label_log=label_log,
                area_log=area_log,
                intercept=intercept,
            )
        tries.append((max(mean_f1(cases, matrix, tried).values()), tried))
    best = max(score for score, _ in tries)
    return next(tried for score, tried in tries if score >= best - AS_GOOD / 2)


def choose_threshold(cases: Sequence[Case], matrix: Floats, weights: JointWeights) -> float:
    """The lowest score threshold whose mean F1 is as good as the best: what is missed costs more to draw."""
    f1 = mean_f1(cases, matrix, weights)
    return min(threshold for threshold, value in f1.items() if value >= max(f1.values()) - AS_GOOD)


def mean_f1(cases: Sequence[Case], matrix: Floats, weights: JointWeights) -> dict[float, float]:
    """F1 of garments found with the right category at IoU 0.5, by score threshold, averaged over the sets."""
    found = [(case, decided(case, matrix, weights)[0]) for case in cases]
    scored = [(case, d, hits_of(d, case.truth)) for case, d in found]
    sets = sorted({case.dataset for case in cases})
    result = {}
    for threshold in THRESHOLDS:
        values = []
        for name in sets:
            mine = [(case, d, hits) for case, d, hits in scored if case.dataset == name]
            right = sum(int((hits & (d.scores >= threshold)).sum()) for _, d, hits in mine)
            shown = sum(int((d.scores >= threshold).sum()) for _, d, _ in mine)
            boxes = sum(case.boxes for case, _, _ in mine)
            values.append(2 * right / max(shown + boxes, 1))
        result[float(threshold)] = float(np.mean(values))
    return result


def figures(
    cases: Sequence[Case], matrix: Floats, weights: JointWeights, threshold: float
) -> dict[str, dict[str, float]]:
    """By dataset: precision, recall and F1 with the right category, ECE; single garments found and right."""
    result: dict[str, dict[str, float]] = {}
    for name in sorted({case.dataset for case in cases}):
        mine = [case for case in cases if case.dataset == name]
        found = [decided(case, matrix, weights)[0] for case in mine]
        hits = [hits_of(d, case.truth) for d, case in zip(found, mine, strict=True)]
        scores, right = np.concatenate([d.scores for d in found]), np.concatenate(hits)
        shown, boxes = scores >= threshold, sum(case.boxes for case in mine)
        precision, recall = float(right[shown].mean()), float(right[shown].sum() / boxes)
        counted = scores >= LEAST_SCORE
        entry = {
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / (precision + recall),
            "ECE": expected_calibration_error(scores[counted], right[counted]),
            "ECE_shown": expected_calibration_error(scores[shown], right[shown]),
        }
        if name == SINGLE:
            entry |= single_garment(found, mine, threshold)
        result[name] = {key: round(value, 4) for key, value in entry.items()}
    return result


def single_garment(found: Sequence[Detections], cases: Sequence[Case], threshold: float) -> dict[str, float]:
    """Of photos with one garment: found at IoU 0.5, found with the right category, other boxes a photo."""
    located, right, others = 0, 0, 0
    for detections, case in zip(found, cases, strict=True):
        shown = detections.above(threshold)
        overlaps = box_iou(shown.boxes_xyxy, case.truth.boxes_xyxy)[:, 0] >= 0.5
        named = overlaps & (shown.category_ids == case.truth.category_ids[0])
        located += bool(overlaps.any())
        right += bool(named.any())
        others += len(shown) - bool(overlaps.any())
    count = len(cases)
    return {"found": located / count, "right_category": right / count, "other_boxes": others / count}


def fit_platt(cases: Sequence[Case]) -> tuple[float, float]:
    """Slope and intercept for the detector's own scores, each category's best candidates as in NMS."""
    logits, hits, counts = [], [], []
    for case in cases:
        detections = alone(case, 1.0, 0.0)
        hits.append(hits_of(detections, case.truth))
        clipped = np.clip(detections.scores, 1e-6, 1 - 1e-6)
        logits.append(np.log(clipped / (1 - clipped)))
        counts.append(len(detections))
    theta = fit_logistic(np.concatenate(logits)[:, None], np.concatenate(hits), set_weights(cases, counts))
    return float(theta[0]), float(theta[1])


def detector_ece(cases: Sequence[Case], slope: float, intercept: float) -> dict[str, float]:
    """The detector's own ECE by dataset."""
    result = {}
    for name in sorted({case.dataset for case in cases}):
        found = [(alone(case, slope, intercept), case.truth) for case in cases if case.dataset == name]
        scores = np.concatenate([d.scores for d, _ in found])
        hits = np.concatenate([hits_of(d, truth) for d, truth in found])
        counted = scores >= LEAST_SCORE
        result[name] = round(expected_calibration_error(scores[counted], hits[counted]), 4)
    return result


def fit_temperature(probabilities: Floats, targets: NDArray[np.int64]) -> float:
    """The temperature of least cross-entropy (Guo et al. 2017) for probabilities (N, L) and labels (N,)."""
    logs = np.log(probabilities + 1e-12)

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        total = np.log(np.exp(scaled).sum(axis=1))
        return float((total - scaled[np.arange(len(targets)), targets]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def at_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities (N, L) at another temperature."""
    powered: Floats = probabilities ** (1 / temperature)
    return powered / powered.sum(axis=1, keepdims=True)


def top1_ece(probabilities: Floats, targets: NDArray[np.int64]) -> float:
    """The ECE of the first label."""
    return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets)


@dataclass(frozen=True, eq=False)
class Labels:
    """A classification dataset: probabilities (N, L), labels (N,), folds (N,), and each photo's sender."""

    probabilities: Floats
    targets: NDArray[np.int64]
    folds: NDArray[np.int64]
    senders: dict[str, str]

    def temperature(self, without: int | None = None) -> float:
        """The temperature fitted on all photos, or on those of the other fold."""
        chosen = np.ones(len(self.folds), dtype=bool) if without is None else self.folds != without
        return fit_temperature(self.probabilities[chosen], self.targets[chosen])

    def ece(self) -> dict[str, float]:
        """The first label's ECE as the network gives it, and with each fold at the other's temperature."""
        crossed = np.empty_like(self.probabilities)
        for fold in (0, 1):
            mine = self.folds == fold
            crossed[mine] = at_temperature(self.probabilities[mine], self.temperature(without=fold))
        return {
            "uncalibrated": round(top1_ece(self.probabilities, self.targets), 4),
            "cross_fitted": round(top1_ece(crossed, self.targets), 4),
        }


def classify(classifier: Classifier, path: Path) -> Labels:
    """What the classifier says of a classification dataset."""
    labels = classifier.card.categories
    photos, _ = with_known_labels(read_classification(path), labels)
    share = classifier.card.crop_pct
    pictures = (center_crop(open_dataset_photo(p.path).image, share) for p in photos)
    rows = [classifier.probabilities([picture])[0].astype(np.float64) for picture in pictures]
    senders = {p.path.stem: p.group or p.path.name for p in photos}
    folds = np.array([fold_of(senders[p.path.stem]) for p in photos])
    return Labels(np.stack(rows), np.array([labels.index(p.label) for p in photos]), folds, senders)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fit the joint decision and calibrate both models.")
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--boxes", action="append", required=True, metavar="NAME=FILE[:PHOTOS]")
    parser.add_argument("--labels", type=Path, required=True, help="a classification CSV")
    parser.add_argument("--out", type=Path, required=True, help="folder of both weights and labeler.json")
    given = parser.parse_args()
    detector, classifier = Detector.load(given.detector), Classifier.load(given.classifier)
    detector = replace(detector, card=replace(detector.card, calibration={}))
    classifier = replace(classifier, card=replace(classifier.card, calibration={}))
    labels = classify(classifier, given.labels)
    cases: list[Case] = []
    for entry in given.boxes:
        name, _, rest = entry.partition("=")
        path, _, photos = rest.partition(":")
        cases += collect(
            name, Path(path), Path(photos) if photos else None, detector, classifier, labels.senders
        )
        print(f"{name}: {len(cases)} photos so far", flush=True)
    write(given, cases, labels)


def prepared(cases: Sequence[Case], platt: tuple[float, float], temperature: float) -> list[Case]:
    """The cases with calibrated scores and probabilities."""
    result = []
    for case in cases:
        clipped = np.clip(case.class_scores, 1e-6, 1 - 1e-6)
        logits = platt[0] * np.log(clipped / (1 - clipped)) + platt[1]
        labels = at_temperature(case.labels, temperature) if len(case.labels) else case.labels
        result.append(replace(case, class_scores=1 / (1 + np.exp(-logits)), labels=labels))
    return result


def write(given: argparse.Namespace, cases: list[Case], labels: Labels) -> None:
    """Fit on what was collected, measure by cross-fitting, and write cards and ``labeler.json``."""
    detector_card, classifier_card = read_card(given.detector), read_card(given.classifier)
    matrix = label_matrix(classifier_card.categories, detector_card.categories, categories_of_labels())

    measured: dict[str, Any] = {}
    for fold in (0, 1):
        train, held = ([c for c in cases if (c.fold == fold) == own] for own in (False, True))
        platt, own = fit_platt(train), labels.temperature(without=fold)
        train = prepared(train, platt, own)
        weights = fit_joint(train, matrix)
        threshold = choose_threshold(train, matrix, weights)
        measured[f"fold {fold}"] = {
            "photos": len(held),
            "joint": figures(prepared(held, platt, own), matrix, weights, threshold),
            "detector_ECE": detector_ece(held, *platt),
            "detector_ECE_uncalibrated": detector_ece(held, 1.0, 0.0),
            "weights": {name: round(value, 4) for name, value in asdict(weights).items()},
            "threshold": threshold,
        }
    platt, temperature = fit_platt(cases), labels.temperature()
    everything = prepared(cases, platt, temperature)
    weights = fit_joint(everything, matrix)
    threshold = choose_threshold(everything, matrix, weights)
    given.out.mkdir(parents=True, exist_ok=True)
    card = replace(
        detector_card,
        calibration={"slope": round(platt[0], 4), "intercept": round(platt[1], 4)},
        score_threshold=threshold,
    )
    write_card(card, given.out / "detector.safetensors")
    card = replace(classifier_card, calibration={"temperature": round(temperature, 4)})
    write_card(card, given.out / "classifier.safetensors")
    document = {
        "weights": {name: round(value, 5) for name, value in asdict(weights).items()},
        "fitted_on": sorted({case.dataset for case in cases}),
        "photos": len(cases),
        "commit": current_commit(),
        "cross_fitted": measured,
        "classifier_ECE": labels.ece(),
        "in_sample": figures(everything, matrix, weights, threshold),
    }
    (given.out / JOINT_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
