"""Finds the detection datasets of a folder, in whichever formats, and names the files that are not read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from core.datasets import coco, cvat, deepfashion, via_labelme, voc, yolo
from core.datasets.csv_boxes import is_box_csv, read_box_csv
from core.datasets.detection import DetectionDataset
from core.datasets.listed_paths import folded, name_key
from core.datasets.parsing import MOST_TEXT_BYTES, first_lines, read_json, read_xml, read_yaml
from core.datasets.photo_index import NO_PHOTO, SHOWN_PARTS, ListedName, NotFound, PhotoIndex
from core.datasets.reading import KINDS, read_document, root_tag
from core.datasets.report import ReadReport, log, named
from core.datasets.splits import HOLDOUT
from core.datasets.yolo_texts import NO_LABELS, is_text, pair_texts
from core.errors import DatasetError
from core.file_names import safe_path
from core.images.containers import PHOTO_SUFFIXES

UNREAD_SUFFIXES = (
    *(".jsonl", ".ndjson", ".tsv", ".parquet", ".tfrecord", ".record", ".pkl", ".mat", ".h5", ".npz"),
    *(".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst"),
)
"""Files that hold annotations elsewhere, or are packed, of kinds that are not read."""

COMPANIONS = re.compile(
    r"(obj\.data|obj\.names|classes\.txt|predefined_classes\.txt|labelmap\.txt|(deleted|renamed)\.txt"
    r"|(train|val|valid|test|holdout|trainval)\.txt|labels\.jsonl)",
    re.IGNORECASE,
)
"""Files that formats keep beside their annotations, and that add nothing to them."""

_ENDING = "|".join(suffix[1:] for suffix in PHOTO_SUFFIXES)
LISTED_PHOTO = re.compile(rf"\.({_ENDING})\s*$", re.IGNORECASE)
LISTED_NUMBERS = re.compile(rf"\.(?:{_ENDING})[ ,\t]++-?+(?=(\d[., \d-]*+))", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class FoundDataset:
    """A dataset of a folder, and what its format and main file or folder are called."""

    format: str
    name: str
    dataset: DetectionDataset


class DatasetFinder:
    """Finds the datasets among the files below ``root`` that are no photos; the report names the others.

    Each file is read as what its content is, whatever its folder is called: VOC's files together, and
    labelme's; COCO, VIA, CVAT and CSV by file; YOLO by class list. After ``datasets``, ``left`` are the files
    that are no annotations at all. ``find_stored`` finds photos that are elsewhere already, for texts of YOLO
    that come without any photo.
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[Path],
        index: PhotoIndex,
        report: ReadReport,
        find_stored: Callable[[Sequence[ListedName]], Sequence[int | NotFound]] = (
            lambda listed: [NotFound(NO_PHOTO)] * len(listed)
        ),
    ) -> None:
        self.left = list(files)
        self._unclear: dict[Path, str] = {}  # texts of which several stored photos may be meant
        self._root, self._index, self._report, self._find_stored = root, index, report, find_stored

    def datasets(self) -> Iterator[FoundDataset]:
        """The datasets, one in memory at a time, those of formats that hold most of a box first."""
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
        except (
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ):  # the rest goes on
            log.exception("%s of %s could not be read", format, name)
            self._report.lose_file(name, f"{format} is expected, got something that its reader cannot take")
        else:
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
            elif isinstance(document, dict) and set(document) in ({"categories", "info"}, {"categories"}):
                pass  # Label Studio's notes.json, beside its YOLO: the class list says the same
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
        tags = {file: self._tag(file) for file in files}
        for file in files:
            if tags[file] == "annotations":
                yield from self._read(
                    "CVAT", file, partial(cvat.read_cvat, file, None, self._report, self._index)
                )
            elif tags[file] not in ("annotation", ""):
                kinds = "XML with 'annotation' (VOC) or 'annotations' (CVAT)"
                self._report.lose_file(
                    self._shown(file), f"{file.name}: {kinds} is expected, got {tags[file][:60]!r}"
                )
        annotations = [file for file in files if tags[file] == "annotation"]
        if annotations:
            yield from self._read(
                "VOC",
                annotations[0].parent,
                lambda: voc.voc_dataset(annotations, self._index, self._report),
            )

    def _tag(self, file: Path) -> str:
        """The name of an XML file's root; empty where it is none, which the report says."""
        tag = root_tag(file)
        try:
            return tag if tag in ("annotation", "annotations") else str(read_xml(file).tag)
        except DatasetError as error:
            self._report.lose_file(self._shown(file), str(error))
            return ""

    def _tables(self) -> Iterator[FoundDataset]:
        for file in self._take(lambda file: file.suffix.lower() == ".csv"):
            first = next(iter(first_lines(file)), "")
            columns = [column.strip().strip('"') for column in first.split(",")]
            if is_box_csv(columns):
                yield from self._read("CSV", file, partial(read_box_csv, file, self._report, self._index))
            else:
                self._report.lose_file(
                    self._shown(file),
                    f"{file.name}: a CSV with corners of boxes is expected, got "
                    + (f"the columns {first[:80]!r}" if first else "no columns"),
                )

    def _yolo(self) -> Iterator[FoundDataset]:
        """The texts of photos, by the class list of the nearest folder around them."""
        lists = self._class_lists()
        texts = self._take(lambda file: is_text(file) and not yolo.is_class_list(file))
        text_of: dict[Path, Path] = {}
        for has_ending in (True, False):  # photos that are known by their bytes alone come after the others
            files = [p for p in self._index.paths if (p.suffix.lower() in PHOTO_SUFFIXES) is has_ending]
            left = [text for text in texts if text not in set(text_of.values())]
            text_of |= pair_texts(files, left, self._root, self._root, ReadReport())
        better = {text: self._index.unless_stored(text, file) for file, text in text_of.items()}
        unclear = {text: found.reason for text, found in better.items() if isinstance(found, NotFound)}
        theirs = [text for text, reason in unclear.items() if reason == NO_PHOTO]
        text_of = {file: text for file, text in text_of.items() if text not in unclear}
        texts = [text for text in texts if unclear.get(text, NO_PHOTO) == NO_PHOTO]
        for text in unclear.keys() - set(theirs):
            self._report.lose_file(text, f"{text.name}: {unclear[text]}")
        groups: dict[Path | None, dict[Path, Path | None]] = {}
        for file, text in text_of.items():
            if lists or _has_label_lines(text):
                groups.setdefault(_nearest(text, lists), {})[file] = text
            elif text not in self.left:  # an empty one without a class list, or a description
                self.left.append(text)
        used = set(text_of.values())
        stored: Mapping[Path, Sequence[Path]] = {}
        if lists and (theirs or not used):
            stored = yield from self._stored_yolo(theirs if used else texts, lists)
            used |= {text for some in stored.values() for text in some}
        self._name_unpaired(texts, used, bool(lists))
        alone = list(groups.pop(None, {}).values())
        if alone:
            self._lose_alone([text for text in alone if text is not None])
        for place, pairs in groups.items():
            if place is not None:
                yield from self._read("YOLO", place, partial(self._yolo_set, lists[place], pairs))
        for place, classes in lists.items():
            if place not in {*groups, *stored} and classes.file.suffix.lower() in yolo.YAML_SUFFIXES:
                self._report.remark(self._shown(classes.file), "there are no labels for its categories")

    def _yolo_set(self, classes: yolo.ClassList, pairs: Mapping[Path, Path | None]) -> DetectionDataset:
        return yolo.yolo_dataset(pairs, classes, self._root, self._report)

    def _stored_yolo(
        self, texts: Sequence[Path], lists: Mapping[Path, yolo.ClassList]
    ) -> Generator[FoundDataset, None, Mapping[Path, Sequence[Path]]]:
        """The texts of stored photos, by class list; gives those that were read, by its folder."""
        listed = [ListedName(text.stem, text, True) for text in texts if not _is_note(text)]
        groups: dict[Path, list[Path]] = {}
        for (_, text, _), photo in zip(listed, self._find_stored(listed), strict=True):
            if isinstance(photo, NotFound):
                self._unclear |= {text: photo.reason} if photo.is_ambiguous else {}
            elif (place := _nearest(text, lists)) is not None:
                groups.setdefault(place, []).append(text)
        for place, some in groups.items():
            read = partial(yolo.stored_dataset, some, lists[place], self._root, self._report)
            yield from self._read("YOLO", place, read)
        return groups

    def _name_unpaired(self, texts: Sequence[Path], used: Collection[Path], has_classes: bool) -> None:
        """Texts without a photo: labels are lost, lists of another tool's boxes too, the rest is notes."""
        pairs = {name_key(self._shown(text)): text for text in used}
        of_stem: dict[str, list[str]] = {}
        for path in self._index.paths:
            of_stem.setdefault(folded(path.stem), []).append(self._shown(path))
        for text in [text for text in texts if text not in used]:
            name = self._shown(text)
            other = pairs.get(name_key(name))
            if _has_listed_boxes(text):
                self._report.lose_file(
                    name, f"{text.name}: boxes in a list of photos are not read: {KINDS} is"
                )
            elif (has_classes and not _is_note(text)) or _has_label_lines(text):
                alike = of_stem.get(folded(text.stem), [])
                reason = f"it may be any of {named(alike)}" if len(alike) > 1 else "there is none"
                why = f"labels need a photo of that name, {self._unclear.get(text, reason)}"
                if other is not None:
                    why = f"its photo has the labels of {self._shown(other)}"
                self._report.lose_file(name, f"{text.name}: {why}")
            else:
                self.left.append(text)

    def _lose_alone(self, texts: Sequence[Path]) -> None:
        names = named([self._shown(file) for file in texts])
        self._report.lose_file(
            self._shown(texts[0].parent) if texts[0].parent != self._root else "labels",
            f"label files need a class list (data.yaml, classes.txt or obj.names), there is none for {names}",
        )

    def _class_lists(self) -> dict[Path, yolo.ClassList]:
        """The class lists by the folder that they hold for; the only one of all holds for the whole."""
        found: dict[Path, yolo.ClassList] = {}
        yamls = self._take(lambda file: file.suffix.lower() in yolo.YAML_SUFFIXES)
        usual = sorted(yamls, key=lambda file: file.stem.lower() not in yolo.USUAL_YAMLS)
        lists = sorted(
            self._take(yolo.is_class_list), key=lambda file: file.name.lower() not in yolo.USUAL_LISTS
        )
        for file in (*usual, *lists):
            is_yaml = file.suffix.lower() in yolo.YAML_SUFFIXES
            try:
                if is_yaml and not yolo.has_names(read_yaml(file)):
                    self._report.remark(
                        self._shown(file), "it lists no categories under 'names', and was not read"
                    )
                    continue
                classes = yolo.read_classes(file)
                if not any(classes.names):
                    raise DatasetError(f"{file.name}: a category a line is expected, there is none")
            except DatasetError as error:
                self._report.lose_file(self._shown(file), str(error))
                continue
            if file.parent not in found:
                found[file.parent] = classes
            elif is_yaml or classes.names != found[file.parent].names:
                other = found[file.parent].file.name
                self._report.remark(self._shown(file), f"it was not used, since {other} lists the categories")
        for folder in [folder for folder in found if folder.name.lower() in ("labels", "config", "data")]:
            found.setdefault(folder.parent, found[folder])
        if len(set(found.values())) == 1:
            found.setdefault(self._root, next(iter(found.values())))
        return found

    def _name_the_rest(self) -> None:
        for file in self._take(lambda file: bool(COMPANIONS.fullmatch(file.name))):
            lines = [line.strip() for line in first_lines(file, MOST_TEXT_BYTES)]
            if file.name.lower() == f"{HOLDOUT}.txt":
                self._report.holdout.update(lines)
            self._name_missing(file, [line for line in lines if LISTED_PHOTO.search(line)])
        for file in self._take(lambda file: file.suffix.lower() in UNREAD_SUFFIXES):
            why = f"{file.name} is of a kind that is not read: {KINDS} is"
            if file.suffix.lower() == ".zip":
                why = "a zip in a folder is not opened: bring it in by itself"
            self._report.lose_file(self._shown(file), why)

    def _name_missing(self, file: Path, listed: Sequence[str]) -> None:
        """Photos that a split's list names and that are not there, where others of it are."""
        found = self._index.find(listed, file)
        missing = [name for name, photo in zip(listed, found, strict=True) if photo == NotFound(NO_PHOTO)]
        if 0 < len(missing) < len(listed):
            photos = "1 photo that is" if len(missing) == 1 else f"{len(missing):,} photos that are"
            ends = [safe_path("/".join(PurePosixPath(name).parts[-SHOWN_PARTS:])) for name in missing]
            self._report.remark(file, f"it lists {photos} not there: {named(ends)}")


