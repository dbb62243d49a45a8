"""One step of an import: photos are stored and annotated one by one, and every outcome is counted."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.boxes import BOX_FLAGS, MOST_FLAGS
from core.errors import NotFoundError, PhotoError, StoreBusyError, StoreError
from core.file_names import safe_path
from core.images.decode import Photo, open_photo
from core.store.boxes import MOST_BOXES, MOST_LABEL, AnnotatedBox
from core.store.categories import MOST_CATEGORIES, TOO_MANY
from core.store.database import one_line
from core.store.import_boxes import BoxesError, are_same, have_same_corners, scale
from core.store.import_items import Item
from core.store.imports import ImportRow
from core.store.ingest import HashedPhoto, PhotoFacts, PictureDigests, PicturesGoneError
from core.store.sources import leads_out
from core.store.versions import VersionConflict
from core.taxonomy import category_key

if TYPE_CHECKING:
    from core.store import Store
    from core.store.photos import Added, PhotoRow

HALVES = re.compile("[\ud800-\udfff]")
"""Halves of characters, which are no text by themselves."""

OUTCOMES = ("new", "near", "exact", "holdout", "refused", "annotated", "unchanged")
"""What photos come to: what was stored or not, which were annotated, and which were so already, the same."""
CONTENTS = ("boxes", "already_there", "categories", "negatives", "dropped", "unread", "remarks")
"""What else an import counts: boxes, those that the store had, their categories, photos that show nothing,
what was lost, remarks."""


@dataclass(frozen=True)
class Prepared:
    """What any worker has done of a photo already: its pictures and hash, or why it cannot be read.

    With neither it is nothing to prepare: the bytes of a stored photo, or no photo.
    """

    photo: HashedPhoto | None = None
    error: str = ""

    def as_list(self) -> list[Any]:
        """The form in an import's folder."""
        if self.photo is None or self.photo.kept is None:
            return [self.error]
        facts, kept = self.photo.photo, self.photo.kept
        sizes = [facts.digest, facts.name, facts.width, facts.height]
        return ["", *sizes, self.photo.perceptual_hash.hex(), kept.blob, kept.thumbnail]

    @classmethod
    def from_list(cls, entry: list[Any]) -> Prepared:
        """Out of that form."""
        error, *rest = entry
        if not rest:
            return cls(error=error)
        *facts, perceptual_hash, blob, thumbnail = rest
        kept = PictureDigests(blob, thumbnail)
        return cls(HashedPhoto(PhotoFacts(*facts), bytes.fromhex(perceptual_hash), b"", kept=kept))


def open_item(item: Item) -> Photo:
    """The photo of an import's file, under the name that the store is to give it. Raises PhotoError."""
    path = Path(item.path)
    if leads_out(path, Path(item.root)):
        raise PhotoError("It is a link that leads out of the folder.")
    return replace(open_photo(path), name=item.stored_name or safe_path(item.name))


def prepare_item(store: Store, item: Item) -> Prepared:
    """All that can be done of a file whatever the other files are. Raises StoreError without room."""
    if item.error or item.photo_id:
        return Prepared()
    try:
        return Prepared(store.photos.prepare(open_item(item)))
    except PhotoError as error:
        return Prepared(error=str(error))


