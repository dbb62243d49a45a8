"""Detection datasets: boxed photos, which every annotation format is read into and written from."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.boxes import NO_FLAGS, BoxFlags, GroundTruth, flag_name, no_boxes, no_ids
from core.datasets.listed_paths import PHOTO_FOLDERS
from core.datasets.parsing import first_repeated, read_lines
from core.datasets.photo_index import ListedName
from core.datasets.report import IN_TWO_FORMS, ReadReport, log, named
from core.errors import DatasetError
from core.taxonomy import category_key

MOST_CLASS_LIST_BYTES = 2**20


class BoxRow(NamedTuple):
    """A box as a reader finds it: corners in pixels, 0-based category id, fine label, flags."""

    x0: float
    y0: float
    x1: float
    y1: float
    category_id: int
    label: str | None = None
    flags: BoxFlags = NO_FLAGS


@dataclass(frozen=True, eq=False)
class BoxedPhoto:
    """A photo's file name (relative, with ``/``), its upright size in pixels, and the boxes on it.

    ``boxes_xyxy`` is (N, 4) float32 in pixels inside the photo, ``category_ids`` is (N,) int64 0-based into
    the dataset's categories, ``labels`` holds N fine names (``None`` where the source has none).
    ``flags`` holds N sets of ``BOX_FLAGS`` and own attributes; evaluation ignores boxes that are difficult
    (Pascal VOC's flag, COCO's ``ignore``). COCO's crowd regions are none of the boxes: ``crowd_xyxy`` (M, 4)
    and ``crowd_ids`` (M,). ``is_annotated`` is off where no annotation names the photo, so that its lack of
    boxes says nothing.
    ``listed`` is what the annotation file calls it, to look for it elsewhere. ``tags`` are of the photo as a
    whole.
    """

    file_name: str
    width: int
    height: int
    boxes_xyxy: np.ndarray
    category_ids: np.ndarray
    labels: tuple[str | None, ...] = ()
    flags: tuple[BoxFlags, ...] = ()
    crowd_xyxy: np.ndarray = field(default_factory=no_boxes)
    crowd_ids: np.ndarray = field(default_factory=no_ids)
    is_annotated: bool = True
    listed: ListedName | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        boxes_xyxy = np.asarray(self.boxes_xyxy, dtype=np.float32).reshape(-1, 4)
        category_ids = np.asarray(self.category_ids, dtype=np.int64).reshape(-1)
        labels = tuple(self.labels) or (None,) * len(boxes_xyxy)
        flags = tuple(self.flags) if any(self.flags) else (NO_FLAGS,) * len(boxes_xyxy)
        crowd_xyxy = np.asarray(self.crowd_xyxy, np.float32).reshape(-1, 4)
        crowd_ids = np.asarray(self.crowd_ids, np.int64)
        if not len(boxes_xyxy) == len(category_ids) == len(labels):
            raise DatasetError(
                f"{self.file_name}: {len(boxes_xyxy)} boxes need as many categories and labels, "
                f"got {len(category_ids)} and {len(labels)}"
            )
        if len(flags) != len(boxes_xyxy) or len(crowd_xyxy) != len(crowd_ids):
            raise DatasetError(
                f"{self.file_name}: {len(boxes_xyxy)} boxes need as many sets of flags, and crowd regions a "
                f"category each, got {len(flags)}, {len(crowd_xyxy)} regions and {len(crowd_ids)} categories"
            )
        wrong = sorted(name for name in frozenset().union(*flags) if flag_name(name) != name)
        if wrong:
            raise DatasetError(f"{self.file_name}: names of attributes have no blanks, got {wrong}")
        if self.width < 1 or self.height < 1:
            raise DatasetError(
                f"{self.file_name}: a photo is at least 1 x 1 pixel, got {self.width} x {self.height}"
            )
        object.__setattr__(self, "boxes_xyxy", boxes_xyxy)
        object.__setattr__(self, "category_ids", category_ids)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "flags", flags)
        object.__setattr__(self, "crowd_xyxy", crowd_xyxy)
        object.__setattr__(self, "crowd_ids", crowd_ids)

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @property
    def difficult(self) -> np.ndarray:
        """Which boxes evaluation ignores (N,) bool."""
        return np.array(["difficult" in flags for flags in self.flags], dtype=np.bool_)

    def ground_truth(self, ids: np.ndarray | None = None) -> GroundTruth:
        """What detections are measured against; ``ids`` (C,) are the categories' numbers elsewhere."""
        boxes, crowds = (self.category_ids, self.crowd_ids)
        if ids is not None:
            boxes, crowds = ids[boxes], ids[crowds]
        return GroundTruth(self.boxes_xyxy, boxes, self.difficult, self.crowd_xyxy, crowds)


