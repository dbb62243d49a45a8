"""The detector's curve: validation photos as in use, boxes on the GPU, mAP in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from core.boxes import Detections, GroundTruth
from core.evaluation.detection import evaluate_detection
from core.images.letterbox import letterbox
from core.models.decode import decode
from core.models.nms import cross_class_suppression, nms
from tools.gpu_photos import Pack

LOWEST_SCORE = 0.01
CANDIDATES = 600  # a photo, before suppression
SCORE_THRESHOLD = 0.25
AT_ONCE = 64
CPU_PHOTOS = 2


@dataclass(frozen=True, eq=False)
class RawDetections:
    """Photos' best boxes before suppression: boxes (N, K, 4), scores (N, K), category ids (N, K)."""

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    category_ids: np.ndarray


@torch.inference_mode()
def raw_detections_of(model: nn.Module, pictures: Tensor, anchors_wh: Tensor) -> RawDetections:
    """A detector's best boxes on pictures (N, 3, H, W) uint8; the model is in eval mode."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(pictures), AT_ONCE):
        part = pictures[start : start + AT_ONCE].float() / 255
        boxes, scores = decode(model(part), anchors_wh)
        classes = scores.shape[2]
        top, index = scores.flatten(1).topk(min(CANDIDATES, scores[0].numel()), dim=1)
        place = (index // classes)[..., None].expand(-1, -1, 4)
        found.append((boxes.gather(1, place), top, index % classes))
    boxes, scores, ids = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return RawDetections(boxes.float().numpy(), scores.float().numpy(), ids.numpy())


def detections_of(raw: RawDetections, classes: int) -> list[Detections]:
    """Each photo's boxes after suppression, at most 100, as the detector in use gives them."""
    found = []
    for boxes, scores, ids in zip(raw.boxes_xyxy, raw.scores, raw.category_ids, strict=True):
        table = torch.zeros(len(scores), classes)
        table[torch.arange(len(scores)), torch.from_numpy(ids)] = torch.from_numpy(scores)
        found.append(cross_class_suppression(nms(boxes, table, score_threshold=LOWEST_SCORE)))
    return found


def measure(
    raw: dict[str, RawDetections], truths: dict[str, list[GroundTruth]], categories: Sequence[str]
) -> dict[str, Any]:
    """mAP and its kin of each set, rounded; runs on the CPU with one thread."""
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    for name, found in raw.items():
        report = evaluate_detection(
            detections_of(found, len(categories)), truths[name], categories, SCORE_THRESHOLD, n_bootstrap=0
        )
        figures |= {f"{name}_map50": round(report.map50, 4), f"{name}_map": round(report.map, 4)}
        figures[f"{name}_ap50"] = {
            category: round(entry.ap50, 3) for category, entry in report.categories.items() if entry.boxes
        }
    return figures


class Validation:
    """Measures a model on the pack's validation photos without keeping the training waiting."""

    def __init__(self, pack: Pack, canvas_wh: tuple[int, int]) -> None:
        self.categories = pack.categories
        self.pictures: dict[str, Tensor] = {}
        self.truths: dict[str, list[GroundTruth]] = {}
        for name in ("street", "chictopia"):
            numbers = pack.numbers(sets=(name,), split="val")
            numbers = numbers[: CPU_PHOTOS if pack.pixels.device.type == "cpu" else None]
            if numbers:
                pictures, boxes, ids = letterboxed(pack, numbers, canvas_wh)
                self.pictures[name] = pictures
                self.truths[name] = [GroundTruth(b, i) for b, i in zip(boxes, ids, strict=True)]
        self.pool: ProcessPoolExecutor | None = None
        self.pending: list[tuple[dict[str, Any], Future[dict[str, Any]]]] = []

    def start(self, model: nn.Module, anchors_wh: Tensor, entry: dict[str, Any]) -> None:
        """Find boxes now, and have them measured meanwhile; ``entry`` gets the figures later."""
        if not self.pictures:
            return
        found = {name: raw_detections_of(model, part, anchors_wh) for name, part in self.pictures.items()}
        if self.pool is None:
            self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.pending.append((entry, self.pool.submit(measure, found, self.truths, self.categories)))

    def collect(self, wait_seconds: float = 0.0) -> list[dict[str, Any]]:
        """The entries whose figures have come, with them; waits for the others so long at most."""
        done: list[dict[str, Any]] = []
        waiting = []
        for entry, future in self.pending:
            if not future.done() and wait_seconds <= 0:
                waiting.append((entry, future))
                continue
            try:
                entry |= future.result(timeout=max(wait_seconds, 0.01))
            except Exception as error:
                entry["failed"] = repr(error)
            done.append(entry)
        self.pending = waiting
        return done

    def close(self) -> None:
        """End the measuring process, whatever it is doing: nothing waits for it at exit."""
        if self.pool is not None:
            processes = list((self.pool._processes or {}).values())
            self.pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


def letterboxed(
    pack: Pack, numbers: Sequence[int], canvas_wh: tuple[int, int]
) -> tuple[Tensor, list[np.ndarray], list[np.ndarray]]:
    """Photos as in use: pictures (N, 3, H, W) uint8 on the device, boxes xyxy on the canvas, category ids."""
    pictures, boxes, ids = [], [], []
    for number in numbers:
        photo = pack.photos[number]
        image = Image.fromarray(pack.images[number].permute(1, 2, 0).cpu().numpy())
        boxed = letterbox(image, canvas_wh)
        pictures.append(torch.from_numpy(np.array(boxed.image)).permute(2, 0, 1))
        given = np.array(photo["boxes"], dtype=np.float32).reshape(-1, 4)
        boxes.append(boxed.to_canvas(given).astype(np.float32))
        ids.append(np.array(photo["category_ids"], dtype=np.int64))
    stacked = torch.stack(pictures) if pictures else torch.zeros(0, 3, canvas_wh[1], canvas_wh[0]).byte()
    return stacked.to(pack.pixels.device), boxes, ids
