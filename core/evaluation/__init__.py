"""How good a model is: precision, recall, PR curve, AP, mAP, found rate and top-k, with intervals."""

from core.evaluation.classification import ClassificationReport, LabelFigures, evaluate_classification
from core.evaluation.detection import (
    CategoryFigures,
    DetectionReport,
    FoundRate,
    PrecisionRecallCurve,
    evaluate_detection,
    found_rate,
)
from core.evaluation.matching import BoxedTruth, Detections, Truth

__all__ = [
    "BoxedTruth",
    "CategoryFigures",
    "ClassificationReport",
    "DetectionReport",
    "Detections",
    "FoundRate",
    "LabelFigures",
    "PrecisionRecallCurve",
    "Truth",
    "evaluate_classification",
    "evaluate_detection",
    "found_rate",
]
