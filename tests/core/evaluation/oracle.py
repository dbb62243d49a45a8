"""pycocotools as the oracle of detection metrics."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from core.boxes import Detections, GroundTruth


def coco_average_precisions(
    predictions: Sequence[Detections],
    truths: Sequence[GroundTruth],
    categories: Sequence[str],
    evaluator: type[COCOeval] = COCOeval,
    area: int = 0,
) -> np.ndarray:
    """Precision of pycocotools as AP per category and IoU threshold (C, T), -1 without boxes.

    ``area``: 0 for boxes of all sizes, 1 for small, 2 for medium, 3 for large ones.
    """
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for photo, (detections, truth) in enumerate(zip(predictions, truths, strict=True), start=1):
        difficult = truth.difficult if len(truth.difficult) else np.zeros(len(truth), bool)
        for box, category, ignore in zip(truth.boxes_xyxy, truth.category_ids, difficult, strict=True):
            annotations.append(annotation(len(annotations) + 1, photo, box, category) | {"hard": int(ignore)})
        for box, category in zip(truth.crowd_xyxy, truth.crowd_ids, strict=True):
            crowd = annotation(len(annotations) + 1, photo, box, category)
            annotations.append(crowd | {"iscrowd": 1, "hard": 0})
        rows = zip(detections.boxes_xyxy, detections.scores, detections.category_ids, strict=True)
        results += [annotation(0, photo, box, category) | {"score": float(s)} for box, s, category in rows]
    with redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": photo + 1} for photo in range(len(truths))],
            "annotations": annotations,
            "categories": [{"id": index + 1, "name": name} for index, name in enumerate(categories)],
        }
        coco.createIndex()
        evaluation = evaluator(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, area, 2].mean(axis=1).T  # (T, R, K, A, M) -> (K, T)


def annotation(number: int, photo: int, box_xyxy: np.ndarray, category: int) -> dict[str, Any]:
    """A COCO annotation, or a detection without its score."""
    x0, y0, x1, y1 = box_xyxy.tolist()
    entry = {"id": number, "image_id": photo, "category_id": int(category) + 1, "iscrowd": 0}
    return entry | {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}


class WithDifficultBoxes(COCOeval):
    """pycocotools with Pascal VOC's flag: ignored by plain IoU, and by any number of detections."""

    def _prepare(self) -> None:
        super()._prepare()
        for listed in self._gts.values():
            for entry in listed:
                entry["ignore"] = entry["iscrowd"] or entry["hard"]

    def evaluateImg(self, image: int, category: int, area: Any, most: int) -> Any:
        """IoUs are computed by now: from here on a crowd is what many detections may match."""
        listed = self._gts[image, category]
        before = [entry["iscrowd"] for entry in listed]
        for entry in listed:
            entry["iscrowd"] = entry["ignore"]
        found = super().evaluateImg(image, category, area, most)
        for entry, crowd in zip(listed, before, strict=True):
            entry["iscrowd"] = crowd
        return found
