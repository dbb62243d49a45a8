"""What an export says of itself: its splits, how to use it, and what its format cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.csv_cells import escape_formula
from core.datasets.splits import FEWEST_TO_SPLIT, HOLDOUT, SPLITS, TRAIN, VAL
from core.datasets.voc import NOT_XML
from core.store.boxes import AnnotatedBox
from core.store.export_photos import PICTURE_ENDING, ExportedPhoto, ExportNames
from core.store.revisions import Revision

README = "README.txt"
DELETED = "deleted.txt"
DELETED_HEAD = "Photos of this revision whose pictures were deleted after it was made (SHA-256, name):\n"

USE = {
    "coco": "annotations/instances_SPLIT.json is about the photos in images/SPLIT/; file names are relative "
    "to that folder.\nFiftyOne: dataset_type COCODetectionDataset, data_path images/train, labels_path "
    "annotations/instances_train.json.\nUltralytics: convert_coco('annotations') writes labels/SPLIT/. "
    "CVAT: import the zip as COCO 1.0.",
    "voc": "Annotations/ has an XML file for each photo in JPEGImages/, in the same folders; "
    "ImageSets/Main/SPLIT.txt lists the photos of a split, without ending.",
    "yolo": "data.yaml names the photos of each split; test is the holdout. Start a training with the full "
    "path of data.yaml,\nas in: yolo detect train data=/where/this/is/data.yaml model=yolo11n.pt",
    "csv": "annotations.csv has a row for each box, with the split of its photo; photos are in photos/.",
}
YOLO_WITHOUT_PICTURES = (
    "The photos are not in this export: put them into images/ beside data.yaml, under the names in "
    "train.txt, val.txt and holdout.txt."
)


@dataclass
class ExportTally:
    """Counts what goes out, and what of it the format has no place for; lists the deleted."""

    format: str
    names: ExportNames
    photos: int = 0
    boxes: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    used: set[int] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)

    def add(self, photo: ExportedPhoto) -> None:
        """A photo that goes out; one that was deleted since is listed as well."""
        self.photos += 1
        self.boxes += len(photo.boxed)
        self.splits[photo.split] += 1
        for box in photo.annotation.boxes:
            self.used.add(box.category_id)
            self.lost.update(_lost(box))
        self.lost["tags"] += bool(photo.tags)
        self.lost["comments"] += bool(photo.comments)
        name = photo.row.name
        self.lost["ending"] += self.names.pictures and not name.lower().endswith(PICTURE_ENDING)
        self.lost["renamed"] += self.names.is_renamed(photo.boxed.file_name, name)
        self.lost["formula name"] += escape_formula(photo.boxed.file_name) != photo.boxed.file_name
        if photo.deleted:
            self.add_deleted(photo)

    def add_deleted(self, photo: ExportedPhoto) -> None:
        """A photo whose picture is missing."""
        self.deleted.append(f"{photo.row.digest}  {photo.row.name}")


def _lost(box: AnnotatedBox) -> Iterator[str]:
    """What is true of a box that one format or another cannot hold."""
    if box.label:
        yield "label"
        if NOT_XML.search(box.label):
            yield "not XML"
        if escape_formula(box.label) != box.label:
            yield "formula"
    if box.flags:
        yield "flags"
    yield from (f"flag {name}" for name in box.flags)
    if any(value % 1 for value in box.box_xyxy):
        yield "fraction"
    if box.origin != "person":
        yield "origin"
    if box.top5:
        yield "top5"


def left_out(tally: ExportTally, revision: Revision) -> tuple[str, ...]:
    """What of the revision's photos the export does not hold, or holds otherwise: a sentence each.

    Only what applies to the photos and boxes that ``tally`` has seen is said, with their number.
    """
    return (*_of_format(tally, revision), *_of_photos(tally))


def _of_format(tally: ExportTally, revision: Revision) -> Iterator[str]:
    lost = tally.lost
    if tally.format in ("yolo", "voc") and lost["tags"]:
        yield f"{_counted(lost['tags'], 'photo loses its tags', 'photos lose their tags')}."
    if tally.format in ("yolo", "voc") and lost["comments"]:
        yield f"{_counted(lost['comments'], 'photo loses its comments', 'photos lose their comments')}."
    if tally.format == "yolo":
        if lost["label"]:
            yield f"{_counted(lost['label'], 'box loses its fine label', 'boxes lose their fine labels')}."
        if lost["flags"]:
            names = sorted(entry.removeprefix("flag ") for entry in lost if entry.startswith("flag "))
            lose = _counted(lost["flags"], "box loses its attributes", "boxes lose their attributes")
            yield f"{lose} ({', '.join(names)})."
        if tally.photos and not tally.names.pictures:
            yield YOLO_WITHOUT_PICTURES
    if tally.format == "voc":
        if lost["fraction"]:
            yield f"{_counted(lost['fraction'], 'box is', 'boxes are')} rounded to whole pixels."
        if lost["not XML"]:
            yield f"{_counted(lost['not XML'], 'label has', 'labels have')} characters that XML cannot hold."
    if tally.format == "csv":
        unused = len(revision.categories) - len(tally.used)
        if tally.photos and unused:
            without = _counted(unused, "category without a box is", "categories without a box are")
            yield f"{without} not named."
        if lost["top5"]:
            yield (
                f"{_counted(lost['top5'], 'box loses', 'boxes lose')} the model's other labels and their "
                "probabilities."
            )
        formulas = lost["formula"] + lost["formula name"]
        if formulas:
            begin = _counted(
                formulas,
                "text begins like a formula and has an apostrophe before it",
                "texts begin like formulas and have an apostrophe before them",
            )
            yield f"{begin}, which spreadsheets need."
    elif tally.photos:
        yield "Who annotated a photo, and in which version, is in the CSV export only."
        if lost["origin"]:
            came = _counted(lost["origin"], "box", "boxes")
            yield f"{came} came from a model or an import: which, and the model's score, is in the CSV only."


def _of_photos(tally: ExportTally) -> Iterator[str]:
    lost = tally.lost
    if tally.names.pictures and tally.photos:
        yield (
            "Pictures are the store's own JPEG files, upright and without metadata, not those that came in."
        )
    if lost["ending"]:
        came = _counted(
            lost["ending"], "photo did not come as .jpg and has", "photos did not come as .jpg and have"
        )
        yield f"{came} this ending now, so that a.png is a.jpg."
    if lost["renamed"]:
        have = _counted(
            lost["renamed"],
            "photo has another name than it came with, as that",
            "photos have other names than they came with, as those",
        )
        yield f"{have} {'is' if lost['renamed'] == 1 else 'are'} taken or not safe everywhere."
    if tally.deleted:
        were = _counted(len(tally.deleted), "photo was", "photos were")
        rest = "left out" if tally.names.pictures else "only annotations go out"
        yield f"{were} deleted after the revision was made: {rest}."
    if tally.splits[TRAIN] and not tally.splits[VAL]:
        yield (
            f"No photo is set apart for validation, as fewer than {FEWEST_TO_SPLIT} are outside the holdout: "
            "a training validates on photos that it learns."
        )


def readme(tally: ExportTally, revision: Revision, sentences: tuple[str, ...]) -> str:
    """The text beside an export of several files."""
    splits = ", ".join(f"{name} {tally.splits[name]}" for name in SPLITS if tally.splits[name]) or "none"
    lines = [
        f"{revision.title} of a dataset labeled with Lapel ({revision.digest})",
        f"{_counted(tally.photos, 'photo', 'photos')} with {_counted(tally.boxes, 'box', 'boxes')}; "
        f"photos by split: {splits}.",
        f"Never train on {HOLDOUT}: models are compared on it.",
        "",
        USE[tally.format],
        "",
        "What is not in it, or otherwise than in the store:" if sentences else "Nothing is left out.",
        *(f"- {sentence}" for sentence in sentences),
    ]
    return "\n".join(lines) + "\n"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
