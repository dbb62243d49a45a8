"""Datasets as other programs write them: folders of VOC's and YOLO's files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from core.datasets.detection import DetectionDataset, class_list
from core.datasets.voc import voc_document
from core.datasets.yolo import yolo_lines, yolo_setting


def write_voc(dataset: DetectionDataset, folder: Path) -> None:
    """An XML a photo and ``classes.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in dataset.photos:
        name = str(PurePosixPath(photo.file_name).with_suffix(".xml")).replace("/", "_")
        (folder / name).write_bytes(voc_document(photo, dataset.categories))
    (folder / "classes.txt").write_text(class_list(dataset.categories), encoding="utf-8")


def write_yolo(dataset: DetectionDataset, folder: Path) -> None:
    """``labels/*.txt``, ``data.yaml`` and ``classes.txt``; the photos belong into ``images/`` beside them."""
    for photo in dataset.photos:
        text = folder / "labels" / PurePosixPath(photo.file_name).with_suffix(".txt")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(yolo_lines(photo), encoding="utf-8")
    (folder / "data.yaml").write_text(yolo_setting(dataset.categories), encoding="utf-8")
    (folder / "classes.txt").write_text(class_list(dataset.categories), encoding="utf-8")
