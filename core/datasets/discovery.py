"""Finds the detection data sets of a folder, in whichever formats, and names the files that are not read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.datasets import coco, cvat, deepfashion, via_labelme, voc, yolo
from core.datasets.csv_boxes import is_box_csv, read_box_csv
from core.datasets.detection import DetectionDataset
from core.datasets.parsing import read_json, read_lines, read_text, read_xml, read_yaml
from core.datasets.photo_index import PhotoIndex
from core.datasets.reading import KINDS, read_document, root_tag
from core.datasets.report import ReadReport, named
from core.errors import DatasetError

UNREAD_SUFFIXES = (
    *(".jsonl", ".ndjson", ".tsv", ".parquet", ".tfrecord", ".record", ".pkl", ".mat", ".h5", ".npz"),
)
"""Files that hold annotations elsewhere, of kinds that are not read."""

COMPANIONS = re.compile(
    r"(obj\.data|obj\.names|classes\.txt|predefined_classes\.txt|labelmap\.txt|notes\.json|(deleted|renamed)\.txt"
    r"|(train|val|valid|test|holdout|trainval)\.txt|labels\.jsonl)",
    re.IGNORECASE,
)
"""Files that formats keep beside their annotations, and that add nothing to them."""


@dataclass(frozen=True, eq=False)
class FoundDataset:
    """A data set of a folder, and what its format and main file or folder are called."""

    format: str
    name: str
    dataset: DetectionDataset


class DatasetFinder:
    """Finds the data sets among the files below ``root`` that are no photos; the report names the others.

    Each file is read as what its content is, whatever its folder is called: VOC's files together, and
    labelme's; COCO, VIA, CVAT and CSV by file; YOLO by class list. After ``datasets``, ``left`` are the files
    that are no annotations at all.
    """

    def __init__(self, root: Path, files: Sequence[Path], index: PhotoIndex, report: ReadReport) -> None:
        self.left = list(files)
        self._root, self._index, self._report = root, index, report

    def datasets(self) -> Iterator[FoundDataset]:
        """The data sets, one in memory at a time, those of formats that hold most of a box first."""
        for find in (self._deepfashion, self._documents, self._xml, self._tables, self._yolo):
            yield from find()
        self._name_the_rest()

    def _take(self, wanted: Callable[[Path], bool]) -> list[Path]:
        taken = [file for file in self.left if wanted(file)]
        gone = set(taken)
        self.left = [file for file in self.left if file not in gone]
        return taken

    def _shown(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix()

    def _read(self, format: str, place: Path, read: Callable[[], DetectionDataset]) -> Iterator[FoundDataset]:
        name = self._shown(place) if place != self._root else self._root.name
        try:
            dataset = read()
        except DatasetError as error:
            self._report.lose_file(name, str(error))
            return
        yield FoundDataset(format, name, dataset)

    def _deepfashion(self) -> Iterator[FoundDataset]:
        for listed in self._take(lambda file: file.name == deepfashion.PHOTOS):
            folder = listed.parent
            yield from self._read(
                "DeepFashion", folder, partial(deepfashion.read_deepfashion, folder, None, self._report)
            )
            self._take(lambda file: file.name.startswith("list_") and file.suffix == ".txt")
        places = dict.fromkeys(
            file.parent for file in self.left if file.parent.name == "annos" and file.suffix == ".json"
        )
        for annos in places:
            self._take(partial(_lies_in, annos, ".json"))
            yield from self._read(
                "DeepFashion2",
                annos.parent,
                partial(deepfashion.read_deepfashion2, annos.parent, None, self._report),
            )

    def _documents(self) -> Iterator[FoundDataset]:
        """JSON files by what is in them."""
        labelme: list[tuple[Path, Any]] = []
        for file in self._take(
            lambda file: file.suffix.lower() == ".json" and not COMPANIONS.fullmatch(file.name)
        ):
            try:
                document = read_json(file)
            except DatasetError as error:
                self._report.lose_file(self._shown(file), str(error))
                continue
            if via_labelme.is_labelme(document):
                document.pop("imageData", None)  # the photo once more, as a text
                labelme.append((file, document))
            elif coco.is_coco(document) or via_labelme.is_via(document):
                format = "COCO" if coco.is_coco(document) else "VIA"
                yield from self._read(format, file, partial(self._document, document, file))
            else:
                self._report.lose_file(
                    self._shown(file), f"{file.name} is JSON of a kind that is not read: {KINDS} is"
                )
        if labelme:
            yield from self._read(
                "labelme",
                labelme[0][0].parent,
                lambda: via_labelme.read_labelme(labelme, self._report, self._index),
            )

    def _document(self, document: Any, file: Path) -> DetectionDataset:
        dataset = read_document(document, file, None, self._report, self._index)
        if dataset is None:
            raise DatasetError(f"{file.name} is JSON of a kind that is not read")
        return dataset

    def _xml(self) -> Iterator[FoundDataset]:
        files = self._take(voc.is_xml)
        tags = {file: root_tag(file) for file in files}
        for file in files:
            if tags[file] == "annotations":
                yield from self._read(
                    "CVAT", file, partial(cvat.read_cvat, file, None, self._report, self._index)
                )
            elif tags[file] != "annotation":
                self._name_other_xml(file)
        annotations = [file for file in files if tags[file] == "annotation"]
        if annotations:
            yield from self._read(
                "VOC",
                annotations[0].parent,
                lambda: voc.voc_dataset(annotations, self._index, self._report),
            )

    def _name_other_xml(self, file: Path) -> None:
        try:
            tag = read_xml(file).tag
            kinds = "XML with 'annotation' (VOC) or 'annotations' (CVAT)"
            reason = f"{file.name}: {kinds} is expected, got {str(tag)[:60]!r}"
        except DatasetError as error:
            reason = str(error)
        self._report.lose_file(self._shown(file), reason)

    def _tables(self) -> Iterator[FoundDataset]:
        for file in self._take(lambda file: file.suffix.lower() == ".csv"):
            try:
                first = (read_text(file).splitlines() or [""])[0]
            except DatasetError as error:
                self._report.lose_file(self._shown(file), str(error))
                continue
            columns = [column.strip().strip('"') for column in first.split(",")]
            if is_box_csv(columns):
                yield from self._read("CSV", file, partial(read_box_csv, file, self._report, self._index))
            else:
                self._report.lose_file(
                    self._shown(file),
                    f"{file.name}: a CSV with corners of boxes is expected, got the columns {first[:80]!r}",
                )

    def _yolo(self) -> Iterator[FoundDataset]:
        roots = self._yolo_roots()
        for root in sorted(roots, key=lambda path: len(path.parts)):
            texts = self._take(partial(_is_label_below, root))
            if not texts:
                continue
            photos = PhotoIndex(root, [path for path in self._index.paths if path.is_relative_to(root)])
            place = roots[root]
            yield from self._read(
                "YOLO",
                root,
                partial(yolo.read_yolo, place, None, self._report, photos),
            )
        alone = self._take(lambda file: yolo.is_label_text(file) and _has_label_lines(file))
        if alone:
            names = named([self._shown(file) for file in alone])
            self._report.lose_file(
                self._shown(alone[0].parent) if alone[0].parent != self._root else "labels",
                "label files need a class list (data.yaml, classes.txt or obj.names), there is none for "
                f"{names}",
            )

    def _yolo_roots(self) -> dict[Path, Path]:
        """The folders of YOLO sets, and what to read of each: its YAML, or itself."""
        roots: dict[Path, Path] = {}
        for file in self._take(lambda file: file.suffix.lower() in yolo.YAML_SUFFIXES):
            try:
                is_setting = yolo.has_names(read_yaml(file))
            except DatasetError as error:
                self._report.lose_file(self._shown(file), str(error))
                continue
            if is_setting:
                roots.setdefault(file.parent, file)
            else:
                self._report.remark(
                    self._shown(file), "it lists no categories under 'names', and was not read"
                )
        for file in self.left:
            for listed in yolo.CLASS_LISTS:
                folder = file.parents[listed.count("/")]
                if file == folder / listed and folder.is_relative_to(self._root):
                    roots.setdefault(folder, folder)
        return {
            root: place
            for root, place in roots.items()
            if not any(root != other and root.is_relative_to(other) for other in roots)
        }

    def _name_the_rest(self) -> None:
        self._take(lambda file: bool(COMPANIONS.fullmatch(file.name)))
        for file in self._take(lambda file: file.suffix.lower() in UNREAD_SUFFIXES):
            self._report.lose_file(
                self._shown(file), f"{file.name} is of a kind that is not read: {KINDS} is"
            )


def _has_label_lines(file: Path) -> bool:
    """Whether a text's lines are numbers, as YOLO's are."""
    try:
        lines = [line.split() for line in read_lines(file) if line.strip()]
    except DatasetError:
        return False
    return bool(lines) and all(len(line) >= 5 and all(map(_is_number, line)) for line in lines[:100])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lies_in(folder: Path, suffix: str, file: Path) -> bool:
    return file.parent == folder and file.suffix == suffix


def _is_label_below(root: Path, file: Path) -> bool:
    return file.is_relative_to(root) and yolo.is_label_text(file)