def _nearest(text: Path, lists: Mapping[Path, yolo.ClassList]) -> Path | None:
    """The closest folder around a text that has a class list."""
    return next((folder for folder in text.parents if folder in lists), None)


def _has_label_lines(file: Path) -> bool:
    """Whether a text begins with lines of numbers, as YOLO's are."""
    lines = [line.split() for line in first_lines(file) if line.strip()]
    return bool(lines) and all(len(line) >= 5 and all(map(_is_number, line[:5])) for line in lines)


def _is_note(file: Path) -> bool:
    """Whether a text is called as those that tools leave beside labels, or lists photos, or a word a line."""
    lines = [line for line in first_lines(file) if line.strip()]
    is_list = all(len(line.split()) <= 2 or LISTED_PHOTO.search(line) for line in lines)
    return bool(NO_LABELS.fullmatch(file.name)) or (bool(lines) and is_list)


def _has_listed_boxes(file: Path) -> bool:
    """Whether a text lists photos with boxes behind them, as some trainers of YOLO read."""
    return any(map(lists_box, first_lines(file)))


def lists_box(line: str) -> bool:
    """Whether a line has a photo with numbers behind it that commas part; takes time linear in its length.

    >>> [lists_box(line) for line in ("a.jpg 1,2,30,40,0", "a.jpg 1", "see a.jpg, 3 times")]
    [True, False, False]
    """
    return any("," in found[1].rstrip("., -") for found in LISTED_NUMBERS.finditer(line))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lies_in(folder: Path, suffix: str, file: Path) -> bool:
    return file.parent == folder and file.suffix == suffix