class ImportStep:
    """One step's files: imports each, and counts the outcomes."""

    def __init__(self, store: Store, row: ImportRow, newest: int) -> None:
        self.counts: Counter[str] = Counter()
        self.newest = newest
        self._store, self._import, self._newest = store, row, newest
        self._seen: set[str] = set()

    def take(self, item: Item, prepared: Prepared | None = None) -> None:
        """Import one file, or record what the report says of it; where it is prepared it is not opened."""
        if item.error:
            self._record(item)
            return
        if item.photo_id:
            self._annotate_stored(item)
            return
        try:
            added, digest = self._add(item, prepared)
        except PhotoError as error:
            self._refuse(item, str(error))
            return
        outcome = self._outcome(added, digest)
        self.counts[outcome] += 1
        if added.row is not None:
            self._tag(item, added.row)
        if item.is_annotated and added.row is not None:
            is_copy = outcome == "exact" and added.row.import_id == self._import.id
            self._annotate(item, added.row, is_copy=is_copy)

    def _add(self, item: Item, prepared: Prepared | None) -> tuple[Added, str]:
        """What became of the photo, and its bytes' digest. Raises PhotoError where it cannot be read."""
        photos = self._store.photos
        origin: dict[str, Any] = {"by": self._import.by, "import_id": self._import.id}
        if prepared is not None and prepared.error:
            raise PhotoError(prepared.error)
        if prepared is not None and prepared.photo is not None:
            with suppress(PicturesGoneError):
                return photos.add_prepared(prepared.photo, **origin), prepared.photo.photo.digest
        photo = open_item(item)
        return photos.add(photo, **origin), photo.digest

    def _outcome(self, added: Added, digest: str) -> str:
        """The outcome, as it was the first time where this step is repeated."""
        again = digest in self._seen
        self._seen.add(digest)
        row = added.row
        if row is not None and row.import_id == self._import.id:
            self.newest = max(self.newest, row.id)
        if added.outcome in ("new", "near") or row is None or again:
            return added.outcome
        if row.import_id == self._import.id and row.id > self._newest:
            return "new" if row.near_id is None else "near"
        return added.outcome

    def _annotate_stored(self, item: Item) -> None:
        """Annotate a photo that is stored already, and did not come again."""
        try:
            row = self._store.photos.get(item.photo_id)
        except NotFoundError:  # deleted since the files were listed
            self._refuse(item, "There is no such file, and no such photo in the store any more.")
            return
        self.counts["exact"] += 1
        self._tag(item, row)
        self._annotate(item, row)

    def _tag(self, item: Item, row: PhotoRow) -> None:
        """Give the photo the tags that came with it, beside those that it has."""
        if not item.tags:
            return
        try:
            self._store.photo_notes.tag([row.id], self._import.by, add=item.tags)
        except StoreError as error:
            self._lose_boxes(item, 0, f"Its tags were left out: {error}")

    def _annotate(self, item: Item, row: PhotoRow, *, is_copy: bool = False) -> None:
        """Save a dataset's boxes as the photo's first annotation; what is there already stays.

        ``is_copy`` says that the photo came before in this import, perhaps with boxes.
        """
        is_again = is_copy and self._store.annotations.latest(row.id) is not None
        request = f"import-{self._import.id}-{row.id}"
        held = item.format, (row.width, row.height)
        try:
            boxes, lost = self._boxes(item, row)
            saved = self._store.annotations.submit(
                row.id, boxes, author=self._import.by, base_version=0, request=request, kind="imported"
            )
        except VersionConflict as conflict:
            if are_same(boxes, conflict.theirs.boxes, *held):
                self.counts["unchanged"] += 1
                self.counts["already_there"] += len(boxes)
                if lost:
                    self._lose_boxes(item, *lost)
                self._tell_cut_labels(item)
                return
            is_renamed = have_same_corners(boxes, conflict.theirs.boxes, *held)
            others = "other categories, labels or flags of its boxes" if is_renamed else "other boxes"
            reason = f"The photo is annotated already, with {others}; those that came were left out."
            self._lose_boxes(item, len(item.boxes), reason)
        except BoxesError as error:
            self._lose_boxes(item, len(item.boxes), f"The photo's boxes were left out: {error}")
        else:
            if not are_same(boxes, saved.boxes, *held):  # of a copy of this photo, with a name of its own
                reason = f"The photo came twice in this import; the boxes of {item.name} were left out."
                self._lose_boxes(item, len(item.boxes), reason)
                return
            if lost:
                self._lose_boxes(item, *lost)
            self._tell_cut_labels(item)
            self._tell_changes(item)
            if saved.kind == "imported":
                self.counts["annotated"] += 1
                self.counts["already_there" if is_again else "boxes"] += len(boxes)
                self.counts["negatives"] += not boxes and not is_again

    def _boxes(self, item: Item, row: PhotoRow) -> tuple[list[AnnotatedBox], tuple[int, str] | None]:
        """The boxes as they are to be saved; and how many cannot be, for their categories, and why."""
        across, down = scale(item.size_wh, (row.width, row.height))
        ids, errors = self._category_ids(item)
        boxes = [
            AnnotatedBox(
                (x0 * across, y0 * down, x1 * across, y1 * down),
                ids[category],
                _whole_text(label)[:MOST_LABEL] or None,
                origin="import",
                flags=frozenset(kept_flags(flags)),
            )
            for x0, y0, x1, y1, category, label, flags in item.boxes
            if category in ids
        ]
        why = "; ".join(dict.fromkeys(errors.values()))
        if item.boxes and not boxes:
            raise BoxesError(f"none has a category that can be stored: {why}.")
        inside = [cut for box in boxes if (cut := box.inside(row.width, row.height))]
        if len(inside) > MOST_BOXES:
            raise BoxesError(f"there are {len(inside)}, and at most {MOST_BOXES} are kept.")
        count = len(item.boxes) - len(boxes)
        reason = f"Boxes of a category that cannot be stored were left out: {why}."
        return inside, (count, reason) if count else None

    def _category_ids(self, item: Item) -> tuple[dict[str, int], dict[str, str]]:
        """The store's category of each name, and of each that it cannot have why."""
        names = list(dict.fromkeys(box[4] for box in item.boxes))
        known = {category_key(category.name) for category in self._store.categories.all()}
        there = [name for name in names if category_key(one_line(name)) in known]
        ids = self._store.categories.ensure(there, self._import.by) if there else {}
        errors: dict[str, str] = {}
        for name in [name for name in names if name not in ids]:
            if len(known) >= MOST_CATEGORIES:  # no need to ask the store for each of thousands
                errors[name] = TOO_MANY
                continue
            try:
                ids |= self._store.categories.ensure([name], self._import.by)
                known.add(category_key(one_line(name)))
            except StoreBusyError:
                raise
            except StoreError as error:
                errors[name] = str(error)
        return ids, errors

    def _tell_cut_labels(self, item: Item) -> None:
        """A remark on fine labels that are longer than the store's."""
        lengths = [len(row[5]) for row in item.boxes if row[5] and len(row[5]) > MOST_LABEL]
        if lengths:
            which = "one was" if len(lengths) == 1 else f"{len(lengths)} were"
            reason = (
                f"Fine labels of at most {MOST_LABEL} characters are kept, {which} cut: got {max(lengths):,}."
            )
            self._lose_boxes(item, 0, reason)

    def _tell_changes(self, item: Item) -> None:
        """Remarks on labels that are no text, and on more attributes than are kept."""
        broken = sum(1 for row in item.boxes if row[5] and HALVES.search(row[5]))
        if broken:
            which = "a fine label has" if broken == 1 else f"{broken} fine labels have"
            self._lose_boxes(item, 0, f"Half characters (lone surrogates) are kept as '?': {which} some.")
        most = max((len(row[6]) for row in item.boxes), default=0)
        if most > MOST_FLAGS:
            reason = (
                f"A box keeps at most {MOST_FLAGS} attributes: of one with {most} the others were left out."
            )
            self._lose_boxes(item, 0, reason)

    def _lose_boxes(self, item: Item, count: int, reason: str) -> None:
        self.counts["dropped"] += count
        self.counts["remarks"] += not count
        self._store.imports.refuse(self._import.id, item.name, reason)

    def _refuse(self, item: Item, reason: str) -> None:
        self.counts["refused"] += 1
        self._store.imports.refuse(self._import.id, item.name, reason)

    def _record(self, item: Item) -> None:
        """A sentence of the readers' report."""
        counted = {"photo": "refused", "file": "unread", "box": "dropped", "": "remarks"}[item.loss]
        self.counts[counted] += max(item.count, 1)
        self._store.imports.refuse(self._import.id, item.name, item.error)


def _whole_text(label: str | None) -> str:
    """A label as every database takes it: in NFC, halves of characters, as broken JSON has them, as ``?``."""
    whole = (label or "").encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", whole)


def kept_flags(flags: Iterable[str]) -> list[str]:
    """The flags that a box keeps: the usual ones first, then its own by name, ``MOST_FLAGS`` of them."""
    return sorted(flags, key=lambda flag: (flag not in BOX_FLAGS, flag))[:MOST_FLAGS]