@dataclass(frozen=True, eq=False)
class DetectionDataset:
    """Photos with boxes, the categories that their ids index, and the folder the photos lie in (if known).

    ``dropped_boxes`` counts what the reader left out: boxes without area, with a side that is no finite
    number, or wholly outside the photo. ``labeled_categories`` are those of which every garment is boxed,
    None for all: of the others a photo without a box says nothing.
    """

    categories: tuple[str, ...]
    photos: tuple[BoxedPhoto, ...]
    folder: Path | None = None
    dropped_boxes: int = 0
    labeled_categories: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.labeled_categories or ()) - set(self.categories))
        if unknown:
            known = ", ".join(self.categories)
            raise DatasetError(f"labeled categories are of {known}, got {', '.join(unknown)}")
        doubled = first_repeated(self.categories)
        if doubled is not None:
            raise DatasetError(f"category names have to differ, got {doubled!r} twice")
        for photo in self.photos:
            ids = np.concatenate([photo.category_ids, photo.crowd_ids])
            if len(ids) and (ids.min() < 0 or ids.max() >= len(self.categories)):
                raise DatasetError(
                    f"{photo.file_name}: category ids lie in 0..{len(self.categories) - 1}, "
                    f"got {ids.min()}..{ids.max()}"
                )

    @property
    def is_labeled(self) -> np.ndarray:
        """Which categories are labeled (C,) bool."""
        labeled = self.categories if self.labeled_categories is None else self.labeled_categories
        return np.array([name in labeled for name in self.categories], dtype=bool)

    def without_labels_of(self, names: Iterable[str]) -> DetectionDataset:
        """The same dataset, which does not label these categories. Raises DatasetError for others' names."""
        left_out = set(names)
        unknown = sorted(left_out - set(self.categories))
        if unknown:
            known = ", ".join(self.categories)
            raise DatasetError(f"expected categories of {known}, got {', '.join(unknown)}")
        labeled = [
            name for name, is_labeled in zip(self.categories, self.is_labeled, strict=True) if is_labeled
        ]
        return replace(self, labeled_categories=tuple(name for name in labeled if name not in left_out))

    def with_categories(self, categories: tuple[str, ...]) -> DetectionDataset:
        """The same photos under other categories, matched by name; those it does not have it does not label.

        Raises DatasetError where a category with boxes is not among them.
        """
        if categories == self.categories:
            return self
        own = matched_categories(self.categories, categories)
        used = sorted({self.categories[i] for photo in self.photos for i in photo.category_ids})
        missing = [name for name in used if name not in own]
        if missing:
            raise DatasetError(f"expected the categories {', '.join(categories)}, got {', '.join(missing)}")
        ids = np.array([own.get(name, -1) for name in self.categories], dtype=np.int64)
        photos = tuple(
            replace(photo, category_ids=ids[photo.category_ids], crowd_ids=ids[photo.crowd_ids])
            for photo in self.photos
        )
        kept = zip(self.categories, self.is_labeled, strict=True)
        labeled = tuple(categories[own[name]] for name, is_labeled in kept if is_labeled and name in own)
        return replace(self, categories=categories, photos=photos, labeled_categories=labeled)

    @property
    def box_count(self) -> int:
        """How many boxes all photos have together."""
        return sum(len(photo) for photo in self.photos)

    def path_of(self, photo: BoxedPhoto) -> Path:
        """Where the photo lies; raises ``DatasetError`` where the folder is not known."""
        if self.folder is None:
            raise DatasetError(
                f"no folder {' or '.join(name + '/' for name in PHOTO_FOLDERS)} beside the annotations: "
                f"name the folder that holds {photo.file_name}"
            )
        return self.folder / photo.file_name


def boxed_photo(
    file_name: str,
    width: int,
    height: int,
    rows: Iterable[BoxRow],
    *,
    crowds: Iterable[BoxRow] = (),
    lost: bool = False,
    is_annotated: bool = True,
    listed: ListedName | None = None,
    tags: tuple[str, ...] = (),
) -> tuple[BoxedPhoto, int]:
    """A photo from rows of boxes, cut to the photo, and how many rows were dropped as no box at all.

    Dropped are boxes without area, with a corner that is no finite number, or wholly outside the photo.
    ``crowds`` are the crowd regions' rows. A photo that has no box left, and lost some here or (``lost``)
    while its rows were read, or has a crowd region, is not annotated: it would count as one that shows
    nothing.
    """
    given, regions = list(rows), list(crowds)
    boxes_xyxy, kept = _cut_to_photo(given, width, height)
    crowd_xyxy, kept_crowds = _cut_to_photo(regions, width, height)
    chosen = [row for row, keep in zip(given, kept, strict=True) if keep]
    regions = [row for row, keep in zip(regions, kept_crowds, strict=True) if keep]
    photo = BoxedPhoto(
        file_name,
        width,
        height,
        boxes_xyxy,
        np.array([row.category_id for row in chosen], dtype=np.int64),
        tuple(row.label for row in chosen),
        tuple(row.flags for row in chosen),
        crowd_xyxy,
        np.array([row.category_id for row in regions], dtype=np.int64),
        listed=listed,
        tags=tags,
    )
    dropped = int((~kept).sum() + (~kept_crowds).sum())
    is_empty = not chosen and (lost or dropped > 0 or len(regions) > 0)
    return replace(photo, is_annotated=is_annotated and not is_empty), dropped


def _cut_to_photo(rows: Sequence[BoxRow], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows' boxes within the photo (K, 4) float32, and which rows have one (N,)."""
    boxes_xyxy = np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
    finite = np.all(np.isfinite(boxes_xyxy), axis=1)
    boxes_xyxy = np.where(finite[:, None], boxes_xyxy, 0.0).clip(0, [width, height, width, height])
    boxes_xyxy = boxes_xyxy.astype(np.float32)  # before the check: a sliver may lose its area here
    kept = finite & np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    return boxes_xyxy[kept], kept


def photos_folder(beside: Path, first_name: str | None) -> Path | None:
    """The photos' folder of annotations in ``beside``: ``photos/`` or ``images/``, else ``beside`` itself.

    Where several could be meant, the one that has the first photo is.
    """
    named = [beside / name for name in PHOTO_FOLDERS if (beside / name).is_dir()]
    if first_name is not None:
        for folder in (*named, beside):
            if (folder / first_name).is_file():
                return folder
    return named[0] if named else None


def letterboxed_wh(dataset: DetectionDataset, size: float) -> np.ndarray:
    """All boxes' width and height (N, 2) float64 in pixels of photos scaled to a long side of ``size`` px."""
    scaled = [
        (photo.boxes_xyxy[:, 2:] - photo.boxes_xyxy[:, :2]).astype(np.float64)
        * (size / max(photo.width, photo.height))
        for photo in dataset.photos
    ]
    return np.concatenate(scaled) if scaled else np.empty((0, 2))


def read_class_names(path: Path) -> tuple[str | None, ...]:
    """The category names of a ``classes.txt`` by line, None for a line that is empty.

    Line numbers are class ids, so an empty line keeps its own. Raises ``DatasetError`` where it is no text.
    """
    names = [" ".join(line.split()) or None for line in read_lines(path, MOST_CLASS_LIST_BYTES)]
    while names and names[-1] is None:
        names.pop()
    return tuple(names)


def matched_categories(names: Sequence[str], known: Sequence[str]) -> dict[str, int]:
    """The place among ``known`` of each name that is there, by ``category_key``; other spellings are logged.

    Exact names come first, so that known ones that differ in case only stay apart.
    """
    places = {category_key(name): place for place, name in reversed(list(enumerate(known)))}
    exact = {name: place for place, name in enumerate(known)}
    found = {name: exact.get(name, places.get(category_key(name), -1)) for name in names}
    matched = {name: place for name, place in found.items() if place >= 0}
    spelled = [f"{name!r} as {known[place]!r}" for name, place in matched.items() if name != known[place]]
    if spelled:
        log.warning("Categories were matched without regard to case: %s", named(spelled))
    return matched


def merged_categories(
    names: Sequence[str | None], source: Path | str, report: ReadReport
) -> tuple[tuple[str, ...], dict[int, int]]:
    """Categories without doubles, and the place among them of each given one that has a name.

    Names that differ in case or Unicode form only are one category, under the first spelling; the report
    says so.
    """
    places: dict[str, int] = {}
    categories: list[str] = []
    place_of: dict[int, int] = {}
    merged: dict[int, list[str]] = {}
    for number, name in enumerate(names):
        if name is None:
            continue
        place = places.setdefault(category_key(name), len(categories))
        if place == len(categories):
            categories.append(name)
        else:
            merged.setdefault(place, []).append(name)
        place_of[number] = place
    for place, others in merged.items():
        composed = {unicodedata.normalize("NFC", name) for name in (categories[place], *others)}
        alike = named([repr(name) for name in (categories[place], *others)])
        if len(composed) == 1 < len({categories[place], *others}):  # which look the same
            alike = f"{IN_TWO_FORMS} as {categories[place]!r}"
        report.remark(source, f"the categories {alike} are one here, {categories[place]!r}")
    return tuple(categories), place_of


def class_list(categories: Iterable[str]) -> str:
    """The text of a ``classes.txt``: a category a line, whatever line ends a name may hold."""
    return "".join(f"{' '.join(name.splitlines())}\n" for name in categories)
